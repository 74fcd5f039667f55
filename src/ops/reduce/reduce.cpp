// SPDX-License-Identifier: Apache-2.0
// Reductions over axes: sum, max, argmax; mean and sum_to are written with them.
#include "ops/op.h"

namespace suanli {

namespace {

/// Axes as bits; all if empty. Throws where an axis is out of range or named twice.
uint32_t axis_bits(const char* op, const Tensor& x, const Dims& dims) {
  const int rank = x.rank();
  if (dims.empty()) return rank == 0 ? 0 : (1u << rank) - 1;
  uint32_t bits = 0;
  for (int a : dims) {
    const uint32_t bit = 1u << checked_axis(op, x, a);
    if (bits & bit)
      throw ShapeError({.op = op,
                        .argument = "dim",
                        .given = to_string(dims),
                        .expected = str("each axis of shape ", x.shape(), " at most once"),
                        .module = module_path()});
    bits |= bit;
  }
  return bits;
}

Shape reduced(const Shape& s, const ReduceAttr& a, bool keepdim) {
  Shape out;
  for (int i = 0; i < s.rank(); ++i)
    if (!(a.dim >> i & 1)) out.push_back(s[i]);
    else if (keepdim) out.push_back(1);
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
    .results = {{"output", dtype_of_input(0).but(kNotFloatDTypes, DType::i64)}},
    .attributes = &attribute_type<ReduceAttr>(),
    .defaults = ReduceAttr{AxisSet::all(), false},
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          c.out(0, reduced(c.shape(0), a, a.keepdim),
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

const Op amax_op{OpSchema{
    .name = "amax",
    .doc = "Largest x over axes; NaN if any x is NaN. The gradient is shared equally among equal "
           "maxima.",
    .inputs = {"input"},
    .attributes = &attribute_type<ReduceAttr>(),
    .defaults = ReduceAttr{AxisSet::all(), false},
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          for (int i = 0; i < c.shape(0).rank(); ++i)
            if ((a.dim >> i & 1) && c.shape(0)[i] == 0)
              c.fail(0, str("at least one element on axis ", i));
          c.out(0, reduced(c.shape(0), a, a.keepdim), c.dtype(0));
        },
    .cost =
        [](const Step& s) {
          auto c = element_cost(s, 0);
          c.flops = s.in[0].shape.numel();
          return c;
        },
}};
const RegisterRules amax_rules{OpRules{
    .op = &amax_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<ReduceAttr>();
          const Tensor is_max =
              cast(v.in(0) == spread(v.result(), v.in_shape(0), a), v.in_dtype(0));
          Dims axes;
          for (int i = 0; i < v.in_shape(0).rank(); ++i)
            if (a.dim >> i & 1) axes.push_back(i);
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
    .defaults = ReduceAttr{AxisSet::all(), false},
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<ReduceAttr>();
          c.require_float(0);
          c.out(0, reduced(c.shape(0), a, a.keepdim), c.dtype(0));
        },
}};
const RegisterRules mean_rules{OpRules{
    .op = &mean_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<ReduceAttr>();
          int64_t n = 1;
          for (int i = 0; i < in[0].rank(); ++i)
            if (a.dim >> i & 1) n *= in[0].shape()[i];
          return record(sum_op, {&in[0]}, a) / static_cast<double>(n);
        },
}};

const Op argmax_op{OpSchema{
    .name = "argmax",
    .doc = "Index (i64) of the first maximum of x along one axis, or of the first NaN.",
    .inputs = {"input"},
    .results = {{"output", always(DType::i64)}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .traits = Trait::reduction,
    .infer =
        [](Infer& c) {
          const int axis = c.attr<DimAttr>().dim;
          if (c.shape(0)[axis] == 0) c.fail(0, str("at least one element on axis ", axis));
          Shape out;
          for (int i = 0; i < c.shape(0).rank(); ++i)
            if (i != axis) out.push_back(c.shape(0)[i]);
          c.out(0, out, DType::i64);
        },
}};

Tensor sum(const Tensor& x, const Dims& dim, bool keepdim) {
  return record(sum_op, {&x}, ReduceAttr{axis_bits("sum", x, dim), keepdim});
}
Tensor mean(const Tensor& x, const Dims& dim, bool keepdim) {
  return record(mean_op, {&x}, ReduceAttr{axis_bits("mean", x, dim), keepdim});
}
Tensor amax(const Tensor& x, const Dims& dim, bool keepdim) {
  return record(amax_op, {&x}, ReduceAttr{axis_bits("amax", x, dim), keepdim});
}

Tensor argmax(const Tensor& x, std::optional<int> dim, bool keepdim) {
  if (!dim) {
    const Tensor flat = flatten(x), at = record(argmax_op, {&flat}, DimAttr{0});
    if (!keepdim) return at;
    return reshape(at, reduced(x.shape(), {(1u << x.rank()) - 1, true}, true));
  }
  const int axis = checked_axis("argmax", x, *dim);
  const Tensor at = record(argmax_op, {&x}, DimAttr{axis});
  return keepdim ? reshape(at, reduced(x.shape(), {1u << axis, true}, true)) : at;
}

Extremes max(const Tensor& x, int dim, bool keepdim) {
  const Tensor at = argmax(x, dim, true);
  const int axis = x.shape().axis(dim);
  Extremes out{gather(x, axis, at), at};
  if (keepdim) return out;
  const Shape shape = reduced(x.shape(), {1u << axis, false}, false);
  return {reshape(out.values, shape), reshape(out.indices, shape)};
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
