// SPDX-License-Identifier: Apache-2.0
// Reductions over axes: sum, max, argmax; mean and sum_to are written with them.
#include "ops/op.h"

namespace suanli {

namespace {

/// Axes as bits; all if empty. Throws where an axis is out of range or named twice.
uint32_t axis_bits(const char* op, const Tensor& x, const Axes& axes) {
  const int rank = x.rank();
  if (axes.empty()) return rank == 0 ? 0 : (1u << rank) - 1;
  uint32_t bits = 0;
  for (int a : axes) {
    const uint32_t bit = 1u << checked_axis(op, x, a, "axes");
    if (bits & bit)
      throw ShapeError({.op = op,
                        .argument = "axes",
                        .given = axes_text(axes),
                        .expected = str("each axis of shape ", x.shape(), " at most once"),
                        .module = module_path()});
    bits |= bit;
  }
  return bits;
}

Shape reduced(const Shape& s, const ReduceAttr& a, bool keepdims) {
  Shape out;
  for (int i = 0; i < s.rank(); ++i)
    if (!(a.axes >> i & 1)) out.push_back(s[i]);
    else if (keepdims) out.push_back(1);
  return out;
}

/// A reduction's result (or its gradient) spread over the reduced axes again.
Tensor spread(const Tensor& y, const Shape& input, const ReduceAttr& a) {
  return expand(reshape(y, reduced(input, a, true)), input);
}

}  // namespace

const Op sum_op{OpSchema{
    .name = "sum",
    .doc = "Σ x over axes. Integers and bool are summed in i64. Floats are summed in their dtype, "
           "in blocks; the order of the blocks does not depend on the number of threads.",
    .inputs = {"input"},
    .attributes = &attribute_type<ReduceAttr>(),
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          c.out(0, reduced(c.shape(0), a, a.keepdims),
                is_float(c.dtype(0)) ? c.dtype(0) : DType::i64);
        },
    .cost =
        [](const Step& s) {
          auto c = element_cost(s, 0);
          c.flops = s.in[0].shape.numel();
          return c;
        },
}};
const RegisterRules sum_rules{OpRules{
    .op = &sum_op,
    .vjp = [](Vjp& v) { v.set_grad(0, spread(v.grad(), v.in_shape(0), v.attr<ReduceAttr>())); },
}};

const Op max_op{OpSchema{
    .name = "max",
    .doc = "Largest x over axes; NaN if any x is NaN. The gradient is shared equally among equal "
           "maxima.",
    .inputs = {"input"},
    .attributes = &attribute_type<ReduceAttr>(),
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          for (int i = 0; i < c.shape(0).rank(); ++i)
            if ((a.axes >> i & 1) && c.shape(0)[i] == 0)
              c.fail(0, str("at least one element on axis ", i));
          c.out(0, reduced(c.shape(0), a, a.keepdims), c.dtype(0));
        },
    .cost =
        [](const Step& s) {
          auto c = element_cost(s, 0);
          c.flops = s.in[0].shape.numel();
          return c;
        },
}};
const RegisterRules max_rules{OpRules{
    .op = &max_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<ReduceAttr>();
          const Tensor is_max =
              cast(v.in(0) == spread(v.result(), v.in_shape(0), a), v.in_dtype(0));
          Axes axes;
          for (int i = 0; i < v.in_shape(0).rank(); ++i)
            if (a.axes >> i & 1) axes.push_back(i);
          const Tensor count = axes.empty() ? is_max : sum(is_max, axes, true);
          // An infinite gradient leaves the others at 0. A NaN is equal to nothing, so that 0/0
          // gives NaN to all that it was compared with.
          v.set_grad(0, multiply_no_nan(spread(v.grad(), v.in_shape(0), a), is_max) / count);
        },
    .saves = saves_in(0) | saves_result(0),
}};

const Op mean_op{OpSchema{
    .name = "mean",
    .doc = "Σ x / count over axes. Float dtypes; the mean of no elements is NaN.",
    .inputs = {"input"},
    .attributes = &attribute_type<ReduceAttr>(),
    .traits = Trait::composite,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          c.require_float(0);
          c.out(0, reduced(c.shape(0), a, a.keepdims), c.dtype(0));
        },
}};
const RegisterRules mean_rules{OpRules{
    .op = &mean_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<ReduceAttr>();
          int64_t n = 1;
          for (int i = 0; i < in[0].rank(); ++i)
            if (a.axes >> i & 1) n *= in[0].shape()[i];
          return record(sum_op, {&in[0]}, a) / static_cast<double>(n);
        },
}};

const Op argmax_op{OpSchema{
    .name = "argmax",
    .doc = "Index (i64) of the first maximum of x along one axis, or of the first NaN.",
    .inputs = {"input"},
    .attributes = &attribute_type<AxisAttr>(),
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const int axis = c.attr<AxisAttr>().axis;
          if (c.shape(0)[axis] == 0) c.fail(0, str("at least one element on axis ", axis));
          Shape out;
          for (int i = 0; i < c.shape(0).rank(); ++i)
            if (i != axis) out.push_back(c.shape(0)[i]);
          c.out(0, out, DType::i64);
        },
}};

Tensor sum(const Tensor& x, const Axes& axes, bool keepdims) {
  return record(sum_op, {&x}, ReduceAttr{axis_bits("sum", x, axes), keepdims});
}
Tensor max(const Tensor& x, const Axes& axes, bool keepdims) {
  return record(max_op, {&x}, ReduceAttr{axis_bits("max", x, axes), keepdims});
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdims) {
  return record(mean_op, {&x}, ReduceAttr{axis_bits("mean", x, axes), keepdims});
}

Tensor argmax(const Tensor& x, int axis) {
  return record(argmax_op, {&x}, AxisAttr{checked_axis("argmax", x, axis)});
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const int lead = x.rank() - shape.rank();
  uint32_t bits = 0;
  for (int i = 0; i < x.rank(); ++i) {
    const int64_t wanted = i < lead ? 1 : shape[i - lead];
    if (wanted == x.shape()[i]) {
      if (i < lead) bits |= 1u << i;
    } else if (wanted == 1) {
      bits |= 1u << i;
    } else {
      throw ShapeError({.op = "sum_to",
                        .argument = "shape",
                        .given = to_string(shape),
                        .expected = str("a shape that broadcasts to input ", x.shape()),
                        .module = module_path()});
    }
  }
  return reshape(record(sum_op, {&x}, ReduceAttr{bits, false}), shape);
}

}  // namespace suanli
