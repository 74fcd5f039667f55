// SPDX-License-Identifier: Apache-2.0
// Convolutions that are others in another guise: the transposed one is the gradient for the input,
// those of one dimension are pictures of one row. Padding that conv2d lacks comes before it.
#include <string_view>

#include "ops/conv/conv.h"

namespace suanli {

namespace {

/// [N, C, L] as [N, C, 1, L].
Shape with_row(const Shape& s) { return {s[0], s[1], 1, s[2]}; }
Tensor with_row(const Tensor& x) { return reshape(x, with_row(x.shape())); }
Tensor without_row(const Tensor& x) { return reshape(x, {x.size(0), x.size(1), x.size(3)}); }

ConvAttr with_row(const Conv1dAttr& a) {
  return {{1, a.stride}, {0, a.padding}, {1, a.dilation}, a.groups};
}
ConvTransposeAttr with_row(const ConvTranspose1dAttr& a) {
  return {{1, a.stride}, {0, a.padding}, {0, a.output_padding}, {1, a.dilation}, a.groups};
}

/// Throws unless the input and the weight have three axes each.
void require_rows(const Infer& c, const char* weight) {
  c.require_float(0);
  c.require_same_dtype();
  c.require_rank(0, 3, "[N, C, L]");
  c.require_rank(1, 3, weight);
}

void require_bias(const Infer& c, int64_t channels) {
  if (c.inputs() == 3 && c.shape(2) != Shape{channels})
    c.fail(2, str(Shape{channels}, ", one per output channel"));
}

/// The size of a transposed convolution's result along one axis.
int64_t transposed_size(const Infer& c, int axis, int64_t size, int64_t kernel,
                        const ConvTransposeAttr& a) {
  if (size < 1) c.fail(0, "pictures of at least 1×1");
  const int64_t steps = saturating_product(size - 1, a.stride[axis]),
                span = saturating_product(kernel - 1, a.dilation[axis]);
  if (steps > kMaxTensorBytes || span > kMaxTensorBytes) c.fail(0, "a result of fewer elements");
  const int64_t result = steps + span + 1 + a.output_padding[axis] - 2 * int64_t{a.padding[axis]};
  if (result < 1)
    c.fail_argument("padding", str(a.padding[axis]),
                    str("at most ", (result + 2 * int64_t{a.padding[axis]} - 1) / 2,
                        ", so that a result is left"));
  return result;
}

/// The shape of a transposed convolution's result.
Shape transposed_shape(const Infer& c, const Shape& x, const Shape& w, const ConvTransposeAttr& a) {
  require_at_least(c, "stride", a.stride, 1);
  require_at_least(c, "padding", a.padding, 0);
  require_at_least(c, "output_padding", a.output_padding, 0);
  require_at_least(c, "dilation", a.dilation, 1);
  require_at_least(c, "groups", a.groups, 1);
  for (int axis : {0, 1})
    if (a.output_padding[axis] >= a.stride[axis] && a.output_padding[axis] >= a.dilation[axis])
      c.fail_argument("output_padding", to_string(a.output_padding),
                      str("less than stride ", a.stride[axis], " or dilation ", a.dilation[axis]));
  if (w[2] < 1 || w[3] < 1) c.fail(1, "a kernel of at least 1×1");
  if (x[1] != w[0]) c.fail(0, str(w[0], " channels, as weight ", c.shape(1), " has"));
  if (w[0] % a.groups != 0) c.fail(1, str("a multiple of groups, ", a.groups, ", input channels"));
  return {x[0], saturating_product(w[1], a.groups), transposed_size(c, 0, x[2], w[2], a),
          transposed_size(c, 1, x[3], w[3], a)};
}

/// The transposed convolution with output_padding below the stride, without bias.
Tensor transposed(const Tensor& x, const Tensor& w, const ConvTransposeAttr& a, IntPair padding,
                  IntPair output_padding) {
  Shape shape{x.size(0), w.size(1) * a.groups, 0, 0};
  for (int axis : {0, 1})
    shape[2 + axis] = (x.size(2 + axis) - 1) * a.stride[axis] - 2 * int64_t{padding[axis]} +
                      (w.size(2 + axis) - 1) * a.dilation[axis] + output_padding[axis] + 1;
  return record(conv2d_grad_input_op, {&x, &w}, ConvAttr{a.stride, padding, a.dilation, a.groups},
                &shape);
}

}  // namespace

const Op conv_transpose2d_op{OpSchema{
    .name = "conv_transpose2d",
    .doc = "Transposed convolution (the gradient of conv2d for its input) of x [N, C, H, W] with w "
           "[C, O/groups, R, S] and optional bias [O] → [N, O, P, Q], P = (H − 1)·stride − "
           "2·padding + dilation·(R − 1) + output_padding + 1. f32, f64.",
    .inputs = {"input", "weight", {"bias", InputSpec::optional}},
    .attributes = &attribute_type<ConvTransposeAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          c.require_same_dtype();
          c.require_rank(0, 4, "[N, C, H, W]");
          c.require_rank(1, 4, "[in, out/groups, R, S]");
          const Shape y = transposed_shape(c, c.shape(0), c.shape(1), c.attr<ConvTransposeAttr>());
          require_bias(c, y[1]);
          c.out(0, y, c.dtype(0));
        },
}};
const RegisterRules conv_transpose2d_rules{OpRules{
    .op = &conv_transpose2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<ConvTransposeAttr>();
          Tensor y;
          if (a.output_padding[0] < a.stride[0] && a.output_padding[1] < a.stride[1]) {
            y = transposed(in[0], in[1], a, a.padding, a.output_padding);
          } else {  // more of the full result than any padding of conv2d leaves
            y = pad(transposed(in[0], in[1], a, 0, 0),
                    {-a.padding[1], a.output_padding[1] - a.padding[1], -a.padding[0],
                     a.output_padding[0] - a.padding[0]});
          }
          return in.size() == 3 ? y + reshape(in[2], {-1, 1, 1}) : y;
        },
}};

