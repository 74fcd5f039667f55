// SPDX-License-Identifier: Apache-2.0
// 2-D convolution with explicit data-gradient and weight-gradient ops, so that all orders of
// gradients are convolutions again.
#include "ops/conv/conv.h"

namespace suanli {

namespace {

Tensor conv2d_grad_input(const Tensor& g, const Tensor& w, const ConvAttr& a, const Shape& input);

Tensor conv2d_grad_weight(const Tensor& x, const Tensor& g, const ConvAttr& a, const Shape& weight);

/// Output size along axis 0 (height) or 1 (width); throws if the window does not fit.
int64_t window_count(const Infer& c, int axis, int64_t size, int64_t kernel, const ConvAttr& a) {
  const int dilation = a.dilation[axis], padding = a.padding[axis];
  // span: from the first to the last
  const int64_t span = saturating_product(dilation, kernel - 1),
                padded = size + int64_t{2} * padding;
  if (span >= padded)
    c.fail("weight",
           str("kernel ", kernel, dilation > 1 ? str(" at dilation ", dilation) : "", " spanning ",
               span < INT64_MAX ? span + 1 : span),
           str("at most ", padded, ", as input ", size, " with padding ", padding, " has"));
  return (padded - span - 1) / a.stride[axis] + 1;
}

/// Multiply-adds of the three directions are the same: per output element one kernel volume.
Cost conv_cost(const Step& s, const Shape& y, const Shape& w) {
  auto c = element_cost(s, 0);
  c.flops = 2 * y.numel() * w[1] * w[2] * w[3];
  return c;
}

}  // namespace

void require_at_least(const Infer& c, const char* option, IntPair value, int least) {
  if (value[0] < least || value[1] < least)
    c.fail_argument(option, to_string(value), str("at least ", least));
}

int64_t saturating_product(int64_t a, int64_t b) {
  int64_t result;
  return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}

Shape conv_shape(const Infer& c, const Shape& x, const Shape& w, const ConvAttr& a) {
  if (x.rank() != 4) c.fail("input", to_string(x), "rank 4, [N, C, H, W]");
  if (w.rank() != 4) c.fail("weight", to_string(w), "rank 4, [out, in/groups, R, S]");
  require_at_least(c, "stride", a.stride, 1);
  require_at_least(c, "padding", a.padding, 0);
  require_at_least(c, "dilation", a.dilation, 1);
  require_at_least(c, "groups", a.groups, 1);
  if (w[2] < 1 || w[3] < 1) c.fail("weight", to_string(w), "a kernel of at least 1×1");
  if (x[1] != saturating_product(w[1], a.groups))
    c.fail("input", str(x[1], " channels"),
           str(saturating_product(w[1], a.groups), " channels, as weight ", w,
               a.groups > 1 ? str(" in ", a.groups, " groups") : "", " has"));
  if (w[0] % a.groups != 0)
    c.fail("weight", str(w[0], " output channels in ", w), str("a multiple of groups, ", a.groups));
  return {x[0], w[0], window_count(c, 0, x[2], w[2], a), window_count(c, 1, x[3], w[3], a)};
}

namespace {
Tensor conv2d_grad_input(const Tensor& g, const Tensor& w, const ConvAttr& a, const Shape& input) {
  return record(conv2d_grad_input_op, {&g, &w}, a, &input);
}

Tensor conv2d_grad_weight(const Tensor& x, const Tensor& g, const ConvAttr& a,
                          const Shape& weight) {
  return record(conv2d_grad_weight_op, {&x, &g}, a, &weight);
}

}  // namespace

Tensor conv2d_with(const Tensor& x, const Tensor& w, const Tensor& b, const ConvAttr& a) {
  return b.defined() ? record(conv2d_op, {&x, &w, &b}, a) : record(conv2d_op, {&x, &w}, a);
}

const Op conv2d_op{OpSchema{
    .name = "conv2d",
    .doc = "2-D convolution (cross-correlation) of x [N, C, H, W] with w [O, C/groups, R, S] and "
           "optional bias [O] → [N, O, P, Q]. Float dtypes.",
    .inputs = {"input", "weight", {"bias", InputSpec::optional}},
    .attributes = &attribute_type<ConvAttr>(),
    .traits = Trait::contraction,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          Shape out = conv_shape(c, c.shape(0), c.shape(1), c.attr<ConvAttr>());
          if (c.inputs() == 3 && c.shape(2) != Shape{out[1]})
            c.fail(2, str(Shape{out[1]}, ", one per output channel"));
          c.out(0, out, c.dtype(0));
        },
    .cost = [](const Step& s) { return conv_cost(s, s.out[0].shape, s.in[1].shape); },
}};
const RegisterRules conv2d_rules{OpRules{
    .op = &conv2d_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<ConvAttr>();
          Tensor g = v.grad();
          if (v.needs_grad(0)) v.set_grad(0, conv2d_grad_input(g, v.in(1), a, v.in_shape(0)));
          if (v.needs_grad(1)) v.set_grad(1, conv2d_grad_weight(v.in(0), g, a, v.in_shape(1)));
          if (v.inputs() == 3 && v.needs_grad(2)) v.set_grad(2, sum(g, {0, 2, 3}));
        },
    .saves = saves_in(0) | saves_in(1),
}};

