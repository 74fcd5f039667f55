// SPDX-License-Identifier: Apache-2.0
// Epilogue: pointwise code on the result of a product or convolution while it is in a cache.
#pragma once
#include <array>
#include <optional>

#include "backends/cpu/fused/tile_executor.h"
#include "backends/cpu/simd/prefetch.h"

namespace suanli::cpu {

/// The epilogue of a step, for the kernel of the step's op: that computes its result in ranges (in
/// any order, on any threads) and gives each one to apply(), once. Where the result by itself is
/// not wanted it goes to memory of the kernel's own.
class Epilogue {
 public:
  Epilogue() = default;
  explicit Epilogue(const Step& step);
  /// False where the step has none.
  explicit operator bool() const { return runner_.has_value(); }
  /// True if the op's result has no place of its own.
  bool consumes() const { return runner_ && !keeps_; }
  /// Where the op's result may lie until apply() has it: its own place among the step's results, or
  /// that of a result which is computed element by element over it; null where it needs memory of
  /// the kernel's own.
  float* place(void* const* out) const {
    return place_ < 0 ? nullptr : static_cast<float*>(out[place_]);
  }
  bool has_place() const { return place_ >= 0; }
  /// True if the result in place() is all that a step writes: a kernel may then compute it nearby,
  /// let apply_nearby() work there, and copy it to its place.
  bool writes_place_alone() const { return !runner_ || (place_ == 0 && outputs_ == 1); }
  /// Inputs of apply() that lie as the result does: writes them to `to` and
  /// returns how many arrays there are. (What is only written is not worth fetching: it would drive
  /// out of the cache what the product needs.)
  size_t beside(const void* const* in, std::array<EpilogueOperand, Expr::kMaxPointers>& to) const;
  /// Bytes of all of them for one element.
  int64_t beside_bytes() const;
  /// Ranges of the op's result: `count` of `length` elements, the first of which begins at element
  /// `begin`, `step` from one to the next; and where they lie.
  struct Ranges {
    int64_t begin, length;
    const float* values;
    int64_t count = 1, step = 0, values_step = 0;
  };
  /// `in` and `out` are what the step's kernel was given.
  void apply(const void* const* in, void* const* out, const Ranges& ranges) const;
  /// One range where writes_place_alone(), in `values` itself.
  void apply_nearby(const void* const* in, int64_t begin, int64_t length, float* values) const;

 private:
  std::optional<TileExecutor> runner_;
  std::vector<std::pair<size_t, int64_t>> beside_;  // which inputs, and the size of an element
  int own_inputs_ = 0;
  bool keeps_ = false;
  int place_ = 0;  // which result; -1: none
  size_t outputs_ = 1;
};

}  // namespace suanli::cpu
