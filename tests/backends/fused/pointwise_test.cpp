// SPDX-License-Identifier: Apache-2.0
// Every row of pointwise.def, in every compute type and instruction set of this machine, against
// formulas in long double that were written apart from the texts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "backends/cpu/fused/pointwise_tiles.h"

using namespace suanli;
using namespace suanli::cpu;

namespace {

using Real = long double;
constexpr Real kPi = 3.14159265358979323846264338327950288L;
const double kInf = std::numeric_limits<double>::infinity(),
             kNan = std::numeric_limits<double>::quiet_NaN();

struct Reference {
  std::function<Real(Real, Real, Real)> value;
  double ulp;                                             // bound of the value's error
  // partial derivatives; empty entries: none
  std::vector<std::function<Real(Real, Real, Real)>> dx;
  // error allowed beyond, in units of epsilon (cancellation in the text)
  std::function<Real(Real, Real, Real)> slack;
};
Real normal_cdf(Real x) { return 0.5L * erfcl(-x / sqrtl(2)); }
Real normal_pdf(Real x) { return expl(-x * x / 2) / sqrtl(2 * kPi); }
Real logistic(Real x) { return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x)); }
Real by_order(Real a, Real b, Real below, Real tie, Real above) {
  if (a < b) return below;
  if (a > b) return above;
  return a == b ? tie : NAN;
}

