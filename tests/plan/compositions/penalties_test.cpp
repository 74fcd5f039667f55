// SPDX-License-Identifier: Apache-2.0
// Penalties on weights, added to the loss parameter by parameter: what is computed per parameter is
// 0-d, beside products of every size.
#include <cmath>

#include "gtest/gtest.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

enum class Penalty { square, absolute, norm };
constexpr double kLr = 0.01, kWeight = 1e-2, kDecay = 0.1, kEps = 1e-8;

Tensor penalty_of(const Tensor& p, Penalty kind) {
  switch (kind) {
    case Penalty::square: return sum(square(p));
    case Penalty::absolute: return sum(abs(p));
    case Penalty::norm: break;
  }
  return sqrt(sum(square(p)));
}

struct Case {
  int64_t rows, in, out;
  Penalty penalty;
  std::string optimizer;  // SGD, Adam, AdamW
};

/// The values of weight and bias after one step, and the loss before it, of mean(x wᵀ + b) + Σ
/// penalties.
Bits by_program(const Case& c, Tier t) {
  const InTier in_tier(t);
  nn::Linear net(c.in, c.out);
  net.weight.set(tensor_f32({c.out, c.in}, 1));
  net.bias.set(tensor_f32({c.out}, 2));
  const Tensor x = tensor_f32({c.rows, c.in}, 3);
  flush();
  const std::vector<Parameter> p = net.parameters();
  std::unique_ptr<optim::Optimizer> opt;
  if (c.optimizer == "SGD") opt = std::make_unique<optim::SGD>(p, optim::SGDOptions{.lr = kLr});
  else if (c.optimizer == "Adam")
    opt = std::make_unique<optim::Adam>(p, optim::AdamOptions{.lr = kLr});
  else
    opt = std::make_unique<optim::AdamW>(p, optim::AdamWOptions{.lr = kLr, .weight_decay = kDecay});
  Tensor loss = mean(net(x));
  for (auto& q : net.parameters()) loss = loss + kWeight * penalty_of(q, c.penalty);
  loss.backward();
  opt->step();
  return {net.weight.value().to_vector<float>(),
          net.bias.value().to_vector<float>(),
          {loss.item<float>()}};
}

/// The same in double, written out: every output is linear, so that its gradient does not depend on
/// the weights.
std::vector<std::vector<double>> by_hand(const Case& c) {
  const auto rows = static_cast<size_t>(c.rows), in = static_cast<size_t>(c.in),
             out = static_cast<size_t>(c.out);
  auto rounded = [](size_t n, uint64_t seed) {
    std::vector<double> v = numbers(n, seed);
    for (double& e : v) e = static_cast<float>(e);
    return v;
  };
  std::vector<std::vector<double>> p{rounded(out * in, 1), rounded(out, 2)},
      g{std::vector<double>(out * in), std::vector<double>(out)};
  const std::vector<double> x = rounded(rows * in, 3);
  double loss = 0;
  const double share = 1.0 / static_cast<double>(rows * out);
  for (size_t r = 0; r < rows; ++r)
    for (size_t o = 0; o < out; ++o) {
      g[1][o] += share;
      loss += p[1][o] * share;
      for (size_t i = 0; i < in; ++i) {
        g[0][o * in + i] += x[r * in + i] * share;
        loss += x[r * in + i] * p[0][o * in + i] * share;
      }
    }
  for (size_t k = 0; k < 2; ++k) {
    double squares = 0, absolutes = 0;
    for (double v : p[k]) {
      squares += v * v;
      absolutes += std::fabs(v);
    }
    loss += kWeight * (c.penalty == Penalty::square     ? squares
                       : c.penalty == Penalty::absolute ? absolutes
                                                        : std::sqrt(squares));
    for (size_t i = 0; i < p[k].size(); ++i) {
      double& v = p[k][i];
      const double slope = c.penalty == Penalty::square     ? 2 * v
                           : c.penalty == Penalty::absolute ? (v > 0) - (v < 0)
                                                            : v / std::sqrt(squares);
      const double gradient = g[k][i] + kWeight * slope;
      if (c.optimizer == "AdamW") v -= kLr * kDecay * v;
      // Adam's first step
      v -= kLr * (c.optimizer == "SGD" ? gradient : gradient / (std::fabs(gradient) + kEps));
    }
  }
  p.push_back({loss});
  return p;
}

