// SPDX-License-Identifier: Apache-2.0
// Canonical form: what a program is, as words. Two programs with equal words are the same program.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/step.h"

namespace suanli {

/// TapeEncoding that are written one after the other into memory that is kept: no allocation at
/// steady state.
class TapeEncoding {
 public:
  void clear() { size_ = 0; }
  /// Where to write up to `n` more words. The caller reports the words written by wrote().
  uint32_t* room(size_t n) {
    if (size_ + n > memory_.size()) memory_.resize(2 * (size_ + n));
    return memory_.data() + size_;
  }
  void wrote(const uint32_t* end) { size_ = static_cast<size_t>(end - memory_.data()); }
  std::span<const uint32_t> all() const { return {memory_.data(), size_}; }

 private:
  std::vector<uint32_t> memory_;
  size_t size_ = 0;
};

/// Depends on every word and its place. For finding candidates: who needs to be sure compares the
/// words.
uint64_t hash_of(std::span<const uint32_t> words, uint64_t seed);

bool same_words(std::span<const uint32_t> a, std::span<const uint32_t> b);

/// Most words that write_desc() takes.
inline constexpr size_t kDescWords = 1 + 2 * Shape::kMaxRank;
/// Writes a dtype and a shape, with 16 bits that the caller has a use for. Returns the end.
uint32_t* write_desc(uint32_t* to, DType dtype, const Shape& shape, uint32_t note = 0);

}  // namespace suanli
