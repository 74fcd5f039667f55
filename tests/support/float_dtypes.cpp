// SPDX-License-Identifier: Apache-2.0
#include "support/float_dtypes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/text/text.h"
#include "ops/schema/dtypes.h"
#include "suanli/autograd.h"
#include "support/op_harness.h"

namespace suanli::test {

namespace {

struct Bounds {
  double value, gradient;
};
/// Bounds of f16 and bf16 in units in the last place: of a result, beside what the reference's f32
/// tolerance allows, and of an element of a gradient, in units of the largest element. An op
/// computes in f32 and rounds once, hence ½. A gradient reads rounded results of the op, and may be
/// a sum of values that the cold tier has rounded.
constexpr Bounds kMost{0.5, 2};
const std::map<std::string_view, Bounds> exceptions = {
    {"tanh", {0.5, 8}},  // 1 − out² cancels near ±1
    {"softmax", {0.5, 16}},  // out · (g − Σ g · out) is far below its terms
    {"log_softmax", {0.5, 8}},  // a rounding of out by 2⁻⁶ changes exp(out) by as much
    {"scaled_dot_product_attention", {0.5, 4}},
    {"atan2", {0.5, 4}},  // x/(x² + y²) has both signs, and a broadcast input sums rounded ones
    {"uniform", {1, 2}},  // what would round to the end of the interval stays below it
};
Bounds bounds_of(const Op& op) {
  const auto it = exceptions.find(op.name());
  return it == exceptions.end() ? kMost : it->second;
}

struct Format {
  int fraction_bits, least_exponent;
};
Format format_of(DType d) {
  switch (d) {
    case DType::f16: return {10, -14};
    case DType::bf16: return {7, -126};
    case DType::f32: return {23, -126};
    default: return {52, -1022};
  }
}
/// The distance of two numbers of a dtype where x lies.
Real last_place(DType d, Real x) {
  const Format f = format_of(d);
  const int exponent = x == 0 ? f.least_exponent : std::max(std::ilogb(x), f.least_exponent);
  return std::ldexp(Real{1}, exponent - f.fraction_bits);
}
/// x rounded to nearest, ties to even.
Real rounded(DType d, Real x) {
  if (!std::isfinite(x)) return x;
  const Real unit = last_place(d, x), at = std::nearbyint(x / unit) * unit;
  const int beyond = d == DType::f16 ? 16 : d == DType::f64 ? 1024 : 128;
  return std::fabs(at) >= std::ldexp(Real{1}, beyond)
             ? std::copysign(std::numeric_limits<Real>::infinity(), x)
             : at;
}

bool is_half(DType d) { return d == DType::f16 || d == DType::bf16; }

bool is_sums(const Op& op, size_t input) {
  return op.schema().input(static_cast<int>(input)) == "sums";
}
bool starts_from_sums(const Op& op) {
  for (size_t k = 0; k < OpSchema::kMaxNamed; ++k)
    if (is_sums(op, k)) return true;
  return false;
}

/// The sample, and its inputs, in a dtype.
struct Variant {
  Sample sample;
  Inputs in;
};

Variant in_dtype(const Op& op, const Sample& sample, const Inputs& given, DType dtype) {
  Variant v{sample, given};
  for (size_t k = 0; k + given.slots < given.arrays.size(); ++k) {
    Array& a = v.in.arrays[k];
    if (!is_float(a.dtype)) continue;
    // the sums that a gradient starts from are not rounded to 16 bits
    a.dtype = is_sums(op, k) ? wide_dtype(dtype) : dtype;
    for (Real& x : a.v) x = rounded(a.dtype, x);
    v.in.tensors[k] = to_tensor(a);
  }
  if (const AttributeType* type = op.schema().attributes)
    for (const AttributeField& field : type->fields) {
      DType named{};
      if (field.name != "dtype") continue;
      std::memcpy(&named, v.sample.attr.bytes + field.offset, sizeof named);
      if (is_float(named)) std::memcpy(v.sample.attr.bytes + field.offset, &dtype, sizeof dtype);
    }
  return v;
}

/// Describes the first element that is too far off; empty if there is none.
std::string difference(const Array& got, const Array& want, double places, double tolerance,
                       Reference::Wild wild) {
  for (size_t i = 0; i < want.v.size(); ++i) {
    const Real g = got.v[i], exact = want.v[i];
    const Real w = is_half(want.dtype) ? rounded(want.dtype, exact) : exact;
    if (wild != Reference::Wild::exact && !std::isfinite(w)) continue;
    if (wild == Reference::Wild::mixed && !std::isfinite(g)) continue;
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const Real scale = want.scale.empty() ? std::fabs(exact) : want.scale[i],
               unit = last_place(want.dtype, exact),
               allowed = (is_half(want.dtype) ? places * (1 + 1e-9L) * unit : 0) +
                         static_cast<Real>(tolerance) * std::max<Real>(scale, 1e-300L);
    if (!(std::fabs(g - exact) <= allowed))
      return str("element ", static_cast<int64_t>(i), " is ", static_cast<double>(g), ", expected ",
                 static_cast<double>(exact), ", ", static_cast<double>(std::fabs(g - exact) / unit),
                 " units off");
  }
  return {};
}

/// Weights that every float dtype holds.
Tensor weights(const Shape& shape, DType dtype) {
  Array w{shape, dtype, {}, {}};
  for (int64_t i = 0; i < shape.numel(); ++i) w.v.push_back(static_cast<Real>(8 + i * 7 % 17) / 16);
  return to_tensor(w);
}

std::vector<Array> gradients(const Op& op, const Variant& v) {
  std::vector<Tensor> xs = v.in.tensors, wanted;
  for (size_t k = 0; k + v.in.slots < xs.size(); ++k)
    if (is_float(xs[k].dtype())) wanted.push_back(xs[k].requires_grad_());
  if (wanted.empty()) return {};
  const Tensor y = call(op, v.sample, xs)[0];
  if (!is_float(y.dtype()) || !y.requires_grad()) return {};
  std::vector<Array> all;
  for (const Tensor& g : grad({sum(y * weights(y.shape(), y.dtype()))}, wanted, {}, {}, true))
    all.push_back(g.defined() ? to_array(g) : Array{});
  return all;
}

void check_gradients(const Op& op, const Variant& v, const Variant& exact, DType dtype) {
  const std::vector<Array> got = gradients(op, v), want = gradients(op, exact);
  ASSERT_EQ(got.size(), want.size());
  for (size_t k = 0; k < got.size(); ++k) {
    ASSERT_EQ(got[k].v.size(), want[k].v.size());
    Real largest = 0, apart = 0;
    for (Real x : want[k].v) largest = std::max(largest, std::fabs(x));
    for (size_t i = 0; i < got[k].v.size(); ++i)
      apart = std::max(apart, std::fabs(got[k].v[i] - want[k].v[i]));
    EXPECT_LE(static_cast<double>(apart / last_place(dtype, largest)), bounds_of(op).gradient)
        << "gradient " << k;
  }
}

void check_special(const Op& op, Variant v, const Reference& reference) {
  if (starts_from_sums(op)) return;  // those of other numbers: no gradient meets them
  for (size_t k = 0; k + v.in.slots < v.in.arrays.size(); ++k) {
    Array& given = v.in.arrays[k];
    if (!is_half(given.dtype) || given.v.empty()) continue;
    const size_t place = given.v.size() / 2;
    const Real before = given.v[place];
    for (const Real special :
         {std::numeric_limits<Real>::quiet_NaN(), std::numeric_limits<Real>::infinity(),
          -std::numeric_limits<Real>::infinity()}) {
      given.v[place] = special;
      std::vector<Tensor> inputs = v.in.tensors;
      inputs[k] = to_tensor(given);
      const auto want = reference.value({v.in.arrays, v.sample.attr, v.sample.shape});
      const auto got = call(op, v.sample, inputs);
      for (size_t r = 0; r < got.size() && r < static_cast<size_t>(reference.results); ++r)
        EXPECT_EQ(difference(to_array(got[r]), want[r], bounds_of(op).value, reference.f32,
                             reference.wild),
                  "")
            << "result " << r << ", input " << k << " has " << static_cast<double>(special);
    }
    given.v[place] = before;
  }
}

constexpr int64_t kElementsForSpecials = 500;

void check(const Op& op, const Sample& sample, const Inputs& given, DType dtype) {
  const Reference& reference = *test::reference(op.name());
  const Variant v = in_dtype(op, sample, given, dtype);
  const std::vector<Array> want = reference.value({v.in.arrays, v.sample.attr, v.sample.shape});
  std::string by_one_thread;
  for (const int threads : {1, 3})
    for (const Tier tier : {Tier::planned, Tier::cold}) {
      count(Mode::float_dtypes);
      const Threads so_many(threads);
      const InTier in_tier(tier);
      const std::vector<Tensor> got = call(op, v.sample, v.in.tensors);
      ASSERT_EQ(got.size(), want.size());
      for (size_t r = 0; r < got.size(); ++r) {
        ASSERT_EQ(to_string(got[r].shape()), to_string(want[r].shape)) << "result " << r;
        ASSERT_EQ(to_string(got[r].dtype()), to_string(want[r].dtype)) << "result " << r;
        const double tolerance = dtype == DType::f64 ? reference.f64 : reference.f32;
        EXPECT_EQ(
            difference(to_array(got[r]), want[r], bounds_of(op).value, tolerance, reference.wild),
            "")
            << "result " << r << (tier == Tier::cold ? ", cold" : ", planned");
      }
      if (tier == Tier::cold) continue;
      if (threads == 1) by_one_thread = bits(got[0]);
      else EXPECT_TRUE(bits(got[0]) == by_one_thread) << "other bits with three threads";
    }
  if (!is_half(dtype)) return;
  Variant exact = v;
  int64_t elements = 0;
  for (size_t k = 0; k + v.in.slots < v.in.arrays.size(); ++k) {
    elements += v.in.arrays[k].shape.numel();
    if (!is_float(exact.in.arrays[k].dtype)) continue;
    exact.in.arrays[k].dtype = DType::f64;
    exact.in.tensors[k] = to_tensor(exact.in.arrays[k]);
  }
  if (sample.gradient) {
    exact.sample = in_dtype(op, sample, given, DType::f64).sample;
    for (const Tier tier : {Tier::planned, Tier::cold}) {
      const InTier in_tier(tier);
      SCOPED_TRACE(tier == Tier::cold ? "cold" : "planned");
      check_gradients(op, v, exact, dtype);
    }
  }
  if (elements <= kElementsForSpecials) check_special(op, v, reference);
}

}  // namespace

void check_float_dtypes(const Op& op, const Sample& sample, int number) {
  // the operands of pointwise_gradient belong together: its rows' gradients are what is checked
  if (sample.throws || op.id() == pointwise_gradient_op.id()) return;
  const Inputs in = draw_inputs(op, sample, number);
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    SCOPED_TRACE(str("in ", dtype));
    try {
      check(op, sample, in, dtype);
    } catch (const Error& e) {
      ADD_FAILURE() << "thrown: " << e.what();
      drop_pending();
    }
  }
}

}  // namespace suanli::test
