// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax along one axis, and the losses written with them.
#include "ops/op.h"
#include "ops/reduce/classes.h"

namespace suanli {

namespace {

void infer_softmax(Infer& c) {
  c.require_float(0);
  c.out(0, c.shape(0), c.dtype(0));
}
Cost cost_softmax(const Step& s) { return element_cost(s, 5); }

std::vector<Sample> samples_softmax() {
  return {{.inputs = {{{4, 7}}}, .attr = AxisAttr{1}},
          {.inputs = {{{2, 3, 5}}}, .attr = AxisAttr{1}},
          {.inputs = {{{0, 3}}}, .attr = AxisAttr{1}},
          {.inputs = {{{1}}}, .attr = AxisAttr{0}},
          {.inputs = {{{64, 10}, f32}}, .attr = AxisAttr{1}},
          {.inputs = {{{3, 1031}, f32}}, .attr = AxisAttr{1}},
          {.inputs = {{{5, 3}, i64}},
           .attr = AxisAttr{1},
           .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
}

const Op softmax_op{OpDef{
    .name = "softmax",
    .doc = "exp(x − max x) / Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .arguments = {"input"},
    .infer = infer_softmax,
    .vjp =
        [](Vjp& v) {
          Tensor y = v.result(), g = v.grad();
          v.set_grad(0, y * (g - sum(y * g, {v.attr<AxisAttr>().axis}, true)));
        },
    .saves = saves_result(0),
    .cost = cost_softmax,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<AxisAttr>().axis;
          Tensor e = exp(in[0] - max(in[0], {axis}, true));
          return e / sum(e, {axis}, true);
        },
    .onnx = {"Softmax", 13},
    .overwrites = 0,
    .samples = samples_softmax,
}};

const Op log_softmax_op{OpDef{
    .name = "log_softmax",
    .doc = "x − max x − ln Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .arguments = {"input"},
    .infer = infer_softmax,
    .vjp =
        [](Vjp& v) {
          v.set_grad(0,
                     v.grad() - exp(v.result()) * sum(v.grad(), {v.attr<AxisAttr>().axis}, true));
        },
    .saves = saves_result(0),
    .cost = cost_softmax,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<AxisAttr>().axis;
          Tensor shifted = in[0] - max(in[0], {axis}, true);
          return shifted - log(sum(exp(shifted), {axis}, true));
        },
    .onnx = {"LogSoftmax", 13},
    .overwrites = 0,
    .samples = samples_softmax,
}};

/// Scores [N, C] and targets [N] → [].
void infer_class_loss(Infer& c) {
  require_classes(c);
  if (is_float(c.dtype(1))) c.fail_dtype(1, "class numbers, i64");
  c.out(0, {}, c.dtype(0));
}

std::vector<Sample> samples_class_loss() {
  return {{.inputs = {{{5, 4}}, {{5}, i64, Domain::index, 4}}},
          {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}}, .gradient = false},
          {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}},
          {.inputs = {{{5, 4}}, {{4}, i64, Domain::index, 4}}, .throws = Refusal{"target", "[4]"}},
          {.inputs = {{{5, 4, 3}}, {{5}, i64, Domain::index, 4}},
           .throws = Refusal{nullptr, "[5, 4, 3]", "rank 2, [N, C]"}},
          {.inputs = {{{5, 4}}, {{5}}},
           .throws = Refusal{"target", "f64", "class numbers, i64", ErrorCode::dtype}}};
}

const Op nll_loss_op{OpDef{
    .name = "nll_loss",
    .doc = "Mean of −x[n, target[n]] over log-probabilities x [N, C] and class numbers target [N] "
           "→ [].",
    .arguments = {"log_probabilities", "target"},
    .infer = infer_class_loss,
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          return -mean(gather(in[0], 1, reshape(cast(in[1], i64), {-1, 1})));
        },
    .composite = true,
    .onnx = {"NegativeLogLikelihoodLoss", 13},
    .samples = samples_class_loss,
}};

extern const Op cross_entropy_grad_op;

/// The loss, and two numbers of every row, which the gradient starts from: m = max x and ln Σ exp(x
/// − m). They are kept apart: their sum, rounded, would lose the logarithm beside a large m.
const Op cross_entropy_op{OpDef{
    .name = "cross_entropy",
    .doc = "nll_loss(log_softmax(x), target) over logits x [N, C] and class numbers target [N] i64 "
           "→ []. The second result [2, N] is m = max x and ln Σ exp(x − m) of every row.",
    .arguments = {"logits", "target"},
    .n_results = 2,
    .infer =
        [](Infer& c) {
          infer_class_loss(c);
          if (c.dtype(1) != DType::i64) c.fail_dtype(1, "i64");
          c.out(1, {2, c.shape(1)[0]}, c.dtype(0));
        },
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
    .cost = cost_softmax,
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return nll_loss(log_softmax(in[0], 1), in[1]); },
    .onnx = {"SoftmaxCrossEntropyLoss", 13},
    .samples =
        [] {
          auto samples = samples_class_loss();
          samples.push_back({.inputs = {{{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}}});
          samples.push_back({.inputs = {{{5, 4}}, {{5}, DType::i32, Domain::index, 4}},
                             .throws = Refusal{"target", "i32", "i64", ErrorCode::dtype}});
          return samples;
        },
}};

