// SPDX-License-Identifier: Apache-2.0
// Samples of ops: calls for the generic harness. Those of a family are in
// tests/ops/samples/FAMILY_samples.cpp; they are registered by the op's object.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "ops/schema/ops.h"
#include "support/op_reference.h"

namespace suanli::test {

/// The range that inputs of an op are drawn from.
enum class Domain : uint8_t {
  real,
  positive,
  nonzero,
  unit,
  index,
  boolean,
  distinct,
  signed_unit,
  above_one,
  around_one
};
struct Input {
  Shape shape;
  DType dtype = DType::f64;
  Domain domain = Domain::real;
  int64_t below = 0; /* index: 0 … below-1 */
};

Domain domain_of(PointwiseDomain domain);

/// The error of a call that must fail: its kind, and its parts unless null.
struct Refusal {
  const char* argument = nullptr;
  const char* given = nullptr;
  const char* expected = nullptr;
  ErrorCode code = ErrorCode::shape;
};

/// One call: inputs, attributes, and the error if it must fail. A scalar slot is given by `slots`
/// (appended after the inputs).
struct Sample {
  std::vector<Input> inputs;
  Attr attr = {};
  std::vector<double> slots = {};
  Shape shape = {};  // Infer::requested_shape
  std::optional<Refusal> throws = {};
  // false where the point is not differentiable or the op is piecewise constant
  bool gradient = true;
};

using MakeSamples = std::function<std::vector<Sample>()>;

/// Gives an op its samples, and a reference if it has none in op_reference*.cpp.
struct RegisterSamples {
  RegisterSamples(const Op& op, MakeSamples make, Reference reference = {});
};
/// The samples of an op; empty if none are registered, which is a failure of the op's test.
std::vector<Sample> samples_of(const Op& op);
/// The reference that was registered with an op's samples, or null.
const Reference* registered_reference(std::string_view op);

}  // namespace suanli::test
