// SPDX-License-Identifier: Apache-2.0
// Attributes of matmul and convolution, shared by their definitions and the backends' kernels.
#pragma once
#include <cstdint>

namespace suanli {

struct MatmulAttr {
  bool transpose_a, transpose_b;
};
/// Square options, as in ConvOptions. The gradient records carry them too; their result's shape is
/// that of Step::out.
struct ConvAttr {
  int32_t stride, padding, dilation, groups;
};
struct PoolAttr {
  int32_t kernel, stride, padding;
};
struct AdaptivePoolAttr {
  int32_t height, width;  // of the result
};
/// Means over windows of `kernel` rows and columns, as in PoolAttr; with kernel 0 over the parts
/// that adaptive pooling takes.
struct MeanPoolAttr {
  int32_t kernel, stride, padding;
  int32_t height, width;  // of the result
};

/// Rows, or columns, that enter one mean: [begin, end), of which those outside of the plane are
/// zeros, and the divisor of their sum.
struct Window {
  int64_t begin, end, divisor;
};
/// That of mean `i` of `n` along an axis of `size`.
inline Window window_of(const MeanPoolAttr& a, int64_t i, int64_t n, int64_t size) {
  if (a.kernel > 0)
    return {i * a.stride - a.padding, i * a.stride - a.padding + a.kernel, a.kernel};
  const int64_t begin = i * size / n, end = ((i + 1) * size + n - 1) / n;
  return {begin, end, end - begin};
}

}  // namespace suanli