bool lowest(Real x) { return std::isinf(x) && x < 0; }
Real clamped(Real x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
Real hardswish_slope(Real x) { return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5L; }

#define F(body)                        \
  [](Real x, Real y, Real z) -> Real { \
    (void)x;                           \
    (void)y;                           \
    (void)z;                           \
    return body;                       \
  }
const std::map<std::string, Reference> references = {
    {"neg", {F(-x), 0, {F(-1)}, {}}},
    {"abs", {F(fabsl(x)), 0, {F(by_order(x, 0, -1, 0, 1))}, {}}},
    {"sign", {F(by_order(x, 0, -1, 0, 1)), 0, {nullptr}, {}}},
    {"exp", {F(expl(x)), 1.1, {F(expl(x))}, {}}},
    {"log", {F(logl(x)), 1, {F(1 / x)}, {}}},
    {"log1p", {F(log1pl(x)), 3, {F(1 / (1 + x))}, {}}},
    {"sqrt", {F(sqrtl(x)), 0.5, {F(0.5L / sqrtl(x))}, {}}},
    {"rsqrt", {F(1 / sqrtl(x)), 1.5, {F(-0.5L / (x * sqrtl(x)))}, {}}},
    {"square", {F(x * x), 0.5, {F(2 * x)}, {}}},
    {"reciprocal", {F(1 / x), 0.5, {F(-1 / (x * x))}, {}}},
    {"sin", {F(sinl(x)), 3, {F(cosl(x))}, {}}},
    {"cos", {F(cosl(x)), 3, {F(-sinl(x))}, {}}},
    {"tanh", {F(tanhl(x)), 4, {F(1 / (coshl(x) * coshl(x)))}, {}}},
    {"sigmoid", {F(logistic(x)), 3, {F(logistic(x) * logistic(-x))}, {}}},
    {"relu", {F(by_order(x, 0, 0, 0, x)), 0, {F(by_order(x, 0, 0, 0, 1))}, {}}},
    // x·½(1 + erf): the sum cancels for x < 0. At -∞ it is NaN, as PyTorch's.
    {"gelu",
     {F(lowest(x) ? NAN : x * normal_cdf(x)),
      3,
      {F(normal_cdf(x) + x * normal_pdf(x))},
      F(fabsl(x))}},
    // 1/(1 + e⁻ˣ) is 0 before x times it is.
    {"silu",
     {F(lowest(x) ? NAN : x * logistic(x)),
      3,
      {F(logistic(x) * (1 + x * logistic(-x)))},
      F(x < -700 ? 1e-280L : 0)}},
    {"hardsigmoid", {F(clamped((x + 3) / 6)), 1, {F(fabsl(x) < 3 ? 1 / 6.0L : 0)}, {}}},
    {"hardswish",
     {F(lowest(x) ? NAN : x * clamped((x + 3) / 6)),
      2,
      {F(hardswish_slope(x))},
      F(fabsl(x) <= 3 ? fabsl(x) : 0)}},
    {"erf", {F(erfl(x)), 2, {F(2 / sqrtl(kPi) * expl(-x * x))}, {}}},
    {"softplus",  // the rounding of beta·x counts as often as the exponent is large
     {F(x * y > z ? x : log1pl(expl(x * y)) / y),
      4,
      {F(x * y > z ? 1 : logistic(x * y)), nullptr, nullptr},
      F(fabsl(x* y) * log1pl(expl(x * y)) / y)}},
    // Short formulas in double: a float has half a unit, a double what libm has.
    {"exp2", {F(exp2l(x)), 1, {F(exp2l(x) * logl(2))}, {}}},
    {"expm1", {F(expm1l(x)), 1, {F(expl(x))}, {}}},
    {"log2", {F(log2l(x)), 1, {F(1 / (x * logl(2)))}, {}}},
    {"log10", {F(log10l(x)), 2, {F(1 / (x * logl(10)))}, {}}},
    {"tan", {F(tanl(x)), 1, {F(1 / (cosl(x) * cosl(x)))}, {}}},
    {"asin", {F(asinl(x)), 1, {F(1 / sqrtl((1 - x) * (1 + x)))}, {}}},
    {"acos", {F(acosl(x)), 1, {F(-1 / sqrtl((1 - x) * (1 + x)))}, {}}},
    {"atan", {F(atanl(x)), 1, {F(1 / (1 + x * x))}, {}}},
    {"sinh", {F(sinhl(x)), 2, {F(coshl(x))}, {}}},
    {"cosh", {F(coshl(x)), 2, {F(sinhl(x))}, {}}},
    {"asinh", {F(asinhl(x)), 2, {F(1 / sqrtl(x * x + 1))}, {}}},
    {"acosh", {F(acoshl(x)), 2, {F(1 / sqrtl((x - 1) * (x + 1)))}, {}}},
    {"atanh", {F(atanhl(x)), 2, {F(1 / ((1 - x) * (1 + x)))}, {}}},
    {"erfc", {F(erfcl(x)), 3, {F(-2 / sqrtl(kPi) * expl(-x * x))}, {}}},
    {"atan2", {F(atan2l(x, y)), 1.5, {F(y / (x * x + y * y)), F(-x / (x * x + y * y))}, {}}},
    {"ceil", {F(ceill(x)), 0, {nullptr}, {}}},
    {"trunc", {F(truncl(x)), 0, {nullptr}, {}}},
    {"round", {F(nearbyintl(x)), 0, {nullptr}, {}}},
    {"frac", {F(x - truncl(x)), 0, {F(1)}, {}}},
    {"isnan", {F(std::isnan(x)), 0, {nullptr}, {}}},
    {"isinf", {F(std::isinf(x)), 0, {nullptr}, {}}},
    {"fmod", {F(fmodl(x, y)), 0, {F(1), F(-truncl(x / y))}, {}}},
    {"logsigmoid", {F(x < -50 ? x : -log1pl(expl(-x))), 4, {F(logistic(-x))}, {}}},
    {"softsign", {F(x / (1 + fabsl(x))), 2, {F(1 / ((1 + fabsl(x)) * (1 + fabsl(x))))}, {}}},
    {"leaky_relu", {F(x > 0 ? x : x * y), 0.5, {F(x > 0 ? 1 : y), nullptr}, {}}},
    {"elu", {F(x > 0 ? x : y * expm1l(x)), 1.5, {F(x > 0 ? 1 : y * expl(x)), nullptr}, {}}},
    {"hardshrink", {F(fabsl(x) <= y ? 0 : x), 0, {F(fabsl(x) <= y ? 0 : 1), nullptr}, {}}},
    {"threshold", {F(x <= y ? z : x), 0, {F(x <= y ? 0 : 1), nullptr, nullptr}, {}}},
    {"floor", {F(floorl(x)), 0, {nullptr}, {}}},
    {"isfinite", {F(std::isfinite(x)), 0, {nullptr}, {}}},
    {"logical_not", {F(x == 0), 0, {nullptr}, {}}},
    {"add", {F(x + y), 0.5, {F(1), F(1)}, {}}},
    {"sub", {F(x - y), 0.5, {F(1), F(-1)}, {}}},
    {"mul", {F(x * y), 0.5, {F(y), F(x)}, {}}},
    {"multiply_no_nan", {F(y == 0 ? 0 : x * y), 0.5, {F(y), F(x)}, {}}},
    {"div", {F(x / y), 0.5, {F(1 / y), F(-x / (y * y))}, {}}},
    {"pow",
     {F(powl(x, y)),
      1,
      {F(y == 0 ? 0 : y * powl(x, y - 1)), F(x == 0 ? 0 : powl(x, y) * logl(x))},
      {}}},
    {"maximum",
     {F(by_order(x, y, y, x, x)),
      0,
      {F(by_order(x, y, 0, 0.5L, 1)), F(by_order(x, y, 1, 0.5L, 0))},
      {}}},
    {"minimum",
     {F(by_order(x, y, x, x, y)),
      0,
      {F(by_order(x, y, 1, 0.5L, 0)), F(by_order(x, y, 0, 0.5L, 1))},
      {}}},
    {"eq", {F(x == y), 0, {nullptr, nullptr}, {}}},
    {"ne", {F(x != y), 0, {nullptr, nullptr}, {}}},
    {"lt", {F(x < y), 0, {nullptr, nullptr}, {}}},
    {"le", {F(x <= y), 0, {nullptr, nullptr}, {}}},
    {"gt", {F(x > y), 0, {nullptr, nullptr}, {}}},
    {"ge", {F(x >= y), 0, {nullptr, nullptr}, {}}},
    {"logical_and", {F(x != 0 && y != 0), 0, {nullptr, nullptr}, {}}},
    {"logical_or", {F(x != 0 || y != 0), 0, {nullptr, nullptr}, {}}},
    {"where", {F(x != 0 ? y : z), 0, {nullptr, F(x != 0), F(x == 0)}, {}}},
};
#undef F

/// A row that has just been added need not have a reference here: the value is then compared with
/// nothing but other targets.
const Reference* reference(int row) {
  auto it = references.find(pointwise_rows[row].name);
  return it == references.end() ? nullptr : &it->second;
}

bool logic(int row) { return pointwise_rows[row].cls == PointwiseClass::Logic; }
bool is_mask(int row, int input) {
  return logic(row) || (pointwise_rows[row].cls == PointwiseClass::Select && input == 0);
}

std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (Isa isa : {Isa::base, Isa::sse4, Isa::avx2, Isa::avx3})
    if (isa_available(isa)) all.push_back(isa);
  return all;
}

