// SPDX-License-Identifier: Apache-2.0
// References of pooling.
#include <algorithm>
#include <cmath>

#include "ops/schema/attributes.h"
#include "support/op_reference_arrays.h"
#include "support/op_reference_nn.h"

namespace suanli::test {

namespace {

/// The places of x that enter result i of mean_pool2d, with what each is divided by.
template <class F> void mean_pool(const MeanPoolAttr& a, const Shape& x, const Shape& y, F&& f) {
  auto bounds = [&](int axis, int64_t i) {
    const int64_t n = y[2 + axis], size = x[2 + axis];
    if (a.kernel[axis] > 0) {
      const int64_t begin = i * a.stride[axis] - a.padding[axis];
      return std::pair(begin, std::min(begin + a.kernel[axis], size + a.padding[axis]));
    }
    const Real begin = std::floor(static_cast<Real>(i * size) / static_cast<Real>(n)),
               end = std::ceil(static_cast<Real>((i + 1) * size) / static_cast<Real>(n));
    return std::pair(static_cast<int64_t>(begin), static_cast<int64_t>(end));
  };
  for (int64_t i = 0; i < y.numel(); ++i) {
    const Index at = unravel(i, y);
    const auto [top, bottom] = bounds(0, at[2]);
    const auto [left, right] = bounds(1, at[3]);
    std::vector<size_t> inside;
    for (int64_t r = top; r < bottom; ++r)
      for (int64_t s = left; s < right; ++s)
        if (r >= 0 && r < x[2] && s >= 0 && s < x[3])
          inside.push_back(ravel({at[0], at[1], r, s}, x));
    Real divisor = static_cast<Real>((bottom - top) * (right - left));
    if (!a.count_include_pad) divisor = static_cast<Real>(inside.size());
    if (a.divisor_override) divisor = static_cast<Real>(a.divisor_override);
    for (size_t from : inside) f(static_cast<size_t>(i), from, divisor);
  }
}

/// The windows along one axis, as PyTorch's documentation counts them.
int64_t pooled_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                    bool ceil_mode) {
  const Real exact = static_cast<Real>(size + 2 * padding - dilation * (kernel - 1) - 1) /
                     static_cast<Real>(stride);
  const auto count = static_cast<int64_t>(ceil_mode ? std::ceil(exact) : std::floor(exact)) + 1;
  return ceil_mode && (count - 1) * stride >= size + padding ? count - 1 : count;
}
int64_t stride_of(IntPair stride, IntPair kernel, int axis) {
  return stride[axis] ? stride[axis] : kernel[axis];
}

}  // namespace

