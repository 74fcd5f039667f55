// SPDX-License-Identifier: Apache-2.0
// cast, full, arange: values out of dtypes and numbers.
#include "ops/op.h"

namespace suanli {

namespace {

/// Values that both dtypes hold.
Domain cast_domain(DType from, DType to) {
  if (from == u8) return Domain::index;
  if (from == boolean) return Domain::boolean;
  return to == u8 ? Domain::positive : Domain::real;
}

const Op cast_op{OpDef{
    .name = "cast",
    .doc = "x converted to another dtype. Float → integer truncates and saturates (NaN → 0). Any "
           "dtype → bool is x ≠ 0. Narrower floats are rounded to nearest even. f64, f32, f16, "
           "bf16, i64, i32, i16, i8, u8, bool.",
    .arguments = {"input"},
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.attr<DTypeAttr>().dtype); },
    .vjp = [](Vjp& v) { v.set_grad(0, v.grad()); },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .onnx = {"Cast", 13},
    .dtypes = kConvertedDTypes,
    .samples =
        [] {
          std::vector<Sample> out;
          for (DType from : {f64, f32, i64, u8, boolean})
            for (DType to : {f64, f32, i64, u8, boolean})
              out.push_back({.inputs = {{{3, 5}, from, cast_domain(from, to), 200}},
                             .attr = DTypeAttr{to},
                             .gradient = from == f64 && to == f64});
          out.push_back({.inputs = {{{0, 2}, f32}}, .attr = DTypeAttr{f64}, .gradient = false});
          return out;
        },
}};

const Op full_op{OpDef{
    .name = "full",
    .doc = "A tensor of the requested shape and dtype, filled with one number (a scalar slot).",
    .arguments = {"value"},
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .vjp =
        [](Vjp& v) {
          if (v.needs_grad(0)) v.set_grad(0, sum(v.grad()));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .onnx = {"ConstantOfShape", 9},
    .slots = 1,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {},
               .attr = DTypeAttr{f32},
               .slots = {2.5},
               .shape = {3, 4},
               .gradient = false},
              {.inputs = {}, .attr = DTypeAttr{i64}, .slots = {7}, .shape = {}, .gradient = false},
              {.inputs = {{{}, f64}}, .attr = DTypeAttr{f64}, .shape = {2, 3}},
              {.inputs = {},
               .attr = DTypeAttr{f64},
               .slots = {-1},
               .shape = {0, 2},
               .gradient = false},
              {.inputs = {{{2}, f64}},
               .attr = DTypeAttr{f64},
               .shape = {2},
               .throws = Refusal{"value", "[2]", "a scalar"}}};
        },
}};

const Op arange_op{OpDef{
    .name = "arange",
    .doc = "[n]: start, start+1, … (start is a scalar slot).",
    .arguments = {"start"},
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          if (c.requested_shape()[0] < 0)
            c.fail_argument("n", str(c.requested_shape()[0]), "at least 0");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .onnx = {"Range", 11},
    .slots = 1,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {}, .attr = DTypeAttr{i64}, .slots = {3}, .shape = {5}, .gradient = false},
              {.inputs = {},
               .attr = DTypeAttr{f64},
               .slots = {0.5},
               .shape = {4},
               .gradient = false},
              {.inputs = {},
               .attr = DTypeAttr{i64},
               .slots = {0},
               .shape = {0},
               .gradient = false}};
        },
}};

}  // namespace

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
