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
/// The gradient records carry them too; their result's shape is that of Step::out.
struct ConvAttr {
  IntPair stride = 1, padding = 0, dilation = 1;
  int32_t groups = 1;
  SUANLI_ATTRIBUTES(stride, padding, dilation, groups)
};
struct ConvTransposeAttr {
  IntPair stride = 1, padding = 0, output_padding = 0, dilation = 1;
  int32_t groups = 1;
  SUANLI_ATTRIBUTES(stride, padding, output_padding, dilation, groups)
};
struct Conv1dAttr {
  int32_t stride = 1, padding = 0, dilation = 1, groups = 1;
  SUANLI_ATTRIBUTES(stride, padding, dilation, groups)
};
struct ConvTranspose1dAttr {
  int32_t stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
  SUANLI_ATTRIBUTES(stride, padding, output_padding, dilation, groups)
};
/// A stride of 0 is that of the kernel; the shape rule puts it there.
struct MaxPoolAttr {
  IntPair kernel_size = 1, stride = 0, padding = 0, dilation = 1;
  bool ceil_mode = false;
  uint8_t rest[3] = {};
  SUANLI_ATTRIBUTES(kernel_size, stride, padding, dilation, ceil_mode)
};
/// A stride of 0 is that of the kernel; a divisor of 0 is the size of the window.
struct AvgPoolAttr {
  IntPair kernel_size = 1, stride = 0, padding = 0;
  bool ceil_mode = false, count_include_pad = true;
  uint8_t rest[2] = {};
  int32_t divisor_override = 0;
  SUANLI_ATTRIBUTES(kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
};
/// Height and width of the result; -1 keeps the input's.
struct AdaptivePoolAttr {
  IntPair output_size = -1;
  SUANLI_ATTRIBUTES(output_size)
};
/// Means over windows of `kernel` rows and columns, as in AvgPoolAttr; with kernel 0 over the parts
/// that adaptive pooling takes. `size` is that of the result.
struct MeanPoolAttr {
  IntPair kernel = 0, stride = 0, padding = 0, size = 0;
  bool count_include_pad = true;
  uint8_t rest[3] = {};
  int32_t divisor_override = 0;
  SUANLI_ATTRIBUTES(kernel, stride, padding, size, count_include_pad, divisor_override)
};
/// A reduction is a number of Reduction: none, mean or sum.
struct ReductionAttr {
  int64_t reduction = 1;
  SUANLI_ATTRIBUTES(reduction)
};
struct NllLossAttr {
  int64_t ignore_index = -100, reduction = 1;
  SUANLI_ATTRIBUTES(ignore_index, reduction)
};
struct CrossEntropyAttr {
  int64_t ignore_index = -100, reduction = 1;
  double label_smoothing = 0;
  SUANLI_ATTRIBUTES(ignore_index, reduction, label_smoothing)
};
struct IgnoreAttr {
  int64_t ignore_index = -100;
  SUANLI_ATTRIBUTES(ignore_index)
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
/// That of mean `i` along axis 0 (rows) or 1 (columns) of `size` elements. The last window of a
/// ceil_mode may begin in the plane and end behind its padding, which then does not count.
inline Window window_of(const MeanPoolAttr& a, int axis, int64_t i, int64_t size) {
  const int64_t kernel = a.kernel[axis], padding = a.padding[axis], n = a.size[axis];
  if (kernel == 0) {
    const int64_t begin = i * size / n, end = ((i + 1) * size + n - 1) / n;
    return {begin, end, end - begin};
  }
  const int64_t begin = i * a.stride[axis] - padding,
                end = begin + kernel < size + padding ? begin + kernel : size + padding;
  if (a.divisor_override != 0) return {begin, end, axis == 0 ? a.divisor_override : 1};
  if (a.count_include_pad) return {begin, end, end - begin};
  return {begin, end, (end < size ? end : size) - (begin > 0 ? begin : 0)};
}

}  // namespace suanli
