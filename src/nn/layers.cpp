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
  return Parameter(uniform(shape, -bound, bound));
}

/// x Wᵀ + b of x [.., in]: one product however many leading axes there are, so that the weight's
/// gradient is one product too.
Tensor affine(const char* layer, const Tensor& x, const Parameter& weight, const Parameter& bias) {
  if (x.rank() < 1 || x.shape().at(-1) != weight.shape()[1])
    throw ShapeError(str("[", layer, "] input has shape ", x.shape(), ", [.., ", weight.shape()[1],
                         "] is expected", x.rank() > 2 ? " (flatten it first?)" : "",
                         where_am_i()));
  Tensor flat = x.rank() == 2 ? x : reshape(x, {x.rank() == 1 ? 1 : -1, x.shape().at(-1)});
  Tensor y = matmul(flat, weight, false, true);
  if (x.rank() != 2) {
    Shape out = x.shape();
    out[out.rank() - 1] = weight.shape()[0];
    y = reshape(y, out);
  }
  return bias.defined() ? y + bias : y;  // in the shape of what follows, so that both are one step
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, Options options) {
  if (in < 1 || out < 1)
    throw ShapeError(str("[Linear] sizes ", in, " → ", out, ": at least 1 is expected"));
  weight = uniform_init({out, in}, in);
  if (options.bias) bias = uniform_init({out}, in);
}

Tensor Linear::forward(const Tensor& x) const { return affine("Linear", x, weight, bias); }

Conv2d::Conv2d(int64_t in, int64_t out, int kernel, Options o)
    : conv_{o.stride, o.padding, o.dilation, o.groups} {
  if (in < 1 || out < 1 || kernel < 1 || o.groups < 1 || in % o.groups != 0 || out % o.groups != 0)
    throw ShapeError(str("[Conv2d] channels ", in, " → ", out, ", kernel ", kernel, ", groups ",
                         o.groups,
                         ": at least 1 each, and channels in multiples of groups are expected"));
  const int64_t fan_in = in / o.groups * kernel * kernel;
  weight = uniform_init({out, in / o.groups, kernel, kernel}, fan_in);
  if (o.bias) bias = uniform_init({out}, fan_in);
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight, bias.defined() ? Tensor(bias) : Tensor(), conv_);
}

BatchNorm::BatchNorm(const char* name, int64_t channels, Options o, int least, int most)
    : options_(o), name_(name), least_(least), most_(most) {
  if (channels < 1)
    throw ShapeError(str("[", name, "] ", channels, " channels: at least 1 is expected"));
  weight = Parameter(ones({channels}));
  bias = Parameter(zeros({channels}));
  running_mean = Buffer(zeros({channels}));
  running_var = Buffer(ones({channels}));
  num_batches_tracked = Buffer(zeros({}, i64));
}

Tensor BatchNorm::forward(const Tensor& x) const {
  if (x.rank() < least_ || x.rank() > most_ || x.shape()[1] != weight.shape()[0])
    throw ShapeError(str("[", name_, "] input has shape ", x.shape(), ", [N, ", weight.shape()[0],
                         most_ == 4 ? ", H, W]" : "] or [N, C, L]", " is expected", where_am_i()));
  if (!training())
    return batch_norm(x, weight, bias, BatchStatistics{running_mean, running_var}, options_.eps);
  const double n = static_cast<double>(x.numel() / std::max<int64_t>(1, x.shape()[1])),
               m = options_.momentum;
  if (n < 2)
    throw ShapeError(str("[", name_, "] input has shape ", x.shape(),
                         "; more than one value per channel is expected in training",
                         where_am_i()));
  BatchStatistics batch;
  Tensor y = batch_norm(x, weight, bias, options_.eps, &batch);
  GradMode off(false);
  running_mean.set(running_mean.value() * (1 - m) + batch.mean * m);
  running_var.set(running_var.value() * (1 - m) + batch.variance * (m * n / (n - 1)));
  num_batches_tracked.set(num_batches_tracked.value() + 1);
  return y;
}

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim) {
  if (num_embeddings < 1 || embedding_dim < 1)
    throw ShapeError(str("[Embedding] ", num_embeddings, " rows of ", embedding_dim,
                         ": at least 1 each is expected"));
  weight = Parameter(normal({num_embeddings, embedding_dim}));
}

LayerNorm::LayerNorm(const Shape& normalized_shape, Options options) : eps_(options.eps) {
  if (normalized_shape.rank() < 1 || normalized_shape.numel() < 1)
    throw ShapeError(str("[LayerNorm] the normalized shape is ", normalized_shape,
                         "; at least one axis and one element are expected"));
  weight = Parameter(ones(normalized_shape));
  if (options.bias) bias = Parameter(zeros(normalized_shape));
}

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads)
    : out_proj(embed_dim, embed_dim), heads_(num_heads) {
  if (num_heads < 1 || embed_dim % num_heads != 0)
    throw ShapeError(str("[MultiheadAttention] embed_dim ", embed_dim, ", num_heads ", num_heads,
                         ": a multiple of the heads is expected"));
  // Glorot & Bengio 2010, of a [3·embed_dim, embed_dim] matrix
  const double bound = std::sqrt(6 / static_cast<double>(4 * embed_dim));
  in_proj_weight = Parameter(uniform({3 * embed_dim, embed_dim}, -bound, bound));
  in_proj_bias = Parameter(zeros({3 * embed_dim}));
  out_proj.bias.set(zeros({embed_dim}));
}

Tensor MultiheadAttention::forward(const Tensor& x) const {
  if (x.rank() != 3)
    throw ShapeError(str("[MultiheadAttention] input has shape ", x.shape(),
                         ", [B, T, embed_dim] is expected", where_am_i()));
  return out_proj(
      self_attention(affine("MultiheadAttention", x, in_proj_weight, in_proj_bias), heads_));
}

AnyModule::Holder& AnyModule::held() const {
  if (!held_)
    throw UsageError(
        str("[AnyModule] it is empty (default-constructed or moved from); a module is expected",
            where_am_i()));
  return *held_;
}

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const AnyModule& m : modules_) y = m(y);
  return y;
}

Sequential& Sequential::add(AnyModule module) {
  if (!module)
    throw UsageError("[Sequential] add was given an empty AnyModule; a module is expected");
  modules_.push_back(std::move(module));
  return *this;
}

void Sequential::fields(FieldVisitor& v) {
  for (size_t i = 0; i < modules_.size(); ++i) v.module(std::to_string(i), modules_[i].get());
}

}  // namespace suanli::nn
