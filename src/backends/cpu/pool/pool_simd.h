// SPDX-License-Identifier: Apache-2.0
// Max pooling of one plane, many windows at a time.
#pragma once
#include <algorithm>
#include <cstdint>

namespace suanli::cpu {

/// Elements begin, begin + dilation, … before end of one axis.
struct PoolSpan {
  int64_t begin, end;
  bool empty() const { return begin >= end; }
  /// The first one, or any element of the axis where there is none.
  int64_t first(int64_t size) const { return std::clamp<int64_t>(begin, 0, size - 1); }
};
/// The windows along one axis.
struct PoolAxis {
  int64_t kernel, stride, padding, dilation;
  /// Those elements of window i that lie inside the axis.
  PoolSpan span(int64_t i, int64_t size) const {
    const int64_t first = i * stride - padding, last = first + (kernel - 1) * dilation,
                  skipped = first < 0 ? (dilation - 1 - first) / dilation * dilation : 0;
    return {first + skipped, std::min(size, last + 1)};
  }
  /// True if all of `count` windows lie inside.
  bool inside(int64_t count, int64_t size) const {
    return padding == 0 && (count - 1) * stride + (kernel - 1) * dilation < size;
  }
};
/// Planes [height, width] → [rows, columns], or planes whose channels lie side by side in blocks:
/// [height, width, block] → [rows, columns, block].
struct PoolBlocks {
  int64_t height, width, rows, columns, block;
  PoolAxis vertical, horizontal;
};

/// Windows that lie inside the plane: window i starts at x[start[i]]. y[i] becomes its largest
/// element, at[i] where in the plane that lies: the first of equal ones, or the first NaN. `at` may
/// be null.
void pool_windows(const float* x, const int32_t* start, int64_t windows, const PoolBlocks& shape,
                  float* y, int32_t* at);
/// The same for all windows of a plane, row by row; false, and nothing is done, where there are
/// fewer columns than lanes, or for another geometry than squares at a stride of 1 or 2.
bool pool_rows(const float* x, const PoolBlocks& shape, float* y, int32_t* at);

/// One block: largest elements and their positions in the plane, as pool_windows gives them.
/// `block` is a multiple of 8, or the vector's lanes.
void pool_block(const float* x, const PoolBlocks& shape, float* y, int32_t* at);
/// The gradient: g added at the given positions of x, which is zeroed first.
void pool_block_grad(const float* g, const int32_t* at, const PoolBlocks& shape, float* x);

}  // namespace suanli::cpu