TEST(Penalties, AreTrainedAsWrittenOut) {
  for (const auto& [rows, in, out] : {std::array<int64_t, 3>{8, 1, 1},
                                      {8, 4, 1},
                                      {8, 3, 2},
                                      {1, 4, 4},
                                      {8, 10, 6},
                                      {1, 1, 7},
                                      {64, 64, 33},
                                      {8, 128, 65}})
    for (Penalty penalty : {Penalty::square, Penalty::absolute, Penalty::norm})
      for (const char* optimizer : {"SGD", "Adam", "AdamW"}) {
        const Case c{rows, in, out, penalty, optimizer};
        SCOPED_TRACE(
            str(rows, "×", in, "→", out, ", penalty ", static_cast<int>(penalty), ", ", optimizer));
        const Bits planned = by_program(c, Tier::planned), cold = by_program(c, Tier::cold);
        EXPECT_EQ(planned == cold, true) << "the tiers differ";
        const auto want = by_hand(c);
        for (size_t k = 0; k < want.size(); ++k)
          for (size_t i = 0; i < want[k].size(); ++i)
            ASSERT_NEAR(planned[k][i], want[k][i], 3e-6 * std::max(1.0, std::fabs(want[k][i])))
                << k << ' ' << i;
      }
}

struct Perceptron : nn::Module {
  nn::Linear fc1{20, 16}, fc2{16, 10};
  SUANLI_FIELDS(fc1, fc2)
  Tensor forward(const Tensor& x) const { return fc2(relu(fc1(x))); }
};

TEST(Penalties, OfDeeperNetsHaveTheSameBitsInBothTiers) {
  for (Penalty penalty : {Penalty::square, Penalty::absolute, Penalty::norm}) {
    auto trained = [&](Tier t) {
      const InTier in_tier(t);
      manual_seed(4);
      Perceptron net;
      optim::AdamW opt(net.parameters(), {.lr = 0.01});
      Bits losses(1);
      for (int i = 0; i < 4; ++i) {
        Tensor loss = cross_entropy(net(tensor_f32({6, 20}, static_cast<uint64_t>(i))),
                                    tensor(std::vector<int64_t>{1, 2, 3, 4, 5, 6}, Shape{6}));
        for (auto& p : net.parameters()) loss = loss + 1e-3 * penalty_of(p, penalty);
        loss.backward();
        opt.step();
        losses[0].push_back(loss.item<float>());
      }
      Bits out = values(net);
      out.push_back(losses[0]);
      return out;
    };
    EXPECT_EQ(trained(Tier::planned) == trained(Tier::cold), true) << static_cast<int>(penalty);
  }
}

// One value, read by a product's epilogue element by element and by other code once per row: it can
// be computed in one of them only, and the epilogue's space stays that of the product.
TEST(Penalties, AValueOfAnEpilogueIsReadPerRowElsewhere) {
  const Tensor x = tensor_f32({8, 4}, 1), w = tensor_f32({4, 1}, 2), u = tensor_f32({8, 1}, 3),
               large = tensor_f32({8, 100}, 4);
  auto run = [&](Tier t) {
    const InTier in_tier(t);
    const Tensor a = tanh(u), y = matmul(x, w) + a, z = large * a;
    return Bits{y.to_vector<float>(), z.to_vector<float>()};
  };
  EXPECT_EQ(run(Tier::planned), run(Tier::cold));
}

// A squeeze-and-excite block: one number per channel from a product, spread over the pixels.
TEST(Penalties, ASqueezeAndExciteBlockHasTheSameBits) {
  for (const Shape& s : {Shape{1, 4, 3, 3}, Shape{2, 8, 5, 7}, Shape{3, 1, 2, 2}}) {
    auto run = [&](Tier t) {
      const InTier in_tier(t);
      Parameter x(tensor_f32(s, 1)), w(tensor_f32({s[1], s[1]}, 2));
      const Tensor gate = sigmoid(matmul(mean(Tensor(x), {2, 3}), Tensor(w)));
      const Tensor loss =
          sum(square(Tensor(x) * reshape(gate, {s[0], s[1], 1, 1}))) + 0.1 * sum(square(Tensor(w)));
      loss.backward();
      return Bits{x.grad().to_vector<float>(), w.grad().to_vector<float>(), {loss.item<float>()}};
    };
    EXPECT_EQ(run(Tier::planned) == run(Tier::cold), true) << to_string(s);
  }
}

// A product with itself beside its rows divided by their norms.
TEST(Penalties, AProductBesideNormalizedRowsHasTheSameBits) {
  for (const Shape& s : {Shape{1, 6}, Shape{5, 6}, Shape{6, 1}, Shape{40, 30}}) {
    auto run = [&](Tier t) {
      const InTier in_tier(t);
      Parameter x(tensor_f32(s, 1));
      const Tensor gram = matmul(x, x, {.transpose_b = true}),
                   unit = Tensor(x) / sqrt(sum(square(Tensor(x)), {1}, true));
      const Tensor loss = sum(gram) + sum(square(gram - matmul(unit, unit, {.transpose_b = true})));
      loss.backward();
      return Bits{x.grad().to_vector<float>(), {loss.item<float>()}};
    };
    EXPECT_EQ(run(Tier::planned) == run(Tier::cold), true) << to_string(s);
  }
}

}  // namespace
}  // namespace suanli
