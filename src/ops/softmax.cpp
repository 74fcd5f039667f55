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
  return {{.inputs = {{{4, 7}}}, .attr = AxisAttr{1}}, {.inputs = {{{2, 3, 5}}}, .attr = AxisAttr{1}}, {.inputs = {{{0, 3}}}, .attr = AxisAttr{1}},
          {.inputs = {{{1}}}, .attr = AxisAttr{0}}, {.inputs = {{{64, 10}, f32}}, .attr = AxisAttr{1}}, {.inputs = {{{3, 1031}, f32}}, .attr = AxisAttr{1}},
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
  if (axis < -x.rank() || axis >= x.rank()) throw ShapeError(str("[", op, "] axis ", axis, " is out of range for shape ", x.shape(), where_am_i()));
  return x.shape().axis(axis);
}

void check_target(const char* op, const Tensor& scores, const Tensor& target) {
  if (scores.rank() != 2 || target.rank() != 1 || scores.shape()[0] != target.shape()[0])
    throw ShapeError(str("[", op, "] scores have shape ", scores.shape(), ", targets ", target.shape(), "; [N, C] and [N] are expected", where_am_i()));
  if (is_float(target.dtype())) throw DTypeError(str("[", op, "] targets are ", target.dtype(), "; class numbers (i64) are expected", where_am_i()));
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return record(softmax_op, {&x}, AxisAttr{checked_axis("softmax", x, axis)}); }
Tensor log_softmax(const Tensor& x, int axis) { return record(log_softmax_op, {&x}, AxisAttr{checked_axis("log_softmax", x, axis)}); }

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target) {
  check_target("nll_loss", log_probabilities, target);
  return -mean(gather(log_probabilities, 1, reshape(target, {-1, 1})));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target) {
  check_target("cross_entropy", logits, target);
  return nll_loss(log_softmax(logits, 1), target);
}

Tensor mse_loss(const Tensor& x, const Tensor& y) {
  if (!(x.shape() == y.shape())) throw ShapeError(str("[mse_loss] shapes ", x.shape(), " and ", y.shape(), " differ", where_am_i()));
  return mean(square(x - y));
}

}  // namespace suanli
