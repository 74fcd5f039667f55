// SPDX-License-Identifier: Apache-2.0
// Layers with parameters other than convolutions.
#pragma once
#include <optional>

#include "suanli/nn/module.h"

namespace suanli::nn {

/// y = x Wᵀ + b. x [.., in], weight [out, in], bias [out]. Initialized as in PyTorch: uniform in
/// ±1/√in.
class SUANLI_API Linear : public Module {
 public:
  struct Options {
    bool bias = true;
  };
  Linear(int64_t in, int64_t out, Options options);
  Linear(int64_t in, int64_t out) : Linear(in, out, Options{}) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Linear"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)
};

/// The base of BatchNorm1d and BatchNorm2d: batch_norm() over the channels, as in PyTorch. Training
/// mode uses the statistics of the batch and updates the running ones: running ← (1 − momentum) ·
/// running + momentum · batch. The variance is unbiased there, with n/(n−1). Eval mode uses the
/// running statistics.
class SUANLI_API BatchNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5, momentum = 0.1;
  };
  Tensor forward(const Tensor& x) const;
  Parameter weight, bias;
  Buffer running_mean, running_var, num_batches_tracked;
  SUANLI_FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)

 protected:
  /// Inputs have `least` to `most` axes.
  BatchNorm(const char* name, int64_t channels, Options options, int least, int most);

 private:
  Options options_;
  const char* name_;
  int least_, most_;
};
/// For x [N, C] or [N, C, L].
class SUANLI_API BatchNorm1d : public BatchNorm {
 public:
  BatchNorm1d(int64_t channels, Options options)
      : BatchNorm("BatchNorm1d", channels, options, 2, 3) {}
  explicit BatchNorm1d(int64_t channels) : BatchNorm1d(channels, Options{}) {}
  const char* type_name() const override { return "BatchNorm1d"; }
};
/// For x [N, C, H, W].
class SUANLI_API BatchNorm2d : public BatchNorm {
 public:
  BatchNorm2d(int64_t channels, Options options)
      : BatchNorm("BatchNorm2d", channels, options, 4, 4) {}
  explicit BatchNorm2d(int64_t channels) : BatchNorm2d(channels, Options{}) {}
  const char* type_name() const override { return "BatchNorm2d"; }
};

/// See embedding(). weight [num_embeddings, embedding_dim] is N(0, 1). The row of padding_idx,
/// which may count from the end, begins as zeros and receives no gradient.
class SUANLI_API Embedding : public Module {
 public:
  struct Options {
    std::optional<int64_t> padding_idx = {};
  };
  Embedding(int64_t num_embeddings, int64_t embedding_dim, const Options& options);
  Embedding(int64_t num_embeddings, int64_t embedding_dim)
      : Embedding(num_embeddings, embedding_dim, Options{}) {}
  Tensor forward(const Tensor& index) const;
  const char* type_name() const override { return "Embedding"; }
  Parameter weight;
  SUANLI_FIELDS(weight)

 private:
  std::optional<int64_t> padding_idx_;
};

/// See layer_norm(). weight and bias have shape `normalized_shape`, the sizes of the last axes.
/// They begin as ones and zeros.
class SUANLI_API LayerNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5;
    bool bias = true;
  };
  LayerNorm(const Shape& normalized_shape, Options options);
  explicit LayerNorm(const Shape& normalized_shape) : LayerNorm(normalized_shape, Options{}) {}
  explicit LayerNorm(int64_t size) : LayerNorm(Shape{size}) {}
  Tensor forward(const Tensor& x) const {
    return layer_norm(x, weight, bias.defined() ? Tensor(bias) : Tensor(), eps_);
  }
  const char* type_name() const override { return "LayerNorm"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  double eps_;
};

/// See group_norm(). weight and bias [channels] begin as ones and zeros.
class SUANLI_API GroupNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5;
    bool affine = true;
  };
  GroupNorm(int64_t num_groups, int64_t num_channels, Options options);
  GroupNorm(int64_t num_groups, int64_t num_channels)
      : GroupNorm(num_groups, num_channels, Options{}) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "GroupNorm"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  int64_t groups_;
  double eps_;
};