/// Error in units of the last place of T; below the smallest normal number the unit stays that of
/// the smallest normal number.
template <class T> double ulps(T got, Real want) {
  if (std::isnan(got) && std::isnan(want)) return 0;
  const T rounded = static_cast<T>(want);
  if (got == rounded) return 0;
  if (!std::isfinite(got) || !std::isfinite(rounded)) return kInf;
  const T magnitude = std::max(std::fabs(rounded), std::numeric_limits<T>::min());
  const Real unit =
      static_cast<Real>(std::nextafter(magnitude, std::numeric_limits<T>::infinity())) - magnitude;
  return static_cast<double>(fabsl(got - want) / unit);
}

/// Random values of the row's domain at several scales, with the special values in front.
template <class T> std::vector<T> inputs(int row, int input, size_t n, bool specials) {
  std::mt19937_64 random(1234u + static_cast<unsigned>(row * 7 + input));
  std::uniform_real_distribution<double> unit(-1, 1);
  std::vector<T> v(n);
  for (size_t i = 0; i < n; ++i) {
    double x = unit(random) * (i % 3 == 0 ? 1 : i % 3 == 1 ? 4 : 30);
    if (pointwise_rows[row].domain != PointwiseDomain::Real && std::fabs(x) < 1e-3) x = 0.5;
    if (pointwise_rows[row].domain == PointwiseDomain::Positive) x = std::fabs(x);
    const PointwiseDomain domain = pointwise_rows[row].domain;
    if (domain == PointwiseDomain::Unit) x = std::fmod(x, 0.95);
    if (domain == PointwiseDomain::Share) x = 0.5 + std::fmod(x, 0.45);
    if (domain == PointwiseDomain::AboveOne) x = 1.05 + std::fabs(x);
    if (is_mask(row, input)) x = x > 0;
    if (input >= pointwise_rows[row].tensors && input < pointwise_rows[row].arity) {
      const double value = pointwise_rows[row].default_value[input];
      x = std::isnan(value) ? 0.3 * input : value * 1.03125;
    }
    v[i] = static_cast<T>(x);
  }
  if (input >= pointwise_rows[row].tensors) return v;
  if (!specials || is_mask(row, input)) return v;
  const double min = std::numeric_limits<T>::min(), max = std::numeric_limits<T>::max();
  const double special[] = {
      0.0,  -0.0,  min,       -min,       min / 8, -min / 64, std::numeric_limits<T>::denorm_min(),
      kInf, -kInf, kNan,      1,          -1,      2,         -2,
      3,    -3,    0.5,       -0.5,       max,     -max,      max / 2,
      1e4,  -1e4,  123456.75, -123456.75, 88.5,    -88.5,     104,
      -104, 710,   -710,      1e-6,       -1e-6};
  const size_t count = std::size(special);
  for (size_t i = 0; i < count * count && i < n; ++i)  // all pairs, for the binary rows
    v[i] = static_cast<T>(input == 1 ? special[i / count] : special[i % count]);
  return v;
}

