// SPDX-License-Identifier: Apache-2.0
// Roofs: the measured peak rates of this machine. Profiles compare kernels with them.
#pragma once
#include <string>

#include "suanli/base.h"

namespace suanli {

/// The best rate of one kind of work; 0 if the machine has no instructions for it.
struct Roof {
  double one = 0;  ///< On one thread.
  double all = 0;  ///< On all compute threads together.
};

/// Floating-point rates are in FLOP/s (int8: operations/s) and count a multiply-add as two. Memory
/// rates are in bytes/s.
struct Roofs {
  std::string cpu, isa;  ///< The measured machine: cpu_model(), isa().
  int threads = 0;  ///< The number of threads for `all`.
  Roof f32, f64;  ///< Multiply-adds on registers only.
  /// Products of bf16 pairs summed in f32, and of u8·s8 quadruples summed in i32.
  Roof bf16, int8;
  /// For arrays much larger than the caches. A copied byte counts twice because it is read and
  /// written.
  Roof copy, read;
};

/// The name that the kernel reports, such as "Intel(R) Xeon(R) Processor"; "unknown" if it reports
/// none.
SUANLI_API std::string cpu_model();

/// Measures for about two seconds with 512 MiB of memory, which it then releases. Every rate is
/// that of the fastest of several runs, each long enough for the clock. On a busy machine, the
/// rates are those of the remaining capacity.
SUANLI_API Roofs measure_roofs();

}  // namespace suanli
