// SPDX-License-Identifier: Apache-2.0
// The account that this thread's storages are charged to.
#pragma once
#include "runtime/session.h"

namespace suanli::test {

inline MemoryAccount& account() { return *Session::current().state().account; }

}  // namespace suanli::test
