// One batch of an evaluation, as it is measured and as it is rehearsed.
#pragma once
#include "suanli/train.h"

namespace suanli {

/// Puts a module into eval mode, and back into the mode it was in, whatever happens in between.
class EvalMode {
 public:
  explicit EvalMode(nn::Module& m) : module_(m), training_(m.training()) { module_.eval(); }
  ~EvalMode() { module_.train(training_); }
  EvalMode(const EvalMode&) = delete;

 private:
  nn::Module& module_;
  bool training_;
};

struct EvaluatedBatch {
  Tensor loss, hits;  // mean loss; number of right answers, undefined where targets are numbers; both []
  Tensor outputs;     // [N, classes]; undefined where only the two numbers are asked for
};
/// To be called without gradients and in eval mode.
EvaluatedBatch evaluated(nn::AnyModule& model, const data::Batch& batch, const EvaluateOptions& options);

}  // namespace suanli
