// SPDX-License-Identifier: Apache-2.0
// Invariants of units, of fused code and of memory. Builds with SUANLI_CHECK_PLANS check them for
// every plan; others pay nothing. A violation is a fault of the planner: the checks throw
// InternalError, which names the step and the invariant, before any kernel runs.
#pragma once
#include "plan/build/plan.h"
#include "plan/passes/fuse.h"

namespace suanli {

/// Every record that is not an alias is in one unit, and everything is computed before it is read:
/// within a unit by an earlier record, else by an earlier unit. So no path leaves a unit and comes
/// back.
void check_units(const Program& program, const std::vector<Unit>& units);

/// A unit of several records and its code: bounds, spaces, shapes, operands, reductions and results
/// fit together.
void check_fused(const Program& program, const Unit& unit, const FusedStep& fused);

/// The values that a step reads and writes, as roots, in the order of PlannedStep::in and out.
struct StepValues {
  std::vector<Ref> in, out;
};

/// Whatever a step reads is what its producer wrote, and nobody has written over it since: in the
/// arena, and in the leaves that updates replace. `values`: by step.
void check_memory(const Program& program, const Plan& plan, const std::vector<StepValues>& values);

}  // namespace suanli
