// SPDX-License-Identifier: Apache-2.0
// Walking over broadcast and strided arrays: merged axes and an odometer.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "suanli/base.h"

namespace suanli::cpu {

/// Strides in elements, per axis of `out`, of a row-major `in` that broadcasts to it: 0 where it
/// repeats. Throws ShapeError.
inline std::array<int64_t, 8> broadcast_strides(const Shape& in, const Shape& out) {
  std::array<int64_t, 8> strides{};
  int64_t stride = 1;
  const int shift = out.rank() - in.rank();
  const auto require = [&](bool ok) {
    if (!ok)
      throw ShapeError({.op = "broadcast",
                        .argument = "input",
                        .given = to_string(in),
                        .expected = "a shape that broadcasts to " + to_string(out)});
  };
  require(shift >= 0);
  for (int axis = in.rank() - 1; axis >= 0; --axis) {
    const int64_t size = in[axis];
    require(size == out[axis + shift] || size == 1);
    strides[axis + shift] = size == 1 ? 0 : stride;
    stride *= size;
  }
  return strides;
}

/// Drops axes of size 1 and merges neighbors that every operand walks as one; rewrites `strides`
/// likewise. At least one axis stays.
inline std::vector<int64_t> collapse(const Shape& shape,
                                     std::vector<std::array<int64_t, 8>>& strides) {
  std::vector<int64_t> sizes;
  std::vector<std::array<int64_t, 8>> merged(strides.size());
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    bool joins = !sizes.empty();
    for (size_t k = 0; k < strides.size() && joins; ++k)
      joins = merged[k][sizes.size() - 1] == strides[k][axis] * shape[axis];
    if (joins) sizes.back() *= shape[axis];
    else sizes.push_back(shape[axis]);
    for (size_t k = 0; k < strides.size(); ++k) merged[k][sizes.size() - 1] = strides[k][axis];
  }
  if (sizes.empty()) sizes.push_back(1);
  strides = merged;
  return sizes;
}

/// Counts through axes 0 … axes-1 in row-major order, from position `start` on, and keeps one
/// offset per operand. Refers to sizes and strides, which must outlive it.
template <size_t kOperands> struct Odometer {
  Odometer(const std::vector<int64_t>& sizes, int axes,
           std::array<const int64_t*, kOperands> strides, int64_t start)
      : sizes_(sizes.data()), strides_(strides), axes_(axes) {
    for (int axis = axes - 1; axis >= 0; --axis) {
      index_[axis] = start % sizes_[axis];
      start /= sizes_[axis];
      for (size_t k = 0; k < kOperands; ++k) offset[k] += index_[axis] * strides_[k][axis];
    }
  }
  void next() {
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      for (size_t k = 0; k < kOperands; ++k) offset[k] += strides_[k][axis];
      if (++index_[axis] < sizes_[axis]) return;
      for (size_t k = 0; k < kOperands; ++k) offset[k] -= sizes_[axis] * strides_[k][axis];
      index_[axis] = 0;
    }
  }
  int64_t offset[kOperands] = {};

 private:
  const int64_t* sizes_;
  std::array<const int64_t*, kOperands> strides_;
  int64_t index_[8] = {};
  int axes_;
};

}  // namespace suanli::cpu
