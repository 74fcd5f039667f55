// SPDX-License-Identifier: Apache-2.0
// Resizing of pictures, one axis after the other: each row of the result is one row, or the
// weighted sum of two.
#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace suanli {

namespace {

constexpr const char* kName = "interpolate";

[[noreturn]] void fail(const char* argument, std::string given, std::string expected) {
  throw ArgumentError({.op = kName,
                       .argument = argument,
                       .given = std::move(given),
                       .expected = std::move(expected),
                       .module = module_path()});
}

/// Elements `index` of x along `axis`.
Tensor selected(const Tensor& x, int axis, const std::vector<int64_t>& index) {
  Shape shape = x.shape(), along;
  shape[axis] = std::ssize(index);
  for (int i = 0; i < x.rank(); ++i) along.push_back(i == axis ? shape[axis] : 1);
  return gather(x, axis, expand(tensor(index, along), shape));
}

/// As PyTorch computes them: in f32 whatever x's dtype is.
Tensor nearest(const Tensor& x, int axis, int64_t size, std::optional<double> factor) {
  const int64_t from = x.size(axis);
  const float scale = factor ? static_cast<float>(1 / *factor)
                             : static_cast<float>(from) / static_cast<float>(size);
  std::vector<int64_t> index(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    int64_t at = static_cast<int64_t>(std::floor(static_cast<float>(i) * scale));
    if (size == from) at = i;
    else if (size == 2 * from) at = i / 2;
    index[static_cast<size_t>(i)] = std::min(at, from - 1);
  }
  return selected(x, axis, index);
}

template <class T>
Tensor linear(const Tensor& x, int axis, int64_t size, const InterpolateOptions& o) {
  const int64_t from = x.size(axis);
  if (size == from && (o.align_corners || !o.scale_factor || *o.scale_factor == 1)) return x;
  const T scale = o.align_corners
                      ? (size > 1 ? static_cast<T>(from - 1) / static_cast<T>(size - 1) : T(0))
                  : o.scale_factor ? static_cast<T>(1 / *o.scale_factor)
                                   : static_cast<T>(from) / static_cast<T>(size);
  std::vector<int64_t> low(static_cast<size_t>(size)), high(low.size());
  std::vector<T> share(low.size());
  for (size_t i = 0; i < low.size(); ++i) {
    const T at = o.align_corners ? scale * static_cast<T>(i)
                                 : std::max(T(0), scale * (static_cast<T>(i) + T(0.5)) - T(0.5));
    low[i] = std::min(static_cast<int64_t>(at), from - 1);
    high[i] = std::min(low[i] + 1, from - 1);
    share[i] = std::clamp(at - static_cast<T>(low[i]), T(0), T(1));
  }
  Shape along;
  for (int i = 0; i < x.rank(); ++i) along.push_back(i == axis ? size : 1);
  const Tensor w = cast(tensor(share, along), x.dtype());
  return selected(x, axis, low) * (1.0 - w) + selected(x, axis, high) * w;
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& o) {
  if (x.rank() != 4 || x.size(2) < 1 || x.size(3) < 1)
    throw ShapeError({.op = kName,
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "[N, C, H, W] with pictures of at least 1×1",
                      .module = module_path()});
  if (o.size.has_value() == o.scale_factor.has_value())
    fail("size", o.size ? "size and scale_factor" : "neither size nor scale_factor", "one of them");
  if (o.align_corners && o.mode == Interpolation::nearest)
    fail("align_corners", "true for nearest", "false, or bilinear");
  Tensor y = x;
  for (int axis : {2, 3}) {
    const double exact = o.scale_factor
                             ? std::floor(static_cast<double>(x.size(axis)) * *o.scale_factor)
                             : (*o.size)[axis - 2];
    if (!(exact >= 1 && exact <= INT32_MAX))
      fail(o.size ? "size" : "scale_factor", o.size ? to_string(*o.size) : str(*o.scale_factor),
           str("a result of 1 to ", INT32_MAX, " rows and columns"));
    const auto size = static_cast<int64_t>(exact);
    if (o.mode == Interpolation::nearest) y = nearest(y, axis, size, o.scale_factor);
    else y = x.dtype() == f64 ? linear<double>(y, axis, size, o) : linear<float>(y, axis, size, o);
  }
  return y;
}

}  // namespace suanli
