// SPDX-License-Identifier: Apache-2.0
// The results of every op, computed a second time: naive loops in long double, written from the
// ops' definitions and not from their code or their texts. Slow and plain on purpose.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "ops/op.h"
#include "ops/schema/pointwise_math.h"

namespace suanli::test {

using Real = long double;  // holds every f64 and every i64 exactly

/// A row-major array of any dtype. `scale`, where it is given, is what an element's error is
/// measured against: the sum of the magnitudes that went into it, which cancellation may leave far
/// above the element itself.
struct Array {
  Shape shape;
  DType dtype = DType::f64;
  std::vector<Real> v;
  std::vector<Real> scale;
};

struct Call {
  const std::vector<Array>& in;  // scalar slots are 0-d arrays behind the inputs
  const Attr& attr;
  const Shape& shape;  // the wanted shape, for ops whose caller chooses it
};

struct Reference {
  std::function<std::vector<Array>(const Call&)> value;
  double f32 = 2e-6, f64 = 1e-12;  // |op − reference| ≤ tolerance · scale; 0: exact
  // the planned tier may lay its operands out anew and then sums in another order
  bool relaid = false;
  int results = 8;  // that callers see; the others are what the gradient starts from
  /// Where an input is infinite or NaN: the reference's results; finite where they are, but NaN and
  /// ∞ are not told apart (the op adds up in another order); or at least not finite where they are
  /// not (fast algorithms mix their inputs).
  enum class Wild { exact, places, mixed } wild = Wild::exact;
};

/// The value that tests give to an attribute of a row: near its default, which may be a kink.
double attribute_of(const PointwiseRow& row, int operand);

/// Null if nobody wrote one.
const Reference* reference(std::string_view op);

/// A row of pointwise.def by its definition in the textbook.
struct PointwiseReference {
  const char* name;
  int arity;
  std::function<Real(Real x, Real y, Real z)> value;
};
/// Rows without an entry of their own are looked up in the C library by name (hypot, cbrt, atan2,
/// …), in long double.
const PointwiseReference* pointwise_reference(std::string_view name);
/// The results of a row over arrays; empty if nobody wrote its reference.
std::function<std::vector<Array>(const Call&)> pointwise_values(std::string_view name);

/// ∂value/∂(input) by central differences: good to about 1e-12 where the value is smooth within
/// ±1e-6.
Real pointwise_derivative(const PointwiseReference& row, int input, Real x, Real y, Real z);

/// Philox-4x32-10 as in Salmon et al. 2011, section 3.3.
std::array<uint32_t, 4> reference_philox(std::array<uint32_t, 4> counter,
                                         std::array<uint32_t, 2> key);

}  // namespace suanli::test
