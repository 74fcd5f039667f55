// SPDX-License-Identifier: Apache-2.0
// References of the ops that networks are built of: convolution, pooling, normalization, softmax,
// losses, embedding, attention.
#pragma once
#include "support/op_reference.h"

namespace suanli::test {

std::vector<Array> softmax(const Call& c);
std::vector<Array> log_softmax(const Call& c);
std::vector<Array> nll_loss(const Call& c);
std::vector<Array> cross_entropy(const Call& c);
std::vector<Array> nll_rows(const Call& c);
std::vector<Array> nll_rows_grad(const Call& c);
std::vector<Array> cross_entropy_rows(const Call& c);
std::vector<Array> cross_entropy_grad(const Call& c);
std::vector<Array> mse_loss(const Call& c);
std::vector<Array> conv2d(const Call& c);
std::vector<Array> conv2d_grad_input(const Call& c);
std::vector<Array> conv2d_grad_weight(const Call& c);
std::vector<Array> conv1d(const Call& c);
std::vector<Array> conv_transpose1d(const Call& c);
std::vector<Array> conv_transpose2d(const Call& c);
std::vector<Array> max_pool2d(const Call& c);
std::vector<Array> max_pool2d_grad(const Call& c);
std::vector<Array> avg_pool2d(const Call& c);
std::vector<Array> adaptive_avg_pool2d(const Call& c);
std::vector<Array> adaptive_max_pool2d(const Call& c);
std::vector<Array> mean_pool2d(const Call& c);
std::vector<Array> mean_pool2d_grad(const Call& c);
std::vector<Array> embedding(const Call& c);
std::vector<Array> embedding_grad(const Call& c);
std::vector<Array> layer_norm(const Call& c);
std::vector<Array> layer_norm_grad(const Call& c);
std::vector<Array> batch_norm_training(const Call& c);
std::vector<Array> batch_norm_inference(const Call& c);
/// The value given as input 0.
std::vector<Array> first_input(const Call& c);
std::vector<Array> attention(const Call& c);
std::vector<Array> attention_grad(const Call& c);
std::vector<Array> self_attention(const Call& c);
std::vector<Array> self_attention_grad(const Call& c);

}  // namespace suanli::test
