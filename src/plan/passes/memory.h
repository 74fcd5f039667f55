// SPDX-License-Identifier: Apache-2.0
// Where values lie in the arena of a plan.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/step.h"

namespace suanli {

/// Alignment of values and workspaces, in bytes.
inline constexpr int64_t kArenaAlign = 64;

/// Bytes that are needed from one step to another, both included, and where they come to lie.
struct ArenaBlock {
  int64_t bytes;
  uint32_t first, last;
  int64_t at = 0;
};

/// Most bytes that are needed at one time: no arena can be smaller.
int64_t most_alive(const std::vector<ArenaBlock>& blocks);

/// Gives every block a place, so that none that are needed at the same time overlap, in as small an
/// arena as one of a few greedy orders finds (the problem, dynamic storage allocation, is
/// NP-complete: Garey & Johnson 1979, SR2). Returns its size.
int64_t place(std::vector<ArenaBlock>& blocks);

}  // namespace suanli
