// SPDX-License-Identifier: Apache-2.0
// Statistics, norms and comparisons that are written with reductions.
#include <cmath>

#include "ops/op.h"

namespace suanli {

namespace {

void require_float(const char* op, const Tensor& x) {
  if (!is_float(x.dtype()))
    throw DTypeError({.op = op,
                      .argument = "input",
                      .given = name(x.dtype()),
                      .expected = "a float dtype",
                      .module = module_path(),
                      .remedy = "Convert it with to(x, f32)."});
}

}  // namespace

VarMean var_mean(const Tensor& x, const Dims& dim, bool unbiased, bool keepdim) {
  require_float("var", x);
  const Tensor center = mean(x, dim, true);
  Tensor squares = sum(square(x - center), dim, keepdim);
  const int64_t count = x.numel() == 0 ? 0 : x.numel() / std::max<int64_t>(1, center.numel());
  const auto degrees = static_cast<double>(std::max<int64_t>(0, count - (unbiased ? 1 : 0)));
  return {squares / degrees, reshape(center, squares.shape())};
}
Tensor var(const Tensor& x, const Dims& dim, bool unbiased, bool keepdim) {
  return var_mean(x, dim, unbiased, keepdim).var;
}
Tensor std(const Tensor& x, const Dims& dim, bool unbiased, bool keepdim) {
  return sqrt(var(x, dim, unbiased, keepdim));
}

namespace {
/// f(x), and zero with gradient 0 where x is zero.
template <class F> Tensor zero_at_zero(const Tensor& x, F&& f) {
  return where(x == 0, 0, f(where(x == 0, 1, x)));
}
}  // namespace

Tensor detail::norm_of_order(const Tensor& x, double p, const Dims& dim, bool keepdim) {
  require_float("norm", x);
  if (std::isinf(p)) return p > 0 ? amax(abs(x), dim, keepdim) : -amax(-abs(x), dim, keepdim);
  if (p == 0) return cast(sum(x != 0, dim, keepdim), x.dtype());
  if (p == 1) return sum(abs(x), dim, keepdim);
  if (p == 2) return suanli::norm(x, dim, keepdim);
  const Tensor magnitude = abs(x);
  if (p < 0) return pow(sum(pow(magnitude, p), dim, keepdim), 1 / p);
  const Tensor powers = zero_at_zero(magnitude, [&](const Tensor& a) { return pow(a, p); });
  return zero_at_zero(sum(powers, dim, keepdim), [&](const Tensor& s) { return pow(s, 1 / p); });
}

Tensor normalize(const Tensor& x, double p, int dim, double eps) {
  return x / maximum(norm(x, p, dim, true), eps);
}

Tensor count_nonzero(const Tensor& x, const Dims& dim) { return sum(x != 0, dim); }

Tensor isclose(const Tensor& x, const Tensor& y, double rtol, double atol, bool equal_nan) {
  if (rtol < 0 || atol < 0)
    throw ArgumentError({.op = "isclose",
                         .argument = rtol < 0 ? "rtol" : "atol",
                         .given = str(rtol < 0 ? rtol : atol),
                         .expected = "at least 0",
                         .module = module_path()});
  if (x.dtype() == boolean && y.dtype() == boolean) return x == y;
  const Tensor apart = abs(x - y);
  Tensor close = logical_or(x == y, logical_and(isfinite(apart), apart <= atol + rtol * abs(y)));
  if (equal_nan) close = logical_or(close, logical_and(x != x, y != y));
  return close;
}
bool allclose(const Tensor& x, const Tensor& y, double rtol, double atol, bool equal_nan) {
  return sum(logical_not(isclose(x, y, rtol, atol, equal_nan))).item<int64_t>() == 0;
}
bool equal(const Tensor& x, const Tensor& y) {
  return x.shape() == y.shape() && sum(x != y).item<int64_t>() == 0;
}

}  // namespace suanli
