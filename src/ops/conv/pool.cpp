// SPDX-License-Identifier: Apache-2.0
// Max pooling, whose forward op also gives where each maximum lay, so that the gradient scatters
// there; and averages.
#include "ops/linalg/products.h"
#include "ops/op.h"

namespace suanli {

namespace {

constexpr const char* kPixels = "pictures of at least 1×1";

int64_t windows(const Infer& c, int64_t size, const PoolAttr& a) {
  const int64_t padding = int64_t{2} * a.padding;  // at both ends
  if (a.kernel < 1) c.fail_argument("kernel", str(a.kernel), "at least 1");
  if (a.stride < 1) c.fail_argument("stride", str(a.stride), "at least 1");
  if (a.padding < 0 || padding > a.kernel)
    c.fail_argument("padding", str(a.padding),
                    str("0 to ", a.kernel / 2, ", half of kernel ", a.kernel));
  if (size < 1) c.fail(0, kPixels);
  if (a.kernel > size + padding)
    c.fail(
        "kernel", str(a.kernel),
        str("at most ", size + padding, ", as input ", size, " with padding ", a.padding, " has"));
  return (size + padding - a.kernel) / a.stride + 1;
}

/// The given samples, then those that windows() and the rank refuse.
std::vector<Sample> with_refused(std::vector<Sample> samples) {
  const Sample refused[] = {
      {.inputs = {{{3, 4, 4}}},
       .attr = PoolAttr{2, 2, 0},
       .throws = Refusal{"input", "[3, 4, 4]", "rank 4, [N, C, H, W]"}},
      {.inputs = {{{1, 1, 0, 4}}},
       .attr = PoolAttr{2, 1, 1},
       .throws = Refusal{"input", "[1, 1, 0, 4]", kPixels}},
      {.inputs = {{{1, 1, 4, 0}}},
       .attr = PoolAttr{2, 1, 1},
       .throws = Refusal{"input", "[1, 1, 4, 0]", kPixels}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{0, 1, 0},
       .throws = Refusal{"kernel", "0", "at least 1", ErrorCode::argument}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{2, 0, 0},
       .throws = Refusal{"stride", "0", "at least 1", ErrorCode::argument}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{2, 1, INT32_MAX},
       .throws = Refusal{"padding", "2147483647", "0 to 1, half of kernel 2", ErrorCode::argument}},
      {.inputs = {{{1, 1, 2, 2}}},
       .attr = PoolAttr{3, 1, 0},
       .throws = Refusal{"kernel", "3", "at most 2, as input 2 with padding 0 has"}}};
  samples.insert(samples.end(), std::begin(refused), std::end(refused));
  return samples;
}

/// y, and the flat position of each maximum in its H×W plane (i32; the first one, or the first
/// NaN).
extern const Op pool_op, pool_grad_op;

const Op pool_op{OpDef{
    .name = "max_pool2d",
    .doc = "Largest element of each window of x [N, C, H, W] → [N, C, P, Q], with its position in "
           "the plane (i32). Padding counts as −∞; NaN is the largest.",
    .arguments = {"input"},
    .n_results = 2,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<PoolAttr>();
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
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(0), at = v.result(1);
          v.set_grad(0, record(pool_grad_op, {&g, &at}, {}, &v.in_shape(0)));
        },
    .saves = saves_result(1),
    .cost =
        [](const Step& s) {
          const int64_t k = static_cast<const PoolAttr*>(s.attr)->kernel;
          return element_cost(s, k * k / 2);
        },
    .onnx = {"MaxPool", 12},
    .optional = 2,
    .samples =
        [] {
          return with_refused(
              {{.inputs = {{{2, 3, 6, 4}, f64, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
               {.inputs = {{{1, 2, 7, 7}, f64, Domain::distinct}}, .attr = PoolAttr{3, 2, 1}},
               {.inputs = {{{2, 2, 5, 5}, f32, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
               {.inputs = {{{2, 3, 26, 26}, f32, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
               {.inputs = {{{0, 3, 4, 4}}}, .attr = PoolAttr{2, 2, 0}}});
        },
}};

const Op pool_grad_op{OpDef{
    .name = "max_pool2d_grad",
    .doc =
        "Zeros in the input's shape, with g [N, C, P, Q] added at the given plane positions (i32).",
    .arguments = {"gradient", "positions"},
    .infer =
        [](Infer& c) {
          c.require_float(0);
          if (c.shape(0) != c.shape(1)) c.fail(0, str(c.shape(1), ", the shape of positions"));
          if (c.dtype(1) != DType::i32) c.fail_dtype(1, "i32");
          c.out(0, c.requested_shape(), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {  // the transpose of a scatter: read where it wrote
          const Shape &s = v.in_shape(0), &x = v.grad().shape();
          Tensor planes = reshape(v.grad(), {x[0] * x[1], x[2] * x[3]}),
                 at = cast(reshape(v.in(1), {s[0] * s[1], s[2] * s[3]}), i64);
          v.set_grad(0, reshape(gather(planes, 1, at), s));
        },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3, 3, 2}}, {{2, 3, 3, 2}, DType::i32, Domain::index, 24}},
               .shape = {2, 3, 6, 4}},
              {.inputs = {{{1, 2, 4, 4}, f32}, {{1, 2, 4, 4}, DType::i32, Domain::index, 49}},
               .shape = {1, 2, 7, 7},
               .gradient = false}};
        },
}};

extern const Op mean_pool_grad_op;

/// Infers [N, C, ·, ·] of the attributes' size from [N, C, H, W].
const Op mean_pool_op{OpDef{
    .name = "mean_pool2d",
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q] for a given P×Q; zeros outside "
           "the plane count. avg_pool2d and adaptive_avg_pool2d use it for windows that overlap or "
           "leave a remainder. f32, f64.",
    .arguments = {"input"},
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          c.out(0, {c.shape(0)[0], c.shape(0)[1], a.height, a.width}, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad();
          v.set_grad(0, record(mean_pool_grad_op, {&g}, v.attr<MeanPoolAttr>(), &v.in_shape(0)));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3, 7, 8}}}, .attr = MeanPoolAttr{3, 2, 1, 4, 4}},
              {.inputs = {{{1, 2, 5, 21}}}, .attr = MeanPoolAttr{3, 1, 1, 5, 21}},
              {.inputs = {{{1, 2, 7, 5}}}, .attr = MeanPoolAttr{0, 0, 0, 3, 4}},
              {.inputs = {{{2, 5, 9, 40}, f32}}, .attr = MeanPoolAttr{2, 1, 1, 10, 41}},
              {.inputs = {{{0, 3, 4, 4}}}, .attr = MeanPoolAttr{3, 1, 1, 4, 4}},
              {.inputs = {{{3, 4, 4}}},
               .attr = MeanPoolAttr{3, 1, 1, 4, 4},
               .throws = Refusal{"input", "[3, 4, 4]", "rank 4, [N, C, H, W]"}}};
        },
}};