/// In: g [], x, target, the row sums of cross_entropy [2, N]. Second derivatives do not come here:
/// see layer_norm_grad.
const Op cross_entropy_grad_op{OpDef{
    .name = "cross_entropy_grad",
    .doc = "(softmax(x) − one_hot(target)) · g/N from g [], logits x [N, C], target [N] i64, and m "
           "= max x and ln Σ exp(x − m) of "
           "every row [2, N].",
    .arguments = {"gradient", "logits", "target", "sums"},
    .infer =
        [](Infer& c) {
          for (int i : {0, 1, 3}) {
            c.require_float(i);
            if (c.dtype(i) != c.dtype(1)) c.fail_dtype(i, str(c.dtype(1), ", the dtype of logits"));
          }
          if (c.dtype(2) != DType::i64) c.fail_dtype(2, "i64");
          const Shape& x = c.shape(1);
          const int64_t rows = x.rank() == 2 ? x[0] : -1;
          if (c.shape(0).rank() != 0 || !(c.shape(2) == Shape{rows}) ||
              !(c.shape(3) == Shape{2, rows}))
            c.fail(c.arguments(4), c.shapes(4), "[], [N, C], [N] and [2, N]");
          c.out(0, x, c.dtype(1));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
    .overwrites = 1,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{}}, {{5, 4}}, {{5}, i64, Domain::index, 4}, {{2, 5}}},
               .gradient = false},
              {.inputs =
                   {{{}, f32}, {{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}, {{2, 3}, f32}},
               .gradient = false},
              {.inputs = {{{}}, {{5, 4}}, {{4}, i64, Domain::index, 4}, {{2, 5}}},
               .throws = Refusal{"gradient, logits, target, sums", "[], [5, 4], [4] and [2, 5]",
                                 "[], [N, C], [N] and [2, N]"}}};
        },
}};

const Op soft_cross_entropy_op{OpDef{
    .name = "soft_cross_entropy",
    .doc = "Mean over rows of −Σ target · log_softmax(x). Logits x [N, C]; target [N, C] of a "
           "float dtype, the share of each class → [].",
    .arguments = {"logits", "target"},
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_float(1);
          const Shape &scores = c.shape(0), &target = c.shape(1);
          if (scores.rank() != 2) c.fail(0, "rank 2, [N, C]");
          if (scores != target) c.fail(1, str(scores, ", the shape of logits"));
          c.out(0, {}, c.common_dtype());
        },
    .decompose =
        [](std::span<const Tensor> in, const Attr&) {
          // A share of 0 of an impossible class is nothing: 0 · ln 0 = 0.
          return -mean(sum(multiply_no_nan(log_softmax(in[0], 1), in[1]), {1}));
        },
    .composite = true,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{5, 4}}, {{5, 4}, f64, Domain::unit}}},
              {.inputs = {{{64, 10}, f32}, {{64, 10}, f32, Domain::unit}}, .gradient = false},
              {.inputs = {{{1, 2}}, {{1, 2}, f64, Domain::unit}}},
              {.inputs = {{{5, 4}}, {{5}}},
               .throws = Refusal{"target", "[5]", "[5, 4], the shape of logits"}}};
        },
}};

const Op mse_loss_op{OpDef{
    .name = "mse_loss",
    .doc = "Mean of (x − y)²; x and y have the same shape → [].",
    .arguments = {"x", "y"},
    .infer =
        [](Infer& c) {
          c.require_float(0);
          if (c.shape(0) != c.shape(1)) c.fail(1, str(c.shape(0), ", the shape of x"));
          c.out(0, {}, c.common_dtype());
        },
    .decompose = [](std::span<const Tensor> in,
                    const Attr&) { return mean(square(in[0] - in[1])); },
    .composite = true,
    .samples =
        [] {
          return std::vector<Sample>{{.inputs = {{{3, 4}}, {{3, 4}}}},
                                     {.inputs = {{{70}, f32}, {{70}, f32}}, .gradient = false},
                                     {.inputs = {{{3, 4}}, {{4}}},
                                      .throws = Refusal{"y", "[4]", "[3, 4], the shape of x"}}};
        },
}};

}  // namespace

Tensor softmax(const Tensor& x, int axis) {
  return record(softmax_op, {&x}, AxisAttr{checked_axis("softmax", x, axis)});
}
Tensor log_softmax(const Tensor& x, int axis) {
  return record(log_softmax_op, {&x}, AxisAttr{checked_axis("log_softmax", x, axis)});
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
