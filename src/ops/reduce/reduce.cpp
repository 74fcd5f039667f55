// SPDX-License-Identifier: Apache-2.0
// Reductions over axes: the rows of reductions.def, argmax and argmin; mean and sum_to are written
// with them.
#include "ops/op.h"
#include "ops/reduce/axes.h"
#include "ops/schema/pointwise_math.h"
#include "ops/schema/reductions.h"

namespace suanli {

namespace {

/// A reduction's result (or its gradient) spread over the reduced axes again.
Tensor spread(const Tensor& y, const Shape& input, const ReduceAttr& a) {
  return expand(reshape(y, reduced(input, a, true)), input);
}

}  // namespace

namespace {

/// The words of the gradient texts, and the texts over Tensors: recorded like user code, hence
/// differentiable again.
struct ReductionGradient {
  ReduceAttr over;
  bool create_graph;

  Tensor kept(ReductionOp op, const Tensor& x) const {
    return record(reduction_op(op), {&x}, ReduceAttr{over.dim, true});
  }
  /// g in equal parts to the chosen elements. An infinite g leaves the others at 0. A NaN is equal
  /// to nothing, so that 0/0 gives NaN to all that it was compared with.
  Tensor shared(const Tensor& g, const Tensor& chosen) const {
    const Tensor share = cast(chosen, g.dtype());
    return multiply_no_nan(g, share) / kept(ReductionOp::sum, share);
  }
  /// The product of all elements but one, for each. A division gives it, but for elements that are
  /// 0; where derivatives of it are wanted at those, products of what stands before and behind.
  Tensor product_of_others(const Tensor& x) const {
    if (create_graph) return by_scan(x);
    const Tensor is_zero = x == 0.0, zeros = kept(ReductionOp::sum, cast(is_zero, x.dtype())),
                 product = kept(ReductionOp::prod, where(is_zero, 1.0, x));
    return where(is_zero, where(zeros == 1.0, product, 0.0), where(zeros == 0.0, product / x, 0.0));
  }

#define REDUCTION(name, Result, Empty, identity, before, combine, finish, gradient, ...)       \
  Tensor name##_gradient([[maybe_unused]] const Tensor& x, [[maybe_unused]] const Tensor& out, \
                         [[maybe_unused]] const Tensor& g) const {                             \
    [[maybe_unused]] constexpr double zero = 0, one = 1;                                       \
    [[maybe_unused]] const Tensor none;                                                        \
    return gradient;                                                                           \
  }
#include "ops/schema/reductions.def"

