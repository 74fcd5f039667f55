// SPDX-License-Identifier: Apache-2.0
#include "runtime/profiler.h"

namespace suanli {

constinit thread_local ProfilerHooks* profiler_hooks = nullptr;

}  // namespace suanli
