// SPDX-License-Identifier: Apache-2.0
// Counts of plans and of executed programs, for tests and reports.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

struct PlanStats {
  int64_t programs = 0;     ///< Flushes that ran a program.
  int64_t plans = 0;        ///< Plans that were built.
  int64_t kernels = 0;      ///< Kernel calls.
  int64_t flops = 0;        ///< Floating-point operations of all kernels, computed from shapes.
  /// Cell values that were written in place, over the former value.
  int64_t overwritten = 0;
  int64_t last_arena_bytes = 0, last_output_bytes = 0, last_flops = 0;  ///< The latest program's.
};
/// The counts of the calling thread.
SUANLI_API PlanStats plan_stats();
/// Drops all plans. A program is planned again at its next flush.
SUANLI_API void clear_plan_cache();
/// An estimate of the host memory of all plans in the process. It is charged to no session.
SUANLI_API int64_t plan_cache_bytes();

}  // namespace suanli
