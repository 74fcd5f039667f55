// SPDX-License-Identifier: Apache-2.0
// Facts that the kernel tells in /proc.
#pragma once
#include <optional>
#include <string>

#include "suanli/base.h"

namespace suanli {

/// The text behind "key" and a colon in a file of /proc ("/proc/meminfo", "MemTotal" → "24689264
/// kB"), or "".
SUANLI_API std::string proc_value(const char* path, const std::string& key);
/// The same in bytes, where the value is in kB; 0 if it is not there.
SUANLI_API int64_t proc_bytes(const char* path, const std::string& key);

/// Bytes of address space that this process may still take; nothing where no limit is set (ulimit
/// -v).
std::optional<int64_t> address_space_left();

}  // namespace suanli
