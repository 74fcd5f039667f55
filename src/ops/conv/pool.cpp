// SPDX-License-Identifier: Apache-2.0
// Max pooling, whose forward op also gives where each maximum lay, so that the gradient scatters
// there; and averages.
#include "ops/op.h"
#include "ops/schema/attributes.h"

namespace suanli {

namespace {

constexpr const char* kPixels = "pictures of at least 1×1";

/// The windows along one axis: positions of the kernel's elements are `dilation` apart.
struct Windows {
  int64_t kernel, stride, padding, dilation;
  bool ceil_mode;
  Windows(const MaxPoolAttr& a, int axis)
      : kernel(a.kernel_size[axis]),
        stride(a.stride[axis]),
        padding(a.padding[axis]),
        dilation(a.dilation[axis]),
        ceil_mode(a.ceil_mode) {}
  Windows(const AvgPoolAttr& a, int axis)
      : kernel(a.kernel_size[axis]),
        stride(a.stride[axis]),
        padding(a.padding[axis]),
        dilation(1),
        ceil_mode(a.ceil_mode) {}
  /// From the first element to the last, both counted.
  int64_t span() const { return (kernel - 1) * dilation + 1; }
  /// Their number along an axis of `size`. In ceil_mode the last may end behind the padding, but
  /// begins before it.
  int64_t count(int64_t size) const {
    const int64_t room = size + 2 * padding - span(), n = room / stride + 1;
    return n + (ceil_mode && room % stride != 0 && n * stride < size + padding);
  }
};

/// A stride of 0 is that of the kernel.
template <class PoolAttr> PoolAttr completed(PoolAttr a) {
  a.stride = {a.stride[0] ? a.stride[0] : a.kernel_size[0],
              a.stride[1] ? a.stride[1] : a.kernel_size[1]};
  return a;
}

/// The number of windows along an axis of `size`, at most INT32_MAX. Throws if the size or the
/// attributes are unsuitable.
int64_t windows(const Infer& c, int64_t size, const Windows& a) {
  const int64_t padding = 2 * a.padding;  // at both ends
  if (a.kernel < 1) c.fail_argument("kernel_size", str(a.kernel), "at least 1");
  if (a.stride < 1) c.fail_argument("stride", str(a.stride), "at least 1");
  if (a.dilation < 1) c.fail_argument("dilation", str(a.dilation), "at least 1");
  if (a.padding < 0 || padding > a.kernel)
    c.fail_argument("padding", str(a.padding),
                    str("0 to ", a.kernel / 2, ", half of kernel ", a.kernel));
  if (size < 1) c.fail(0, kPixels);
  if (size > INT32_MAX - padding)
    c.fail(0, str("heights and widths of at most ", INT32_MAX - padding));
  if (a.span() > size + padding)
    c.fail(
        "kernel_size",
        str(a.kernel, a.dilation > 1 ? str(" at dilation ", a.dilation, ", spanning ", a.span())
                                     : std::string()),
        str("at most ", size + padding, ", as input ", size, " with padding ", a.padding, " has"));
  return a.count(size);
}

template <class PoolAttr> Shape pooled(const Infer& c, const PoolAttr& a) {
  c.require_float(0);
  c.require_rank(0, 4, "[N, C, H, W]");
  const Shape& x = c.shape(0);
  return {x[0], x[1], windows(c, x[2], Windows(a, 0)), windows(c, x[3], Windows(a, 1))};
}

/// Height and width of adaptive pooling's result.
IntPair adaptive_size(const Shape& x, IntPair asked) {
  return {asked[0] < 0 ? x[2] : asked[0], asked[1] < 0 ? x[3] : asked[1]};
}
Shape adaptively_pooled(const Infer& c, IntPair asked) {
  c.require_float(0);
  c.require_rank(0, 4, "[N, C, H, W]");
  for (int axis : {0, 1})
    if (asked[axis] < 1 && asked[axis] != -1)
      c.fail_argument("output_size", str(asked[axis]),
                      "at least 1, or -1, which keeps the input's");
  const Shape& x = c.shape(0);
  if (x[2] < 1 || x[3] < 1) c.fail(0, kPixels);
  if (x[2] > INT32_MAX || x[3] > INT32_MAX)
    c.fail(0, str("heights and widths of at most ", INT32_MAX));
  const IntPair size = adaptive_size(x, asked);
  return {x[0], x[1], size[0], size[1]};
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
    .attributes = &attribute_type<MaxPoolAttr>(),
    .required = "kernel_size",
    .infer =
        [](Infer& c) {
          auto& a = c.attr<MaxPoolAttr>();
          a = completed(a);
          const Shape& x = c.shape(0);
          const Shape y = pooled(c, a);
          if (x[2] > INT32_MAX / x[3])
            c.fail(0,
                   str("planes of at most ", INT32_MAX, " elements, as their positions are i32"));
          c.out(0, y, c.dtype(0));
          c.out(1, y, DType::i32);
        },
    .cost =
        [](const Step& s) {
          const IntPair k = static_cast<const MaxPoolAttr*>(s.attr)->kernel_size;
          return element_cost(s, int64_t{k[0]} * k[1] / 2);
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
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q] for a given P×Q; divided by "
           "the windows' size, by what of it lies in the plane, or by a number. avg_pool2d and "
           "adaptive_avg_pool2d use it for windows that overlap or "
           "leave a remainder. Float dtypes.",
    .inputs = {"input"},
    .attributes = &attribute_type<MeanPoolAttr>(),
    .required = "kernel, stride, padding, size",
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          c.out(0, {c.shape(0)[0], c.shape(0)[1], a.size[0], a.size[1]}, c.dtype(0));
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
    .required = "kernel, stride, padding, size",
    .takes_shape = true,
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          const Shape &g = c.shape(0), &x = c.requested_shape();
          c.require_float(0);
          if (x.rank() != 4 || g != Shape{x[0], x[1], a.size[0], a.size[1]})
            c.fail(0, str(a.size[0], "×", a.size[1], " means of pictures ", x));
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
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q]; zeros of the padding count, "
           "unless count_include_pad is false. A stride of 0 is kernel_size, a divisor of 0 the "
           "window's size.",
    .inputs = {"input"},
    .attributes = &attribute_type<AvgPoolAttr>(),
    .required = "kernel_size",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const auto a = completed(c.attr<AvgPoolAttr>());
          c.out(0, pooled(c, a), c.dtype(0));
        },
}};
const RegisterRules avg_pool2d_rules{OpRules{
    .op = &avg_pool2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto a = completed(attr.as<AvgPoolAttr>());
          const Shape& s = in[0].shape();
          const int64_t rows = Windows(a, 0).count(s[2]), columns = Windows(a, 1).count(s[3]);
          if (a.padding == 0 && a.stride == a.kernel_size && a.divisor_override == 0 &&
              s[2] % a.kernel_size[0] == 0 && s[3] % a.kernel_size[1] == 0)
            return tiled_average(in[0], rows, columns);
          return record(mean_pool2d_op, {&in[0]},
                        MeanPoolAttr{.kernel = a.kernel_size,
                                     .stride = a.stride,
                                     .padding = a.padding,
                                     .size = {rows, columns},
                                     .count_include_pad = a.count_include_pad,
                                     .divisor_override = a.divisor_override});
        },
}};

