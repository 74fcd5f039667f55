// SPDX-License-Identifier: Apache-2.0
// Initializers against the moments and the bounds of their distributions.
#include "suanli/nn/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "suanli/nn.h"
#include "support/errors.h"

namespace suanli {
namespace {

struct Moments {
  double mean = 0, deviation = 0, least = INFINITY, most = -INFINITY;
};
Moments moments_of(const Parameter& p) {
  const auto v = p.value().to_vector<double>();
  Moments m;
  const auto n = static_cast<double>(v.size());
  for (double x : v) {
    m.mean += x / n;
    m.least = std::min(m.least, x);
    m.most = std::max(m.most, x);
  }
  for (double x : v) m.deviation += (x - m.mean) * (x - m.mean) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Init, DistributionsHaveTheirMoments) {
  manual_seed(5);
  // 40,000 draws: five standard errors of the mean are 0.025 deviations, those of the deviation
  // less than 0.02 of it.
  const Parameter p(zeros({200, 8, 5, 5}));
  const double fan_in = 200, fan_out = 5000;
  const auto check = [&](const char* what, double mean, double deviation, double bound) {
    const Moments m = moments_of(p);
    EXPECT_NEAR(m.mean, mean, 0.025 * deviation) << what;
    EXPECT_NEAR(m.deviation, deviation, 0.02 * deviation) << what;
    EXPECT_LE(std::max(std::fabs(m.least - mean), std::fabs(m.most - mean)), bound * (1 + 1e-6))
        << what;
  };
  nn::init::uniform_(p, 1, 3);
  check("uniform_", 2, 1 / std::sqrt(3.0), 1);
  nn::init::normal_(p, -1, 0.5);
  check("normal_", -1, 0.5, INFINITY);
  // of a standard normal within ±1: variance 1 − 2·φ(1)/(2Φ(1) − 1)
  nn::init::trunc_normal_(p, 3, 2, 1, 5);
  check("trunc_normal_", 3, 2 * std::sqrt(0.29112509), 2);
  nn::init::xavier_uniform_(p, 2);
  check("xavier_uniform_", 0, 2 * std::sqrt(2 / (fan_in + fan_out)),
        2 * std::sqrt(6 / (fan_in + fan_out)));
  nn::init::xavier_normal_(p);
  check("xavier_normal_", 0, std::sqrt(2 / (fan_in + fan_out)), INFINITY);
  nn::init::kaiming_uniform_(p, {.a = std::sqrt(5.0)});
  check("kaiming_uniform_", 0, std::sqrt(1 / 3.0 / fan_in), 1 / std::sqrt(fan_in));
  nn::init::kaiming_normal_(
      p, {.mode = nn::init::FanMode::fan_out, .nonlinearity = nn::init::Nonlinearity::relu});
  check("kaiming_normal_", 0, std::sqrt(2 / fan_out), INFINITY);
}

TEST(Init, OrthogonalRowsOrColumns) {
  manual_seed(6);
  for (const Shape& shape : {Shape{12, 20}, Shape{20, 12}, Shape{7, 3, 2}, Shape{5, 5}}) {
    const Parameter p(zeros(shape, f64));
    nn::init::orthogonal_(p, 1.5);
    const Tensor q = reshape(p.value(), {shape[0], -1});
    const bool wide = q.size(0) <= q.size(1);
    const Tensor product =
        wide ? matmul(q, q, {.transpose_b = true}) : matmul(q, q, {.transpose_a = true});
    const auto got = product.to_vector<double>();
    const size_t n = static_cast<size_t>(product.size(0));
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], i / n == i % n ? 2.25 : 0, 1e-12) << to_string(shape);
  }
}

TEST(Init, FixedValues) {
  const Parameter matrix(ones({2, 3}));
  nn::init::eye_(matrix);
  EXPECT_EQ(matrix.value().to_vector<float>(), (std::vector<float>{1, 0, 0, 0, 1, 0}));
  nn::init::constant_(matrix, 0.25);
  EXPECT_EQ(matrix.value().to_vector<float>(), std::vector<float>(6, 0.25f));
  nn::init::ones_(matrix);
  EXPECT_EQ(matrix.value().to_vector<float>(), std::vector<float>(6, 1));
  // A convolution with dirac_ weights gives its input back.
  nn::Conv2d conv(4, 4, 3, {.padding = 1, .groups = 2, .bias = false});
  nn::init::dirac_(conv.weight, 2);
  const Tensor x = randn({2, 4, 5, 6});
  EXPECT_EQ(conv(x).to_vector<float>(), x.to_vector<float>());

  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(nn::init::Nonlinearity::tanh), 5.0 / 3);
  EXPECT_DOUBLE_EQ(nn::init::calculate_gain(nn::init::Nonlinearity::leaky_relu, 0.2),
                   std::sqrt(2 / 1.04));
  const Parameter vector(ones({3}));
  EXPECT_FAULT(ShapeError, nn::init::xavier_uniform_(vector), .op = "xavier_uniform_",
               .argument = "parameter", .given = "[3]");
  EXPECT_FAULT(ShapeError, nn::init::eye_(vector), .op = "eye_", .argument = "parameter");
  EXPECT_FAULT(ArgumentError, nn::init::trunc_normal_(vector, 0, 1, 2, 1), .op = "trunc_normal_",
               .argument = "high", .given = "1");
}

}  // namespace
}  // namespace suanli
