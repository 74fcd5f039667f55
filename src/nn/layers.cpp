// SPDX-License-Identifier: Apache-2.0
// Layers with parameters, and Sequential.
#include <cmath>

#include "ops/op.h"
#include "suanli/nn.h"
#include "tensor/guards.h"

namespace suanli::nn {

namespace {

/// PyTorch's default for Linear and Conv2d (Kaiming uniform with a = √5, LeCun et al. 1998):
/// uniform in ±1/√fan_in.
Parameter uniform_init(const Shape& shape, int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return Parameter(uniform(-bound, bound, shape));
}

[[noreturn]] void fail_input(const char* layer, const Tensor& x, std::string expected,
                             std::string remedy = {}) {
  throw ShapeError({.op = layer,
                    .argument = "input",
                    .given = to_string(x.shape()),
                    .expected = std::move(expected),
                    .module = module_path(),
                    .remedy = std::move(remedy)});
}
[[noreturn]] void fail_argument(const char* layer, const char* argument, int64_t given,
                                std::string expected) {
  throw ArgumentError(
      {.op = layer, .argument = argument, .given = str(given), .expected = std::move(expected)});
}
void require_positive(const char* layer, const char* argument, int64_t given) {
  if (given < 1) fail_argument(layer, argument, given, "at least 1");
}

/// x Wᵀ + b of x [.., in]: one product however many leading axes there are, so that the weight's
/// gradient is one product too.
Tensor affine(const char* layer, const Tensor& x, const Parameter& weight, const Parameter& bias) {
  if (x.rank() < 1 || x.shape().at(-1) != weight.shape()[1])
    fail_input(layer, x, str("[.., ", weight.shape()[1], "]"),
               x.rank() > 2 ? "It may have to be flattened first." : "");
  Tensor flat = x.rank() == 2 ? x : reshape(x, {x.rank() == 1 ? 1 : -1, x.shape().at(-1)});
  Tensor y = matmul(flat, weight, {.transpose_b = true});
  if (x.rank() != 2) {
    Shape out = x.shape();
    out[out.rank() - 1] = weight.shape()[0];
    y = reshape(y, out);
  }
  return bias.defined() ? y + bias : y;  // in the shape of what follows, so that both are one step
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, Options options) {
  require_positive("Linear", "in", in);
  require_positive("Linear", "out", out);
  weight = uniform_init({out, in}, in);
  if (options.bias) bias = uniform_init({out}, in);
}

Tensor Linear::forward(const Tensor& x) const { return affine("Linear", x, weight, bias); }

Conv2d::Conv2d(int64_t in, int64_t out, int kernel, Options o)
    : conv_{o.stride, o.padding, o.dilation, o.groups} {
  require_positive("Conv2d", "in", in);
  require_positive("Conv2d", "out", out);
  require_positive("Conv2d", "kernel", kernel);
  require_positive("Conv2d", "groups", o.groups);
  const std::string multiple = str("a multiple of groups, ", o.groups);
  if (in % o.groups != 0) fail_argument("Conv2d", "in", in, multiple);
  if (out % o.groups != 0) fail_argument("Conv2d", "out", out, multiple);
  const int64_t fan_in = in / o.groups * kernel * kernel;
  weight = uniform_init({out, in / o.groups, kernel, kernel}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight, bias.defined() ? Tensor(bias) : Tensor(), conv_);
}

BatchNorm::BatchNorm(const char* name, int64_t channels, Options o, int least, int most)
    : options_(o), name_(name), least_(least), most_(most) {
  require_positive(name, "channels", channels);
  weight = Parameter(ones({channels}));
  bias = Parameter(zeros({channels}));
  running_mean = Buffer(zeros({channels}));
  running_var = Buffer(ones({channels}));
  num_batches_tracked = Buffer(zeros({}, i64));
}

Tensor BatchNorm::forward(const Tensor& x) const {
  const int64_t c = weight.shape()[0];
  if (x.rank() < least_ || x.rank() > most_ || x.shape()[1] != c)
    fail_input(name_, x,
               most_ == 4 ? str("[N, ", c, ", H, W]") : str("[N, ", c, "] or [N, ", c, ", L]"));
  if (!training())
    return batch_norm(x, weight, bias, BatchStatistics{running_mean, running_var}, options_.eps);
  const double n = static_cast<double>(x.numel() / std::max<int64_t>(1, x.shape()[1])),
               m = options_.momentum;
  if (n < 2) fail_input(name_, x, "more than one value per channel in training");
  BatchStatistics batch;
  Tensor y = batch_norm(x, weight, bias, options_.eps, &batch);
  GradMode off(false);
  running_mean.set(running_mean.value() * (1 - m) + batch.mean * m);
  running_var.set(running_var.value() * (1 - m) + batch.variance * (m * n / (n - 1)));
  num_batches_tracked.set(num_batches_tracked.value() + 1);
  return y;
}

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim) {
  require_positive("Embedding", "num_embeddings", num_embeddings);
  require_positive("Embedding", "embedding_dim", embedding_dim);
  weight = Parameter(randn({num_embeddings, embedding_dim}));
}

LayerNorm::LayerNorm(const Shape& normalized_shape, Options options) : eps_(options.eps) {
  if (normalized_shape.rank() < 1 || normalized_shape.numel() < 1)
    throw ShapeError({.op = "LayerNorm",
                      .argument = "normalized_shape",
                      .given = to_string(normalized_shape),
                      .expected = "at least one axis and one element"});
  weight = Parameter(ones(normalized_shape));
  if (options.bias) bias = Parameter(zeros(normalized_shape));
}

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads)
    : out_proj(embed_dim, embed_dim), heads_(num_heads) {
  require_positive("MultiheadAttention", "num_heads", num_heads);
  if (embed_dim % num_heads != 0)
    fail_argument("MultiheadAttention", "embed_dim", embed_dim,
                  str("a multiple of num_heads, ", num_heads));
  // Glorot & Bengio 2010, of a [3·embed_dim, embed_dim] matrix
  const double bound = std::sqrt(6 / static_cast<double>(4 * embed_dim));
  in_proj_weight = Parameter(uniform(-bound, bound, {3 * embed_dim, embed_dim}));
  in_proj_bias = Parameter(zeros({3 * embed_dim}));
  out_proj.bias.set(zeros({embed_dim}));
}

Tensor MultiheadAttention::forward(const Tensor& x) const {
  if (x.rank() != 3) fail_input("MultiheadAttention", x, "[B, T, embed_dim]");
  return out_proj(
      self_attention(affine("MultiheadAttention", x, in_proj_weight, in_proj_bias), heads_));
}

AnyModule::Holder& AnyModule::held() const {
  if (!held_)
    throw StateError({.op = "AnyModule",
                      .given = "empty (default-constructed or moved from)",
                      .expected = "a module",
                      .module = module_path()});
  return *held_;
}

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const AnyModule& m : modules_) y = m(y);
  return y;
}

Sequential& Sequential::add(AnyModule module) {
  if (!module)
    throw StateError({.op = "Sequential.add",
                      .argument = "module",
                      .given = "an empty AnyModule",
                      .expected = "a module"});
  modules_.push_back(std::move(module));
  return *this;
}

void Sequential::fields(FieldVisitor& v) {
  for (size_t i = 0; i < modules_.size(); ++i) v.module(std::to_string(i), modules_[i].get());
}

}  // namespace suanli::nn
