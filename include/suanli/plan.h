// SPDX-License-Identifier: Apache-2.0
// Counts of programs that were planned and run, for tests and reports.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

struct PlanStats {
  int64_t programs = 0;     ///< Flushes that ran something.
  int64_t plans = 0;        ///< Distinct tapes seen (plans built).
  int64_t kernels = 0;      ///< Kernel launches.
  int64_t flops = 0;        ///< Floating-point operations of all launches, counted from shapes.
  /// Values of parameters and other cells that were written where their former values lay.
  int64_t overwritten = 0;
  int64_t last_arena_bytes = 0, last_output_bytes = 0, last_flops = 0;  ///< For the latest program.
};
/// Counts of the calling thread since its start.
SUANLI_API PlanStats plan_stats();
/// Forgets all plans (they are built again at next sight).
SUANLI_API void clear_plan_cache();
/// Host memory that the plans of the process take, an estimate. No session pays for it.
SUANLI_API int64_t plan_cache_bytes();

}  // namespace suanli
