// SPDX-License-Identifier: Apache-2.0
// Samples of every row of pointwise.def, and of their gradients.
#include "ops/schema/pointwise.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

/// Shapes that every row is tried on: the same, broadcast, 0-d, empty, one that leaves a tail,
/// integers where they are allowed.
std::vector<Sample> samples_pointwise(int row_index) {
  const PointwiseRow& row = pointwise_rows[row_index];
  const PointwiseAttr attr{static_cast<int16_t>(row_index), -1, DType::f64};
  const bool logic = row.cls == PointwiseClass::Logic, compare = row.cls == PointwiseClass::Compare;
  const bool bits = row.cls == PointwiseClass::Bits || row.cls == PointwiseClass::Integers;
  auto make = [&](std::initializer_list<Shape> shapes, DType dtype) {
    Sample s;
    s.attr = attr;
    s.gradient = is_float(dtype) && !compare && !logic;
    int i = 0;
    for (const Shape& shape : shapes) {
      if (i == row.tensors) break;
      const bool flag = logic || (row.cls == PointwiseClass::Select && i == 0);
      s.inputs.push_back(
          {shape, flag ? DType::boolean : dtype, flag ? Domain::boolean : domain_of(row.domain)});
      ++i;
    }
    for (; i < row.arity; ++i) s.slots.push_back(attribute_of(row, i));
    return s;
  };
  std::vector<Sample> out;
  for (DType d : bits ? std::vector{DType::i64, DType::i32} : std::vector{DType::f64, DType::f32}) {
    out.push_back(make({{4, 7}, {4, 7}, {4, 7}}, d));
    out.push_back(make({{3, 1, 5}, {2, 1}, {1, 5}}, d));
    out.push_back(make({{}, {}, {}}, d));
    out.push_back(make({{0, 3}, {1, 3}, {3}}, d));
  }
  out.push_back(make({{2053}, {2053}, {1}}, bits ? DType::i32 : DType::f32));
  if (row.cls != PointwiseClass::Floats && !logic)
    out.push_back(make({{4, 5}, {5}, {4, 1}}, DType::i64));
  if (row.tensors > 1) {
    Sample bad = make({{4, 3}, {4, 2}, {4, 3}}, bits ? DType::i64 : DType::f32);
    bad.throws = Refusal{"x, y", "[4, 3] and [4, 2]", "sizes that broadcast, not 3 and 2"};
    out.push_back(bad);
  }
  if (bits) {
    Sample bad = make({{4}, {4}, {4}}, DType::f32);
    bad.throws = Refusal{"x", "f32", "an integer dtype", ErrorCode::dtype};
    out.push_back(bad);
  }
  if (row.tensors < row.arity) {  // an attribute is one number
    Sample bad = make({{4, 3}}, DType::f32);
    bad.slots.clear();
    for (int i = row.tensors; i < row.arity; ++i) bad.inputs.push_back({{3}, DType::f32});
    bad.throws = Refusal{row.operand[row.tensors], "[3]", "a number"};
    out.push_back(bad);
  }
  return out;
}

std::vector<Sample> samples_gradient() {
  std::vector<Sample> out;
  for (int r = 0; r < pointwise_count; ++r)
    for (int i = 0; i < pointwise_rows[r].arity; ++i) {
      if (std::string_view(pointwise_rows[r].gradient[i]) == "none") continue;
      Sample s;
      auto needed = gradient_operands(r, i);
      for (int k = 0; k < needed.count; ++k) {
        const bool flag = pointwise_rows[r].cls == PointwiseClass::Select && needed.which[k] == 0;
        s.inputs.push_back({{3, 5},
                            flag ? DType::boolean : DType::f64,
                            flag ? Domain::boolean : Domain::positive});
      }
      s.attr = PointwiseAttr{static_cast<int16_t>(r), static_cast<int8_t>(i), DType::f64};
      s.gradient = false;
      out.push_back(s);
    }
  return out;
}

const struct RegisterRows {
  RegisterRows() {
    for (int row = 0; row < pointwise_count; ++row)
      RegisterSamples(pointwise_op(row), [row] { return samples_pointwise(row); });
  }
} register_rows;
const RegisterSamples gradient_samples(pointwise_gradient_op, samples_gradient);

}  // namespace
}  // namespace suanli::test
