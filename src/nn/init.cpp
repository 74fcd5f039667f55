// SPDX-License-Identifier: Apache-2.0
#include "suanli/nn/init.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "nn/checks.h"
#include "suanli/autograd.h"
#include "suanli/ops.h"

namespace suanli::nn::init {

namespace {

void set(const Parameter& p, const Tensor& value) {
  const GradMode off(false);
  p.set(value.dtype() == p.dtype() ? value : cast(value, p.dtype()));
}
/// Draws are made in f64 for f64, else in f32.
DType drawn(const Parameter& p) { return p.dtype() == f64 ? f64 : f32; }

[[noreturn]] void fail_parameter(const char* op, const Parameter& p, std::string expected) {
  throw ShapeError({.op = op,
                    .argument = "parameter",
                    .given = to_string(p.shape()),
                    .expected = std::move(expected)});
}

struct Fans {
  double in, out;
};
Fans fans_of(const char* op, const Parameter& p) {
  const Shape& s = p.shape();
  if (s.rank() < 2) fail_parameter(op, p, "at least two axes, [out, in, …]");
  double field = 1;
  for (int i = 2; i < s.rank(); ++i) field *= static_cast<double>(s[i]);
  return {static_cast<double>(s[1]) * field, static_cast<double>(s[0]) * field};
}
double xavier_std(const char* op, const Parameter& p, double gain) {
  const Fans f = fans_of(op, p);
  return gain * std::sqrt(2 / (f.in + f.out));
}
double kaiming_std(const char* op, const Parameter& p, const KaimingOptions& o) {
  const Fans f = fans_of(op, p);
  return calculate_gain(o.nonlinearity, o.a) / std::sqrt(o.mode == FanMode::fan_in ? f.in : f.out);
}
/// A parameter without elements has nothing to draw, and its fans may be 0.
bool is_empty(const Parameter& p) { return p.numel() == 0; }

/// The inverse of erf in (-1, 1): Winitzki's approximation, then Newton's steps.
double inverse_erf(double y) {
  const double a = 0.147, l = std::log1p(-y * y), b = 2 / (std::numbers::pi * a) + l / 2;
  double x = std::copysign(std::sqrt(std::sqrt(b * b - l / a) - b), y);
  for (int i = 0; i < 3; ++i)
    x -= (std::erf(x) - y) * std::sqrt(std::numbers::pi) / 2 * std::exp(x * x);
  return x;
}

std::vector<double> host_draws(const Tensor& x) { return cast(x, f64).to_vector<double>(); }

}  // namespace

double calculate_gain(Nonlinearity nonlinearity, double slope) {
  switch (nonlinearity) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid: return 1;
    case Nonlinearity::tanh: return 5.0 / 3;
    case Nonlinearity::relu: return std::numbers::sqrt2;
    case Nonlinearity::leaky_relu: return std::sqrt(2 / (1 + slope * slope));
    case Nonlinearity::selu: break;
  }
  return 0.75;
}

void uniform_(const Parameter& p, double low, double high) {
  set(p, uniform(low, high, p.shape(), drawn(p)));
}
void normal_(const Parameter& p, double mean, double std) {
  set(p, normal(mean, std, p.shape(), drawn(p)));
}
void trunc_normal_(const Parameter& p, double mean, double std, double low, double high) {
  if (!(low < high) || !(std > 0))
    throw ArgumentError({.op = "trunc_normal_",
                         .argument = low < high ? "std" : "high",
                         .given = str(low < high ? std : high),
                         .expected = low < high ? "above 0" : str("above ", low)});
  // of the distribution function at the ends, drawn between and inverted
  const auto share = [&](double x) { return std::erf((x - mean) / std / std::numbers::sqrt2); };
  std::vector<double> values = host_draws(uniform(share(low), share(high), p.shape(), f64));
  for (double& v : values) {
    const double inside = std::clamp(v, -1 + 1e-16, 1 - 1e-16);
    v = std::clamp(mean + std * std::numbers::sqrt2 * inverse_erf(inside), low, high);
  }
  set(p, tensor(values, p.shape()));
}
void constant_(const Parameter& p, double value) { set(p, full(p.shape(), value, p.dtype())); }