const Op adaptive_avg_pool2d_op{OpSchema{
    .name = "adaptive_avg_pool2d",
    .doc = "x [N, C, H, W] → [N, C, P, Q]: element i of P is the mean of rows ⌊i·H/P⌋ to "
           "⌈(i+1)·H/P⌉ − 1. Columns are averaged the same way.",
    .inputs = {"input"},
    .attributes = &attribute_type<AdaptivePoolAttr>(),
    .required = "output_size",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.out(0, adaptively_pooled(c, c.attr<AdaptivePoolAttr>().output_size), c.dtype(0));
        },
}};
const RegisterRules adaptive_avg_pool2d_rules{OpRules{
    .op = &adaptive_avg_pool2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const IntPair size =
              adaptive_size(in[0].shape(), attr.as<AdaptivePoolAttr>().output_size);
          if (in[0].size(2) % size[0] == 0 && in[0].size(3) % size[1] == 0)
            return tiled_average(in[0], size[0], size[1]);
          return record(mean_pool2d_op, {&in[0]}, MeanPoolAttr{0, 0, 0, size});
        },
}};

constexpr int64_t kMaxParts = 4096;

const Op adaptive_max_pool2d_op{OpSchema{
    .name = "adaptive_max_pool2d",
    .doc = "x [N, C, H, W] → [N, C, P, Q]: element i of P is the largest of rows ⌊i·H/P⌋ to "
           "⌈(i+1)·H/P⌉ − 1, and of columns the same way.",
    .inputs = {"input"},
    .attributes = &attribute_type<AdaptivePoolAttr>(),
    .required = "output_size",
    .traits = Trait::composite,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const IntPair asked = c.attr<AdaptivePoolAttr>().output_size;
          const Shape y = adaptively_pooled(c, asked);
          for (int axis : {2, 3})  // each of these parts is an op
            if (y[axis] > kMaxParts && c.shape(0)[axis] % y[axis] != 0)
              c.fail_argument("output_size", str(y[axis]),
                              str("at most ", kMaxParts, ", or a divisor of ", c.shape(0)[axis]));
          c.out(0, y, c.dtype(0));
        },
}};

namespace {
/// The largest elements of the parts along one axis of a picture. Among equal ones the first
/// counts: along columns, then rows, that is the first in row-major order.
Tensor largest_of_parts(const Tensor& x, int axis, int64_t parts) {
  const int64_t size = x.size(axis);
  const auto pooled = [&](const Tensor& part, int64_t kernel) {
    const IntPair window = axis == 2 ? IntPair(kernel, 1) : IntPair(1, kernel);
    return record(max_pool2d_op, {&part}, MaxPoolAttr{window, window});
  };
  if (size % parts == 0) return pooled(x, size / parts);
  std::vector<Tensor> all;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = i * size / parts, end = ((i + 1) * size + parts - 1) / parts;
    all.push_back(pooled(narrow(x, axis, begin, end - begin), end - begin));
  }
  return cat(all, axis);
}
}  // namespace
const RegisterRules adaptive_max_pool2d_rules{OpRules{
    .op = &adaptive_max_pool2d_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const IntPair size =
              adaptive_size(in[0].shape(), attr.as<AdaptivePoolAttr>().output_size);
          const Shape& x = in[0].shape();
          if (x[2] % size[0] == 0 && x[3] % size[1] == 0) {
            const IntPair window(x[2] / size[0], x[3] / size[1]);
            return record(max_pool2d_op, {&in[0]}, MaxPoolAttr{window, window});
          }
          return largest_of_parts(largest_of_parts(in[0], 3, size[1]), 2, size[0]);
        },
}};

}  // namespace suanli
