// SPDX-License-Identifier: Apache-2.0
// Embedding and LayerNorm against their definitions.
#include "suanli/nn.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"

namespace suanli {
namespace {

TEST(Layers, EmbeddingTakesRowsAndItsGradientAddsThem) {
  manual_seed(1);
  nn::Embedding table(5, 3);
  ASSERT_EQ(table.state_dict().size(), 1u);
  EXPECT_EQ(table.state_dict()[0].first, "weight");
  const auto rows = table.weight.value().to_vector<float>();
  Tensor y = table(tensor<int64_t>({4, 0, 4, 1}, {2, 2}));
  EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
  sum(y * tensor<float>({1, 2, 3, 4}, {2, 2, 1})).backward();
  const auto taken = y.to_vector<float>();
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(taken[k], rows[12 + k]);
    EXPECT_EQ(taken[3 + k], rows[k]);
    EXPECT_EQ(taken[9 + k], rows[3 + k]);
  }
  const std::vector<float> weight_of_row = {2, 4, 0, 0, 4};  // row 4 is named with 1 and 3
  const auto g = table.weight.grad().to_vector<float>();
  for (size_t i = 0; i < g.size(); ++i) EXPECT_EQ(g[i], weight_of_row[i / 3]) << i;
}

TEST(Layers, InitialValues) {
  manual_seed(2);
  nn::Embedding table(400, 100);
  const auto w = table.weight.value().to_vector<float>();
  double sum = 0, squares = 0;
  for (float v : w) {
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  EXPECT_NEAR(sum / 40000, 0, 5 / std::sqrt(40000.0));  // five standard errors
  EXPECT_NEAR(squares / 40000, 1, 5 * std::sqrt(2 / 40000.0));

  nn::LayerNorm norm(Shape{2, 3}), no_bias(Shape{3}, {.bias = false});
  EXPECT_EQ(norm.weight.value().to_vector<float>(), std::vector<float>(6, 1));
  EXPECT_EQ(norm.bias.value().to_vector<float>(), std::vector<float>(6, 0));
  EXPECT_EQ(norm.state_dict()[1].first, "bias");
  EXPECT_EQ(no_bias.state_dict().size(), 1u);
}

TEST(Layers, LayerNormFarFromZero) {
  // Rows 1000 + i/64: mean and variance in closed form. A variance from Σx² − (Σx)² would have no
  // digit left in f32.
  constexpr int64_t n = 96;
  std::vector<float> x(2 * n);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1000 + static_cast<float>(i % n) / 64;
  nn::LayerNorm norm(n);
  const auto y = norm(tensor<float>(x, {2, n})).to_vector<float>();
  const double deviation = std::sqrt((n * n - 1) / 12.0 / (64 * 64) + 1e-5);
  for (size_t i = 0; i < y.size(); ++i)
    EXPECT_NEAR(y[i], (static_cast<double>(i % n) - (n - 1) / 2.0) / 64 / deviation, 2e-4) << i;
}

TEST(Layers, Errors) {
  EXPECT_FAULT(ArgumentError, nn::Linear(0, 3), .op = "Linear", .argument = "in", .given = "0",
               .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, nn::Linear(3, -1), .op = "Linear", .argument = "out", .given = "-1");
  EXPECT_FAULT(ArgumentError, nn::Conv2d(2, 3, 0), .op = "Conv2d", .argument = "kernel_size",
               .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, nn::Conv2d(2, 4, 3, {.groups = 0}), .op = "Conv2d",
               .argument = "groups", .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, nn::Conv2d(3, 4, 3, {.groups = 2}), .op = "Conv2d", .argument = "in",
               .given = "3", .expected = "a multiple of groups, 2");
  EXPECT_FAULT(ArgumentError, nn::Conv2d(4, 3, 3, {.groups = 2}), .op = "Conv2d", .argument = "out",
               .given = "3", .expected = "a multiple of groups, 2");
  EXPECT_FAULT(ArgumentError, nn::BatchNorm2d(0), .op = "BatchNorm2d", .argument = "channels",
               .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, nn::Embedding(0, 3), .op = "Embedding", .argument = "num_embeddings",
               .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ShapeError, nn::LayerNorm(Shape{}), .op = "LayerNorm",
               .argument = "normalized_shape", .given = "[]",
               .expected = "at least one axis and one element");
  nn::LayerNorm norm(4);
  EXPECT_FAULT(ShapeError, norm(ones({2, 3})), .op = "layer_norm", .argument = "weight",
               .given = "[4]", .expected = "the last axes of input [2, 3]", .module = "LayerNorm");
  nn::Embedding table(3, 2);
  EXPECT_FAULT(IoError, table(tensor<int64_t>({0, 3}, {2})).to_vector<float>(), .op = "embedding",
               .argument = "index", .given = "3 at position 1", .expected = "0…2, for 3 entries");
  Parameter small(ones({2})), large(ones({3}));
  EXPECT_FAULT(ShapeError, nn::tie(small, large), .op = "tie", .argument = "b", .given = "[3]",
               .expected = "[2], the shape of a");
  EXPECT_FAULT(DTypeError, norm.to(i64), .op = "to", .argument = "dtype", .given = "i64",
               .expected = "a float dtype, as parameters have gradients");
}

TEST(Layers, BatchNorm1dNormalizesColumns) {
  nn::BatchNorm1d norm(2);
  const auto y = norm(tensor<float>({1, 10, 3, 10, 5, 40}, {3, 2})).to_vector<float>();
  // columns 1 3 5 and 10 10 40: mean 3 and 20, variance 8/3 and 200
  const double a = 2 / std::sqrt(8.0 / 3 + 1e-5), b = 10 / std::sqrt(200 + 1e-5);
  const double expected[] = {-a, -b, 0, -b, a, 2 * b};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(y[i], expected[i], 1e-5) << i;
  // the unbiased variance is 4
  EXPECT_NEAR(norm.running_var.value().to_vector<float>()[0], 0.9 + 0.1 * 4, 1e-6);
  EXPECT_EQ(norm(zeros({4, 2, 5})).shape(), Shape({4, 2, 5}));
  EXPECT_FAULT(ShapeError, norm(zeros({4, 2, 5, 5})), .op = "BatchNorm1d", .argument = "input",
               .given = "[4, 2, 5, 5]", .expected = "[N, 2] or [N, 2, L]", .module = "BatchNorm1d");
  EXPECT_FAULT(ShapeError, norm(zeros({1, 2})), .op = "BatchNorm1d", .argument = "input",
               .given = "[1, 2]", .expected = "more than one value per channel in training");
}

TEST(Layers, StochasticDepthDropsWholeSamples) {
  manual_seed(3);
  nn::StochasticDepth drop(0.25);
  const int64_t n = 4000;
  const auto y = drop(ones({n, 3, 2})).to_vector<float>();
  int64_t kept = 0;
  for (size_t i = 0; i < y.size(); i += 6) {
    for (size_t k = 0; k < 6; ++k) ASSERT_EQ(y[i + k], y[i]);
    ASSERT_TRUE(y[i] == 0 || std::fabs(y[i] - 4.0f / 3) < 1e-6);
    kept += y[i] != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept) / n, 0.75, 4 * std::sqrt(0.75 * 0.25 / n));
  drop.eval();
  EXPECT_EQ(drop(ones({2, 1})).to_vector<float>(), (std::vector<float>{1, 1}));
}

/// Against its definition: softmax(q kᵀ/√d) v of each head from the rows of in_proj_weight.
TEST(Layers, MultiheadAttentionIsItsDefinition) {
  manual_seed(4);
  nn::MultiheadAttention attention(4, 2);
  const Tensor x = randn({2, 3, 4});
  const auto y = attention(x).to_vector<float>();
  const Tensor q = matmul(x, narrow(attention.in_proj_weight, 0, 0, 4), {.transpose_b = true}),
               k = matmul(x, narrow(attention.in_proj_weight, 0, 4, 4), {.transpose_b = true}),
               v = matmul(x, narrow(attention.in_proj_weight, 0, 8, 4), {.transpose_b = true});
  std::vector<Tensor> heads;
  for (int64_t h = 0; h < 2; ++h) {
    auto part = [&](const Tensor& t) { return narrow(t, 2, 2 * h, 2); };
    heads.push_back(
        matmul(softmax(matmul(part(q), part(k), {.transpose_b = true}) / std::sqrt(2.0)), part(v)));
  }
  const auto expected =
      matmul(cat(heads, 2), attention.out_proj.weight, {.transpose_b = true}).to_vector<float>();
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-5) << i;
  EXPECT_FAULT(ArgumentError, nn::MultiheadAttention(5, 2), .op = "MultiheadAttention",
               .argument = "embed_dim", .given = "5", .expected = "a multiple of num_heads, 2");
  EXPECT_FAULT(ArgumentError, nn::MultiheadAttention(4, 0), .op = "MultiheadAttention",
               .argument = "num_heads", .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ShapeError, attention(ones({2, 4})), .op = "MultiheadAttention", .argument = "input",
               .given = "[2, 4]", .expected = "[B, T, embed_dim]");
}

}  // namespace
}  // namespace suanli
