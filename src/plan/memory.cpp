#include "plan/memory.h"

#include <iterator>

namespace suanli {

namespace {
int64_t aligned(int64_t n) { return (n + OffsetAllocator::kAlign - 1) / OffsetAllocator::kAlign * OffsetAllocator::kAlign; }
}  // namespace

int64_t OffsetAllocator::take(int64_t bytes) {
  bytes = aligned(bytes);
  if (bytes == 0) return 0;
  for (auto it = holes_.begin(); it != holes_.end(); ++it) {
    auto [at, size] = *it;
    if (size < bytes) continue;
    holes_.erase(it);
    if (size > bytes) holes_[at + bytes] = size - bytes;
    return at;
  }
  // The last hole may reach the end: grow it rather than leave it.
  if (!holes_.empty()) {
    auto last = std::prev(holes_.end());
    if (last->first + last->second == end_) {
      const int64_t at = last->first;
      holes_.erase(last);
      end_ = at + bytes;
      return at;
    }
  }
  const int64_t at = end_;
  end_ += bytes;
  return at;
}

void OffsetAllocator::give(int64_t at, int64_t bytes) {
  bytes = aligned(bytes);
  if (bytes == 0) return;
  auto next = holes_.lower_bound(at);
  if (next != holes_.end() && at + bytes == next->first) {
    bytes += next->second;
    next = holes_.erase(next);
  }
  if (next != holes_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == at) {
      before->second += bytes;
      return;
    }
  }
  holes_[at] = bytes;
}

}  // namespace suanli
