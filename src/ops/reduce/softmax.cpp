// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax along one axis, and the mean cross-entropy of rows.
#include "ops/op.h"
#include "ops/reduce/classes.h"

namespace suanli {

namespace {

void infer_softmax(Infer& c) { c.out(0, c.shape(0), c.dtype(0)); }

Cost cost_softmax(const Step& s) { return element_cost(s, 5); }

}  // namespace

const Op softmax_op{OpSchema{
    .name = "softmax",
    .doc = "exp(x − max x) / Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .inputs = {"input"},
    .attributes = &attribute_type<DimAttr>(),
    .defaults = DimAttr{-1},
    .dtypes = kFloatDTypes,
    .infer = infer_softmax,
    .cost = cost_softmax,
    .in_place = 0,
}};
const RegisterRules softmax_rules{OpRules{
    .op = &softmax_op,
    .vjp =
        [](Vjp& v) {
          const DType wide = wide_dtype(v.in_dtype(0));
          Tensor y = cast(v.result(), wide), g = cast(v.grad(), wide);
          v.set_grad(0, y * (g - sum(y * g, {v.attr<DimAttr>().dim}, true)));
        },
    .saves = saves_result(0),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<DimAttr>().dim;
          Tensor e = exp(in[0] - amax(in[0], {axis}, true));
          return e / sum(e, {axis}, true);
        },
}};

const Op log_softmax_op{OpSchema{
    .name = "log_softmax",
    .doc = "x − max x − ln Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .inputs = {"input"},
    .attributes = &attribute_type<DimAttr>(),
    .defaults = DimAttr{-1},
    .dtypes = kFloatDTypes,
    .infer = infer_softmax,
    .cost = cost_softmax,
    .in_place = 0,
}};
const RegisterRules log_softmax_rules{OpRules{
    .op = &log_softmax_op,
    .vjp =
        [](Vjp& v) {
          const DType wide = wide_dtype(v.in_dtype(0));
          const Tensor y = cast(v.result(), wide), g = cast(v.grad(), wide);
          v.set_grad(0, g - exp(y) * sum(g, {v.attr<DimAttr>().dim}, true));
        },
    .saves = saves_result(0),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<DimAttr>().dim;
          Tensor shifted = in[0] - amax(in[0], {axis}, true);
          return shifted - log(sum(exp(shifted), {axis}, true));
        },
}};

/// The loss, and two numbers of every row, which the gradient starts from: m = max x and ln Σ exp(x
/// − m). They are kept apart: their sum, rounded, would lose the logarithm beside a large m.
const Op cross_entropy_rows_op{OpSchema{
    .name = "cross_entropy_rows",
    .doc =
        "Mean of −log_softmax(x)[n, target[n]] over logits x [N, C] and class numbers target [N] "
        "i64 other than ignore_index → []. The second result [2, N] is m = max x and ln Σ exp(x "
        "− m) of every row. cross_entropy uses it.",
    .inputs = {"logits", {"target", kIndexDTypes}},
    .results = {{"output"}, {"sums", dtype_of_input(0).but(kHalfDTypes, DType::f32)}},
    .attributes = &attribute_type<IgnoreAttr>(),
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_classes(c);
          c.out(0, {}, c.dtype(0));
          c.out(1, {2, c.shape(1)[0]}, wide_dtype(c.dtype(0)));
        },
    .cost = cost_softmax,
}};
const RegisterRules cross_entropy_rows_rules{OpRules{
    .op = &cross_entropy_rows_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(), x = v.in(0), target = v.in(1);
          const auto& a = v.attr<IgnoreAttr>();
          if (!v.create_graph()) {
            Tensor sums = v.result(1);
            v.set_grad(0, record(cross_entropy_grad_op, {&g, &x, &target, &sums}, a));
            return;
          }
          const int64_t classes = v.in_shape(0)[1];
          const DType dtype = v.in_dtype(0);
          const Tensor counts = target != Tensor(a.ignore_index),
                       number = where(counts, target, zeros(target.shape(), i64)),
                       share = cast(counts, dtype);
          v.set_grad(0, (softmax(x, 1) - one_hot(number, classes, dtype)) *
                            reshape(share * (g / sum(share)), {v.in_shape(0)[0], 1}));
        },
    .saves = saves_in(0) | saves_in(1) | saves_result(1),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return nll_loss(log_softmax(in[0], 1), in[1],
                          {.ignore_index = attr.as<IgnoreAttr>().ignore_index});
        },
}};

/// In: g [], x, target, the row sums of cross_entropy [2, N]. Second derivatives do not come here:
/// see layer_norm_grad.
const Op cross_entropy_grad_op{OpSchema{
    .name = "cross_entropy_grad",
    .doc = "(softmax(x) − one_hot(target)) · g/n from g [], logits x [N, C], target [N] i64, of "
           "which n are not ignore_index (whose rows are 0), and m = max x and ln Σ exp(x − m) of "
           "every row [2, N].",
    .inputs = {"gradient", "logits", {"target", kIndexDTypes}, "sums"},
    .results = {{"output", dtype_of_input(1)}},
    .attributes = &attribute_type<IgnoreAttr>(),
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          for (int i : {0, 1, 3}) {
            c.require_float(i);
            const DType wanted = i == 3 ? wide_dtype(c.dtype(1)) : c.dtype(1);
            if (c.dtype(i) != wanted) c.fail_dtype(i, str(wanted, ", as logits are ", c.dtype(1)));
          }
          const Shape& x = c.shape(1);
          const int64_t rows = x.rank() == 2 ? x[0] : -1;
          if (c.shape(0).rank() != 0 || c.shape(2) != Shape{rows} || c.shape(3) != Shape{2, rows})
            c.fail(c.arguments(4), c.shapes(4), "[], [N, C], [N] and [2, N]");
          c.out(0, x, c.dtype(1));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
    .in_place = 1,
}};

Tensor softmax(const Tensor& x, int axis) {
  return record(softmax_op, {&x}, DimAttr{checked_axis("softmax", x, axis)});
}
Tensor log_softmax(const Tensor& x, int axis) {
  return record(log_softmax_op, {&x}, DimAttr{checked_axis("log_softmax", x, axis)});
}

}  // namespace suanli
