// SPDX-License-Identifier: Apache-2.0
// References of pooling.
#include <cmath>

#include "ops/schema/attributes.h"
#include "support/op_reference_arrays.h"
#include "support/op_reference_nn.h"

namespace suanli::test {

namespace {

/// mean_pool2d as one of these two, and the places of x that enter result i, with what each is
/// divided by.
struct MeanPool {
  int32_t kernel, stride, padding, height, width;
};
template <class F> void mean_pool(const MeanPool& a, const Shape& x, const Shape& y, F&& f) {
  auto bounds = [&](int64_t i, int64_t n, int64_t size) {
    if (a.kernel > 0)
      return std::pair(i * a.stride - a.padding, i * a.stride - a.padding + a.kernel);
    const Real begin = std::floor(static_cast<Real>(i * size) / static_cast<Real>(n)),
               end = std::ceil(static_cast<Real>((i + 1) * size) / static_cast<Real>(n));
    return std::pair(static_cast<int64_t>(begin), static_cast<int64_t>(end));
  };
  for (int64_t i = 0; i < y.numel(); ++i) {
    const Index at = unravel(i, y);
    const auto [top, bottom] = bounds(at[2], y[2], x[2]);
    const auto [left, right] = bounds(at[3], y[3], x[3]);
    for (int64_t r = top; r < bottom; ++r)
      for (int64_t s = left; s < right; ++s)
        if (r >= 0 && r < x[2] && s >= 0 && s < x[3])
          f(static_cast<size_t>(i), ravel({at[0], at[1], r, s}, x),
            static_cast<Real>((bottom - top) * (right - left)));
  }
}

}  // namespace

std::vector<Array> max_pool2d(const Call& c) {
  const auto& a = c.attr.as<PoolAttr>();
  const Array& x = c.in[0];
  const Shape out{x.shape[0], x.shape[1],
                  windows(x.shape[2], a.kernel_size, a.stride, a.padding, 1),
                  windows(x.shape[3], a.kernel_size, a.stride, a.padding, 1)};
  Array y = filled(out, x.dtype), where = filled(out, DType::i32);
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), out);
    bool any = false;
    for (int64_t r = 0; r < a.kernel_size; ++r)
      for (int64_t s = 0; s < a.kernel_size; ++s) {
        const int64_t row = at[2] * a.stride - a.padding + r,
                      column = at[3] * a.stride - a.padding + s;
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
  const auto& a = c.attr.as<PoolAttr>();
  const Array& x = c.in[0];
  Array y =
      sums({x.shape[0], x.shape[1], windows(x.shape[2], a.kernel_size, a.stride, a.padding, 1),
            windows(x.shape[3], a.kernel_size, a.stride, a.padding, 1)},
           x.dtype);
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), y.shape);
    for (int64_t r = 0; r < a.kernel_size; ++r)
      for (int64_t s = 0; s < a.kernel_size; ++s) {
        const int64_t row = at[2] * a.stride - a.padding + r,
                      column = at[3] * a.stride - a.padding + s;
        // a zero of the padding, which counts
        if (row < 0 || row >= x.shape[2] || column < 0 || column >= x.shape[3]) continue;
        add_term(y, i,
                 x.v[ravel({at[0], at[1], row, column}, x.shape)] /
                     static_cast<Real>(a.kernel_size * a.kernel_size));
      }
  }
  return {y};
}
std::vector<Array> mean_pool2d(const Call& c) {
  const auto& a = c.attr.as<MeanPool>();
  const Array& x = c.in[0];
  Array y = sums({x.shape[0], x.shape[1], a.height, a.width}, x.dtype);
  mean_pool(a, x.shape, y.shape,
            [&](size_t i, size_t from, Real divisor) { add_term(y, i, x.v[from] / divisor); });
  return {y};
}
std::vector<Array> mean_pool2d_grad(const Call& c) {
  Array x = sums(c.shape, c.in[0].dtype);
  mean_pool(c.attr.as<MeanPool>(), x.shape, c.in[0].shape,
            [&](size_t i, size_t to, Real divisor) { add_term(x, to, c.in[0].v[i] / divisor); });
  return {x};
}
/// Element i of n is the mean of those whose fraction of the axis overlaps its own.
std::vector<Array> adaptive_avg_pool2d(const Call& c) {
  const auto& a = c.attr.as<AdaptivePoolAttr>();
  const Array& x = c.in[0];
  Array y = sums({x.shape[0], x.shape[1], a.height, a.width}, x.dtype);
  auto overlap = [](int64_t k, int64_t size, int64_t i, int64_t n) {
    return k * n < (i + 1) * size && (k + 1) * n > i * size;
  };
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), y.shape);
    std::vector<size_t> window;
    for (int64_t r = 0; r < x.shape[2]; ++r)
      for (int64_t s = 0; s < x.shape[3]; ++s)
        if (overlap(r, x.shape[2], at[2], a.height) && overlap(s, x.shape[3], at[3], a.width))
          window.push_back(ravel({at[0], at[1], r, s}, x.shape));
    for (size_t k : window) add_term(y, i, x.v[k] / static_cast<Real>(window.size()));
  }
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
