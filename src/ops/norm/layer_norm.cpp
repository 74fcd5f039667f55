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
Dims last_axes(int normalized) {
  Dims axes;
  for (int d = 1; d <= normalized; ++d) axes.push_back(-d);
  return axes;
}

struct Standardized {
  Tensor x, scale;  // (x − mean) · scale, and scale = 1/√(variance + eps)
};

Standardized standardized(const Tensor& given, const Dims& axes, double eps) {
  const Tensor x = cast(given, wide_dtype(given.dtype()));
  Tensor centered = x - mean(x, axes, true),
         scale = rsqrt(mean(square(centered), axes, true) + eps);
  return {centered * scale, scale};
}

}  // namespace

const Op layer_norm_op{OpSchema{
    .name = "layer_norm",
    .doc = "(x − mean)/√(variance + eps) · weight + bias over the last axes, as many as weight "
           "has. The variance is divided by n; bias is optional (Ba et al. 2016). Float dtypes.",
    .inputs = {"input", "weight", {"bias", InputSpec::optional}},
    .attributes = &attribute_type<NormAttr>(),
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_same_dtype();
          require_last_axes(c, c.shape(0), 1);
          if (c.inputs() == 3 && c.shape(2) != c.shape(1))
            c.fail(2, str(c.shape(1), ", the shape of weight"));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 8); },
    .in_place = 0,
}};
const RegisterRules layer_norm_rules{OpRules{
    .op = &layer_norm_op,
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
          const Dims axes = last_axes(w.rank());
          const auto [hat, scale] = standardized(x, axes, v.attr<NormAttr>().eps);
          g = cast(g, hat.dtype());
          const Tensor gw = g * w;
          v.set_grad(0, scale * (gw - mean(gw, axes, true) - hat * mean(gw * hat, axes, true)));
          v.set_grad(1, sum_to(g * hat, w.shape()));
          if (bias) v.set_grad(2, sum_to(g, w.shape()));
        },
    .saves = saves_in(0) | saves_in(1),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const Tensor y =
              standardized(in[0], last_axes(in[1].rank()), attr.as<NormAttr>().eps).x * in[1];
          return cast(in.size() == 3 ? y + in[2] : y, in[0].dtype());
        },
}};

/// In: g, x, weight. Second derivatives do not come here: with create_graph the gradient is
/// recorded as the ops that it is written with.
const Op layer_norm_grad_op{OpSchema{
    .name = "layer_norm_grad",
    .doc = "Gradients of layer_norm for x, weight and bias from g, x and weight, in one pass that "
           "recomputes mean and standard deviation.",
    .inputs = {"gradient", "input", "weight"},
    .results = {{"of_input"}, {"of_weight"}, {"of_bias"}},
    .attributes = &attribute_type<NormAttr>(),
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_same_dtype();
          if (c.shape(0) != c.shape(1)) c.fail(0, str(c.shape(1), ", the shape of input"));
          require_last_axes(c, c.shape(1), 2);
          c.out(0, c.shape(1), c.dtype(0));
          c.out(1, c.shape(2), c.dtype(0));
          c.out(2, c.shape(2), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 16); },
    .in_place = 0,
}};

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const NormAttr attr{eps};
  return bias.defined() ? record(layer_norm_op, {&x, &weight, &bias}, attr)
                        : record(layer_norm_op, {&x, &weight}, attr);
}

}  // namespace suanli