const Op conv1d_op{OpSchema{
    .name = "conv1d",
    .doc =
        "1-D convolution (cross-correlation) of x [N, C, L] with w [O, C/groups, K] and optional "
        "bias [O] → [N, O, M]. f32, f64.",
    .inputs = {"input", "weight", {"bias", InputSpec::optional}},
    .attributes = &attribute_type<Conv1dAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_rows(c, "[out, in/groups, K]");
          const auto& a = c.attr<Conv1dAttr>();
          require_at_least(c, "padding", a.padding, 0);
          require_at_least(c, "stride", a.stride, 1);
          require_at_least(c, "dilation", a.dilation, 1);
          const Shape y = conv_shape(c, with_row(c.shape(0)), with_row(c.shape(1)), with_row(a));
          require_bias(c, y[1]);
          c.out(0, {y[0], y[1], y[3]}, c.dtype(0));
        },
}};
const RegisterRules conv1d_rules{OpRules{
    .op = &conv1d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return without_row(conv2d_with(with_row(in[0]), with_row(in[1]),
                                         in.size() == 3 ? in[2] : Tensor(),
                                         with_row(attr.as<Conv1dAttr>())));
        },
}};

const Op conv_transpose1d_op{OpSchema{
    .name = "conv_transpose1d",
    .doc = "Transposed convolution of x [N, C, L] with w [C, O/groups, K] and optional bias [O] → "
           "[N, O, M], M = (L − 1)·stride − 2·padding + dilation·(K − 1) + output_padding + 1. "
           "f32, f64.",
    .inputs = {"input", "weight", {"bias", InputSpec::optional}},
    .attributes = &attribute_type<ConvTranspose1dAttr>(),
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          require_rows(c, "[in, out/groups, K]");
          const auto& a = c.attr<ConvTranspose1dAttr>();
          require_at_least(c, "output_padding", a.output_padding, 0);
          require_at_least(c, "stride", a.stride, 1);
          if (a.output_padding >= a.stride && a.output_padding >= a.dilation)
            c.fail_argument("output_padding", str(a.output_padding),
                            str("less than stride ", a.stride, " or dilation ", a.dilation));
          const Shape y =
              transposed_shape(c, with_row(c.shape(0)), with_row(c.shape(1)), with_row(a));
          require_bias(c, y[1]);
          c.out(0, {y[0], y[1], y[3]}, c.dtype(0));
        },
}};
const RegisterRules conv_transpose1d_rules{OpRules{
    .op = &conv_transpose1d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const Tensor x = with_row(in[0]), w = with_row(in[1]);
          const Attr a = with_row(attr.as<ConvTranspose1dAttr>());
          return without_row(in.size() == 3 ? record(conv_transpose2d_op, {&x, &w, &in[2]}, a)
                                            : record(conv_transpose2d_op, {&x, &w}, a));
        },
}};

