// SPDX-License-Identifier: Apache-2.0
#include "plan/passes/memory.h"

#include <algorithm>
#include <numeric>
#include "base/core/round_up.h"

namespace suanli {

namespace {

int64_t aligned(int64_t n) { return round_up(n, kArenaAlign); }

bool at_one_time(const ArenaBlock& a, const ArenaBlock& b) {
  return a.first <= b.last && b.first <= a.last;
}

/// Places blocks one after the other, each in a gap between those that are needed at the same time:
/// the lowest one, or the one it fills best.
int64_t place_in_order(std::vector<ArenaBlock>& blocks, const std::vector<uint32_t>& order,
                       bool tightest) {
  std::vector<const ArenaBlock*> placed;  // by offset
  int64_t size = 0;
  for (uint32_t i : order) {
    ArenaBlock& b = blocks[i];
    const int64_t bytes = aligned(b.bytes);
    int64_t best = -1, best_gap = 0, end = 0;
    for (const ArenaBlock* p : placed) {
      if (!at_one_time(*p, b)) continue;
      if (const int64_t gap = p->at - end;
          gap >= bytes && (best < 0 || (tightest && gap < best_gap))) {
        best = end;
        best_gap = gap;
      }
      if (best >= 0 && !tightest) break;
      end = std::max(end, p->at + aligned(p->bytes));
    }
    b.at = best >= 0 ? best : end;
    size = std::max(size, b.at + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b.at,
                                   [](int64_t at, const ArenaBlock* p) { return at < p->at; }),
                  &b);
  }
  return size;
}

}  // namespace

int64_t most_alive(const std::vector<ArenaBlock>& blocks) {
  uint32_t steps = 0;
  for (const ArenaBlock& b : blocks) steps = std::max(steps, b.last + 1);
  std::vector<int64_t> change(size_t{steps} + 1, 0);
  for (const ArenaBlock& b : blocks) {
    change[b.first] += aligned(b.bytes);
    change[b.last + 1] -= aligned(b.bytes);
  }
  int64_t alive = 0, most = 0;
  for (int64_t c : change) most = std::max(most, alive += c);
  return most;
}

int64_t place(std::vector<ArenaBlock>& blocks) {
  std::vector<uint32_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](uint32_t i) { return blocks[i].bytes == 0; });  // they lie anywhere
  const int64_t least = most_alive(blocks);
  int64_t size = 0;
  std::vector<ArenaBlock> best;
  auto attempt = [&](const std::vector<uint32_t>& in, bool tightest) {
    const int64_t needed = place_in_order(blocks, in, tightest);
    if (best.empty() || needed < size) {
      size = needed;
      best = blocks;
    }
    return size == least;
  };
  using Measure = double (*)(const ArenaBlock&);
  const Measure measures[] = {
      [](const ArenaBlock& b) { return static_cast<double>(b.bytes); },
      [](const ArenaBlock& b) { return static_cast<double>(b.bytes) * (b.last - b.first + 1); },
      [](const ArenaBlock& b) { return static_cast<double>(b.last - b.first); },
  };
  // as they come about: often there is nothing to gain
  bool done = order.empty() || attempt(order, false);
  for (Measure measure : measures) {
    if (done) break;
    std::vector<uint32_t> sorted = order;
    std::stable_sort(sorted.begin(), sorted.end(), [&](uint32_t a, uint32_t b) {
      return measure(blocks[a]) > measure(blocks[b]);
    });
    done = attempt(sorted, false) || attempt(sorted, true);
  }
  if (!best.empty()) blocks = std::move(best);
  return size;
}

}  // namespace suanli
