// SPDX-License-Identifier: Apache-2.0
// Reads the memory that this process may still take: the least of the machine's, its control
// groups' and its resource limits'.
#pragma once
#include <string>

#include "suanli/base.h"

namespace suanli {

struct MemoryLeft {
  int64_t bytes = 0;
  // what sets it: "this machine", "the control group /work", "the limit of the address space
  // (ulimit -v)"
  std::string by;
};

/// The smallest of: MemAvailable; what each control group above this process leaves, of version 1
/// or 2, where cached files count as free; the limits RLIMIT_AS and RLIMIT_DATA less what is
/// resident. `root` stands before /proc and /sys, for tests.
SUANLI_API MemoryLeft memory_left(const std::string& root = "");

}  // namespace suanli
