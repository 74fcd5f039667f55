// SPDX-License-Identifier: Apache-2.0
// Roofs: the measured peak of this machine. Profiles compare kernels with it.
#pragma once
#include <string>

#include "suanli/base.h"

namespace suanli {

/// The best rate of one kind of work; 0 where the machine has no instructions for it.
struct Roof {
  double one = 0;  ///< On one thread.
  double all = 0;  ///< On all compute threads together.
};

/// Floating-point rates in FLOP/s (int8: operations/s) count a multiply-add as two; memory rates in
/// bytes/s.
struct Roofs {
  std::string cpu, isa;  ///< Machine that was measured: cpu_model(), isa().
  int threads = 0;  ///< Threads of `all`.
  Roof f32, f64;  ///< Multiply-adds on registers alone.
  /// Products of bf16 pairs summed in f32, and of u8·s8 quadruples summed in i32.
  Roof bf16, int8;
  /// For arrays far larger than the caches; a copied byte counts twice, as it is read and written.
  Roof copy, read;
};

/// "Intel(R) Xeon(R) Processor", as the kernel says; "unknown" where it does not.
SUANLI_API std::string cpu_model();

/// Measures for about two seconds with 512 MiB of memory, which is given back. Every rate is that
/// of the fastest of several runs, each long enough for the clock; on a busy machine the rates are
/// those of what was left of it.
SUANLI_API Roofs measure_roofs();

}  // namespace suanli
