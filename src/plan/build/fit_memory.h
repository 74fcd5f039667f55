// SPDX-License-Identifier: Apache-2.0
// Smaller working memory for a little more work.
#pragma once
#include "plan/build/kernel_table.h"
#include "plan/build/plan.h"
#include "plan/ir/program.h"

namespace suanli {

/// A program, its units in order, and the plan that they make.
struct PlanDraft {
  Program program;
  std::vector<Unit> units;
  std::unique_ptr<Plan> plan;
};

/// Looks at who holds memory where it is fullest, computes some of that again instead, and keeps
/// the plan that follows if it takes less memory at a fair price; and once more, as the fullest
/// place is another one then. Whatever the price, where the working memory has a limit (not
/// 0), until it fits or nothing helps. A function of the draft and the limit alone.
void fit_memory(PlanDraft& draft, int64_t limit, KernelTable& kernels);

}  // namespace suanli
