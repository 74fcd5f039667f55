// SPDX-License-Identifier: Apache-2.0
// Losses, with PyTorch's names, defaults and conventions. Inputs have a float dtype; a target of
// the same kind has the input's shape.
#pragma once
#include <optional>

#include "suanli/tensor.h"

namespace suanli {

/// The result of a loss: one number per element or sample, their mean, or their sum. `batchmean`,
/// the sum divided by the samples, is for kl_div() alone.
enum class Reduction : uint8_t { none, mean, sum, batchmean };

// ---- classes ------------------------------------------------------------------------------------
struct CrossEntropyOptions {
  Tensor weight = {};  ///< [C] of a float dtype; undefined: all 1.
  int64_t ignore_index = -100;  ///< Targets of this number do not count.
  /// With mean, the divisor is the sum of the weights of the targets.
  Reduction reduction = Reduction::mean;
  double label_smoothing =
      0;  ///< 0 to 1, spread over all classes (Szegedy et al. 2016, section 7).
};
/// −log_softmax(logits) at the target. logits [C], [N, C] or [N, C, d…]; target of any integer
/// dtype without the axis C: [], [N] or [N, d…]. A target out of range throws IoError when the op
/// runs. Or target of logits' shape and a float dtype, the share of each class in a sample (mixed
/// pictures, smoothed labels): −Σ_c w[c] · target[c] · log_softmax(logits)[c], whose mean is over
/// samples. Terms whose factor (a weight, a share, ε, 1 − ε) is 0 are left out, even if the
/// logarithm is infinite.
SUANLI_API Tensor cross_entropy(const Tensor& logits, const Tensor& target,
                                const CrossEntropyOptions& options = {});
struct NllLossOptions {
  Tensor weight = {};  ///< As in CrossEntropyOptions, and so on.
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
/// −log_probabilities at the target. Shapes as in cross_entropy().
SUANLI_API Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target,
                           const NllLossOptions& options = {});
struct MultiMarginOptions {
  double p = 1, margin = 1;
  Tensor weight = {};  ///< [C], or undefined.
  Reduction reduction = Reduction::mean;
};
/// Σ_{c ≠ t} w[t] · max(0, margin − x[t] + x[c])^p / C. x [C] or [N, C], target [] or [N].
SUANLI_API Tensor multi_margin_loss(const Tensor& x, const Tensor& target,
                                    const MultiMarginOptions& options = {});

// ---- probabilities ------------------------------------------------------------------------------
struct BinaryCrossEntropyOptions {
  Tensor weight = {};  ///< Broadcasts to the input.
  Reduction reduction = Reduction::mean;
  Tensor pos_weight = {};  ///< For positive targets, with logits only. Broadcasts to the input.
};
/// −(t · ln x + (1 − t) · ln(1 − x)) of probabilities x. Logarithms are at least −100; no gradient
/// flows where they are less.
SUANLI_API Tensor binary_cross_entropy(const Tensor& x, const Tensor& target,
                                       const BinaryCrossEntropyOptions& options = {});
/// The same of sigmoid(x), without overflow.
SUANLI_API Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& target,
                                                   const BinaryCrossEntropyOptions& options = {});
/// t · (ln t − x) of log-probabilities x; with `log_target`, t is a logarithm too.
SUANLI_API Tensor kl_div(const Tensor& x, const Tensor& target,
                         Reduction reduction = Reduction::mean, bool log_target = false);
struct PoissonNllOptions {
  bool log_input = true, full = false;  ///< `full` adds Stirling's approximation of ln t!.
  double eps = 1e-8;
  Reduction reduction = Reduction::mean;
};
/// exp(x) − t · x, or x − t · ln(x + eps) without `log_input`.
SUANLI_API Tensor poisson_nll_loss(const Tensor& x, const Tensor& target,
                                   const PoissonNllOptions& options = {});
struct GaussianNllOptions {
  bool full = false;  ///< Adds ln(2π)/2.
  double eps = 1e-6;  ///< The least variance.
  Reduction reduction = Reduction::mean;
};
/// (ln var + (x − t)²/var)/2. var has x's shape, or lacks its last axis, or has 1 there.
SUANLI_API Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var,
                                    const GaussianNllOptions& options = {});

// ---- numbers ------------------------------------------------------------------------------------
/// (x − y)².
SUANLI_API Tensor mse_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean);
/// |x − y|.
SUANLI_API Tensor l1_loss(const Tensor& x, const Tensor& y, Reduction reduction = Reduction::mean);
/// (x − y)²/(2·beta) where |x − y| < beta, else |x − y| − beta/2.
SUANLI_API Tensor smooth_l1_loss(const Tensor& x, const Tensor& y,
                                 Reduction reduction = Reduction::mean, double beta = 1);
/// (x − y)²/2 where |x − y| ≤ delta, else delta · (|x − y| − delta/2).
SUANLI_API Tensor huber_loss(const Tensor& x, const Tensor& y,
                             Reduction reduction = Reduction::mean, double delta = 1);

// ---- similarity ---------------------------------------------------------------------------------
/// Σ x·y / (max(‖x‖, eps) · max(‖y‖, eps)) along `dim`. Shapes broadcast.
SUANLI_API Tensor cosine_similarity(const Tensor& x, const Tensor& y, int dim = 1,
                                    double eps = 1e-8);
/// ‖x − y + eps‖_p along the last dimension.
SUANLI_API Tensor pairwise_distance(const Tensor& x, const Tensor& y, double p = 2,
                                    double eps = 1e-6, bool keepdim = false);
/// 1 − cos(x, y) for a target of 1, max(0, cos(x, y) − margin) for −1. x, y [D] or [N, D], target
/// [] or [N].
SUANLI_API Tensor cosine_embedding_loss(const Tensor& x, const Tensor& y, const Tensor& target,
                                        double margin = 0, Reduction reduction = Reduction::mean);
/// x for a target of 1, max(0, margin − x) for −1.
SUANLI_API Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin = 1,
                                       Reduction reduction = Reduction::mean);
/// max(0, −target · (x − y) + margin) for targets of 1 and −1.
SUANLI_API Tensor margin_ranking_loss(const Tensor& x, const Tensor& y, const Tensor& target,
                                      double margin = 0, Reduction reduction = Reduction::mean);
/// ln(1 + exp(−target · x)) for targets of 1 and −1.
SUANLI_API Tensor soft_margin_loss(const Tensor& x, const Tensor& target,
                                   Reduction reduction = Reduction::mean);
struct TripletMarginOptions {
  double margin = 1, p = 2, eps = 1e-6;
  bool swap = false;  ///< Takes the distance of positive and negative where it is smaller.
  Reduction reduction = Reduction::mean;
};
/// max(0, d(anchor, positive) − d(anchor, negative) + margin), d of pairwise_distance().
SUANLI_API Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive,
                                      const Tensor& negative,
                                      const TripletMarginOptions& options = {});

}  // namespace suanli
