// SPDX-License-Identifier: Apache-2.0
// Max pooling, whose forward op also gives where each maximum lay, so that the gradient scatters
// there; and averages.
#include "ops/op.h"
#include "ops/schema/attributes.h"

namespace suanli {

namespace {

constexpr const char* kPixels = "pictures of at least 1×1";

/// The attributes of a call, completed.
const PoolAttr& pool_attr(Infer& c) {
  auto& a = c.attr<PoolAttr>();
  if (a.stride == 0) a.stride = a.kernel_size;
  return a;
}

/// The number of windows along an axis of `size`.
int64_t window_count(int64_t size, const PoolAttr& a) {
  return (size + int64_t{2} * a.padding - a.kernel_size) / a.stride + 1;
}

/// The same, at most INT32_MAX. Throws if the size or the attributes are unsuitable.
int64_t windows(const Infer& c, int64_t size, const PoolAttr& a) {
  const int64_t padding = int64_t{2} * a.padding;  // at both ends
  if (a.kernel_size < 1) c.fail_argument("kernel_size", str(a.kernel_size), "at least 1");
  if (a.stride < 1) c.fail_argument("stride", str(a.stride), "at least 1");
  if (a.padding < 0 || padding > a.kernel_size)
    c.fail_argument("padding", str(a.padding),
                    str("0 to ", a.kernel_size / 2, ", half of kernel ", a.kernel_size));
  if (size < 1) c.fail(0, kPixels);
  if (size > INT32_MAX - padding)
    c.fail(0, str("heights and widths of at most ", INT32_MAX - padding));
  if (a.kernel_size > size + padding)
    c.fail(
        "kernel_size", str(a.kernel_size),
        str("at most ", size + padding, ", as input ", size, " with padding ", a.padding, " has"));
  return window_count(size, a);
}

/// Averages of windows that tile x without rest: one sum, which needs no other layout of x in
/// memory.
Tensor tiled_average(const Tensor& x, int64_t rows, int64_t columns) {
  const Shape& s = x.shape();
  if (rows == 1 && columns == 1) return mean(x, {2, 3}, true);
  return mean(reshape(x, {s[0], s[1], rows, s[2] / rows, columns, s[3] / columns}), {3, 5});
}

}  // namespace

const Op max_pool2d_op{OpSchema{
    .name = "max_pool2d",
    .doc =
        "Largest element of each window of x [N, C, H, W] → [N, C, P, Q], with its position in "
        "the plane (i32). Padding counts as −∞; NaN is the largest. A stride of 0 is kernel_size.",
    .inputs = {{"input", kFloatDTypes}},
    .results = {{"output"}, {"positions", always(DType::i32)}},
    .attributes = &attribute_type<PoolAttr>(),
    .required = "kernel_size",
    .infer =
        [](Infer& c) {
          const auto& a = pool_attr(c);
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          const Shape& x = c.shape(0);
          const Shape y{x[0], x[1], windows(c, x[2], a), windows(c, x[3], a)};
          if (x[2] > INT32_MAX / x[3])
            c.fail(0,
                   str("planes of at most ", INT32_MAX, " elements, as their positions are i32"));
          c.out(0, y, c.dtype(0));
          c.out(1, y, DType::i32);
        },
    .cost =
        [](const Step& s) {
          const int64_t k = static_cast<const PoolAttr*>(s.attr)->kernel_size;
          return element_cost(s, k * k / 2);
        },
    .optional = 2,
}};
const RegisterRules max_pool2d_rules{OpRules{
    .op = &max_pool2d_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(0), at = v.result(1);
          v.set_grad(0, record(max_pool2d_grad_op, {&g, &at}, {}, &v.in_shape(0)));
        },
    .saves = saves_result(1),
}};