 private:
  Tensor by_scan(const Tensor& x) const {
    Dims order;
    for (const bool reduced : {false, true})
      for (int i = 0; i < x.rank(); ++i)
        if ((over.dim >> i & 1) == reduced) order.push_back(i);
    int64_t n = 1;
    for (int i = 0; i < x.rank(); ++i)
      if (over.dim >> i & 1) n *= x.shape()[i];
    if (x.numel() == 0) return x;
    const Tensor moved = permute(x, order), rows = reshape(moved, {-1, n});
    const Tensor others = before(rows) * flip(before(flip(rows, 1)), 1);
    Dims back = order;
    for (int i = 0; i < order.size(); ++i) back[order[i]] = i;
    return permute(reshape(others, moved.shape()), back);
  }
  /// For each element of a row the product of those before it, by doubling (Hillis & Steele 1986).
  static Tensor before(const Tensor& rows) {
    Tensor product = shifted(rows, 1);
    for (int64_t by = 1; by < rows.shape()[1]; by *= 2) product = product * shifted(product, by);
    return product;
  }
  static Tensor shifted(const Tensor& rows, int64_t by) {
    const int64_t n = rows.shape()[1];
    return cat({ones({rows.shape()[0], by}, rows.dtype()), narrow(rows, 1, 0, n - by)}, 1);
  }
};
using GradientText = Tensor (ReductionGradient::*)(const Tensor& x, const Tensor& out,
                                                   const Tensor& g) const;
constexpr GradientText gradient_texts[] = {
#define REDUCTION(name, ...) &ReductionGradient::name##_gradient,
#include "ops/schema/reductions.def"
};

template <int kRow> void infer_reduction(Infer& c) {
  constexpr const ReductionRow& row = reduction_rows[kRow];
  const auto& a = c.attr<ReduceAttr>();
  if (row.result == ReductionResult::Real) c.require_float(0);
  if (row.empty == ReductionEmpty::Throws)
    for (int i = 0; i < c.shape(0).rank(); ++i)
      if ((a.dim >> i & 1) && c.shape(0)[i] == 0)
        c.fail(0, str("at least one element on axis ", i));
  const DType x = c.dtype(0);
  c.out(0, reduced(c.shape(0), a, a.keepdim),
        row.result == ReductionResult::Flag                   ? DType::boolean
        : row.result == ReductionResult::Wide && !is_float(x) ? DType::i64
                                                              : x);
}

template <int kRow> void vjp_reduction(Vjp& v) {
  constexpr std::string_view text = reduction_rows[kRow].gradient;
  const auto& a = v.attr<ReduceAttr>();
  const Tensor g = spread(v.grad(), v.in_shape(0), a);
  if constexpr (text == "g") return v.set_grad(0, g);
  Tensor x, out;
  if constexpr (mentions(text, "x")) x = v.in(0);
  if constexpr (mentions(text, "out")) out = spread(v.result(), v.in_shape(0), a);
  v.set_grad(0, (ReductionGradient{a, v.create_graph()}.*gradient_texts[kRow])(x, out, g));
}

/// The dtype that infer_reduction() gives.
constexpr DTypeRule dtype_of(const ReductionRow& row) {
  if (row.result == ReductionResult::Flag) return always(DType::boolean);
  if (row.result == ReductionResult::Wide)
    return dtype_of_input(0).but(kNotFloatDTypes, DType::i64);
  return dtype_of_input(0);
}
constexpr DTypes dtypes_of_row(const ReductionRow& row) {
  if (row.result == ReductionResult::Real) return kFloatDTypes;
  return row.result == ReductionResult::Wide ? kNumberDTypes : kComputedDTypes;
}

Cost cost_reduction(const Step& s) {
  Cost c = element_cost(s, 0);
  c.flops = s.in[0].shape.numel();
  return c;
}

constexpr Saves saves_of(std::string_view gradient) {
  return static_cast<Saves>((mentions(gradient, "x") ? saves_in(0) : 0) |
                            (mentions(gradient, "out") ? saves_result(0) : 0));
}

/// The ops of all rows; their ids follow each other.
struct ReductionOps {
  const Op op[reduction_count] = {
#define REDUCTION(name_, ...)                                                 \
  Op{OpSchema{.name = row(ReductionOp::name_).name,                           \
              .doc = row(ReductionOp::name_).doc,                             \
              .inputs = {"input"},                                            \
              .results = {{"output", dtype_of(row(ReductionOp::name_))}},     \
              .attributes = &attribute_type<ReduceAttr>(),                    \
              .defaults = ReduceAttr{AxisSet::all(), false},                  \
              .traits = Trait::reduction,                                     \
              .dtypes = dtypes_of_row(row(ReductionOp::name_)),               \
              .infer = infer_reduction<static_cast<int>(ReductionOp::name_)>, \
              .cost = cost_reduction}},
#include "ops/schema/reductions.def"
  };
  const RegisterRules rules[reduction_count] = {
#define REDUCTION(name_, ...)                                                  \
  RegisterRules{OpRules{.op = &op[static_cast<int>(ReductionOp::name_)],       \
                        .vjp = vjp_of<static_cast<int>(ReductionOp::name_)>(), \
                        .saves = saves_of(row(ReductionOp::name_).gradient)}},
#include "ops/schema/reductions.def"
  };

