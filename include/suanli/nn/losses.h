// SPDX-License-Identifier: Apache-2.0
// Losses as modules: a function with its options, under PyTorch's name.
#pragma once
#include "suanli/nn/module.h"

namespace suanli::nn {

/// See cross_entropy(). The weights are state, as in PyTorch.
class SUANLI_API CrossEntropyLoss : public Module {
 public:
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {}) : options_(options) {
    if (options.weight.defined()) weight = Buffer(options.weight);
  }
  Tensor forward(const Tensor& logits, const Tensor& target) const {
    CrossEntropyOptions o = options_;
    if (weight.defined()) o.weight = weight;
    return cross_entropy(logits, target, o);
  }
  const char* type_name() const override { return "CrossEntropyLoss"; }
  Buffer weight;
  SUANLI_FIELDS(weight)

 private:
  CrossEntropyOptions options_;
};
/// See nll_loss(). The weights are state, as in PyTorch.
class SUANLI_API NLLLoss : public Module {
 public:
  explicit NLLLoss(const NllLossOptions& options = {}) : options_(options) {
    if (options.weight.defined()) weight = Buffer(options.weight);
  }
  Tensor forward(const Tensor& log_probabilities, const Tensor& target) const {
    NllLossOptions o = options_;
    if (weight.defined()) o.weight = weight;
    return nll_loss(log_probabilities, target, o);
  }
  const char* type_name() const override { return "NLLLoss"; }
  Buffer weight;
  SUANLI_FIELDS(weight)

 private:
  NllLossOptions options_;
};
/// See binary_cross_entropy_with_logits(). The weights are state, as in PyTorch.
class SUANLI_API BCEWithLogitsLoss : public Module {
 public:
  explicit BCEWithLogitsLoss(const BinaryCrossEntropyOptions& options = {})
      : reduction_(options.reduction) {
    if (options.weight.defined()) weight = Buffer(options.weight);
    if (options.pos_weight.defined()) pos_weight = Buffer(options.pos_weight);
  }
  Tensor forward(const Tensor& x, const Tensor& target) const {
    BinaryCrossEntropyOptions o{.reduction = reduction_};
    if (weight.defined()) o.weight = weight;
    if (pos_weight.defined()) o.pos_weight = pos_weight;
    return binary_cross_entropy_with_logits(x, target, o);
  }
  const char* type_name() const override { return "BCEWithLogitsLoss"; }
  Buffer weight, pos_weight;
  SUANLI_FIELDS(weight, pos_weight)

 private:
  Reduction reduction_;
};
/// See binary_cross_entropy(). The weights are state, as in PyTorch.
class SUANLI_API BCELoss : public Module {
 public:
  explicit BCELoss(const BinaryCrossEntropyOptions& options = {}) : reduction_(options.reduction) {
    if (options.weight.defined()) weight = Buffer(options.weight);
  }
  Tensor forward(const Tensor& x, const Tensor& target) const {
    BinaryCrossEntropyOptions o{.reduction = reduction_};
    if (weight.defined()) o.weight = weight;
    return binary_cross_entropy(x, target, o);
  }
  const char* type_name() const override { return "BCELoss"; }
  Buffer weight;
  SUANLI_FIELDS(weight)

 private:
  Reduction reduction_;
};

// Losses of two tensors without state: `call` computes with x, y and the options o.
#define SUANLI_LOSS(Name, OptionsOf, call)                                  \
  class SUANLI_API Name : public Module {                                   \
   public:                                                                  \
    using Options = OptionsOf;                                              \
    explicit Name(const Options& options = {}) : o(options) {}              \
    Tensor forward(const Tensor& x, const Tensor& y) const { return call; } \
    const char* type_name() const override { return #Name; }                \
    SUANLI_CALL                                                             \
                                                                            \
   private:                                                                 \
    Options o;                                                              \
  };
struct LossOptions {
  Reduction reduction = Reduction::mean;
};
struct SmoothL1Options {
  Reduction reduction = Reduction::mean;
  double beta = 1;
};
struct HuberOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;
};
struct KLDivOptions {
  Reduction reduction = Reduction::mean;
  bool log_target = false;
};
struct MarginOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
struct HingeOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
SUANLI_LOSS(MSELoss, LossOptions, mse_loss(x, y, o.reduction))
SUANLI_LOSS(L1Loss, LossOptions, l1_loss(x, y, o.reduction))
SUANLI_LOSS(SmoothL1Loss, SmoothL1Options, smooth_l1_loss(x, y, o.reduction, o.beta))
SUANLI_LOSS(HuberLoss, HuberOptions, huber_loss(x, y, o.reduction, o.delta))
SUANLI_LOSS(KLDivLoss, KLDivOptions, kl_div(x, y, o.reduction, o.log_target))
SUANLI_LOSS(PoissonNLLLoss, PoissonNllOptions, poisson_nll_loss(x, y, o))
SUANLI_LOSS(HingeEmbeddingLoss, HingeOptions, hinge_embedding_loss(x, y, o.margin, o.reduction))
SUANLI_LOSS(SoftMarginLoss, LossOptions, soft_margin_loss(x, y, o.reduction))
SUANLI_LOSS(MultiMarginLoss, MultiMarginOptions, multi_margin_loss(x, y, o))
#undef SUANLI_LOSS

// Losses of three tensors.
#define SUANLI_LOSS(Name, OptionsOf, call)                                                   \
  class SUANLI_API Name : public Module {                                                    \
   public:                                                                                   \
    using Options = OptionsOf;                                                               \
    explicit Name(const Options& options = {}) : o(options) {}                               \
    Tensor forward(const Tensor& x, const Tensor& y, const Tensor& z) const { return call; } \
    const char* type_name() const override { return #Name; }                                 \
    SUANLI_CALL                                                                              \
                                                                                             \
   private:                                                                                  \
    Options o;                                                                               \
  };
SUANLI_LOSS(GaussianNLLLoss, GaussianNllOptions, gaussian_nll_loss(x, y, z, o))
SUANLI_LOSS(CosineEmbeddingLoss, MarginOptions,
            cosine_embedding_loss(x, y, z, o.margin, o.reduction))
SUANLI_LOSS(MarginRankingLoss, MarginOptions, margin_ranking_loss(x, y, z, o.margin, o.reduction))
SUANLI_LOSS(TripletMarginLoss, TripletMarginOptions, triplet_margin_loss(x, y, z, o))
#undef SUANLI_LOSS

}  // namespace suanli::nn
