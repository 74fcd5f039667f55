// SPDX-License-Identifier: Apache-2.0
// Epilogue: pointwise code on the result of a product or convolution while it is in a cache.
#pragma once
#include <array>
#include <optional>

#include "backends/cpu/fused/tile_executor.h"
#include "backends/cpu/simd/prefetch.h"

namespace suanli::cpu {

/// The epilogue of a step. The kernel of the step's op computes its result in ranges, in any order
/// and on any threads. It calls apply() once for each range. If no one reads the op's result
/// itself, the kernel keeps the range in its workspace.
class Epilogue {
 public:
  Epilogue() = default;
  explicit Epilogue(const Step& step);
  /// False if the step has no epilogue.
  explicit operator bool() const { return runner_.has_value(); }
  /// True if the op's own result is not among the step's results.
  bool consumes() const { return runner_ && !keeps_; }
  /// Memory for the op's result until apply(): its own place among the step's results, or the place
  /// of a result that is computed from it element by element. Null: the kernel needs a workspace.
  float* place(void* const* out) const {
    return place_ < 0 ? nullptr : static_cast<float*>(out[place_]);
  }
  bool has_place() const { return place_ >= 0; }
  /// True if the step writes nothing but the result in place(). Then a kernel may compute it in a
  /// buffer, call apply_nearby() on the buffer, and copy it to its place.
  bool writes_place_alone() const { return !runner_ || (place_ == 0 && outputs_ == 1); }
  /// Writes to `to` the inputs of apply() that have an element for each element of the result, for
  /// prefetching. Returns their number. Results are left out: to prefetch them would evict operands
  /// of the product.
  size_t beside(const void* const* in, std::array<EpilogueOperand, Expr::kMaxPointers>& to) const;
  /// Bytes of these inputs per element.
  int64_t beside_bytes() const;
  /// `count` ranges of `length` elements of the op's result. The first one begins at element
  /// `begin` of the result and at `values`. The next ones follow at a distance of `step` elements
  /// in the result, and of `values_step` elements in memory.
  struct Ranges {
    int64_t begin, length;
    const float* values;
    int64_t count = 1, step = 0, values_step = 0;
  };
  /// `in` and `out` are the arguments of the kernel's run().
  void apply(const void* const* in, void* const* out, const Ranges& ranges) const;
  /// Applies the epilogue to one range in place, in `values`. Requires writes_place_alone().
  void apply_nearby(const void* const* in, int64_t begin, int64_t length, float* values) const;

 private:
  std::optional<TileExecutor> runner_;
  std::vector<std::pair<size_t, int64_t>> beside_;  // index of the input, bytes of an element
  int own_inputs_ = 0;
  bool keeps_ = false;
  int place_ = 0;  // index of the result; -1: none
  size_t outputs_ = 1;
};

}  // namespace suanli::cpu
