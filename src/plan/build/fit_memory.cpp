// SPDX-License-Identifier: Apache-2.0
#include "plan/build/fit_memory.h"

#include <algorithm>

#include "plan/build/arena_use.h"
#include "plan/build/assemble.h"
#include "plan/ir/tuning.h"
#include "plan/passes/fuse.h"
#include "plan/passes/rematerialize_at_peak.h"
#include "plan/passes/schedule.h"

namespace suanli {

namespace {

/// The work of running a plan.
double work_of(const Plan& plan) {
  double total = 0;
  for (const PlannedStep& s : plan.steps) total += work({s.flops, s.bytes});
  return total;
}

/// A draft that computes again what is worth it at that rate of exchange; without a plan if there
/// is nothing.
PlanDraft rematerialized(const PlanDraft& draft, double exchange, int64_t enough,
                         KernelTable& kernels) {
  PlanDraft next{draft.program, {}, nullptr};
  if (!rematerialize_at_peak(next.program, draft.units, alive_bytes(*draft.plan),
                             exchange / work_of(*draft.plan), enough))
    return next;
  next.units = schedule(next.program, fuse(next.program, backend(draft.plan->device)));
  next.plan = assemble(next.program, next.units, Tier::planned, kernels);
  return next;
}

/// The share of the memory that a plan takes less than another one.
double saving(const Plan& plan, const Plan& before) {
  return 1 - static_cast<double>(plan.arena_bytes) / static_cast<double>(before.arena_bytes);
}

}  // namespace

void fit_memory(PlanDraft& draft, int64_t limit, KernelTable& kernels) {
  const PlanTuning& tuning = plan_tuning();
  // The fullest moment is another one after each round.
  for (int64_t round = 0; round < tuning.peak_rounds && draft.plan->arena_bytes > tuning.peak_bytes;
       ++round) {
    PlanDraft next = rematerialized(draft, tuning.work_saving, 0, kernels);
    if (!next.plan) break;
    const double more = work_of(*next.plan) / work_of(*draft.plan) - 1;
    if (saving(*next.plan, *draft.plan) < std::max(tuning.least_saving, tuning.work_saving * more))
      break;
    draft = std::move(next);
  }
  // Dearer and dearer, until it fits.
  for (double exchange = tuning.work_saving / 2;
       limit > 0 && draft.plan->arena_bytes > limit && exchange > tuning.limit_saving;
       exchange /= 2)
    for (int64_t round = 0; round < tuning.peak_rounds && draft.plan->arena_bytes > limit;
         ++round) {
      PlanDraft next = rematerialized(draft, exchange, limit, kernels);
      if (!next.plan || saving(*next.plan, *draft.plan) <= 0) break;
      draft = std::move(next);
    }
}

}  // namespace suanli