void eye_(const Parameter& p) {
  if (p.shape().rank() != 2) fail_parameter("eye_", p, "two axes");
  const int64_t rows = p.shape()[0], columns = p.shape()[1];
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < std::min(rows, columns); ++i)
    values[static_cast<size_t>(i * columns + i)] = 1;
  set(p, tensor(values, p.shape()));
}
void dirac_(const Parameter& p, int64_t groups) {
  const Shape& s = p.shape();
  if (s.rank() < 3 || s.rank() > 5) fail_parameter("dirac_", p, "three to five axes");
  if (groups < 1 || s[0] % groups != 0)
    fail_argument("dirac_", "groups", groups, str("a divisor of ", s[0]));
  int64_t field = 1, middle = 0;
  for (int i = 2; i < s.rank(); ++i) {
    middle = middle * s[i] + s[i] / 2;
    field *= s[i];
  }
  std::vector<float> values(static_cast<size_t>(p.numel()));
  const int64_t each = s[0] / groups;
  for (int64_t g = 0; g < groups && field > 0; ++g)
    for (int64_t i = 0; i < std::min(each, s[1]); ++i)
      values[static_cast<size_t>(((g * each + i) * s[1] + i) * field + middle)] = 1;
  set(p, tensor(values, s));
}

void xavier_uniform_(const Parameter& p, double gain) {
  const double std = xavier_std("xavier_uniform_", p, gain);
  if (!is_empty(p)) uniform_(p, -std::sqrt(3.0) * std, std::sqrt(3.0) * std);
}
void xavier_normal_(const Parameter& p, double gain) {
  const double std = xavier_std("xavier_normal_", p, gain);
  if (!is_empty(p)) normal_(p, 0, std);
}
void kaiming_uniform_(const Parameter& p, const KaimingOptions& o) {
  const double std = kaiming_std("kaiming_uniform_", p, o);
  if (!is_empty(p)) uniform_(p, -std::sqrt(3.0) * std, std::sqrt(3.0) * std);
}
void kaiming_normal_(const Parameter& p, const KaimingOptions& o) {
  const double std = kaiming_std("kaiming_normal_", p, o);
  if (!is_empty(p)) normal_(p, 0, std);
}

void orthogonal_(const Parameter& p, double gain) {
  const Shape& s = p.shape();
  if (s.rank() < 2) fail_parameter("orthogonal_", p, "at least two axes");
  if (is_empty(p)) return;
  const size_t rows = static_cast<size_t>(s[0]), columns = static_cast<size_t>(p.numel()) / rows,
               many = std::min(rows, columns), length = std::max(rows, columns);
  // `many` vectors of `length`, made orthogonal to those before in two passes (Gram-Schmidt)
  std::vector<double> q = host_draws(randn({static_cast<int64_t>(many * length)}, f64));
  const auto dot = [&](const double* a, const double* b) {
    return std::inner_product(a, a + length, b, 0.0);
  };
  for (size_t i = 0; i < many; ++i) {
    double* v = q.data() + i * length;
    for (int pass = 0; pass < 2; ++pass)
      for (size_t j = 0; j < i; ++j) {
        const double* u = q.data() + j * length;
        const double along = dot(u, v);
        for (size_t k = 0; k < length; ++k) v[k] -= along * u[k];
      }
    const double scale = 1 / std::sqrt(dot(v, v));
    for (size_t k = 0; k < length; ++k) v[k] *= scale;
  }
  std::vector<double> values(q.size());
  for (size_t i = 0; i < many; ++i)
    for (size_t k = 0; k < length; ++k)
      values[rows <= columns ? i * columns + k : k * columns + i] = gain * q[i * length + k];
  set(p, tensor(values, s));
}

}  // namespace suanli::nn::init