std::vector<Array> max_pool2d(const Call& c) {
  const auto& a = c.attr.as<MaxPoolAttr>();
  const Array& x = c.in[0];
  const int64_t strides[] = {stride_of(a.stride, a.kernel_size, 0),
                             stride_of(a.stride, a.kernel_size, 1)};
  Shape out{x.shape[0], x.shape[1], 0, 0};
  for (int axis : {0, 1})
    out[2 + axis] = pooled_size(x.shape[2 + axis], a.kernel_size[axis], strides[axis],
                                a.padding[axis], a.dilation[axis], a.ceil_mode);
  Array y = filled(out, x.dtype), where = filled(out, DType::i32);
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), out);
    bool any = false;
    for (int64_t r = 0; r < a.kernel_size[0]; ++r)
      for (int64_t s = 0; s < a.kernel_size[1]; ++s) {
        const int64_t row = at[2] * strides[0] - a.padding[0] + r * a.dilation[0],
                      column = at[3] * strides[1] - a.padding[1] + s * a.dilation[1];
        if (row < 0 || row >= x.shape[2] || column < 0 || column >= x.shape[3]) continue;
        const Real v = x.v[ravel({at[0], at[1], row, column}, x.shape)];
        if (!any || v > y.v[i] || (std::isnan(v) && !std::isnan(y.v[i]))) {
          y.v[i] = v;
          where.v[i] = static_cast<Real>(row * x.shape[3] + column);
        }
        any = true;
      }
  }
  return {y, where};
}
std::vector<Array> avg_pool2d(const Call& c) {
  const auto& a = c.attr.as<AvgPoolAttr>();
  const Array& x = c.in[0];
  MeanPoolAttr m{
      .kernel = a.kernel_size,
      .stride = {stride_of(a.stride, a.kernel_size, 0), stride_of(a.stride, a.kernel_size, 1)},
      .padding = a.padding,
      .size = 0,
      .count_include_pad = a.count_include_pad,
      .divisor_override = a.divisor_override};
  Shape out{x.shape[0], x.shape[1], 0, 0};
  for (int axis : {0, 1})
    out[2 + axis] = pooled_size(x.shape[2 + axis], m.kernel[axis], m.stride[axis], m.padding[axis],
                                1, a.ceil_mode);
  Array y = sums(out, x.dtype);
  mean_pool(m, x.shape, y.shape,
            [&](size_t i, size_t from, Real divisor) { add_term(y, i, x.v[from] / divisor); });
  return {y};
}
std::vector<Array> mean_pool2d(const Call& c) {
  const auto& a = c.attr.as<MeanPoolAttr>();
  const Array& x = c.in[0];
  Array y = sums({x.shape[0], x.shape[1], a.size[0], a.size[1]}, x.dtype);
  mean_pool(a, x.shape, y.shape,
            [&](size_t i, size_t from, Real divisor) { add_term(y, i, x.v[from] / divisor); });
  return {y};
}
std::vector<Array> mean_pool2d_grad(const Call& c) {
  Array x = sums(c.shape, c.in[0].dtype);
  mean_pool(c.attr.as<MeanPoolAttr>(), x.shape, c.in[0].shape,
            [&](size_t i, size_t to, Real divisor) { add_term(x, to, c.in[0].v[i] / divisor); });
  return {x};
}
Shape adaptive_shape(const Call& c) {
  const IntPair asked = c.attr.as<AdaptivePoolAttr>().output_size;
  const Shape& x = c.in[0].shape;
  return {x[0], x[1], asked[0] < 0 ? x[2] : asked[0], asked[1] < 0 ? x[3] : asked[1]};
}
/// Calls f(result, the places of those whose fractions of the axes overlap its own).
template <class F> void adaptive_parts(const Call& c, F&& f) {
  const Shape &x = c.in[0].shape, out = adaptive_shape(c);
  auto overlap = [](int64_t k, int64_t size, int64_t i, int64_t n) {
    return k * n < (i + 1) * size && (k + 1) * n > i * size;
  };
  for (int64_t i = 0; i < out.numel(); ++i) {
    const Index at = unravel(i, out);
    std::vector<size_t> window;
    for (int64_t r = 0; r < x[2]; ++r)
      for (int64_t s = 0; s < x[3]; ++s)
        if (overlap(r, x[2], at[2], out[2]) && overlap(s, x[3], at[3], out[3]))
          window.push_back(ravel({at[0], at[1], r, s}, x));
    f(static_cast<size_t>(i), window);
  }
}
std::vector<Array> adaptive_avg_pool2d(const Call& c) {
  const Array& x = c.in[0];
  Array y = sums(adaptive_shape(c), x.dtype);
  adaptive_parts(c, [&](size_t i, const std::vector<size_t>& window) {
    for (size_t k : window) add_term(y, i, x.v[k] / static_cast<Real>(window.size()));
  });
  return {y};
}
std::vector<Array> adaptive_max_pool2d(const Call& c) {
  const Array& x = c.in[0];
  Array y = filled(adaptive_shape(c), x.dtype);
  adaptive_parts(c, [&](size_t i, const std::vector<size_t>& window) {
    y.v[i] = x.v[window[0]];
    for (size_t k : window)
      if (!std::isnan(y.v[i]) && !(x.v[k] <= y.v[i])) y.v[i] = x.v[k];
  });
  return {y};
}
std::vector<Array> max_pool2d_grad(const Call& c) {
  const Array &g = c.in[0], &where = c.in[1];
  Array x = sums(c.shape, g.dtype);
  const int64_t plane_in = g.shape[2] * g.shape[3], plane_out = c.shape[2] * c.shape[3];
  for (int64_t i = 0; i < g.shape.numel(); ++i) {
    const size_t at = static_cast<size_t>(i);
    add_term(x, static_cast<size_t>(i / plane_in * plane_out + static_cast<int64_t>(where.v[at])),
             g.v[at]);
  }
  return {x};
}

}  // namespace suanli::test
