// SPDX-License-Identifier: Apache-2.0
// Memory that is fetched into a cache before it is needed, while something else is computed: loads
// need not wait for it, and the memory works while the units do. A line at a time between the
// multiply-adds of a product, some lines with every op on a tile.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include "backends/cpu/tuning.h"

namespace suanli::cpu {

/// An array that lies as the result of a product or a convolution does, and is read by what follows
/// on that.
struct EpilogueOperand {
  const void* data;  // of element 0
  int64_t itemsize;
};

/// A region, line by line: rows of `bytes` that lie `row` bytes apart.
class Fetch {
 public:
  Fetch() = default;
  Fetch(const void* data, int64_t rows, int64_t bytes, int64_t row) : rows_(bytes > 0 ? rows : 0) {
    if (done()) return;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
    at_ = begin / kLine * kLine;
    lines_ = left_ =
        static_cast<int64_t>((begin + static_cast<uintptr_t>(bytes) - 1) / kLine - begin / kLine) +
        1;
    skip_ = static_cast<uintptr_t>(row - lines_ * static_cast<int64_t>(kLine));
  }
  bool done() const { return rows_ <= 0; }

  enum Level { kL2 = 2, kL1 = 3 };  // as __builtin_prefetch numbers them
  template <Level kLevel> [[gnu::always_inline]] void step() {
    if (done()) return;
    __builtin_prefetch(reinterpret_cast<const void*>(at_), 0, kLevel);
    at_ += kLine;
    if (--left_ == 0) {
      left_ = lines_;
      at_ += skip_;
      --rows_;
    }
  }

 private:
  static constexpr uintptr_t kLine = 64;
  uintptr_t at_ = 0, skip_ = 0;
  int64_t lines_ = 0, left_ = 0, rows_ = 0;
};

/// Regions one after the other, and one that goes before them all.
class Fetches {
 public:
  static constexpr size_t kMax = 20;
  void add(const Fetch& region) { all_[count_++] = region; }
  void first(const Fetch& region) { first_ = region; }
  /// The one whose turn it is; done if all are.
  Fetch& next() {
    if (!first_.done()) return first_;
    while (at_ + 1 < count_ && all_[at_].done()) ++at_;
    return all_[at_];
  }

 private:
  Fetch first_;
  std::array<Fetch, kMax> all_;
  size_t at_ = 0, count_ = 0;
};

/// Arrays that are read next, fetched share by share while something else is computed; no more than
/// kMax of them.
class Prefetcher {
 public:
  static constexpr size_t kMax = 20;
  void add(const void* data, int64_t bytes) {
    if (count_ == kMax) return;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(data) / kLine;
    const uintptr_t end =
        (reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes) + kLine - 1) / kLine;
    arrays_[count_++] = {begin * kLine, static_cast<int64_t>(end - begin)};
    lines_ += static_cast<int64_t>(end - begin);
  }
  /// Divides the lines among `calls` calls of fetch().
  void divide(int64_t calls) {
    share_ = calls > 0 ? std::min(CpuTuning::prefetch_lines, (lines_ + calls - 1) / calls) : 0;
  }
  void fetch() {
    for (int64_t left = share_; left > 0 && next_ < count_;) {
      Array& array = arrays_[next_];
      const int64_t n = left < array.lines ? left : array.lines;
      for (int64_t k = 0; k < n; ++k)
        __builtin_prefetch(
            reinterpret_cast<const void*>(array.at + static_cast<uintptr_t>(k) * kLine), 0, 2);
      array.at += static_cast<uintptr_t>(n) * kLine;
      array.lines -= n;
      left -= n;
      next_ += array.lines == 0;
    }
  }

 private:
  static constexpr uintptr_t kLine = 64;
  struct Array {
    uintptr_t at;
    int64_t lines;
  };
  std::array<Array, kMax> arrays_;
  size_t next_ = 0, count_ = 0;
  int64_t lines_ = 0, share_ = 0;
};

}  // namespace suanli::cpu
