// SPDX-License-Identifier: Apache-2.0
// Pointwise ops that are written with rows of pointwise.def. Their numbers are scalar slots, as the
// attributes of rows are.
#include <limits>

#include "ops/op.h"

namespace suanli {

namespace {

/// The result of pointwise inputs: broadcast, and promoted to a float dtype if `to_float`. What
/// stands behind the tensors is a number.
void infer_broadcast(Infer& c, int tensors, bool to_float) {
  Shape shape = c.shape(0);
  for (int i = 1; i < c.inputs(); ++i) {
    if (i >= tensors && c.shape(i).rank() != 0) c.fail(i, "a number");
    try {
      shape = broadcast(shape, c.shape(i));
    } catch (const ShapeError& e) { c.fail(c.arguments(i + 1), c.shapes(i + 1), e.expected()); }
  }
  const DType dtype = c.common_dtype();
  c.out(0, shape, to_float && !is_float(dtype) ? DType::f32 : dtype);
}

double largest_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return std::numeric_limits<double>::max();
    case DType::f16: return 65504;
    case DType::bf16: return 0x1.FEp127;
    default: return std::numeric_limits<float>::max();
  }
}

template <bool to_float> void infer_add_scaled(Infer& c) {
  infer_broadcast(c, 3, to_float);
  if (!to_float && c.dtype(0) == DType::boolean) c.fail_dtype(0, "numbers");
}

}  // namespace

const Op bitwise_not_op{OpSchema{
    .name = "bitwise_not",
    .doc = "The bits that x does not have, -x - 1 of a signed integer; for bools: not.",
    .inputs = {"input"},
    .traits = Trait::composite,
    .dtypes = kNumberDTypes & kNotFloatDTypes,
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.dtype(0)); },
}};
const RegisterRules bitwise_not_rules{OpRules{
    .op = &bitwise_not_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          return in[0].dtype() == DType::boolean ? logical_not(in[0])
                                                 : bitwise_xor(in[0], int64_t{-1});
        },
}};

const Op nan_to_num_op{OpSchema{
    .name = "nan_to_num",
    .doc = "x with other numbers in the place of NaN, ∞ and -∞. Other elements are as they are. "
           "Float dtypes.",
    .inputs = {{"input", kFloatDTypes},
               {"nan", 0.0},
               {"posinf", InputSpec::number},
               {"neginf", InputSpec::number}},
    .traits = Trait::composite,
    .dtypes = kNumberDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          infer_broadcast(c, 1, true);
        },
}};
const RegisterRules nan_to_num_rules{OpRules{
    .op = &nan_to_num_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          const Tensor &x = in[0], infinite = isinf(x);
          return where(isnan(x), in[1],
                       where(logical_and(infinite, x > 0.0), in[2],
                             where(logical_and(infinite, x < 0.0), in[3], x)));
        },
}};

const Op addcmul_op{OpSchema{
    .name = "addcmul",
    .doc = "input + value·tensor1·tensor2.",
    .inputs = {"input", "tensor1", "tensor2", {"value", 1.0}},
    .results = {{"output", promoted_dtype()}},
    .traits = Trait::composite,
    .dtypes = kNumberDTypes,
    .infer = infer_add_scaled<false>,
}};
const RegisterRules addcmul_rules{OpRules{
    .op = &addcmul_op,
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return in[0] + in[3] * in[1] * in[2]; },
}};

const Op addcdiv_op{OpSchema{
    .name = "addcdiv",
    .doc = "input + value·tensor1/tensor2; integers are divided as floats.",
    .inputs = {"input", "tensor1", "tensor2", {"value", 1.0}},
    .results = {{"output", promoted_dtype().but(kNotFloatDTypes, DType::f32)}},
    .traits = Trait::composite,
    .dtypes = kNumberDTypes,
    .infer = infer_add_scaled<true>,
}};
const RegisterRules addcdiv_rules{OpRules{
    .op = &addcdiv_op,
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return in[0] + in[3] * (in[1] / in[2]); },
}};

Tensor bitwise_not(const Tensor& x) { return record(bitwise_not_op, {&x}); }

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  if (!is_float(x.dtype())) return x;
  const double largest = largest_of(x.dtype());
  const Tensor a(nan), b(posinf.value_or(largest)), c(neginf.value_or(-largest));
  return record(nan_to_num_op, {&x, &a, &b, &c});
}

Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
               const Tensor& value) {
  return record(addcmul_op, {&input, &tensor1, &tensor2, &value});
}
Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
               const Tensor& value) {
  return record(addcdiv_op, {&input, &tensor1, &tensor2, &value});
}

}  // namespace suanli