/// In: g [N, O, P, Q], w; wanted shape: the input's.
const Op conv2d_grad_input_op{OpSchema{
    .name = "conv2d_grad_input",
    .doc = "Gradient of conv2d for its input (the transposed convolution) from g [N, O, P, Q] and "
           "w; result in the input's shape.",
    .inputs = {"gradient", "weight"},
    .attributes = &attribute_type<ConvAttr>(),
    .takes_shape = true,
    .traits = Trait::contraction | Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          Shape y = conv_shape(c, c.requested_shape(), c.shape(1), c.attr<ConvAttr>());
          if (y != c.shape(0)) c.fail(0, to_string(y));
          c.out(0, c.requested_shape(), c.dtype(0));
        },
    .cost = [](const Step& s) { return conv_cost(s, s.in[0].shape, s.in[1].shape); },
}};
const RegisterRules conv2d_grad_input_rules{OpRules{
    .op = &conv2d_grad_input_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<ConvAttr>();
          if (v.needs_grad(0)) v.set_grad(0, conv2d_with(v.grad(), v.in(1), {}, a));
          if (v.needs_grad(1))
            v.set_grad(1, conv2d_grad_weight(v.grad(), v.in(0), a, v.in_shape(1)));
        },
    .saves = saves_in(0) | saves_in(1),
}};

/// In: x, g; wanted shape: the weight's.
const Op conv2d_grad_weight_op{OpSchema{
    .name = "conv2d_grad_weight",
    .doc = "Gradient of conv2d for its weight from x and g [N, O, P, Q]; result in the weight's "
           "shape.",
    .inputs = {"input", "gradient"},
    .attributes = &attribute_type<ConvAttr>(),
    .takes_shape = true,
    .traits = Trait::contraction | Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          Shape y = conv_shape(c, c.shape(0), c.requested_shape(), c.attr<ConvAttr>());
          if (y != c.shape(1)) c.fail(1, to_string(y));
          c.out(0, c.requested_shape(), c.dtype(0));
        },
    .cost = [](const Step& s) { return conv_cost(s, s.in[1].shape, s.out[0].shape); },
}};
const RegisterRules conv2d_grad_weight_rules{OpRules{
    .op = &conv2d_grad_weight_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<ConvAttr>();
          if (v.needs_grad(0))
            v.set_grad(0, conv2d_grad_input(v.in(1), v.grad(), a, v.in_shape(0)));
          if (v.needs_grad(1)) v.set_grad(1, conv2d_with(v.in(0), v.grad(), {}, a));
        },
    .saves = saves_in(0) | saves_in(1),
}};

}  // namespace suanli