const Op mean_pool_grad_op{OpDef{
    .name = "mean_pool2d_grad",
    .doc = "Gradient of mean_pool2d in the requested shape [N, C, H, W]: each element is the sum "
           "of g [N, C, P, Q] over its windows, each divided as in its mean. f32, f64.",
    .arguments = {"gradient"},
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<MeanPoolAttr>();
          const Shape &g = c.shape(0), &x = c.requested_shape();
          c.require_float(0);
          if (x.rank() != 4 || g != Shape{x[0], x[1], a.height, a.width})
            c.fail(0, str(a.height, "×", a.width, " means of pictures ", x));
          c.out(0, x, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad();
          v.set_grad(0, record(mean_pool_op, {&g}, v.attr<MeanPoolAttr>()));
        },
    .cost = [](const Step& s) { return element_cost(s, 4); },
    .samples =
        [] {
          return std::vector<Sample>{{.inputs = {{{2, 3, 4, 4}}},
                                      .attr = MeanPoolAttr{3, 2, 1, 4, 4},
                                      .shape = {2, 3, 7, 8}},
                                     {.inputs = {{{1, 2, 5, 21}}},
                                      .attr = MeanPoolAttr{3, 1, 1, 5, 21},
                                      .shape = {1, 2, 5, 21}},
                                     {.inputs = {{{1, 2, 3, 4}}},
                                      .attr = MeanPoolAttr{0, 0, 0, 3, 4},
                                      .shape = {1, 2, 7, 5}},
                                     {.inputs = {{{1, 2, 3, 4}}},
                                      .attr = MeanPoolAttr{0, 0, 0, 3, 5},
                                      .shape = {1, 2, 7, 5},
                                      .throws = Refusal{"gradient", "[1, 2, 3, 4]",
                                                        "3×5 means of pictures [1, 2, 7, 5]"}}};
        },
}};

/// Averages of windows that tile x without rest: one sum, which needs no other layout of x in
/// memory.
Tensor tiled_average(const Tensor& x, int64_t rows, int64_t columns) {
  const Shape& s = x.shape();
  if (rows == 1 && columns == 1) return mean(x, {2, 3}, true);
  return mean(reshape(x, {s[0], s[1], rows, s[2] / rows, columns, s[3] / columns}), {3, 5});
}

