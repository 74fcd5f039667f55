// SPDX-License-Identifier: Apache-2.0
// One batch of an evaluation, as it is measured and as it is rehearsed.
#pragma once
#include "suanli/evaluate.h"
#include "suanli/loader.h"

namespace suanli {

/// Puts a module and all below it into eval mode, and each back into the mode that it was in,
/// whatever happens in between: frozen modules may stay in eval mode while the others train.
class EvalMode {
 public:
  explicit EvalMode(nn::Module& m);
  ~EvalMode();
  EvalMode(const EvalMode&) = delete;

 private:
  std::vector<std::pair<nn::Module*, bool>> modes_;  // the ones above first
};

/// Samples per batch of an evaluation, where nothing is kept for a backward: 256, or fewer where
/// that many take more than 256 MiB; at least as many as the training takes.
SUANLI_API int64_t evaluation_batch(int64_t training_batch, const Shape& sample);

struct EvaluatedBatch {
  // mean loss; number of right answers, undefined where targets are numbers; both []
  Tensor loss, hits;
  // [N, classes] where details are asked for; [N] where targets are numbers; else undefined
  Tensor outputs;
};
/// To be called without gradients and in eval mode.
EvaluatedBatch evaluated(nn::AnyModule& model, const data::Batch& batch,
                         const EvaluateOptions& options);

}  // namespace suanli