template <class T> constexpr Compute compute_of = sizeof(T) == 4 ? Compute::f32 : Compute::f64;

template <class T> class PointwiseFloat : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(PointwiseFloat, FloatTypes);

TYPED_TEST(PointwiseFloat, ValuesMatchLibm) {
  using T = TypeParam;
  const size_t n = 20011;
  for (int row = 0; row < pointwise_count; ++row) {
    const Reference* ref = reference(row);
    if (!ref) continue;
    SCOPED_TRACE(pointwise_rows[row].name);
    std::vector<T> x = inputs<T>(row, 0, n, true), y = inputs<T>(row, 1, n, true),
                   z = inputs<T>(row, 2, n, true), out(n);
    const void* in[] = {x.data(), y.data(), z.data()};
    std::vector<Real> want(n);
    for (size_t i = 0; i < n; ++i) want[i] = ref->value(x[i], y[i], z[i]);
    for (Isa isa : isas()) {
      TileFn fn = value_tile(row, compute_of<T>, isa);
      ASSERT_NE(fn, nullptr);
      fn(in, out.data(), n);
      double worst = 0;
      for (size_t i = 0; i < n; ++i) {
        double error = ulps<T>(out[i], want[i]);
        // Composed texts may reach 0 a little early: 1/(1 + e⁻ˣ) once e⁻ˣ overflows.
        if (ref->ulp > 0.5 && out[i] == 0 && fabsl(want[i]) < 4 * std::numeric_limits<T>::min())
          continue;
        if (ref->slack && std::isfinite(out[i]) && std::isfinite(want[i]))
          error = std::min(error, static_cast<double>(fabsl(out[i] - want[i]) /
                                                      (ref->slack(x[i], y[i], z[i]) *
                                                       std::numeric_limits<T>::epsilon())));
        worst = std::max(worst, error);
        ASSERT_LE(error, ref->ulp)
            << "x " << x[i] << " y " << y[i] << " z " << z[i] << ": " << out[i] << ", expected "
            << want[i] << ", instruction set " << static_cast<int>(isa);
      }
      if (isa == isas().back())
        this->RecordProperty(std::string("ulp_") + pointwise_rows[row].name, std::to_string(worst));
    }
  }
}

