// SPDX-License-Identifier: Apache-2.0
// From units in order to a plan.
#pragma once
#include "plan/build/kernel_table.h"
#include "plan/build/plan.h"
#include "plan/ir/program.h"

namespace suanli {

/// Makes a step of every unit, prepares its kernel, and gives every value a place: what leaves the
/// program in storage of its own or over what it replaces, the rest in the arena by lifetimes, over
/// a dying input where that is possible.
std::unique_ptr<Plan> assemble(const Program& program, const std::vector<Unit>& units, Tier tier,
                               KernelTable& kernels);

}  // namespace suanli
