// SPDX-License-Identifier: Apache-2.0
// The references of pointwise ops: each by its definition, over one element.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "support/op_reference.h"
#include "support/op_reference_arrays.h"

namespace suanli::test {

namespace {

/// The result's dtype: the inputs' (at least an integer), the inputs', at least f32, bool, that of
/// y and z.
enum class Gives { number, same, real, flag, choice };

struct Row {
  PointwiseReference reference;
  Gives gives;
  int64_t (*integer)(int64_t x, int64_t y) = nullptr;  // where integers follow another rule
  Real (*scale)(Real x, Real y, Real z) = nullptr;  // where the definition cancels
};

int64_t integer_power(int64_t x, int64_t y) {
  if (x == -1) return y % 2 ? -1 : 1;
  if (y < 0) return x == 1 ? 1 : 0;
  uint64_t r = 1;
  for (int64_t i = 0; i < y; ++i) r *= static_cast<uint64_t>(x);
  return static_cast<int64_t>(r);
}

#define ROW1(name, body, ...) \
  {{#name, 1, [](Real x, Real, Real) -> Real { return body; }}, __VA_ARGS__}
#define ROW2(name, body, ...) \
  {{#name, 2, [](Real x, Real y, Real) -> Real { return body; }}, __VA_ARGS__}

#define ROW3(name, body, ...) \
  {{#name, 3, [](Real x, Real y, Real z) -> Real { return body; }}, __VA_ARGS__}

Real one(Real, Real, Real) { return 1; }
Real magnitude(Real x, Real, Real) { return std::fabs(x); }
Real magnitude_of_lerp(Real x, Real y, Real z) {
  return std::fabs(x) + (1 + std::fabs(z)) * (std::fabs(x) + std::fabs(y));
}
Real clamped(Real x, Real y, Real z) {
  return std::isnan(x) || nan_among(y, z) ? x + y + z : std::fmin(std::fmax(x, y), z);
}
/// As C's, but with the sign of y.
Real remainder_of(Real x, Real y) {
  const Real r = std::fmod(x, y);
  return r != 0 && std::signbit(r) != std::signbit(y) ? r + y : r;
}
int64_t remainder_of(int64_t x, int64_t y) { return y == 0 ? x : (x % y + y) % y; }
constexpr Real kSelu = 1.0507009873554804934193349852946L,
               kSeluAlpha = 1.6732632423543772848170429916717L;

const Row rows[] = {
    ROW1(round, std::nearbyint(x), Gives::number),
    ROW1(frac, std::fmod(x, 1.0L), Gives::real),
    ROW1(isnan, truth(std::isnan(x)), Gives::flag),
    ROW1(isinf, truth(std::isinf(x)), Gives::flag),
    ROW1(gelu_tanh, x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715L * x * x * x))) / 2,
         Gives::real, nullptr, magnitude),
    ROW1(selu, x > 0 ? kSelu * x : kSelu * kSeluAlpha * std::expm1(x), Gives::real),
    ROW1(mish, x* std::tanh(x > 50 ? x : std::log1p(std::exp(x))), Gives::real),
    ROW1(logsigmoid, x < -50 ? x : -std::log1p(std::exp(-x)), Gives::real),
    ROW1(softsign, x / (1 + std::fabs(x)), Gives::real),
    ROW1(tanhshrink, x - std::tanh(x), Gives::real, nullptr, magnitude),
    ROW2(leaky_relu, x > 0 ? x : x * y, Gives::real),
    ROW2(elu, x > 0 ? x : y * std::expm1(x), Gives::real),
    ROW2(celu, x > 0 ? x : y * std::expm1(x / y), Gives::real),
    ROW2(hardshrink, std::fabs(x) <= y ? 0 : x, Gives::real),
    ROW2(softshrink, std::fabs(x) <= y ? 0 : x - std::copysign(y, x), Gives::real),
    ROW2(logit, y < 0 ? std::log(x) - std::log1p(-x) : std::log(x / (1 - x)), Gives::real, nullptr,
         one),
    ROW3(softplus, x* y > z ? x : std::log1p(std::exp(x * y)) / y, Gives::real),
    ROW3(hardtanh, clamped(x, y, z), Gives::real),
    ROW3(threshold, x <= y ? z : x, Gives::real),
    ROW3(clamp, clamped(x, y, z), Gives::number),
    ROW3(lerp, std::fabs(z) < 0.5L ? x + z * (y - x) : y - (y - x) * (1 - z), Gives::real, nullptr,
         magnitude_of_lerp),
    ROW2(clamp_min, nan_among(x, y) ? x + y : std::fmax(x, y), Gives::number),
    ROW2(clamp_max, nan_among(x, y) ? x + y : std::fmin(x, y), Gives::number),
    ROW2(fmod, std::fmod(x, y), Gives::number,
         [](int64_t x, int64_t y) { return y == 0 ? x : x % y; }),
    ROW2(remainder, remainder_of(x, y), Gives::number,
         [](int64_t x, int64_t y) { return remainder_of(x, y); }),
    ROW2(logical_xor, truth((x != 0) != (y != 0)), Gives::flag),
    ROW2(bitwise_and, 0 * x * y, Gives::same, [](int64_t x, int64_t y) { return x & y; }),
    ROW2(bitwise_or, 0 * x * y, Gives::same, [](int64_t x, int64_t y) { return x | y; }),
    ROW2(bitwise_xor, 0 * x * y, Gives::same, [](int64_t x, int64_t y) { return x ^ y; }),
    ROW2(bitwise_left_shift, 0 * x * y, Gives::same,
         [](int64_t x, int64_t y) { return y < 0 || y > 63 ? 0 : x * (int64_t{1} << y); }),
    ROW2(bitwise_right_shift, 0 * x * y, Gives::same,
         [](int64_t x, int64_t y) { return y < 0 || y > 62 ? -int64_t{x < 0} : x >> y; }),
    ROW1(neg, 0 - x, Gives::number),
    ROW1(abs, x < 0 ? -x : x, Gives::number),
    ROW1(sign, std::isnan(x) ? x : truth(x > 0) - truth(x < 0), Gives::same),
    ROW1(exp, std::exp(x), Gives::real),
    ROW1(log, std::log(x), Gives::real),
    ROW1(log1p, std::log1p(x), Gives::real),
    ROW1(sqrt, std::sqrt(x), Gives::real),
    ROW1(rsqrt, 1 / std::sqrt(x), Gives::real),
    ROW1(square, std::pow(x, 2.0L), Gives::number),
    ROW1(reciprocal, std::pow(x, -1.0L), Gives::real),
    ROW1(sin, std::sin(x), Gives::real),
    ROW1(cos, std::cos(x), Gives::real),
    ROW1(tanh, std::tanh(x), Gives::real),
    ROW1(sigmoid, (1 + std::tanh(x / 2)) / 2, Gives::real),
    ROW1(relu, std::isnan(x) ? x : std::fmax(x, 0.0L), Gives::number),
    ROW1(relu6,
         x > 6           ? 6
         : std::isnan(x) ? x
                         : std::fmax(x, 0.0L),
         Gives::real),
    ROW1(gelu, x* std::erfc(-x / std::sqrt(2.0L)) / 2, Gives::real, nullptr, magnitude),
    ROW1(silu, x * (1 + std::tanh(x / 2)) / 2, Gives::real),
    ROW1(hardsigmoid, std::isnan(x) ? x : std::fmin(std::fmax(x / 6 + 0.5L, 0.0L), 1.0L),
         Gives::real),
    ROW1(hardswish, std::isnan(x) ? x : x* std::fmin(std::fmax(x / 6 + 0.5L, 0.0L), 1.0L),
         Gives::real),
    ROW1(erf, std::erf(x), Gives::real),
    ROW1(floor, std::floor(x), Gives::number),
    ROW1(isfinite, truth(std::isfinite(x)), Gives::flag),
    ROW1(logical_not, truth(!(x != 0)), Gives::flag),
    ROW2(add, x + y, Gives::same),
    ROW2(sub, x - y, Gives::number),
    ROW2(mul, x* y, Gives::same),
    ROW2(multiply_no_nan, y == 0 ? 0 : x * y, Gives::real),
    ROW2(div, x / y, Gives::real),
    ROW2(div_trunc, std::trunc(x / y), Gives::number,
         [](int64_t x, int64_t y) { return y == 0 ? int64_t{0} : x / y; }),
    ROW2(div_floor, std::floor(x / y), Gives::number,
         [](int64_t x, int64_t y) {
           return y == 0 ? int64_t{0} : x / y - (x % y != 0 && (x < 0) != (y < 0));
         }),
    ROW2(pow, std::pow(x, y), Gives::number, integer_power),
    ROW2(maximum, nan_among(x, y) ? x + y : std::fmax(x, y), Gives::same),
    ROW2(minimum, nan_among(x, y) ? x + y : std::fmin(x, y), Gives::same),
    ROW2(eq, truth(x == y), Gives::flag),
    ROW2(ne, truth(x != y), Gives::flag),
    ROW2(lt, truth(x < y), Gives::flag),
    ROW2(le, truth(x <= y), Gives::flag),
    ROW2(gt, truth(y < x), Gives::flag),
    ROW2(ge, truth(y <= x), Gives::flag),
    ROW2(logical_and, truth(x != 0 && y != 0), Gives::flag),
    ROW2(logical_or, truth(x != 0 || y != 0), Gives::flag),
    {{"where", 3, [](Real x, Real y, Real z) -> Real { return x != 0 ? y : z; }}, Gives::choice},
};
#undef ROW1
#undef ROW2
#undef ROW3

/// The C library's function of that name, for ops that need no entry here.
std::optional<Row> from_the_c_library(const PointwiseRow& row) {
  void* found = dlsym(RTLD_DEFAULT, (std::string(row.name) + "l").c_str());
  if (!found || row.arity > 2 ||
      (row.cls == PointwiseClass::Compare || row.cls == PointwiseClass::Logic))
    return {};
  const Gives gives = row.cls == PointwiseClass::Floats ? Gives::real
                      : row.cls == PointwiseClass::Any  ? Gives::same
                                                        : Gives::number;
  if (row.arity == 1)
    return Row{{row.name, 1,
                [f = reinterpret_cast<Real (*)(Real)>(found)](Real x, Real, Real) { return f(x); }},
               gives};
  return Row{{row.name, 2,
              [f = reinterpret_cast<Real (*)(Real, Real)>(found)](Real x, Real y, Real) {
                return f(x, y);
              }},
             gives};
}

const Row* find_row(std::string_view name) {
  for (const Row& r : rows)
    if (name == r.reference.name) return &r;
  static const std::vector<Row> library = [] {
    std::vector<Row> found;
    for (const PointwiseRow& row : pointwise_rows)
      if (std::none_of(std::begin(rows), std::end(rows), [&](const Row& r) {
            return std::string_view(r.reference.name) == row.name;
          }))
        if (auto r = from_the_c_library(row)) found.push_back(*r);
    return found;
  }();
  for (const Row& r : library)
    if (name == r.reference.name) return &r;
  return nullptr;
}

std::vector<Array> pointwise(const Row& row, const Call& c) {
  const size_t arity = static_cast<size_t>(row.reference.arity);
  std::vector<Shape> shapes;
  for (size_t i = 0; i < arity; ++i) shapes.push_back(c.in[i].shape);
  DType dtype = c.in[row.gives == Gives::choice ? 1 : 0].dtype;
  const size_t tensors = static_cast<size_t>(
      std::find_if(std::begin(pointwise_rows), std::end(pointwise_rows), [&](const auto& r) {
        return std::string_view(r.name) == row.reference.name;
      })->tensors);
  for (size_t i = 1; i < tensors; ++i)
    if (row.gives != Gives::choice || i > 1) dtype = wider(dtype, c.in[i].dtype);
  const bool integers = !is_float(dtype);
  if (row.gives == Gives::flag) dtype = DType::boolean;
  if (row.gives == Gives::number && dtype == DType::boolean) dtype = DType::i64;
  if (row.gives == Gives::real && integers) dtype = DType::f32;
  Array y = filled(broadcast_shape(shapes), dtype);
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), y.shape);
    Real operand[3] = {0, 0, 0};
    for (size_t k = 0; k < arity; ++k) operand[k] = c.in[k].v[broadcast_from(at, c.in[k].shape)];
    y.v[i] = integers && row.integer
                 ? static_cast<Real>(row.integer(static_cast<int64_t>(operand[0]),
                                                 static_cast<int64_t>(operand[1])))
                 : row.reference.value(operand[0], operand[1], operand[2]);
    if (dtype == DType::boolean) y.v[i] = truth(y.v[i] != 0);
    if (row.scale) y.scale.push_back(row.scale(operand[0], operand[1], operand[2]));
  }
  return {y};
}

}  // namespace

std::function<std::vector<Array>(const Call&)> pointwise_values(std::string_view name) {
  const Row* row = find_row(name);
  if (!row) return {};
  return [row](const Call& c) { return pointwise(*row, c); };
}

double attribute_of(const PointwiseRow& row, int operand) {
  const double value = row.default_value[operand];
  return std::isnan(value) ? 0.3 * operand : value * 1.03125;
}

const PointwiseReference* pointwise_reference(std::string_view name) {
  const Row* row = find_row(name);
  return row ? &row->reference : nullptr;
}

Real pointwise_derivative(const PointwiseReference& row, int input, Real x, Real y, Real z) {
  constexpr Real h = 1e-6L;
  Real at[2][3] = {{x, y, z}, {x, y, z}};
  at[0][input] += h;
  at[1][input] -= h;
  return (row.value(at[0][0], at[0][1], at[0][2]) - row.value(at[1][0], at[1][1], at[1][2])) /
         (at[0][input] - at[1][input]);
}

}  // namespace suanli::test
