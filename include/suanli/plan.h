// SPDX-License-Identifier: Apache-2.0
// What programs were planned and run: counts for tests, reports and the curious.
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
  int64_t last_arena_bytes = 0, last_output_bytes = 0, last_flops = 0;  ///< Of the latest program.
};
/// Of the calling thread, since its start.
SUANLI_API PlanStats plan_stats();
/// How programs are run. Both tiers give the same bits, but for convolutions: the planned tier lays
/// their operands out anew and may use Winograd's algorithm, which sums in another order.
enum class Tier : uint8_t {
  planned,  ///< Optimized as a whole: see docs/design/plan.md.
  cold,  ///< One kernel per op.
};
/// For all threads, from the next flush on. Planned, unless SUANLI_TIER=cold.
SUANLI_API void set_tier(Tier tier);
SUANLI_API Tier tier();
/// While on, every kernel's float results are checked, and the first NaN or infinity throws
/// NumericError naming op, module and samples. Programs run in the cold tier meanwhile, so that
/// every op is seen. Also: SUANLI_CHECK_NAN=1.
SUANLI_API void set_check_nan(bool on);
/// While on, working memory is filled with NaNs before and after the time that it holds a value:
/// for tests of the memory plan. Also: SUANLI_POISON=1.
SUANLI_API void set_poison(bool on);
/// Programs that are planned from now on compute values again, rather than keep them for their
/// gradients, until their working memory (PlanStats::last_arena_bytes) takes at most so many bytes
/// or nothing helps any more: whoever asks for a limit looks whether it is kept. Results do not
/// change. 0, the usual: only where that saves much more memory than it takes time. Plans of
/// another limit stay in the cache.
SUANLI_API void set_working_memory_limit(int64_t bytes);
/// Forgets all plans (they are built again at next sight).
SUANLI_API void clear_plan_cache();

}  // namespace suanli
