// SPDX-License-Identifier: Apache-2.0
// Max pooling of one plane, many windows at a time.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// Windows that lie inside the plane: window i starts at x[start[i]] and has kernel × kernel
/// elements in rows of `width`. y[i] becomes its largest element, at[i] where in the plane that
/// lies: the first of equal ones, or the first NaN. `at` may be null.
void pool_windows(const float* x, const int32_t* start, int64_t windows, int64_t kernel,
                  int64_t width, float* y, int32_t* at);

/// A plane whose windows all lie inside.
struct PoolPlane {
  int64_t width, rows, columns, kernel, stride;  // width of x; rows and columns of y
};
/// The same for all windows of a plane, row by row; false, and nothing is done, where there are
/// fewer columns than lanes or `stride` is above 2.
bool pool_rows(const float* x, const PoolPlane& shape, float* y, int32_t* at);

/// Planes whose channels lie side by side in blocks: [height, width, block] → [rows, columns,
/// block].
struct PoolBlocks {
  int64_t height, width, rows, columns, block;
  int64_t kernel, stride, padding;
};
/// One block: largest elements and their positions in the plane, as pool_windows gives them.
/// `block` is a multiple of 8, or the vector's lanes.
void pool_block(const float* x, const PoolBlocks& shape, float* y, int32_t* at);
/// The gradient: g added at the given positions of x, which is zeroed first.
void pool_block_grad(const float* g, const int32_t* at, const PoolBlocks& shape, float* x);

}  // namespace suanli::cpu
