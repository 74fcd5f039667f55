// SPDX-License-Identifier: Apache-2.0
// The order in which units run.
#pragma once
#include "plan/ir/program.h"

namespace suanli {

/// Everything before it is read. The choice among units that may run: one that frees at least as
/// many bytes as it takes (a weight is updated as soon as its gradient is there, the last reader of
/// an activation goes first), else the one whose first record is the oldest.
std::vector<Unit> schedule(const Program& program, std::vector<Unit> units);

}  // namespace suanli
