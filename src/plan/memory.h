// Where values lie in the arena of a plan.
#pragma once
#include <cstdint>
#include <map>

#include "runtime/step.h"

namespace suanli {

inline int64_t bytes_of(const ValueDesc& v) { return v.shape.numel() * itemsize(v.dtype); }

/// Offsets in one arena: first fit by address. Taken and given back in execution order, so that lifetimes that do not overlap share bytes.
class OffsetAllocator {
 public:
  static constexpr int64_t kAlign = 64;
  int64_t take(int64_t bytes);
  void give(int64_t at, int64_t bytes);
  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> holes_;
  int64_t end_ = 0;
};

}  // namespace suanli
