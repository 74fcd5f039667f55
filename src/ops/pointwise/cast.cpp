// SPDX-License-Identifier: Apache-2.0
// cast, full, arange: values out of dtypes and numbers.
#include "ops/op.h"

namespace suanli {

const Op cast_op{OpSchema{
    .name = "cast",
    .doc = "x converted to another dtype. Float → integer truncates and saturates (NaN → 0). "
           "Integers to narrower ones, and between signed and unsigned, keep the low bits. Any "
           "dtype → bool is x ≠ 0 (NaN is true). To floats rounds once, to nearest, ties to even.",
    .inputs = {"input"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .required = "dtype",
    .dtypes = kNumberDTypes,
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.attr<DTypeAttr>().dtype); },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules cast_rules{OpRules{
    .op = &cast_op,
    .vjp = [](Vjp& v) { v.set_grad(0, v.grad()); },
}};

const Op full_op{OpSchema{
    .name = "full",
    .doc = "A tensor of the requested shape and dtype, filled with one number (a scalar slot).",
    .inputs = {"value"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::f32},
    .takes_shape = true,
    .dtypes = kNumberDTypes,
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .slots = 1,
}};
const RegisterRules full_rules{OpRules{
    .op = &full_op,
    .vjp =
        [](Vjp& v) {
          if (v.needs_grad(0)) v.set_grad(0, sum(v.grad()));
        },
}};

const Op arange_op{OpSchema{
    .name = "arange",
    .doc = "[n]: start, start+1, … (start is a scalar slot).",
    .inputs = {"start"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::i64},
    .takes_shape = true,
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          if (c.requested_shape().rank() != 1)
            c.fail("shape", to_string(c.requested_shape()), "one size, [n]");
          if (c.requested_shape()[0] < 0)
            c.fail_argument("n", str(c.requested_shape()[0]), "at least 0");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .slots = 1,
}};

Tensor cast(const Tensor& x, DType dtype) {
  return x.dtype() == dtype && !x.node()->is(kWeak) ? x : record(cast_op, {&x}, DTypeAttr{dtype});
}
Tensor full(const Shape& shape, const Tensor& value, DType dtype) {
  return record(full_op, {&value}, DTypeAttr{dtype}, &shape);
}
Tensor arange(int64_t n, const Tensor& start, DType dtype) {
  const Shape shape{n};
  return record(arange_op, {&start}, DTypeAttr{dtype}, &shape);
}

}  // namespace suanli
