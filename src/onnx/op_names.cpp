// SPDX-License-Identifier: Apache-2.0
#include "onnx/op_names.h"

#include <unordered_map>

#include "ops/op.h"
#include "ops/schema/pointwise_math.h"
#include "ops/schema/reductions.h"

namespace suanli::onnx {

namespace {

constexpr int kPointwiseOpset = 18;

const std::unordered_map<const Op*, OpName>& names() {
  static const auto* all = [] {
    auto* names = new std::unordered_map<const Op*, OpName>{
        {&conv2d_op, {"Conv", 11}},
        {&conv1d_op, {"Conv", 11}},
        {&conv2d_grad_input_op, {"ConvTranspose", 11}},
        {&conv_transpose1d_op, {"ConvTranspose", 11}},
        {&conv_transpose2d_op, {"ConvTranspose", 11}},
        {&max_pool2d_op, {"MaxPool", 12}},
        {&avg_pool2d_op, {"AveragePool", 19}},
        {&gather_op, {"GatherElements", 13}},
        {&scatter_add_op, {"ScatterElements", 18}},
        {&embedding_op, {"Gather", 13}},
        {&one_hot_op, {"OneHot", 11}},
        {&flip_op, {"Slice", 13}},
        {&cumsum_op, {"CumSum", 14}},
        {&matmul_op, {"MatMul", 13}},
        {&batch_norm_op, {"BatchNormalization", 15}},
        {&batch_norm_inference_op, {"BatchNormalization", 15}},
        {&layer_norm_op, {"LayerNormalization", 17}},
        {&cast_op, {"Cast", 13}},
        {&full_op, {"ConstantOfShape", 9}},
        {&arange_op, {"Range", 11}},
        {&uniform_op, {"RandomUniform", 1}},
        {&normal_op, {"RandomNormal", 1}},
        {&mean_op, {"ReduceMean", 18}},
        {&argmax_op, {"ArgMax", 13}},
        {&argmin_op, {"ArgMin", 13}},
        {&logsumexp_op, {"ReduceLogSumExp", 18}},
        {&vector_norm_op, {"ReduceL2", 18}},
        {&softmax_op, {"Softmax", 13}},
        {&log_softmax_op, {"LogSoftmax", 13}},
        {&nll_loss_op, {"NegativeLogLikelihoodLoss", 13}},
        {&cross_entropy_op, {"SoftmaxCrossEntropyLoss", 13}},
        {&reshape_op, {"Reshape", 14}},
        {&permute_op, {"Transpose", 13}},
        {&expand_op, {"Expand", 13}},
        {&narrow_op, {"Slice", 13}},
        {&cat_op, {"Concat", 13}},
    };
    for (int row = 0; row < pointwise_count; ++row)
      if (const char* name = pointwise_rows[row].onnx)
        names->emplace(&pointwise_op(row), OpName{name, kPointwiseOpset});
    for (int row = 0; row < reduction_count; ++row)
      if (const ReductionRow& r = reduction_rows[row]; r.onnx)
        names->emplace(&reduction_op(static_cast<ReductionOp>(row)), OpName{r.onnx, r.opset});
    return names;
  }();
  return *all;
}

}  // namespace

namespace {
/// Reasons that follow neither from the traits nor from the rules of an op.
const std::unordered_map<const Op*, const char*>& reasons() {
  static const auto* all = new std::unordered_map<const Op*, const char*>{
      {&slice_update_op, "ScatterND writes such elements"},
      {&index_copy_op, "ScatterND writes such rows"},
      {&cumprod_op, "no operator multiplies along an axis"},
      {&sort_op, "TopK of all elements gives such an order"},
      {&randperm_op, "TopK of RandomUniform gives such an order"},
  };
  return *all;
}

/// The substitute for an op that ONNX has no operator for.
const char* reason_of(const Op& op) {
  if (const auto it = reasons().find(&op); it != reasons().end()) return it->second;
  if (op.has(Trait::internal)) return "a part of other ops or of gradients";
  if (op.has(Trait::composite)) return "its parts";
  if (op.has(Trait::pointwise) || reduction_row(op.id()) >= 0)
    return "the operators of its formula";
  return op.rules() && op.rules()->decompose ? "the ops of its decomposition" : nullptr;
}
}  // namespace

OpName op_name(const Op& op) {
  const auto it = names().find(&op);
  return it == names().end() ? OpName{.reason = reason_of(op)} : it->second;
}

}  // namespace suanli::onnx
