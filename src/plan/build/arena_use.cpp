// SPDX-License-Identifier: Apache-2.0
#include "plan/build/arena_use.h"

#include <map>

namespace suanli {

std::vector<PlannedBytes> one_at_a_time(std::vector<PlannedBytes> arena) {
  std::map<int64_t, size_t> latest;  // by offset
  for (size_t i = 0; i < arena.size(); ++i) {
    const auto [before, fresh] = latest.try_emplace(arena[i].at, i);
    if (fresh) continue;
    if (PlannedBytes& b = arena[before->second]; b.last == arena[i].first && b.first < b.last)
      --b.last;
    before->second = i;
  }
  return arena;
}

std::vector<int64_t> alive_bytes(const Plan& plan, const std::vector<PlannedBytes>& arena) {
  std::vector<int64_t> alive(plan.steps.size() + 1, 0);
  for (const PlannedBytes& b : arena) {
    alive[b.first] += b.bytes;
    alive[b.last + 1] -= b.bytes;
  }
  for (size_t u = 1; u < alive.size(); ++u) alive[u] += alive[u - 1];
  alive.pop_back();
  return alive;
}

std::vector<int64_t> alive_bytes(const Plan& plan) {
  return alive_bytes(plan, one_at_a_time(plan.arena));
}

}  // namespace suanli
