// SPDX-License-Identifier: Apache-2.0
#include "autograd/no_gradient.h"

#include <algorithm>
#include <unordered_map>

#include "ops/schema/pointwise.h"

namespace suanli {

namespace {

constexpr DTypes kFloats =
    dtypes_of({DType::f64, DType::f32, DType::f16, DType::bf16, DType::c64, DType::c128});

constexpr const char* kOfFormula =
    "with create_graph the formula is recorded as ops that have gradients";

/// Reasons that do not follow from the schema.
const std::unordered_map<const Op*, const char*>& reasons() {
  static const auto* all = new std::unordered_map<const Op*, const char*>{
      {&pointwise_gradient_op, kOfFormula},  {&cross_entropy_grad_op, kOfFormula},
      {&layer_norm_grad_op, kOfFormula},     {&scaled_dot_product_attention_grad_op, kOfFormula},
      {&self_attention_grad_op, kOfFormula},
  };
  return *all;
}

const PointwiseRow* row_of(const Op& op) {
  for (int row = 0; row < pointwise_count; ++row)
    if (&pointwise_op(row) == &op) return &pointwise_rows[row];
  return nullptr;
}

bool has_gradient_text(const PointwiseRow& row) {
  return std::any_of(row.gradient, row.gradient + row.arity,
                     [](const char* text) { return std::string_view(text) != "none"; });
}

bool takes_floats(const OpSchema& schema) {
  for (int i = 0; i < OpSchema::kMaxNamed && schema.inputs[i].name; ++i)
    if (schema.input_dtypes(i) & kFloats) return true;
  return false;
}

int inputs_of(const OpSchema& schema) {
  int n = 0;
  while (n < OpSchema::kMaxNamed && schema.inputs[n].name) ++n;
  return n;
}

/// The reason that the schema gives; empty if it gives none.
std::string reason_of(const OpSchema& schema, const PointwiseRow* row) {
  const DTypeRule& rule = schema.results[0].dtype;
  if (rule.kind == DTypeRule::fixed && !is_float(rule.dtype))
    return str("the result is ", rule.dtype);
  if (!takes_floats(schema)) return "no input is a float";
  if (schema.slots == (1u << inputs_of(schema)) - 1 && !row)
    return "the inputs are numbers, not tensors";
  return row ? "piecewise constant: the derivative is 0 where there is one" : "";
}

}  // namespace

GradientFact gradient_fact(const Op& op) {
  const PointwiseRow* row = row_of(op);
  const bool exists =
      row ? has_gradient_text(*row) : op.has(Trait::composite) || (op.rules() && op.rules()->vjp);
  const std::string derived = reason_of(op.schema(), row);
  if (exists && !(op.has(Trait::composite) && !derived.empty())) return {true};
  if (const auto it = reasons().find(&op); it != reasons().end()) return {false, it->second};
  return {false, derived};
}

}  // namespace suanli
