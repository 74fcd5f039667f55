// SPDX-License-Identifier: Apache-2.0
// Layers with parameters other than convolutions.
#include "suanli/nn/layers.h"

#include <algorithm>
#include <cmath>

#include "nn/checks.h"

namespace suanli::nn {

Parameter uniform_init(const Shape& shape, int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return Parameter(uniform(-bound, bound, shape));
}

Tensor affine(const char* layer, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.rank() < 1 || x.shape().at(-1) != weight.size(1))
    fail_input(layer, x, str("[.., ", weight.size(1), "]"),
               x.rank() > 2 ? "It may have to be flattened first." : "");
  Tensor flat = x.rank() == 2 ? x : reshape(x, {x.rank() == 1 ? 1 : -1, x.shape().at(-1)});
  Tensor y = matmul(flat, weight, {.transpose_b = true});
  if (x.rank() != 2) {
    Shape out = x.shape();
    out[out.rank() - 1] = weight.size(0);
    y = reshape(y, out);
  }
  return bias.defined() ? y + bias : y;  // in the shape of what follows, so that both are one step
}

Linear::Linear(int64_t in, int64_t out, Options options) {
  require_positive("Linear", "in", in);
  require_positive("Linear", "out", out);
  weight = uniform_init({out, in}, in);
  if (options.bias) bias = uniform_init({out}, in);
}

Tensor Linear::forward(const Tensor& x) const {
  return affine("Linear", x, weight, tensor_of(bias));
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

Embedding::Embedding(int64_t num_embeddings, int64_t embedding_dim, const Options& o) {
  require_positive("Embedding", "num_embeddings", num_embeddings);
  require_positive("Embedding", "embedding_dim", embedding_dim);
  const Tensor initial = randn({num_embeddings, embedding_dim});
  if (!o.padding_idx) {
    weight = Parameter(initial);
    return;
  }
  if (*o.padding_idx < -num_embeddings || *o.padding_idx >= num_embeddings)
    fail_argument("Embedding", "padding_idx", *o.padding_idx,
                  str(-num_embeddings, " to ", num_embeddings - 1));
  padding_idx_ = *o.padding_idx < 0 ? *o.padding_idx + num_embeddings : *o.padding_idx;
  const Tensor rows = reshape(arange(num_embeddings), {num_embeddings, 1});
  weight = Parameter(where(rows == Tensor(*padding_idx_), zeros(initial.shape()), initial));
}
Tensor Embedding::forward(const Tensor& index) const {
  const Tensor y = embedding(weight, index);
  if (!padding_idx_) return y;
  Shape rows = index.shape();
  rows.push_back(1);
  return where(reshape(index == Tensor(*padding_idx_), rows), y.detach(), y);
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

GroupNorm::GroupNorm(int64_t num_groups, int64_t num_channels, Options o)
    : groups_(num_groups), eps_(o.eps) {
  require_positive("GroupNorm", "num_groups", num_groups);
  require_positive("GroupNorm", "num_channels", num_channels);
  if (num_channels % num_groups != 0)
    fail_argument("GroupNorm", "num_channels", num_channels,
                  str("a multiple of num_groups, ", num_groups));
  if (!o.affine) return;
  weight = Parameter(ones({num_channels}));
  bias = Parameter(zeros({num_channels}));
}
Tensor GroupNorm::forward(const Tensor& x) const {
  return group_norm(x, groups_, tensor_of(weight), tensor_of(bias), eps_);
}

InstanceNorm::InstanceNorm(const char* name, int64_t channels, Options o, int rank)
    : channels_(channels), options_(o), name_(name), rank_(rank) {
  require_positive(name, "channels", channels);
  if (o.affine) {
    weight = Parameter(ones({channels}));
    bias = Parameter(zeros({channels}));
  }
  if (!o.track_running_stats) return;
  running_mean = Buffer(zeros({channels}));
  running_var = Buffer(ones({channels}));
  num_batches_tracked = Buffer(zeros({}, i64));
}
Tensor InstanceNorm::forward(const Tensor& x) const {
  const int rank = x.rank();
  if ((rank != rank_ && rank != rank_ - 1) || x.size(rank - rank_ + 1) != channels_)
    fail_input(name_, x,
               rank_ == 4 ? str("[N, ", channels_, ", H, W] or [", channels_, ", H, W]")
                          : str("[N, ", channels_, ", L] or [", channels_, ", L]"));
  if (rank == rank_ - 1) {
    Shape batch{1};
    for (int64_t size : x.shape()) batch.push_back(size);
    return reshape(forward(reshape(x, batch)), x.shape());
  }
  const bool tracks = running_mean.defined();
  if (tracks && !training()) {
    const Tensor one = ones({channels_}, x.dtype()), none = zeros({channels_}, x.dtype());
    return batch_norm(x, weight.defined() ? Tensor(weight) : one,
                      bias.defined() ? Tensor(bias) : none,
                      BatchStatistics{running_mean, running_var}, options_.eps);
  }
  const int64_t n = x.numel() / std::max<int64_t>(1, x.size(0) * channels_);
  if (n < 2) fail_input(name_, x, "more than one value per channel of a sample");
  if (tracks && training()) {
    const GradMode off(false);
    Dims pixels;
    for (int i = 2; i < rank; ++i) pixels.push_back(i);
    const Tensor m = mean(x, pixels, true), d = x - m;
    const double momentum = options_.momentum, count = static_cast<double>(n);
    running_mean.set(running_mean.value() * (1 - momentum) +
                     mean(reshape(m, {x.size(0), channels_}), 0) * momentum);
    running_var.set(running_var.value() * (1 - momentum) +
                    mean(mean(square(d), pixels), 0) * (momentum * count / (count - 1)));
    num_batches_tracked.set(num_batches_tracked.value() + 1);
  }
  return instance_norm(x, tensor_of(weight), tensor_of(bias), options_.eps);
}

RMSNorm::RMSNorm(const Shape& normalized_shape, Options options)
    : shape_(normalized_shape), options_(options) {
  if (normalized_shape.rank() < 1 || normalized_shape.numel() < 1)
    throw ShapeError({.op = "RMSNorm",
                      .argument = "normalized_shape",
                      .given = to_string(normalized_shape),
                      .expected = "at least one axis and one element"});
  if (options.elementwise_affine) weight = Parameter(ones(normalized_shape));
}
Tensor RMSNorm::forward(const Tensor& x) const {
  return rms_norm(x, shape_, tensor_of(weight), options_.eps);
}

}  // namespace suanli::nn