/// The base of InstanceNorm1d and InstanceNorm2d: instance_norm(), as in PyTorch. An x without the
/// axis N is one sample. With track_running_stats, training updates running statistics as
/// BatchNorm does, with the mean over samples, and eval mode uses them.
class SUANLI_API InstanceNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5, momentum = 0.1;
    bool affine = false, track_running_stats = false;
  };
  Tensor forward(const Tensor& x) const;
  Parameter weight, bias;
  Buffer running_mean, running_var, num_batches_tracked;
  SUANLI_FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)

 protected:
  /// Inputs of several samples have `rank` axes.
  InstanceNorm(const char* name, int64_t channels, Options options, int rank);

 private:
  int64_t channels_;
  Options options_;
  const char* name_;
  int rank_;
};
/// For x [N, C, L] or [C, L].
class SUANLI_API InstanceNorm1d : public InstanceNorm {
 public:
  InstanceNorm1d(int64_t channels, Options options)
      : InstanceNorm("InstanceNorm1d", channels, options, 3) {}
  explicit InstanceNorm1d(int64_t channels) : InstanceNorm1d(channels, Options{}) {}
  const char* type_name() const override { return "InstanceNorm1d"; }
};
/// For x [N, C, H, W] or [C, H, W].
class SUANLI_API InstanceNorm2d : public InstanceNorm {
 public:
  InstanceNorm2d(int64_t channels, Options options)
      : InstanceNorm("InstanceNorm2d", channels, options, 4) {}
  explicit InstanceNorm2d(int64_t channels) : InstanceNorm2d(channels, Options{}) {}
  const char* type_name() const override { return "InstanceNorm2d"; }
};

/// See rms_norm(). weight has shape `normalized_shape` and begins as ones.
class SUANLI_API RMSNorm : public Module {
 public:
  struct Options {
    std::optional<double> eps = {};  ///< That of the dtype by default.
    bool elementwise_affine = true;
  };
  RMSNorm(const Shape& normalized_shape, Options options);
  explicit RMSNorm(const Shape& normalized_shape) : RMSNorm(normalized_shape, Options{}) {}
  explicit RMSNorm(int64_t size) : RMSNorm(Shape{size}) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "RMSNorm"; }
  Parameter weight;
  SUANLI_FIELDS(weight)

 private:
  Shape shape_;
  Options options_;
};

/// Attention with `num_heads` heads (Vaswani et al. 2017): queries [B, T, embed_dim], keys and
/// values [B, S, embed_dim] → [B, T, embed_dim]. State names are those of PyTorch's
/// nn.MultiheadAttention with batch_first: in_proj_weight [3·embed_dim, embed_dim] (queries, keys,
/// values in this order), in_proj_bias, out_proj.
class SUANLI_API MultiheadAttention : public Module {
 public:
  struct Options {
    double dropout = 0;  ///< The share of probabilities that training drops.
    bool bias = true;
  };
  struct Masks {
    Tensor key_padding_mask = {};  ///< [B, S]. Bool: true where a key does not count.
    /// [T, S] or [B·num_heads, T, S]. Bool: true where a query does not see a key; a float dtype:
    /// added to the scores.
    Tensor attn_mask = {};
    bool is_causal = false;  ///< Query i sees only keys 0 … i.
  };
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, Options options);
  MultiheadAttention(int64_t embed_dim, int64_t num_heads)
      : MultiheadAttention(embed_dim, num_heads, Options{}) {}
  Tensor forward(const Tensor& x) const;  ///< Self-attention: x stands for all three.
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value) const;
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value,
                 const Masks& masks) const;
  const char* type_name() const override { return "MultiheadAttention"; }
  Parameter in_proj_weight, in_proj_bias;
  Linear out_proj;
  SUANLI_FIELDS(in_proj_weight, in_proj_bias, out_proj)

 private:
  int64_t heads_;
  double dropout_;
};

}  // namespace suanli::nn
