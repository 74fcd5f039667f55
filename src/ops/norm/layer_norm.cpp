// SPDX-License-Identifier: Apache-2.0
// Normalizations over the last axes.
#include "ops/norm/norm.h"

#include "ops/op.h"

namespace suanli {

namespace {

/// Throws unless input `i` has the shape of the last axes of `x`.
void require_last_axes(const Infer& c, const Shape& x, int i) {
  const Shape& s = c.shape(i);
  bool fits = s.rank() >= 1 && s.rank() <= x.rank();
  for (int d = 1; fits && d <= s.rank(); ++d) fits = s.at(-d) == x.at(-d);
  if (!fits) c.fail(i, str("the last axes of input ", x));
}

/// The axes that a weight of rank `normalized` spans, counted from the back.
Axes last_axes(int normalized) {
  Axes axes;
  for (int d = 1; d <= normalized; ++d) axes.push_back(-d);
  return axes;
}
struct Standardized {
  Tensor x, scale;  // (x − mean) · scale, and scale = 1/√(variance + eps)
};
Standardized standardized(const Tensor& x, const Axes& axes, double eps) {
  Tensor centerd = x - mean(x, axes, true), scale = rsqrt(mean(square(centerd), axes, true) + eps);
  return {centerd * scale, scale};
}

extern const Op layer_norm_grad_op;

const Op layer_norm_op{OpDef{
    .name = "layer_norm",
    .doc = "(x − mean)/√(variance + eps) · weight + bias over the last axes, as many as weight "
           "has. The variance is divided by n; bias is optional (Ba et al. 2016). f32, f64.",
    .arguments = {"input", "weight", "bias"},
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          require_last_axes(c, c.shape(0), 1);
          if (c.inputs() == 3 && c.shape(2) != c.shape(1))
            c.fail(2, str(c.shape(1), ", the shape of weight"));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(), x = v.in(0), w = v.in(1);
          const bool bias = v.inputs() == 3 && v.needs_grad(2);
          if (!v.create_graph()) {
            const auto grads = record_all(layer_norm_grad_op, {&g, &x, &w}, v.attr<NormAttr>());
            if (v.needs_grad(0)) v.set_grad(0, grads[0]);
            if (v.needs_grad(1)) v.set_grad(1, grads[1]);
            if (bias) v.set_grad(2, grads[2]);
            return;
          }
          const Axes axes = last_axes(w.rank());
          const auto [hat, scale] = standardized(x, axes, v.attr<NormAttr>().eps);
          Tensor gw = g * w;
          v.set_grad(0, scale * (gw - mean(gw, axes, true) - hat * mean(gw * hat, axes, true)));
          v.set_grad(1, sum_to(g * hat, w.shape()));
          if (bias) v.set_grad(2, sum_to(g, w.shape()));
        },
    .saves = saves_in(0) | saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 8); },
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          Tensor y =
              standardized(in[0], last_axes(in[1].rank()), attr.as<NormAttr>().eps).x * in[1];
          return in.size() == 3 ? y + in[2] : y;
        },
    .onnx = {"LayerNormalization", 17},
    .overwrites = 0,
    .samples =
        [] {
          const Attr eps = NormAttr{1e-5};
          return std::vector<Sample>{
              {.inputs = {{{4, 7}}, {{7}}, {{7}}}, .attr = eps},
              {.inputs = {{{2, 3, 5}}, {{3, 5}}}, .attr = eps},
              {.inputs = {{{5}}, {{5}}, {{5}}}, .attr = NormAttr{0.1}},
              {.inputs = {{{0, 3}}, {{3}}, {{3}}}, .attr = eps},
              {.inputs = {{{70, 40}, f32}, {{40}, f32}, {{40}, f32}}, .attr = eps},
              {.inputs = {{{3, 1031}, f32}, {{1031}, f32}}, .attr = eps},
              {.inputs = {{{4, 7}}, {{4}}, {{4}}},
               .attr = eps,
               .throws = Refusal{"weight", "[4]", "the last axes of input [4, 7]"}},
              {.inputs = {{{4, 7}}, {{7}}, {{6}}},
               .attr = eps,
               .throws = Refusal{"bias", "[6]", "[7], the shape of weight"}},
              {.inputs = {{{4, 7}}, {{7}, f32}},
               .attr = eps,
               .throws = Refusal{"weight", "f32", "f64, the dtype of input", ErrorCode::dtype}},
              {.inputs = {{{4, 7}, i64}, {{7}}},
               .attr = eps,
               .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
        },
}};

/// In: g, x, weight. Second derivatives do not come here: with create_graph the gradient is
/// recorded as the ops that it is written with.
const Op layer_norm_grad_op{OpDef{
    .name = "layer_norm_grad",
    .doc = "Gradients of layer_norm for x, weight and bias from g, x and weight, in one pass that "
           "recomputes mean and standard deviation.",
    .arguments = {"gradient", "input", "weight"},
    .n_results = 3,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          if (c.shape(0) != c.shape(1)) c.fail(0, str(c.shape(1), ", the shape of input"));
          require_last_axes(c, c.shape(1), 2);
          c.out(0, c.shape(1), c.dtype(0));
          c.out(1, c.shape(2), c.dtype(0));
          c.out(2, c.shape(2), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 16); },
    .overwrites = 0,
    .samples =
        [] {
          const Attr eps = NormAttr{1e-5};
          return std::vector<Sample>{
              {.inputs = {{{4, 7}}, {{4, 7}}, {{7}}}, .attr = eps, .gradient = false},
              {.inputs = {{{2, 3, 5}}, {{2, 3, 5}}, {{3, 5}}}, .attr = eps, .gradient = false},
              {.inputs = {{{0, 3}}, {{0, 3}}, {{3}}}, .attr = eps, .gradient = false},
              {.inputs = {{{300, 40}, f32}, {{300, 40}, f32}, {{40}, f32}},
               .attr = eps,
               .gradient = false},
              {.inputs = {{{4, 7}}, {{4, 6}}, {{6}}},
               .attr = eps,
               .throws = Refusal{"gradient", "[4, 7]", "[4, 6], the shape of input"}}};
        },
}};

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const NormAttr attr{eps};
  return bias.defined() ? record(layer_norm_op, {&x, &weight, &bias}, attr)
                        : record(layer_norm_op, {&x, &weight}, attr);
}

}  // namespace suanli
