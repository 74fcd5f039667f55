// SPDX-License-Identifier: Apache-2.0
// All ops, by family. Each is defined in its family's file.
#pragma once
#include "ops/schema/schema.h"

namespace suanli {

// Built in: see the ids in runtime/step.h.
extern const Op leaf_op, scalar_op, alias_op, fused_op, reorder_op;

/// The op of a row of pointwise.def.
SUANLI_API const Op& pointwise_op(int row);
extern const Op pointwise_gradient_op;

// ops/pointwise/composites.cpp
extern const Op bitwise_not_op, nan_to_num_op, addcmul_op, addcdiv_op;

// ops/pointwise/cast.cpp
extern const Op cast_op, full_op, arange_op;

// ops/shape/shape.cpp
extern const Op reshape_op, permute_op, expand_op, narrow_op, slice_update_op, cat_op;

// ops/index/index.cpp
extern const Op gather_op, scatter_add_op, embedding_op, embedding_grad_op, one_hot_op, flip_op,
    index_copy_op;

// ops/index/sort.cpp
extern const Op sort_op;

// ops/scan/scan.cpp
extern const Op cumsum_op, cumprod_op;

// ops/random/random.cpp
extern const Op uniform_op, normal_op, randperm_op;

// ops/linalg/matmul.cpp
extern const Op matmul_op;

// ops/conv/conv.cpp
extern const Op conv2d_op, conv2d_grad_input_op, conv2d_grad_weight_op;

// ops/conv/conv_parts.cpp
extern const Op conv1d_op, conv_transpose1d_op, conv_transpose2d_op;

// ops/conv/pool.cpp
extern const Op max_pool2d_op, max_pool2d_grad_op, mean_pool2d_op, mean_pool2d_grad_op,
    avg_pool2d_op, adaptive_avg_pool2d_op, adaptive_max_pool2d_op;

// ops/norm/batch_norm.cpp
extern const Op batch_norm_result_op, batch_norm_op, batch_norm_inference_op;

// ops/norm/layer_norm.cpp
extern const Op layer_norm_op, layer_norm_grad_op;

// ops/norm/vector_norm.cpp
extern const Op vector_norm_op;

// ops/reduce/reduce.cpp
extern const Op mean_op, argmax_op, argmin_op;
// sum, amax, …: reduction_op() of ops/schema/reductions.h

// ops/reduce/logsumexp.cpp
extern const Op logsumexp_op;

// ops/reduce/softmax.cpp
extern const Op softmax_op, log_softmax_op, cross_entropy_rows_op, cross_entropy_grad_op;

// ops/sequence/attention.cpp
extern const Op scaled_dot_product_attention_op, scaled_dot_product_attention_grad_op,
    self_attention_op, self_attention_grad_op;

// ops/loss/class_losses.cpp
extern const Op nll_rows_op, nll_rows_grad_op, nll_loss_op, cross_entropy_op;

// ops/loss/losses.cpp
extern const Op mse_loss_op;

}  // namespace suanli
