// SPDX-License-Identifier: Apache-2.0
// Convolutions as modules, and dropout of complete channels.
#include "suanli/nn/conv.h"

#include "nn/checks.h"
#include "suanli/nn/activations.h"

namespace suanli::nn {

namespace {

/// Throws unless channels and kernel are positive and divide into groups.
void require_geometry(const char* layer, int64_t in, int64_t out, IntPair kernel, int groups) {
  require_positive(layer, "in", in);
  require_positive(layer, "out", out);
  require_positive(layer, "kernel_size", std::min(kernel[0], kernel[1]));
  require_positive(layer, "groups", groups);
  const std::string multiple = str("a multiple of groups, ", groups);
  if (in % groups != 0) fail_argument(layer, "in", in, multiple);
  if (out % groups != 0) fail_argument(layer, "out", out, multiple);
}

}  // namespace

Conv2d::Conv2d(int64_t in, int64_t out, IntPair kernel, const Options& o) : options_(o) {
  require_geometry("Conv2d", in, out, kernel, o.groups);
  const int64_t fan_in = in / o.groups * kernel[0] * kernel[1];
  weight = uniform_init({out, in / o.groups, kernel[0], kernel[1]}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}
Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight, tensor_of(bias), options_);
}

Conv1d::Conv1d(int64_t in, int64_t out, int kernel, const Options& o) : options_(o) {
  require_geometry("Conv1d", in, out, kernel, o.groups);
  const int64_t fan_in = in / o.groups * kernel;
  weight = uniform_init({out, in / o.groups, kernel}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}
Tensor Conv1d::forward(const Tensor& x) const {
  return conv1d(x, weight, tensor_of(bias), options_);
}

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, IntPair kernel, const Options& o)
    : options_(o) {
  require_geometry("ConvTranspose2d", in, out, kernel, o.groups);
  const int64_t fan_in = out / o.groups * kernel[0] * kernel[1];
  weight = uniform_init({in, out / o.groups, kernel[0], kernel[1]}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}
Tensor ConvTranspose2d::forward(const Tensor& x) const {
  return conv_transpose2d(x, weight, tensor_of(bias), options_);
}

ConvTranspose1d::ConvTranspose1d(int64_t in, int64_t out, int kernel, const Options& o)
    : options_(o) {
  require_geometry("ConvTranspose1d", in, out, kernel, o.groups);
  const int64_t fan_in = out / o.groups * kernel;
  weight = uniform_init({in, out / o.groups, kernel}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}
Tensor ConvTranspose1d::forward(const Tensor& x) const {
  return conv_transpose1d(x, weight, tensor_of(bias), options_);
}

Tensor ChannelDropout::forward(const Tensor& x) const {
  if (x.rank() != rank_ && x.rank() != rank_ - 1)
    fail_input(name_, x, rank_ == 4 ? "[N, C, H, W] or [C, H, W]" : "[N, C, L] or [C, L]");
  if (!training()) return x;
  Shape kept = x.shape();
  for (int axis = rank_ - 2; axis > 0; --axis) kept[kept.rank() - axis] = 1;
  return x * dropout(ones(kept, x.dtype()), p_);
}

Tensor Unflatten::forward(const Tensor& x) const {
  const int dim = x.shape().axis(dim_);
  int64_t known = 1, open = 0;
  for (int64_t size : size_) size == -1 ? ++open : known *= size;
  Shape shape;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != dim) {
      shape.push_back(x.size(i));
      continue;
    }
    for (int64_t size : size_)
      shape.push_back(size != -1 ? size : known > 0 ? x.size(dim) / known : 0);
  }
  if (open > 1 || known < 0 ||
      (open == 0 ? known != x.size(dim) : known == 0 || x.size(dim) % known != 0))
    fail_input("Unflatten", x, str("a size of dimension ", dim, " that divides into ", size_));
  return reshape(x, shape);
}

}  // namespace suanli::nn