TYPED_TEST(PointwiseFloat, GradientsMatchDerivatives) {
  using T = TypeParam;
  const size_t n = 4099;
  for (int row = 0; row < pointwise_count; ++row) {
    const Reference* ref = reference(row);
    if (!ref) continue;
    const int arity = pointwise_rows[row].arity;
    std::vector<T> v[3], out(n), g = inputs<T>(0, 5, n, false), dx(n);
    for (int k = 0; k < 3; ++k) v[k] = inputs<T>(row, k, n, false);
    if (arity == 2 && pointwise_rows[row].tensors == 2)
      std::copy_n(v[0].begin(), 16, v[1].begin());  // ties
    const void* in[5] = {v[0].data(), v[1].data(), v[2].data()};
    in[arity] = out.data();
    in[arity + 1] = g.data();
    for (Isa isa : isas()) {
      value_tile(row, compute_of<T>, isa)(in, out.data(), n);
      for (int k = 0; k < 3; ++k) {
        TileFn fn = gradient_tile(row, k, compute_of<T>, isa);
        const bool differentiable = k < arity && ref->dx[static_cast<size_t>(k)];
        ASSERT_EQ(fn != nullptr, differentiable) << pointwise_rows[row].name << " input " << k;
        if (!fn) continue;
        fn(in, dx.data(), n);
        for (size_t i = 0; i < n; ++i) {
          const Real x = v[0][i], y = v[1][i], z = v[2][i],
                     d = ref->dx[static_cast<size_t>(k)](x, y, z);
          // The texts reuse the rounded result and may cancel (1 - out²): relative to g·max(1,
          // |d|), and 32 roundings.
          const Real scale = fabsl(g[i]) * std::max<Real>(1, fabsl(d)),
                     bound = 32 * std::numeric_limits<T>::epsilon() * scale;
          if (fabsl(g[i] * d) > std::numeric_limits<T>::max() / 2) continue;
          ASSERT_LE(fabsl(dx[i] - g[i] * d), bound)
              << pointwise_rows[row].name << " input " << k << " x " << x << " y " << y << " g "
              << g[i] << ": " << dx[i] << ", expected " << g[i] * d;
        }
      }
    }
  }
}

