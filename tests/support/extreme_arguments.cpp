// SPDX-License-Identifier: Apache-2.0
#include "support/extreme_arguments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text/text.h"
#include "suanli/autograd.h"
#include "support/op_harness.h"

namespace suanli::test {

namespace {

struct Estimate {
  Real value = 0, error = std::numeric_limits<Real>::infinity();
};

/// The first or second derivative of f at x by differences of fourth order. The step, a power of
/// two, is the one of least error; where no step resolves f, the error stays infinite.
template <class F> Estimate derivative(F&& f, Real x, int order) {
  constexpr Real kEpsilon = std::numeric_limits<Real>::epsilon();
  const int top = std::ilogb(std::max<Real>(std::fabs(x), 1)),
            low = std::ilogb(std::min<Real>(std::fabs(x), 1)) - 20;
  Estimate best;
  Real coarser = 0;
  bool have_coarser = false, coarser_straight = false;
  for (int k = top; k >= low && k >= top - 400; --k) {
    const Real h = std::ldexp(1.0L, k);
    const Real at[] = {f(x - 2 * h), f(x - h), f(x), f(x + h), f(x + 2 * h)};
    const bool exact = x + h - x == h && x - h + h == x;
    Real largest = 0, smallest_value = at[0], largest_value = at[0];
    for (Real v : at) {
      largest = std::max(largest, std::fabs(v));
      smallest_value = std::min(smallest_value, v);
      largest_value = std::max(largest_value, v);
    }
    if (!exact ||
        !std::all_of(std::begin(at), std::end(at), [](Real v) { return std::isfinite(v); }) ||
        largest_value - smallest_value > 0.3L * largest) {
      have_coarser = false;
      continue;
    }
    const Real now = order == 1
                         ? (8 * (at[3] - at[1]) - (at[4] - at[0])) / (12 * h)
                         : (16 * (at[3] + at[1]) - (at[4] + at[0]) - 30 * at[2]) / (12 * h * h);
    // A line, or a constant, up to its last digits. Differences of anything else must agree to some
    // digits of their own.
    const bool straight = std::fabs(at[3] + at[1] - 2 * at[2]) <= 1e-6L * largest &&
                          std::fabs(at[4] + at[0] - 2 * at[2]) <= 1e-6L * largest;
    const Real error =
        std::fabs(now - coarser) + 60 * kEpsilon * largest / (order == 1 ? h : h * h);
    const bool resolved =
        error <= 1e-7L * std::fabs(now) || (straight && coarser_straight && error <= 1e-12L);
    if (have_coarser && resolved && error < best.error) best = {now, error};
    coarser = now;
    have_coarser = true;
    coarser_straight = straight;
  }
  return best;
}

/// As `dtype` holds it.
Real rounded(Real v, DType dtype) {
  return dtype == DType::f32 ? static_cast<Real>(static_cast<float>(v))
                             : static_cast<Real>(static_cast<double>(v));
}

std::vector<Real> magnitudes(DType dtype) {
  std::vector<Real> m{1e-30L, 1e-10L, 0.5L, 1.25L, 3.75L, 20,    88,    89,    100,  104,
                      700,    710,    750,  1e3L,  1e4L,  1e10L, 1e18L, 1e20L, 1e30L};
  for (Real v : dtype == DType::f32 ? std::vector<Real>{1e-40L, 1e-37L, 1e38L, 3e38L}
                                    : std::vector<Real>{1e-310L, 1e-300L, 1e150L, 1e160L, 1e300L})
    m.push_back(v);
  for (Real& v : m) v = rounded(v, dtype);
  return m;
}

std::vector<Real> arguments(const PointwiseRow& row, DType dtype) {
  std::vector<Real> all = magnitudes(dtype);
  // long double resolves no period beyond
  if (std::string_view(row.name) == "sin" || std::string_view(row.name) == "cos")
    std::erase_if(all, [](Real v) { return v > 0x1p50L; });
  // its second derivatives, of the order of 1/x², overflow before
  if (std::string_view(row.name) == "atan2")
    std::erase_if(all, [&](Real v) { return v * v < (dtype == DType::f32 ? 1e-37L : 1e-307L); });
  if (row.domain == PointwiseDomain::Unit || row.domain == PointwiseDomain::Share)
    std::erase_if(all, [](Real v) { return v >= 1; });
  if (row.domain == PointwiseDomain::AboveOne) std::erase_if(all, [](Real v) { return v <= 1; });
  if (row.domain != PointwiseDomain::Positive && row.domain != PointwiseDomain::Share &&
      row.domain != PointwiseDomain::AboveOne)
    for (size_t i = all.size(); i-- > 0;) all.push_back(-all[i]);
  return all;
}

/// `y` is that of a row of two tensors; attributes have the values of attribute_of().
Tensor call_row(const PointwiseRow& row, const Tensor& x, const Tensor& y) {
  const auto number = static_cast<int16_t>(&row - pointwise_rows);
  std::vector<Tensor> inputs{x};
  if (row.tensors == 2) inputs.push_back(y);
  for (int i = row.tensors; i < row.arity; ++i) inputs.emplace_back(attribute_of(row, i));
  return record(pointwise_op(number), inputs, PointwiseAttr{number, -1, DType::f64});
}

}  // namespace

int check_extreme_arguments(const PointwiseRow& row, DType dtype) {
  const PointwiseReference* reference = pointwise_reference(row.name);
  const bool differentiable = std::string_view(row.gradient[0]) != "none";
  if (!reference || row.tensors > 2 || has_teeth(row) ||
      (row.cls != PointwiseClass::Floats && !differentiable))
    return 0;
  Array in[2] = {{{}, dtype, {}, {}}, {{}, dtype, {}, {}}};
  for (Real x : arguments(row, dtype))
    for (Real y : row.tensors == 1 ? std::vector<Real>{0} : arguments(row, dtype)) {
      if (row.tensors == 2 && x == y) continue;  // a kink of some rows
      in[0].v.push_back(x);
      in[1].v.push_back(y);
    }
  const auto n = static_cast<int64_t>(in[0].v.size());
  in[0].shape = in[1].shape = {n};
  const double relative = dtype == DType::f32 ? 1e-4 : 1e-9;
  int compared = 0;
  const auto compare = [&](const char* what, const Tensor& tensor, auto&& estimate) {
    const Array got = to_array(tensor);
    int reported = 0;
    for (size_t i = 0; i < got.v.size() && reported < 5; ++i) {
      const Estimate e = estimate(in[0].v[i], in[1].v[i]);
      if (!std::isfinite(e.value) || !std::isfinite(e.error)) continue;
      ++compared;
      const Real want = rounded(e.value, dtype), g = got.v[i];
      const Real margin =
          static_cast<Real>(relative) * std::max<Real>(1, std::fabs(e.value)) + 10 * e.error;
      const bool right = std::isinf(want) ? g == want : std::fabs(g - e.value) <= margin;
      if (right) continue;
      ++reported;
      ADD_FAILURE() << row.name << " in " << to_string(dtype) << ": " << what << " at "
                    << static_cast<double>(in[0].v[i]) << ", " << static_cast<double>(in[1].v[i])
                    << " is " << static_cast<double>(g) << ", expected "
                    << static_cast<double>(e.value);
    }
  };
  const auto value = [&](Real x, Real y) {
    return reference->value(x, row.arity > row.tensors ? attribute_of(row, 1) : y,
                            row.arity > 2 ? attribute_of(row, 2) : 0);
  };
  Tensor xs[2] = {to_tensor(in[0]), to_tensor(in[1])};
  compare("the value", call_row(row, xs[0], xs[1]),
          [&](Real x, Real y) { return Estimate{value(x, y), 0}; });
  compared = 0;
  if (!differentiable) return 0;
  for (int input = 0; input < row.tensors; ++input) {
    const auto along = [&](int order) {
      return [&, order](Real x, Real y) {
        return input == 0 ? derivative([&](Real v) { return value(v, y); }, x, order)
                          : derivative([&](Real v) { return value(x, v); }, y, order);
      };
    };
    Tensor x = xs[input];
    x.requires_grad_();
    const Tensor total = sum(input == 0 ? call_row(row, x, xs[1]) : call_row(row, xs[0], x));
    const Tensor recorded = grad({total}, {x}, {}, {.create_graph = true})[0];
    const std::string name = str("input ", input);
    compare((name + ": the first derivative").c_str(), recorded, along(1));
    if (recorded.requires_grad()) {
      const auto second = grad({sum(recorded)}, {x}, {}, {.retain_graph = true}, true)[0];
      compare((name + ": the second derivative").c_str(),
              second.defined() ? second : zeros({n}, dtype), along(2));
    }
    const Tensor again = sum(input == 0 ? call_row(row, x, xs[1]) : call_row(row, xs[0], x));
    compare((name + ": the first derivative's kernel").c_str(), grad({again}, {x})[0], along(1));
  }
  return compared;
}

}  // namespace suanli::test
