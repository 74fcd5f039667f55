// softmax and log_softmax along one axis, and the losses written with them.
#include "ops/op.h"

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
          {.inputs = {{{5, 3}, i64}}, .attr = AxisAttr{1}, .throws = "a float dtype is expected"}};
}

const Op softmax_op{OpDef{
    .name = "softmax",
    .doc = "exp(x − max x) / Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .infer = infer_softmax,
    .vjp =
        [](Vjp& v) {
          Tensor y = v.result(), g = v.grad();
          v.give(0, y * (g - sum(y * g, {v.attr<AxisAttr>().axis}, true)));
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
    .samples = samples_softmax,
}};

const Op log_softmax_op{OpDef{
    .name = "log_softmax",
    .doc = "x − max x − ln Σ exp(x − max x) along one axis. Float dtypes; sums in x's dtype.",
    .infer = infer_softmax,
    .vjp = [](Vjp& v) { v.give(0, v.grad() - exp(v.result()) * sum(v.grad(), {v.attr<AxisAttr>().axis}, true)); },
    .saves = saves_result(0),
    .cost = cost_softmax,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<AxisAttr>().axis;
          Tensor shifted = in[0] - max(in[0], {axis}, true);
          return shifted - log(sum(exp(shifted), {axis}, true));
        },
    .onnx = {"LogSoftmax", 13},
    .samples = samples_softmax,
}};

int checked_axis(const char* op, const Tensor& x, int axis) {
  if (x.rank() == 0) throw ShapeError(str("[", op, "] axis ", axis, " is out of range for a 0-d tensor", where_am_i()));
  if (axis < -x.rank() || axis >= x.rank())
    throw ShapeError(str("[", op, "] axis ", axis, " is out of range for shape ", x.shape(), where_am_i()));
  return x.shape().axis(axis);
}

/// Scores [N, C] and targets [N] → [].
void infer_class_loss(Infer& c) {
  c.require_float(0);
  const Shape &scores = c.shape(0), &target = c.shape(1);
  if (scores.rank() != 2 || target.rank() != 1 || scores[0] != target[0])
    c.fail(str("scores have shape ", scores, ", targets ", target, "; [N, C] and [N] are expected"));
  if (is_float(c.dtype(1))) c.fail_dtype(str("targets are ", c.dtype(1), "; class numbers (i64) are expected"));
  c.out(0, {}, c.dtype(0));
}

std::vector<Sample> samples_class_loss() {
  return {{.inputs = {{{5, 4}}, {{5}, i64, Domain::index, 4}}},
          {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}}, .gradient = false},
          {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}},
          {.inputs = {{{5, 4}}, {{4}, i64, Domain::index, 4}}, .throws = "scores have shape [5, 4], targets [4]"},
          {.inputs = {{{5, 4}}, {{5}}}, .throws = "targets are f64"}};
}

const Op nll_loss_op{OpDef{
    .name = "nll_loss",
    .doc = "Mean of −x[n, target[n]] over log-probabilities x [N, C] and class numbers target [N] → [].",
    .infer = infer_class_loss,
    .decompose = [](std::span<const Tensor> in, const Attr&) { return -mean(gather(in[0], 1, reshape(cast(in[1], i64), {-1, 1}))); },
    .composite = true,
    .onnx = {"NegativeLogLikelihoodLoss", 13},
    .samples = samples_class_loss,
}};

const Op cross_entropy_op{OpDef{
    .name = "cross_entropy",
    .doc = "nll_loss(log_softmax(x), target) over logits x [N, C] and class numbers target [N] → [].",
    .infer = infer_class_loss,
    .decompose = [](std::span<const Tensor> in, const Attr&) { return nll_loss(log_softmax(in[0], 1), in[1]); },
    .composite = true,
    .onnx = {"SoftmaxCrossEntropyLoss", 13},
    .samples = samples_class_loss,
}};

const Op mse_loss_op{OpDef{
    .name = "mse_loss",
    .doc = "Mean of (x − y)²; x and y of one shape → [].",
    .infer =
        [](Infer& c) {
          c.require_float(0);
          if (!(c.shape(0) == c.shape(1))) c.fail(str("shapes ", c.shape(0), " and ", c.shape(1), " differ"));
          c.out(0, {}, c.common_dtype());
        },
    .decompose = [](std::span<const Tensor> in, const Attr&) { return mean(square(in[0] - in[1])); },
    .composite = true,
    .samples =
        [] {
          return std::vector<Sample>{{.inputs = {{{3, 4}}, {{3, 4}}}},
                                     {.inputs = {{{70}, f32}, {{70}, f32}}, .gradient = false},
                                     {.inputs = {{{3, 4}}, {{4}}}, .throws = "[mse_loss] shapes [3, 4] and [4] differ"}};
        },
}};

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return record(softmax_op, {&x}, AxisAttr{checked_axis("softmax", x, axis)}); }
Tensor log_softmax(const Tensor& x, int axis) { return record(log_softmax_op, {&x}, AxisAttr{checked_axis("log_softmax", x, axis)}); }

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target) { return record(nll_loss_op, {&log_probabilities, &target}); }
Tensor cross_entropy(const Tensor& logits, const Tensor& target) { return record(cross_entropy_op, {&logits, &target}); }
Tensor mse_loss(const Tensor& x, const Tensor& y) { return record(mse_loss_op, {&x, &y}); }

}  // namespace suanli
