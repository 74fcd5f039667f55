// Max pooling. The forward op also gives where each maximum lay; the gradient scatters there.
#include "ops/op.h"
#include "ops/products.h"

namespace suanli {

namespace {

int64_t windows(const Infer& c, int64_t size, const PoolAttr& a) {
  if (a.kernel < 1 || a.stride < 1 || a.padding < 0 || 2 * a.padding > a.kernel)
    c.fail(str("kernel ", a.kernel, ", stride ", a.stride, ", padding ", a.padding,
               ": kernel and stride start at 1, padding is at most half of the kernel"));
  if (a.kernel > size + 2 * a.padding) c.fail(str("kernel ", a.kernel, " does not fit input ", size, " with padding ", a.padding));
  return (size + 2 * a.padding - a.kernel) / a.stride + 1;
}

/// y, and the flat position of each maximum in its H×W plane (i32; the first one, or the first NaN).
extern const Op pool_op, pool_grad_op;

const Op pool_op{OpDef{
    .name = "max_pool2d",
    .doc = "Largest element of each window of x [N, C, H, W] → [N, C, P, Q], with its position in the plane (i32); padding counts as −∞, "
           "NaN wins.",
    .n_results = 2,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<PoolAttr>();
          c.require_float(0);
          c.require_rank(0, 4);
          const Shape& x = c.shape(0);
          const Shape y{x[0], x[1], windows(c, x[2], a), windows(c, x[3], a)};
          c.out(0, y, c.dtype(0));
          c.out(1, y, DType::i32);
        },
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(0), at = v.result(1);
          v.give(0, record(pool_grad_op, {&g, &at}, {}, &v.in_shape(0)));
        },
    .saves = saves_result(1),
    .cost =
        [](const Step& s) {
          const int k = static_cast<const PoolAttr*>(s.attr)->kernel;
          return element_cost(s, k * k / 2);
        },
    .onnx = {"MaxPool", 12},
    .optional = 2,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3, 6, 4}, f64, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
              {.inputs = {{{1, 2, 7, 7}, f64, Domain::distinct}}, .attr = PoolAttr{3, 2, 1}},
              {.inputs = {{{2, 2, 5, 5}, f32, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
              {.inputs = {{{2, 3, 26, 26}, f32, Domain::distinct}}, .attr = PoolAttr{2, 2, 0}},
              {.inputs = {{{0, 3, 4, 4}}}, .attr = PoolAttr{2, 2, 0}},
              {.inputs = {{{3, 4, 4}}}, .attr = PoolAttr{2, 2, 0}, .throws = "[max_pool2d] input 0 has shape [3, 4, 4]"},
              {.inputs = {{{1, 1, 2, 2}}}, .attr = PoolAttr{3, 1, 0}, .throws = "kernel 3 does not fit input 2"}};
        },
}};

const Op pool_grad_op{OpDef{
    .name = "max_pool2d_grad",
    .doc = "g [N, C, P, Q] added at the given plane positions (i32) of zeros in the input's shape.",
    .infer =
        [](Infer& c) {
          if (!(c.shape(0) == c.shape(1))) c.fail(str("gradient has shape ", c.shape(0), ", positions ", c.shape(1)));
          c.out(0, c.wanted_shape(), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {  // the transpose of a scatter: read where it wrote
          const Shape &s = v.in_shape(0), &x = v.grad().shape();
          Tensor planes = reshape(v.grad(), {x[0] * x[1], x[2] * x[3]}), at = cast(reshape(v.in(1), {s[0] * s[1], s[2] * s[3]}), i64);
          v.give(0, reshape(gather(planes, 1, at), s));
        },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3, 3, 2}}, {{2, 3, 3, 2}, DType::i32, Domain::index, 24}}, .shape = {2, 3, 6, 4}},
              {.inputs = {{{1, 2, 4, 4}, f32}, {{1, 2, 4, 4}, DType::i32, Domain::index, 49}}, .shape = {1, 2, 7, 7}, .gradient = false}};
        },
}};

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolOptions& o) {
  return record(pool_op, {&x}, PoolAttr{o.kernel, o.stride ? o.stride : o.kernel, o.padding});
}

}  // namespace suanli
