// SPDX-License-Identifier: Apache-2.0
// The plan of what a program's constants take.
#pragma once
#include "plan/build/kernel_table.h"
#include "plan/build/plan.h"
#include "plan/ir/program.h"

namespace suanli {

/// `constants`: what hoist_constants() returned.
std::unique_ptr<PlannedConstants> plan_constants(const Program& constants, KernelTable& kernels);

}  // namespace suanli