ConvPadding::ConvPadding(const char* name) {
  const std::string_view n = name ? name : "";
  if (n == "same") same_ = true;
  else if (n != "valid")
    throw ArgumentError({.op = "ConvPadding",
                         .argument = "padding",
                         .given = "'" + std::string(n) + "'",
                         .expected = "'same', 'valid', an integer or a pair of them"});
}

namespace {

Tensor record_conv(const Op& op, const Tensor& x, const Tensor& w, const Tensor& b,
                   const Attr& attr) {
  return b.defined() ? record(op, {&x, &w, &b}, attr) : record(op, {&x, &w}, attr);
}

/// The elements that padding adds in front of an axis and behind it.
std::pair<int64_t, int64_t> ends(const ConvPadding& padding, int axis, int64_t kernel,
                                 int dilation) {
  if (!padding.same()) return {padding.pixels()[axis], padding.pixels()[axis]};
  const int64_t total = kernel < 1 ? 0 : saturating_product(kernel - 1, dilation);
  return {total / 2, total - total / 2};
}

void require_stride_of_same(const char* op, bool same, IntPair stride) {
  if (same && stride != 1)
    throw ArgumentError({.op = op,
                         .argument = "padding",
                         .given = str("'same' with stride ", stride),
                         .expected = "stride 1",
                         .module = module_path()});
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& b, const ConvOptions& o) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    if (!o.padding.same() && o.padding_mode == PadMode::zeros)
      return conv2d_with(batch, w, b, {o.stride, o.padding.pixels(), o.dilation, o.groups});
    require_stride_of_same("conv2d", o.padding.same(), o.stride);
    if (batch.rank() != 4 || w.rank() != 4)  // refused there
      return conv2d_with(batch, w, b, {o.stride, 0, o.dilation, o.groups});
    const auto [top, bottom] = ends(o.padding, 0, w.size(2), o.dilation[0]);
    const auto [left, right] = ends(o.padding, 1, w.size(3), o.dilation[1]);
    if (o.padding_mode == PadMode::zeros && top == bottom && left == right)
      return conv2d_with(batch, w, b, {o.stride, {top, left}, o.dilation, o.groups});
    return conv2d_with(pad(batch, {left, right, top, bottom}, o.padding_mode), w, b,
                       {o.stride, 0, o.dilation, o.groups});
  });
}

Tensor conv1d(const Tensor& x, const Tensor& w, const Tensor& b, const Conv1dOptions& o) {
  return with_samples(x, 3, [&](const Tensor& batch) {
    if (!o.padding.same() && o.padding_mode == PadMode::zeros)
      return record_conv(conv1d_op, batch, w, b,
                         Conv1dAttr{o.stride, o.padding.pixels()[1], o.dilation, o.groups});
    require_stride_of_same("conv1d", o.padding.same(), o.stride);
    if (batch.rank() != 3 || w.rank() != 3)  // refused there
      return record_conv(conv1d_op, batch, w, b, Conv1dAttr{o.stride, 0, o.dilation, o.groups});
    const auto [left, right] = ends(o.padding, 1, w.size(2), o.dilation);
    if (o.padding_mode == PadMode::zeros && left == right)
      return record_conv(conv1d_op, batch, w, b,
                         Conv1dAttr{o.stride, IntPair(left)[0], o.dilation, o.groups});
    return record_conv(conv1d_op, pad(batch, {left, right}, o.padding_mode), w, b,
                       Conv1dAttr{o.stride, 0, o.dilation, o.groups});
  });
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& w, const Tensor& b,
                        const ConvTransposeOptions& o) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    return record_conv(
        conv_transpose2d_op, batch, w, b,
        ConvTransposeAttr{o.stride, o.padding, o.output_padding, o.dilation, o.groups});
  });
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& w, const Tensor& b,
                        const ConvTranspose1dOptions& o) {
  return with_samples(x, 3, [&](const Tensor& batch) {
    return record_conv(
        conv_transpose1d_op, batch, w, b,
        ConvTranspose1dAttr{o.stride, o.padding, o.output_padding, o.dilation, o.groups});
  });
}

}  // namespace suanli