const Op avg_pool_op{OpDef{
    .name = "avg_pool2d",
    .doc = "Mean of each window of x [N, C, H, W] → [N, C, P, Q]; zeros of the padding count.",
    .arguments = {"input"},
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<PoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4, "[N, C, H, W]");
          const Shape& x = c.shape(0);
          c.out(0, {x[0], x[1], windows(c, x[2], a), windows(c, x[3], a)}, c.dtype(0));
        },
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<PoolAttr>();
          const Shape& s = in[0].shape();
          const int64_t padding = int64_t{2} * a.padding;
          const int64_t rows = (s[2] + padding - a.kernel) / a.stride + 1,
                        columns = (s[3] + padding - a.kernel) / a.stride + 1;
          if (a.padding == 0 && a.stride == a.kernel && s[2] % a.kernel == 0 &&
              s[3] % a.kernel == 0)
            return tiled_average(in[0], rows, columns);
          return record(mean_pool_op, {&in[0]},
                        MeanPoolAttr{a.kernel, a.stride, a.padding, static_cast<int32_t>(rows),
                                     static_cast<int32_t>(columns)});
        },
    .composite = true,
    .onnx = {"AveragePool", 19},
    .samples =
        [] {
          return with_refused({{.inputs = {{{2, 3, 6, 4}}}, .attr = PoolAttr{2, 2, 0}},
                               {.inputs = {{{1, 2, 7, 8}}}, .attr = PoolAttr{3, 2, 1}},
                               {.inputs = {{{2, 5, 9, 9}, f32}}, .attr = PoolAttr{3, 1, 0}},
                               {.inputs = {{{2, 32, 8, 8}, f32}}, .attr = PoolAttr{4, 4, 0}},
                               {.inputs = {{{0, 3, 4, 4}}}, .attr = PoolAttr{2, 2, 0}}});
        },
}};

const Op adaptive_avg_pool_op{OpDef{
    .name = "adaptive_avg_pool2d",
    .doc = "x [N, C, H, W] → [N, C, P, Q]: element i of P is the mean of rows ⌊i·H/P⌋ to "
           "⌈(i+1)·H/P⌉ − 1. Columns are averaged the same way.",
    .arguments = {"input"},
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
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<AdaptivePoolAttr>();
          const int64_t h = in[0].shape()[2], w = in[0].shape()[3], rows = a.height,
                        columns = a.width;
          if (h % rows == 0 && w % columns == 0) return tiled_average(in[0], rows, columns);
          return record(mean_pool_op, {&in[0]}, MeanPoolAttr{0, 0, 0, a.height, a.width});
        },
    .composite = true,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3, 6, 4}}}, .attr = AdaptivePoolAttr{3, 2}},
              {.inputs = {{{1, 2, 7, 5}}}, .attr = AdaptivePoolAttr{3, 4}},
              {.inputs = {{{1, 2, 2, 3}}}, .attr = AdaptivePoolAttr{5, 7}},
              {.inputs = {{{2, 32, 7, 7}, f32}}, .attr = AdaptivePoolAttr{1, 1}},
              {.inputs = {{{2, 5, 10, 13}, f32}}, .attr = AdaptivePoolAttr{7, 7}},
              {.inputs = {{{0, 3, 4, 4}}}, .attr = AdaptivePoolAttr{1, 1}},
              {.inputs = {{{1, 1, 2, 2}}},
               .attr = AdaptivePoolAttr{0, 1},
               .throws = Refusal{"height", "0", "at least 1", ErrorCode::argument}},
              {.inputs = {{{1, 1, 2, 2}}},
               .attr = AdaptivePoolAttr{1, -1},
               .throws = Refusal{"width", "-1", "at least 1", ErrorCode::argument}},
              {.inputs = {{{1, 1, 0, 2}}},
               .attr = AdaptivePoolAttr{1, 1},
               .throws = Refusal{"input", "[1, 1, 0, 2]", kPixels}}};
        },
}};

}  // namespace

Tensor avg_pool2d(const Tensor& x, const PoolOptions& o) {
  return record(avg_pool_op, {&x}, PoolAttr{o.kernel, o.stride ? o.stride : o.kernel, o.padding});
}

Tensor adaptive_avg_pool2d(const Tensor& x, int height, int width) {
  return record(adaptive_avg_pool_op, {&x}, AdaptivePoolAttr{height, width});
}

Tensor max_pool2d(const Tensor& x, const PoolOptions& o) {
  return record(pool_op, {&x}, PoolAttr{o.kernel, o.stride ? o.stride : o.kernel, o.padding});
}

}  // namespace suanli