TYPED_TEST(PointwiseFloat, GradientsAtKinks) {
  using T = TypeParam;
  struct Case {
    PointwiseOp op;
    int input;
    double x, y, out, want;
  };
  const Case cases[] = {
      {PointwiseOp::relu, 0, 0, 0, 0, 0},         {PointwiseOp::relu, 0, kNan, 0, kNan, 8},
      {PointwiseOp::abs, 0, 0, 0, 0, 0},          {PointwiseOp::maximum, 0, 3, 3, 3, 4},
      {PointwiseOp::maximum, 1, 3, 3, 3, 4},      {PointwiseOp::minimum, 0, 3, 3, 3, 4},
      {PointwiseOp::minimum, 1, -2, 3, -2, 0},    {PointwiseOp::pow, 0, 0, 0, 1, 0},
      {PointwiseOp::pow, 1, 0, 2, 0, 0},          {PointwiseOp::pow, 0, -3, 2, 9, -48},
      {PointwiseOp::gelu, 0, 0, 0, 0, 4},         {PointwiseOp::softplus, 0, 1e4, 0, 1e4, 8},
      {PointwiseOp::elu, 0, 0, 0, 0, 8},          {PointwiseOp::hardtanh, 0, 1, 0, 1, 0},
      {PointwiseOp::hardshrink, 0, 0.5, 0, 0, 0}, {PointwiseOp::clamp_min, 0, 3, 3, 3, 8},
      {PointwiseOp::clamp_min, 1, 3, 3, 3, 0},    {PointwiseOp::clamp_max, 0, 3, 3, 3, 8},
      {PointwiseOp::clamp_max, 1, 3, 3, 3, 0}};
  for (const Case& c : cases) {
    const int row = static_cast<int>(c.op);
    T x = static_cast<T>(c.x), y = static_cast<T>(c.y), out = static_cast<T>(c.out), g = 8, dx = 0;
    const PointwiseRow& def = pointwise_rows[row];
    T attribute[3] = {};
    const void* in[5] = {&x, &y};
    for (int k = def.tensors; k < def.arity; ++k) {
      attribute[k] = static_cast<T>(def.default_value[k]);
      in[k] = &attribute[k];
    }
    in[def.arity] = &out;
    in[def.arity + 1] = &g;
    gradient_tile(row, c.input, compute_of<T>)(in, &dx, 1);
    EXPECT_EQ(dx, static_cast<T>(c.want))
        << pointwise_rows[row].name << " input " << c.input << " at " << c.x << ", " << c.y;
  }
}

// An element's bits must not depend on its place, or results would depend on tile borders and
// threads.
TYPED_TEST(PointwiseFloat, TailsGiveTheSameBits) {
  using T = TypeParam;
  const size_t n = 1100;
  for (int row = 0; row < pointwise_count; ++row)
    for (Isa isa : isas()) {
      std::vector<T> x = inputs<T>(row, 0, n, false), y = inputs<T>(row, 1, n, false),
                     z = inputs<T>(row, 2, n, false), whole(n);
      const void* in[] = {x.data(), y.data(), z.data()};
      TileFn fn = value_tile(row, compute_of<T>, isa);
      if (!fn) continue;  // of integers alone
      fn(in, whole.data(), n);
      for (size_t length : {0, 1, 3, 7, 8, 9, 15, 16, 17, 1023, 1024}) {
        for (size_t start : {0, 1, 5}) {
          std::vector<T> part(length + 1, T(77));
          const void* from[] = {&x[start], &y[start], &z[start]};
          fn(from, part.data(), length);
          EXPECT_EQ(std::memcmp(part.data(), &whole[start], length * sizeof(T)), 0)
              << pointwise_rows[row].name << " n " << length;
          EXPECT_EQ(part[length], T(77)) << "wrote beyond the end";
        }
      }
    }
}

