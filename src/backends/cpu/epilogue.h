// What a product or a convolution does with its result while that is still in a cache.
#pragma once
#include <optional>

#include "backends/cpu/tile_runner.h"

namespace suanli::cpu {

/// The epilogue of a step, for the kernel of the step's op: that computes its result in ranges (in any order, on any threads) and gives
/// each one to apply(), once. Where the result by itself is not wanted it goes to memory of the kernel's own.
class Epilogue {
 public:
  Epilogue() = default;
  explicit Epilogue(const Step& step);
  /// False where the step has none.
  explicit operator bool() const { return runner_.has_value(); }
  /// Whether the op's result has no place of its own.
  bool consumes() const { return runner_ && !keeps_; }
  /// Where the op's result may lie until apply() has it: its own place among the step's results, or that of a result which is computed
  /// element by element over it; null where it needs memory of the kernel's own.
  float* place(void* const* out) const { return place_ < 0 ? nullptr : static_cast<float*>(out[place_]); }
  bool has_place() const { return place_ >= 0; }
  /// Elements begin … end−1 of the op's result, which lie at `values`. `in` and `out` are what the step's kernel was given.
  void apply(const void* const* in, void* const* out, int64_t begin, int64_t end, const float* values) const;

 private:
  std::optional<TileRunner> runner_;
  int own_inputs_ = 0;
  bool keeps_ = false;
  int place_ = 0;  // which result; -1: none
};

}  // namespace suanli::cpu