const Op max_pool2d_grad_op{OpSchema{
    .name = "max_pool2d_grad",
    .doc =
        "Zeros in the input's shape, with g [N, C, P, Q] added at the given plane positions (i32).",
    .inputs = {"gradient", {"positions", dtypes_of({DType::i32})}},
    .takes_shape = true,
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_float(0);
          if (c.shape(0) != c.shape(1)) c.fail(0, str(c.shape(1), ", the shape of positions"));
          if (c.dtype(1) != DType::i32) c.fail_dtype(1, "i32");
          c.out(0, c.requested_shape(), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules max_pool2d_grad_rules{OpRules{
    .op = &max_pool2d_grad_op,
    .vjp =
        [](Vjp& v) {  // the transpose of a scatter: read where it wrote
          const Shape &s = v.in_shape(0), &x = v.grad().shape();
          Tensor planes = reshape(v.grad(), {x[0] * x[1], x[2] * x[3]}),
                 at = cast(reshape(v.in(1), {s[0] * s[1], s[2] * s[3]}), i64);
          v.set_grad(0, reshape(gather(planes, 1, at), s));
        },
    .saves = saves_in(1),
}};

/// Infers [N, C, ·, ·] of the attributes' size from [N, C, H, W].
const Op mean_pool2d_op{OpSchema{
    .name = "mean_pool2d",
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q] for a given P×Q; zeros outside "
           "the plane count. avg_pool2d and adaptive_avg_pool2d use it for windows that overlap or "
           "leave a remainder. Float dtypes.",
    .inputs = {"input"},
    .attributes = &attribute_type<MeanPoolAttr>(),
    .required = "kernel, stride, padding, height, width",
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          c.out(0, {c.shape(0)[0], c.shape(0)[1], a.height, a.width}, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
}};
const RegisterRules mean_pool2d_rules{OpRules{
    .op = &mean_pool2d_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad();
          v.set_grad(0, record(mean_pool2d_grad_op, {&g}, v.attr<MeanPoolAttr>(), &v.in_shape(0)));
        },
}};

const Op mean_pool2d_grad_op{OpSchema{
    .name = "mean_pool2d_grad",
    .doc = "Gradient of mean_pool2d in the requested shape [N, C, H, W]: each element is the sum "
           "of g [N, C, P, Q] over its windows, each divided as in its mean. Float dtypes.",
    .inputs = {"gradient"},
    .attributes = &attribute_type<MeanPoolAttr>(),
    .required = "kernel, stride, padding, height, width",
    .takes_shape = true,
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          const Shape &g = c.shape(0), &x = c.requested_shape();
          c.require_float(0);
          if (x.rank() != 4 || g != Shape{x[0], x[1], a.height, a.width})
            c.fail(0, str(a.height, "×", a.width, " means of pictures ", x));
          c.out(0, x, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
}};
const RegisterRules mean_pool2d_grad_rules{OpRules{
    .op = &mean_pool2d_grad_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad();
          v.set_grad(0, record(mean_pool2d_op, {&g}, v.attr<MeanPoolAttr>()));
        },
}};

const Op avg_pool2d_op{OpSchema{
    .name = "avg_pool2d",
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q]; zeros of the padding "
           "count. A stride of 0 is kernel_size.",
    .inputs = {"input"},
    .attributes = &attribute_type<PoolAttr>(),
    .required = "kernel_size",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = pool_attr(c);
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          const Shape& x = c.shape(0);
          c.out(0, {x[0], x[1], windows(c, x[2], a), windows(c, x[3], a)}, c.dtype(0));
        },
}};
const RegisterRules avg_pool2d_rules{OpRules{
    .op = &avg_pool2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<PoolAttr>();
          const Shape& s = in[0].shape();
          const int64_t rows = window_count(s[2], a), columns = window_count(s[3], a);
          if (a.padding == 0 && a.stride == a.kernel_size && s[2] % a.kernel_size == 0 &&
              s[3] % a.kernel_size == 0)
            return tiled_average(in[0], rows, columns);
          return record(mean_pool2d_op, {&in[0]},
                        MeanPoolAttr{a.kernel_size, a.stride, a.padding, static_cast<int32_t>(rows),
                                     static_cast<int32_t>(columns)});
        },
}};

const Op adaptive_avg_pool2d_op{OpSchema{
    .name = "adaptive_avg_pool2d",
    .doc = "x [N, C, H, W] → [N, C, P, Q]: element i of P is the mean of rows ⌊i·H/P⌋ to "
           "⌈(i+1)·H/P⌉ − 1. Columns are averaged the same way.",
    .inputs = {"input"},
    .attributes = &attribute_type<AdaptivePoolAttr>(),
    .required = "height, width",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<AdaptivePoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          const Shape& x = c.shape(0);
          if (a.height < 1) c.fail_argument("height", str(a.height), "at least 1");
          if (a.width < 1) c.fail_argument("width", str(a.width), "at least 1");
          if (x[2] < 1 || x[3] < 1) c.fail(0, kPixels);
          c.out(0, {x[0], x[1], a.height, a.width}, c.dtype(0));
        },
}};
const RegisterRules adaptive_avg_pool2d_rules{OpRules{
    .op = &adaptive_avg_pool2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<AdaptivePoolAttr>();
          const int64_t h = in[0].shape()[2], w = in[0].shape()[3], rows = a.height,
                        columns = a.width;
          if (h % rows == 0 && w % columns == 0) return tiled_average(in[0], rows, columns);
          return record(mean_pool2d_op, {&in[0]}, MeanPoolAttr{0, 0, 0, a.height, a.width});
        },
}};

Tensor avg_pool2d(const Tensor& x, const PoolOptions& o) {
  return record(avg_pool2d_op, {&x}, PoolAttr{o.kernel_size, o.stride, o.padding});
}

Tensor adaptive_avg_pool2d(const Tensor& x, int height, int width) {
  return record(adaptive_avg_pool2d_op, {&x}, AdaptivePoolAttr{height, width});
}

Tensor max_pool2d(const Tensor& x, const PoolOptions& o) {
  return record(max_pool2d_op, {&x}, PoolAttr{o.kernel_size, o.stride, o.padding});
}

}  // namespace suanli