TEST(PointwiseInt, ValuesAreExact) {
  const int64_t min = std::numeric_limits<int64_t>::min(),
                max = std::numeric_limits<int64_t>::max();
  struct Case {
    PointwiseOp op;
    int64_t x, y, want;
  };
  const Case cases[] = {{PointwiseOp::neg, 5, 0, -5},
                        {PointwiseOp::neg, min, 0, min},
                        {PointwiseOp::abs, -7, 0, 7},
                        {PointwiseOp::sign, -9, 0, -1},
                        {PointwiseOp::sign, 0, 0, 0},
                        {PointwiseOp::square, 12, 0, 144},
                        {PointwiseOp::relu, -4, 0, 0},
                        {PointwiseOp::relu, 4, 0, 4},
                        {PointwiseOp::isfinite, 3, 0, 1},
                        {PointwiseOp::logical_not, 1, 0, 0},
                        {PointwiseOp::logical_not, 0, 0, 1},
                        {PointwiseOp::add, max, 1, min},
                        {PointwiseOp::sub, 3, 5, -2},
                        {PointwiseOp::mul, -3, 5, -15},
                        {PointwiseOp::div_trunc, 7, 2, 3},
                        {PointwiseOp::div_floor, -7, 2, -4},
                        {PointwiseOp::div_trunc, 7, 0, 0},
                        {PointwiseOp::div_trunc, min, -1, min},
                        {PointwiseOp::pow, 3, 4, 81},
                        {PointwiseOp::pow, -2, 3, -8},
                        {PointwiseOp::pow, 2, -1, 0},
                        {PointwiseOp::pow, -1, -3, -1},
                        {PointwiseOp::pow, 5, 0, 1},
                        {PointwiseOp::maximum, -3, 2, 2},
                        {PointwiseOp::minimum, -3, 2, -3},
                        {PointwiseOp::eq, 4, 4, 1},
                        {PointwiseOp::ne, 4, 4, 0},
                        {PointwiseOp::lt, 3, 4, 1},
                        {PointwiseOp::le, 4, 4, 1},
                        {PointwiseOp::gt, 3, 4, 0},
                        {PointwiseOp::ge, 4, 4, 1},
                        {PointwiseOp::logical_and, 1, 0, 0},
                        {PointwiseOp::logical_or, 1, 0, 1},
                        {PointwiseOp::logical_xor, 3, 1, 0},
                        {PointwiseOp::ceil, -3, 0, -3},
                        {PointwiseOp::trunc, -3, 0, -3},
                        {PointwiseOp::round, -3, 0, -3},
                        {PointwiseOp::isinf, max, 0, 0},
                        {PointwiseOp::isnan, 0, 0, 0},
                        {PointwiseOp::fmod, -7, 3, -1},
                        {PointwiseOp::fmod, min, -1, 0},
                        {PointwiseOp::fmod, 7, 0, 7},
                        {PointwiseOp::remainder, -7, 3, 2},
                        {PointwiseOp::remainder, 7, -3, -2},
                        {PointwiseOp::remainder, 6, -3, 0},
                        {PointwiseOp::clamp_min, -3, 2, 2},
                        {PointwiseOp::clamp_max, -3, 2, -3},
                        {PointwiseOp::bitwise_and, 12, 10, 8},
                        {PointwiseOp::bitwise_or, 12, 10, 14},
                        {PointwiseOp::bitwise_xor, 12, 10, 6},
                        {PointwiseOp::bitwise_left_shift, -3, 2, -12},
                        {PointwiseOp::bitwise_left_shift, 1, 64, 0},
                        {PointwiseOp::bitwise_left_shift, 1, -1, 0},
                        {PointwiseOp::bitwise_right_shift, -5, 1, -3},
                        {PointwiseOp::bitwise_right_shift, -5, 99, -1},
                        {PointwiseOp::bitwise_right_shift, 5, -1, 0}};
  for (const Case& c : cases) {
    const void* in[] = {&c.x, &c.y};
    int64_t out = 99;
    TileFn fn = value_tile(static_cast<int>(c.op), Compute::i64);
    ASSERT_NE(fn, nullptr);
    fn(in, &out, 1);
    EXPECT_EQ(out, c.want) << pointwise_rows[static_cast<int>(c.op)].name << "(" << c.x << ", "
                           << c.y << ")";
  }
  for (int row = 0; row < pointwise_count; ++row) {
    EXPECT_EQ(value_tile(row, Compute::i64) == nullptr,
              pointwise_rows[row].cls == PointwiseClass::Floats)
        << pointwise_rows[row].name;
    EXPECT_EQ(gradient_tile(row, 0, Compute::i64), nullptr);
  }
  EXPECT_EQ(value_tile(-1, Compute::f32), nullptr);
  EXPECT_EQ(value_tile(pointwise_count, Compute::f32), nullptr);
  EXPECT_EQ(gradient_tile(0, 3, Compute::f32), nullptr);
}

}  // namespace
