// SPDX-License-Identifier: Apache-2.0
// The attributes of all ops, shared by their families and the kernels of backends. They are at most
// 48 bytes without padding: a record holds them in place, and compares and hashes their bytes.
#pragma once
#include "ops/schema/reflect.h"

namespace suanli {

struct AxisAttr {
  int32_t axis;
  SUANLI_ATTRIBUTES(axis)
};
struct DTypeAttr {
  DType dtype;
  SUANLI_ATTRIBUTES(dtype)
};
struct ReduceAttr {
  AxisSet axes;
  uint32_t keepdims;  // or 0
  SUANLI_ATTRIBUTES(axes, keepdims)
};
struct PermAttr {
  AxisOrder axes;
  SUANLI_ATTRIBUTES(axes)
};
/// The start is a scalar input.
struct SliceAttr {
  int64_t length = 0, step = 1, axis = 0;
  SUANLI_ATTRIBUTES(length, step, axis)
};
struct OneHotAttr {
  int64_t classes;
  DType dtype;
  uint8_t rest[7] = {};
  SUANLI_ATTRIBUTES(classes, dtype)
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
struct PoolAttr {
  int32_t kernel = 1, stride = 1, padding = 0;
  SUANLI_ATTRIBUTES(kernel, stride, padding)
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
struct AttentionAttr {
  double scale = 1;
  int32_t causal;  // or 0
  int32_t heads;  // of self_attention, whose input holds them beside each other
  SUANLI_ATTRIBUTES(scale, causal, heads)
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
