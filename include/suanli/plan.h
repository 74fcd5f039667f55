// SPDX-License-Identifier: Apache-2.0
// Counts of planned and executed programs, for tests and reports.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

struct PlanStats {
  int64_t programs = 0;     ///< Flushes that ran something.
  int64_t plans = 0;        ///< Distinct tapes (plans built).
  int64_t kernels = 0;      ///< Kernel launches.
  int64_t flops = 0;        ///< Floating-point operations of all launches, counted from shapes.
  /// Values of parameters and other cells that were written over their former values.
  int64_t overwritten = 0;
  int64_t last_arena_bytes = 0, last_output_bytes = 0, last_flops = 0;  ///< For the latest program.
};
/// The counts of the calling thread since its start.
SUANLI_API PlanStats plan_stats();
/// Drops all plans. They are built again when needed.
SUANLI_API void clear_plan_cache();
/// An estimate of the host memory that the plans of the process take. No session is charged for it.
SUANLI_API int64_t plan_cache_bytes();

}  // namespace suanli
