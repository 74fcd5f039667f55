// SPDX-License-Identifier: Apache-2.0
// The attributes of all ops, shared by their families and the kernels of backends. They are at most
// 48 bytes without padding: a record holds them in place, and compares and hashes their bytes.
#pragma once
#include <limits>

#include "ops/schema/reflect.h"

namespace suanli {

struct DimAttr {
  int32_t dim;
  SUANLI_ATTRIBUTES(dim)
};
struct SortAttr {
  int32_t dim;
  bool descending;
  uint8_t rest[3] = {};
  SUANLI_ATTRIBUTES(dim, descending)
};
struct DTypeAttr {
  DType dtype;
  SUANLI_ATTRIBUTES(dtype)
};
struct ReduceAttr {
  AxisSet dim;
  bool keepdim;
  uint8_t rest[3] = {};
  SUANLI_ATTRIBUTES(dim, keepdim)
};
struct PermuteAttr {
  AxisOrder dims;
  SUANLI_ATTRIBUTES(dims)
};
/// The start is a scalar input.
struct NarrowAttr {
  int64_t dim = 0, length = 0, step = 1;
  SUANLI_ATTRIBUTES(dim, length, step)
};
struct OneHotAttr {
  int64_t num_classes;
  DType dtype;
  uint8_t rest[7] = {};
  SUANLI_ATTRIBUTES(num_classes, dtype)
};
struct MatmulAttr {
  bool transpose_a, transpose_b;
  SUANLI_ATTRIBUTES(transpose_a, transpose_b)
};
/// Square options, as in ConvOptions. The gradient records carry them too; their result's shape is
/// that of Step::out.
struct ConvAttr {
  int32_t stride = 1, padding = 0, dilation = 1, groups = 1;
  SUANLI_ATTRIBUTES(stride, padding, dilation, groups)
};
/// A stride of 0 is that of the kernel; the shape rule puts it there.
struct PoolAttr {
  int32_t kernel_size = 1, stride = 0, padding = 0;
  SUANLI_ATTRIBUTES(kernel_size, stride, padding)
};
/// Height and width of the result.
struct AdaptivePoolAttr {
  int32_t height, width;
  SUANLI_ATTRIBUTES(height, width)
};
/// Means over windows of `kernel` rows and columns, as in PoolAttr; with kernel 0 over the parts
/// that adaptive pooling takes. Height and width are those of the result.
struct MeanPoolAttr {
  int32_t kernel, stride, padding, height, width;
  SUANLI_ATTRIBUTES(kernel, stride, padding, height, width)
};
struct SmoothingAttr {
  double label_smoothing;
  SUANLI_ATTRIBUTES(label_smoothing)
};
struct NormAttr {
  double eps = 1e-5;
  SUANLI_ATTRIBUTES(eps)
};
/// Where the scale is not given, NaN, the shape rule puts 1/√D there.
struct AttentionAttr {
  double scale = std::numeric_limits<double>::quiet_NaN();
  int32_t num_heads;  // of self_attention
  bool is_causal;
  uint8_t rest[3] = {};
  SUANLI_ATTRIBUTES(scale, is_causal)
};
/// The input holds the heads beside each other.
struct SelfAttentionAttr : AttentionAttr {
  SUANLI_ATTRIBUTES(scale, num_heads, is_causal)
};
/// `row` is an index in pointwise_rows, `gradient` the input whose gradient it is, or -1 for the
/// value. The kernel computes in `compute`.
struct PointwiseAttr {
  int16_t row;
  int8_t gradient;
  DType compute;
  SUANLI_ATTRIBUTES(row, gradient, compute)
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