 private:
  static constexpr const ReductionRow& row(ReductionOp op) {
    return reduction_rows[static_cast<int>(op)];
  }
  template <int kRow> static constexpr auto vjp_of() -> void (*)(Vjp&) {
    if constexpr (std::string_view(reduction_rows[kRow].gradient) == "none") return nullptr;
    else return vjp_reduction<kRow>;
  }
};
const ReductionOps& ops() {
  static const auto* all = new ReductionOps;
  return *all;
}
[[maybe_unused]] const ReductionOps& all_reductions = ops();  // known from the start

}  // namespace

const Op& reduction_op(ReductionOp row) { return ops().op[static_cast<int>(row)]; }
int reduction_row(uint16_t op) {
  const int row = op - ops().op[0].id();
  return row >= 0 && row < reduction_count ? row : -1;
}

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
          return record(reduction_op(ReductionOp::sum), {&in[0]}, a) / static_cast<double>(n);
        },
}};

namespace {
void infer_arg(Infer& c) {
  const int axis = c.attr<DimAttr>().dim;
  if (c.shape(0)[axis] == 0) c.fail(0, str("at least one element on axis ", axis));
  Shape out;
  for (int i = 0; i < c.shape(0).rank(); ++i)
    if (i != axis) out.push_back(c.shape(0)[i]);
  c.out(0, out, DType::i64);
}
}  // namespace

const Op argmax_op{OpSchema{
    .name = "argmax",
    .doc = "Index (i64) of the first maximum of x along one axis, or of the first NaN.",
    .inputs = {"input"},
    .results = {{"output", always(DType::i64)}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .traits = Trait::reduction,
    .infer = infer_arg,
}};
const Op argmin_op{OpSchema{
    .name = "argmin",
    .doc = "Index (i64) of the first minimum of x along one axis, or of the first NaN.",
    .inputs = {"input"},
    .results = {{"output", always(DType::i64)}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .traits = Trait::reduction,
    .infer = infer_arg,
}};

#define REDUCTION(name, ...)                                      \
  Tensor name(const Tensor& x, const Dims& dim, bool keepdim) {   \
    return record(reduction_op(ReductionOp::name), {&x},          \
                  ReduceAttr{axis_bits(#name, x, dim), keepdim}); \
  }
#include "ops/schema/reductions.def"

Tensor mean(const Tensor& x, const Dims& dim, bool keepdim) {
  return record(mean_op, {&x}, ReduceAttr{axis_bits("mean", x, dim), keepdim});
}

namespace {

/// Indices along a dimension, or in the flattened x.
Tensor arg(const Op& op, const Tensor& x, std::optional<int> dim, bool keepdim) {
  if (!dim) {
    const Tensor flat = flatten(x), at = record(op, {&flat}, DimAttr{0});
    if (!keepdim) return at;
    return reshape(at, reduced(x.shape(), {(1u << x.rank()) - 1, true}, true));
  }
  const int axis = checked_axis(op.name(), x, *dim);
  const Tensor at = record(op, {&x}, DimAttr{axis});
  return keepdim ? reshape(at, reduced(x.shape(), {1u << axis, true}, true)) : at;
}

/// The elements at the indices that `op` gives.
Extremes extremes(const Op& op, const Tensor& x, int dim, bool keepdim) {
  const Tensor at = arg(op, x, dim, true);
  const int axis = x.shape().axis(dim);
  Extremes out{gather(x, axis, at), at};
  if (keepdim) return out;
  const Shape shape = reduced(x.shape(), {1u << axis, false}, false);
  return {reshape(out.values, shape), reshape(out.indices, shape)};
}

}  // namespace

Tensor argmax(const Tensor& x, std::optional<int> dim, bool keepdim) {
  return arg(argmax_op, x, dim, keepdim);
}
Tensor argmin(const Tensor& x, std::optional<int> dim, bool keepdim) {
  return arg(argmin_op, x, dim, keepdim);
}
Extremes max(const Tensor& x, int dim, bool keepdim) {
  return extremes(argmax_op, x, dim, keepdim);
}
Extremes min(const Tensor& x, int dim, bool keepdim) {
  return extremes(argmin_op, x, dim, keepdim);
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
  return reshape(record(reduction_op(ReductionOp::sum), {&x}, ReduceAttr{bits, false}), shape);
}

}  // namespace suanli
