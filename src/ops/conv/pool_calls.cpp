// SPDX-License-Identifier: Apache-2.0
// The functions that record pooling. Rows are pictures of height 1, and one sample is a batch.
#include "ops/conv/conv.h"

namespace suanli {

namespace {

/// f of x as [N, C, 1, L].
template <class F> Tensor of_rows(const char* op, const Tensor& x, F&& f) {
  if (x.rank() != 2 && x.rank() != 3)
    throw ShapeError({.op = op,
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "[N, C, L] or [C, L]",
                      .module = module_path()});
  const Shape& s = x.shape();
  const Tensor y = f(reshape(x, {x.rank() == 2 ? 1 : s[0], s.at(-2), 1, s.at(-1)}));
  return reshape(
      y, x.rank() == 2 ? Shape{y.size(1), y.size(3)} : Shape{y.size(0), y.size(1), y.size(3)});
}

Tensor max_pool(const Tensor& x, const MaxPoolOptions& o) {
  return record(max_pool2d_op, {&x},
                MaxPoolAttr{.kernel_size = o.kernel_size,
                            .stride = o.stride,
                            .padding = o.padding,
                            .dilation = o.dilation,
                            .ceil_mode = o.ceil_mode});
}
Tensor avg_pool(const Tensor& x, const AvgPoolOptions& o) {
  if (o.divisor_override == 0)
    throw ArgumentError({.op = "avg_pool2d",
                         .argument = "divisor_override",
                         .given = "0",
                         .expected = "another divisor",
                         .module = module_path()});
  return record(avg_pool2d_op, {&x},
                AvgPoolAttr{.kernel_size = o.kernel_size,
                            .stride = o.stride,
                            .padding = o.padding,
                            .ceil_mode = o.ceil_mode,
                            .count_include_pad = o.count_include_pad,
                            .divisor_override = o.divisor_override.value_or(0)});
}

[[noreturn]] void fail_factor(const char* op, const Tensor& x, int factor, std::string expected) {
  throw ShapeError({.op = op,
                    .argument = "input",
                    .given = str(x.shape(), " with a factor of ", factor),
                    .expected = std::move(expected),
                    .module = module_path()});
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const MaxPoolOptions& o) {
  return with_samples(x, 4, [&](const Tensor& batch) { return max_pool(batch, o); });
}
Tensor max_pool1d(const Tensor& x, const MaxPool1dOptions& o) {
  return of_rows("max_pool1d", x, [&](const Tensor& rows) {
    return max_pool(rows, {.kernel_size = {1, o.kernel_size},
                           .stride = {1, o.stride},
                           .padding = {0, o.padding},
                           .dilation = {1, o.dilation},
                           .ceil_mode = o.ceil_mode});
  });
}
Tensor avg_pool2d(const Tensor& x, const AvgPoolOptions& o) {
  return with_samples(x, 4, [&](const Tensor& batch) { return avg_pool(batch, o); });
}
Tensor avg_pool1d(const Tensor& x, const AvgPool1dOptions& o) {
  return of_rows("avg_pool1d", x, [&](const Tensor& rows) {
    return avg_pool(rows, {.kernel_size = {1, o.kernel_size},
                           .stride = {1, o.stride},
                           .padding = {0, o.padding},
                           .ceil_mode = o.ceil_mode,
                           .count_include_pad = o.count_include_pad});
  });
}

Tensor adaptive_avg_pool2d(const Tensor& x, IntPair output_size) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    return record(adaptive_avg_pool2d_op, {&batch}, AdaptivePoolAttr{output_size});
  });
}
Tensor adaptive_avg_pool1d(const Tensor& x, int output_size) {
  return of_rows("adaptive_avg_pool1d", x, [&](const Tensor& rows) {
    return record(adaptive_avg_pool2d_op, {&rows}, AdaptivePoolAttr{{1, output_size}});
  });
}
Tensor adaptive_max_pool2d(const Tensor& x, IntPair output_size) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    return record(adaptive_max_pool2d_op, {&batch}, AdaptivePoolAttr{output_size});
  });
}
Tensor adaptive_max_pool1d(const Tensor& x, int output_size) {
  return of_rows("adaptive_max_pool1d", x, [&](const Tensor& rows) {
    return record(adaptive_max_pool2d_op, {&rows}, AdaptivePoolAttr{{1, output_size}});
  });
}

Tensor pixel_shuffle(const Tensor& x, int r) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    const Shape& s = batch.shape();
    if (r < 1 || s.rank() != 4 || s[1] % (int64_t{r} * r) != 0)
      fail_factor("pixel_shuffle", x, r, "[N, C, H, W] with C a multiple of its square");
    const Tensor parts = reshape(batch, {s[0], s[1] / (int64_t{r} * r), r, r, s[2], s[3]});
    return reshape(permute(parts, {0, 1, 4, 2, 5, 3}),
                   {s[0], s[1] / (int64_t{r} * r), s[2] * r, s[3] * r});
  });
}
Tensor pixel_unshuffle(const Tensor& x, int r) {
  return with_samples(x, 4, [&](const Tensor& batch) {
    const Shape& s = batch.shape();
    if (r < 1 || s.rank() != 4 || s[2] % r != 0 || s[3] % r != 0)
      fail_factor("pixel_unshuffle", x, r, "[N, C, H, W] with H and W multiples of it");
    const Tensor parts = reshape(batch, {s[0], s[1], s[2] / r, r, s[3] / r, r});
    return reshape(permute(parts, {0, 1, 3, 5, 2, 4}), {s[0], s[1] * r * r, s[2] / r, s[3] / r});
  });
}

}  // namespace suanli
