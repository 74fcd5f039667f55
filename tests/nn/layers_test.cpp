// Embedding and LayerNorm against their definitions.
#include "suanli/nn.h"

#include <gtest/gtest.h>

#include <cmath>

namespace suanli {
namespace {

template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) { return e.what(); }
  return "nothing was thrown";
}

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
  for (float v : w) sum += v, squares += static_cast<double>(v) * v;
  EXPECT_NEAR(sum / 40000, 0, 5 / std::sqrt(40000.0));  // five standard errors
  EXPECT_NEAR(squares / 40000, 1, 5 * std::sqrt(2 / 40000.0));

  nn::LayerNorm norm(Shape{2, 3}), no_bias(Shape{3}, {.bias = false});
  EXPECT_EQ(norm.weight.value().to_vector<float>(), std::vector<float>(6, 1));
  EXPECT_EQ(norm.bias.value().to_vector<float>(), std::vector<float>(6, 0));
  EXPECT_EQ(norm.state_dict()[1].first, "bias");
  EXPECT_EQ(no_bias.state_dict().size(), 1u);
}

TEST(Layers, LayerNormFarFromZero) {
  // Rows 1000 + i/64: mean and variance in closed form. A variance from Σx² − (Σx)² would have no digit left in f32.
  constexpr int64_t n = 96;
  std::vector<float> x(2 * n);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1000 + static_cast<float>(i % n) / 64;
  nn::LayerNorm norm(n);
  const auto y = norm(tensor<float>(x, {2, n})).to_vector<float>();
  const double deviation = std::sqrt((n * n - 1) / 12.0 / (64 * 64) + 1e-5);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], (static_cast<double>(i % n) - (n - 1) / 2.0) / 64 / deviation, 2e-4) << i;
}

TEST(Layers, Errors) {
  EXPECT_EQ(error_of([] { nn::Embedding(0, 3); }), "[Embedding] 0 rows of 3: at least 1 each is expected");
  EXPECT_EQ(error_of([] { nn::LayerNorm(Shape{}); }),
            "[LayerNorm] the normalized shape is []; at least one axis and one element are expected");
  nn::LayerNorm norm(4);
  EXPECT_EQ(error_of([&] { norm(ones({2, 3})); }),
            "[layer_norm] weight has shape [4]; the last axes of the input's [2, 3] are expected (in LayerNorm)");
  nn::Embedding table(3, 2);
  EXPECT_EQ(error_of([&] { table(tensor<int64_t>({0, 3}, {2})).to_vector<float>(); }),
            "[embedding] index 3 at position 1 is out of range: 3 entries (0…2) exist");
}

}  // namespace
}  // namespace suanli
