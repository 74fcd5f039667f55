// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax along one axis, and the losses written with them.
#include "ops/op.h"
#include "ops/reduce/classes.h"

namespace suanli {

namespace {

void infer_softmax(Infer& c) { c.out(0, c.shape(0), c.dtype(0)); }

Cost cost_softmax(const Step& s) { return element_cost(s, 5); }

/// Scores [N, C] and targets [N] → [].
void infer_class_loss(Infer& c) {
  require_classes(c);
  c.out(0, {}, c.dtype(0));
}

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

const Op nll_loss_op{OpSchema{
    .name = "nll_loss",
    .doc = "Mean of −x[n, target[n]] over log-probabilities x [N, C] and class numbers target [N] "
           "→ [].",
    .inputs = {"log_probabilities", {"target", kIntegralDTypes}},
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer = infer_class_loss,
}};
const RegisterRules nll_loss_rules{OpRules{
    .op = &nll_loss_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          return -mean(gather(in[0], 1, reshape(cast(in[1], i64), {-1, 1})));
        },
}};

/// The loss, and two numbers of every row, which the gradient starts from: m = max x and ln Σ exp(x
/// − m). They are kept apart: their sum, rounded, would lose the logarithm beside a large m.
const Op cross_entropy_op{OpSchema{
    .name = "cross_entropy",
    .doc = "nll_loss(log_softmax(x), target) over logits x [N, C] and class numbers target [N] i64 "
           "→ []. The second result [2, N] is m = max x and ln Σ exp(x − m) of every row.",
    .inputs = {"logits", {"target", kIndexDTypes}},
    .results = {{"output"}, {"sums", dtype_of_input(0).but(kHalfDTypes, DType::f32)}},
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          infer_class_loss(c);
          c.out(1, {2, c.shape(1)[0]}, wide_dtype(c.dtype(0)));
        },
    .cost = cost_softmax,
}};
const RegisterRules cross_entropy_rules{OpRules{
    .op = &cross_entropy_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(), x = v.in(0), target = v.in(1);
          if (!v.create_graph()) {
            Tensor sums = v.result(1);
            v.set_grad(0, record(cross_entropy_grad_op, {&g, &x, &target, &sums}));
            return;
          }
          const Shape& s = v.in_shape(0);
          v.set_grad(0, (softmax(x, 1) - one_hot(target, s[1], v.in_dtype(0))) *
                            (g / static_cast<double>(s[0])));
        },
    .saves = saves_in(0) | saves_in(1) | saves_result(1),
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return nll_loss(log_softmax(in[0], 1), in[1]); },
}};

/// In: g [], x, target, the row sums of cross_entropy [2, N]. Second derivatives do not come here:
/// see layer_norm_grad.
const Op cross_entropy_grad_op{OpSchema{
    .name = "cross_entropy_grad",
    .doc = "(softmax(x) − one_hot(target)) · g/N from g [], logits x [N, C], target [N] i64, and m "
           "= max x and ln Σ exp(x − m) of "
           "every row [2, N].",
    .inputs = {"gradient", "logits", {"target", kIndexDTypes}, "sums"},
    .results = {{"output", dtype_of_input(1)}},
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

const Op soft_cross_entropy_op{OpSchema{
    .name = "soft_cross_entropy",
    .doc = "Mean over rows of −Σ target · log_softmax(x). Logits x [N, C]; target [N, C] of a "
           "float dtype, the share of each class → [].",
    .inputs = {"logits", "target"},
    .results = {{"output", promoted_dtype()}},
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(1);
          const Shape &scores = c.shape(0), &target = c.shape(1);
          if (scores.rank() != 2) c.fail(0, "rank 2, [N, C]");
          if (scores != target) c.fail(1, str(scores, ", the shape of logits"));
          c.out(0, {}, c.common_dtype());
        },
}};
const RegisterRules soft_cross_entropy_rules{OpRules{
    .op = &soft_cross_entropy_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          // A share of 0 of an impossible class is nothing: 0 · ln 0 = 0.
          return -mean(sum(multiply_no_nan(log_softmax(in[0], 1), in[1]), {1}));
        },
}};

const Op mse_loss_op{OpSchema{
    .name = "mse_loss",
    .doc = "Mean of (x − y)²; x and y have the same shape → [].",
    .inputs = {"x", {"y", kComputedDTypes}},
    .results = {{"output", promoted_dtype()}},
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          if (c.shape(0) != c.shape(1)) c.fail(1, str(c.shape(0), ", the shape of x"));
          c.out(0, {}, c.common_dtype());
        },
}};
const RegisterRules mse_loss_rules{OpRules{
    .op = &mse_loss_op,
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return mean(square(in[0] - in[1])); },
}};

Tensor softmax(const Tensor& x, int axis) {
  return record(softmax_op, {&x}, DimAttr{checked_axis("softmax", x, axis)});
}
Tensor log_softmax(const Tensor& x, int axis) {
  return record(log_softmax_op, {&x}, DimAttr{checked_axis("log_softmax", x, axis)});
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target) {
  return record(nll_loss_op, {&log_probabilities, &target});
}
Tensor cross_entropy(const Tensor& logits, const Tensor& target) {
  if (target.rank() == 2 && is_float(target.dtype()))
    return record(soft_cross_entropy_op, {&logits, &target});
  Tensor classes = is_integer(target.dtype()) && target.dtype() != i64 ? cast(target, i64) : target;
  return record(cross_entropy_op, {&logits, &classes});
}
Tensor mse_loss(const Tensor& x, const Tensor& y) { return record(mse_loss_op, {&x, &y}); }

}  // namespace suanli
