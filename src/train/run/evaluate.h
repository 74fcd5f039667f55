// SPDX-License-Identifier: Apache-2.0
// One batch of an evaluation, as it is measured and as it is rehearsed.
#pragma once
#include "suanli/evaluate.h"
#include "suanli/loader.h"

namespace suanli {

/// Samples per batch of an evaluation, where nothing is kept for a backward: 256, or fewer where
/// that many take more than 256 MiB; at least as many as the training takes.
SUANLI_API int64_t evaluation_batch(int64_t training_batch, const Shape& sample);

struct EvaluatedBatch {
  // mean loss; number of right answers, undefined where targets are numbers; both []
  Tensor loss, hits;
  // [N, classes] where details are asked for; [N] where targets are numbers; else undefined
  Tensor outputs;
};
/// To be called in an InferenceMode.
EvaluatedBatch evaluated(const nn::AnyModule& model, const data::Batch& batch,
                         const EvaluateOptions& options);

}  // namespace suanli
