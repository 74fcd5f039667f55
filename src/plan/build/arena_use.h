// SPDX-License-Identifier: Apache-2.0
// Use of a plan's arena over time.
#pragma once
#include <cstdint>
#include <vector>

#include "plan/build/plan.h"

namespace suanli {

/// `arena` without overlaps: where a result is written over its last-used input, the input ends
/// before that step.
std::vector<PlannedBytes> one_at_a_time(std::vector<PlannedBytes> arena);

/// Bytes of `arena`, which must have no overlaps, that hold a value during each step of the plan.
/// Gaps do not count.
std::vector<int64_t> alive_bytes(const Plan& plan, const std::vector<PlannedBytes>& arena);
/// The same for the plan's own arena.
std::vector<int64_t> alive_bytes(const Plan& plan);

}  // namespace suanli
