// SPDX-License-Identifier: Apache-2.0
// Whole trainings as people write them.
#include <algorithm>
#include <cmath>

#include "base/threads/slab.h"
#include "gtest/gtest.h"
#include "suanli/loader.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// A GAN of four numbers: G(z) = a z + c, D(x) = w x + b (a logit). Losses of Goodfellow et al.
/// 2014 in their non-saturating form.
struct Gan {
  double a = 0.4, c = -0.3, w = 0.2, b = 0.1;
};
constexpr size_t kRows = 6;
double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// The reference: plain SGD for G, momentum 0.5 for D. `leak`: the gradient that G's loss leaves in
/// D is added to D's next one.
std::vector<Gan> gan_by_hand(int steps, bool leak) {
  Gan g;
  std::vector<Gan> out;
  double vw = 0, vb = 0, left_w = 0, left_b = 0;
  for (int t = 0; t < steps; ++t) {
    const auto z = numbers(kRows, static_cast<uint64_t>(t) + 50),
               x = numbers(kRows, static_cast<uint64_t>(t) + 500);
    double gw = leak ? left_w : 0, gb = leak ? left_b : 0;
    for (size_t i = 0; i < kRows; ++i) {  // D: mean softplus(−D(x)) + mean softplus(D(G(z)))
      const double real = 2 + 0.5 * x[i], fake = g.a * z[i] + g.c, n = kRows;
      gw += (-logistic(-(g.w * real + g.b)) * real + logistic(g.w * fake + g.b) * fake) / n;
      gb += (-logistic(-(g.w * real + g.b)) + logistic(g.w * fake + g.b)) / n;
    }
    vw = t == 0 ? gw : 0.5 * vw + gw;
    vb = t == 0 ? gb : 0.5 * vb + gb;
    g.w -= 0.1 * vw;
    g.b -= 0.1 * vb;
    double ga = 0, gc = 0;
    left_w = left_b = 0;
    for (size_t i = 0; i < kRows; ++i) {  // G: mean softplus(−D(G(z)))
      const double fake = g.a * z[i] + g.c, d = -logistic(-(g.w * fake + g.b)) / kRows;
      ga += d * g.w * z[i];
      gc += d * g.w;
      left_w += d * fake;
      left_b += d;
    }
    g.a -= 0.2 * ga;
    g.c -= 0.2 * gc;
    out.push_back(g);
  }
  return out;
}

std::vector<Gan> gan_by_library(int steps, bool leak, bool read_losses) {
  const Gan start;
  Parameter a(scalar(start.a)), c(scalar(start.c)), w(scalar(start.w)), b(scalar(start.b));
  optim::SGD g_opt({a, c}, {.lr = 0.2}), d_opt({w, b}, {.lr = 0.1, .momentum = 0.5});
  auto discriminate = [&](const Tensor& x) { return x * w + b; };
  std::vector<Gan> out;
  for (int t = 0; t < steps; ++t) {
    Tensor z = tensor_f64({kRows}, static_cast<uint64_t>(t) + 50),
           real = 2.0 + 0.5 * tensor_f64({kRows}, static_cast<uint64_t>(t) + 500);
    Tensor fake = z * a + c;
    if (!leak) d_opt.zero_grad();
    Tensor d_loss =
        mean(softplus(-discriminate(real))) + mean(softplus(discriminate(fake.detach())));
    if (read_losses) { EXPECT_GT(d_loss.item<double>(), 0); }
    d_loss.backward();
    d_opt.step();
    Tensor g_loss = mean(softplus(-discriminate(fake)));
    g_loss.backward();
    EXPECT_TRUE(w.grad().defined())
        << "the generator's loss leaves a gradient in the discriminator";
    g_opt.step();
    if (read_losses) { EXPECT_GT(g_loss.item<double>(), 0); }
    out.push_back({a.value().item<double>(), c.value().item<double>(), w.value().item<double>(),
                   b.value().item<double>()});
  }
  return out;
}

TEST(Training, GanWithTwoOptimizers) {
  for (bool leak : {false, true})
    for (bool read : {false, true}) {
      const auto expected = gan_by_hand(60, leak), got = gan_by_library(60, leak, read);
      for (size_t t = 0; t < expected.size(); ++t) {
        ASSERT_NEAR(got[t].a, expected[t].a, 1e-12) << t;
        ASSERT_NEAR(got[t].c, expected[t].c, 1e-12) << t;
        ASSERT_NEAR(got[t].w, expected[t].w, 1e-12) << t;
        ASSERT_NEAR(got[t].b, expected[t].b, 1e-12) << t;
      }
    }
  EXPECT_GT(std::fabs(gan_by_hand(60, true).back().w - gan_by_hand(60, false).back().w), 1e-3)
      << "the leak would be seen";
}

TEST(Training, EvaluatingInBetweenChangesNothing) {
  const Bits plain = train_net(6);
  std::vector<float> accuracies;
  const Bits evaluated = train_net(6, [&](int i, Net& net, optim::Optimizer&) {
    if (i % 2 == 0) return;
    net.eval();
    NoGrad off;
    const uint64_t counter = default_generator().counter();
    Tensor correct = 0.0;
    std::vector<float> twice[2];
    for (int k = 0; k < 5; ++k) {
      const Batch b = batch(100 + k);
      Tensor logits = net(b.x);
      EXPECT_FALSE(logits.requires_grad());
      correct += sum(cast(argmax(logits, -1) == b.y, f32));
      twice[0] = logits.to_vector<float>();
      twice[1] = net(b.x).to_vector<float>();
      EXPECT_EQ(twice[0], twice[1]) << "dropout is off";
    }
    EXPECT_EQ(default_generator().counter(), counter) << "evaluation draws nothing";
    accuracies.push_back(correct.item() / 40);
    for (auto& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
    net.train();
  });
  EXPECT_EQ(evaluated, plain);
  for (float a : accuracies) EXPECT_TRUE(a >= 0 && a <= 1);
}

TEST(Training, MeasuringWithoutReadingChangesNothing) {
  const Bits plain = train_net(6);
  std::vector<Tensor> norms, averages;
  const Bits measured = train_net(6, [&](int, Net& net, optim::Optimizer&) {
    NoGrad off;
    norms.push_back(sqrt(sum(square(net.fc1.weight.value()))));
    averages.push_back(mean(net.fc2.weight));
  });
  EXPECT_EQ(measured, plain);
  EXPECT_GT(norms[3].item(), 0);
}

TEST(Training, EightMicroBatchesAreOneBatch) {
  auto train = [](int parts) {
    manual_seed(51);
    Net net;
    net.eval();  // no dropout: its draws depend on the batch's shape
    optim::SGD opt(net.parameters(), {.lr = 0.1, .momentum = 0.9});
    for (int round = 0; round < 5; ++round) {
      const Batch b = batch(round, 64);
      for (int k = 0; k < parts; ++k) {
        const int64_t rows = 64 / parts;
        Tensor x = narrow(b.x, 0, k * rows, rows), y = narrow(b.y, 0, k * rows, rows);
        (cross_entropy(net(x), y) / static_cast<double>(parts)).backward();
      }
      opt.step();
    }
    return values(net);
  };
  const Bits one = train(1), eight = train(8);
  for (size_t i = 0; i < one.size(); ++i)
    for (size_t k = 0; k < one[i].size(); ++k) ASSERT_NEAR(one[i][k], eight[i][k], 2e-6);
}

TEST(Training, AveragingAndClippingWeightsTakeNoMemory) {
  // Recorded without NoGrad: the values written lead to parameters, the parameters' places do not
  // keep that.
  Parameter w(tensor_f64({8}, 1)), average(tensor_f64({8}, 1), false);
  optim::SGD opt({w}, {.lr = 0.1});
  auto rw = numbers(8, 1), ra = rw;
  int64_t bytes = 0;
  size_t chunks = 0;
  for (int i = 0; i < 300; ++i) {
    sum(w * w * w).backward();
    opt.step();
    w.set(minimum(maximum(w, -0.5), 0.5));
    average.set(average * 0.9 + w * 0.1);
    EXPECT_FALSE(average.value().requires_grad());
    for (size_t k = 0; k < 8; ++k) {
      rw[k] = std::clamp(rw[k] - 0.1 * 3 * rw[k] * rw[k], -0.5, 0.5);
      ra[k] = 0.9 * ra[k] + 0.1 * rw[k];
    }
    if (i == 20) {
      bytes = Session::current().memory_use().tensors;
      chunks = slab_chunks();
    }
    if (i > 20) {
      ASSERT_EQ(Session::current().memory_use().tensors, bytes) << i;
      ASSERT_EQ(slab_chunks(), chunks) << i;
    }
  }
  for (size_t k = 0; k < 8; ++k) {
    EXPECT_NEAR(w.value().to_vector<double>()[k], rw[k], 1e-12);
    EXPECT_NEAR(average.value().to_vector<double>()[k], ra[k], 1e-12);
  }
}

TEST(Training, TheBestWeightsComeBack) {
  manual_seed(52);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.05});
  std::vector<std::pair<std::string, Tensor>> best;
  Bits best_values;
  for (int i = 0; i < 6; ++i) {
    train_step(net, opt, batch(i));
    if (i != 3) continue;
    for (auto& [name, p] : net.state_dict()) best.emplace_back(name, p.value());
    best_values = values(net);
  }
  EXPECT_NE(values(net), best_values);
  net.load_state_dict(best);
  EXPECT_EQ(values(net), best_values);
  train_step(net, opt, batch(7));
  EXPECT_NE(values(net), best_values);
  for (size_t k = 0; k < best.size(); ++k)
    EXPECT_EQ(best[k].second.to_vector<float>(), best_values[k]) << "the copies were written over";
}

TEST(Training, TwoModelsInTurnsAreTheirOwn) {
  // One thread, two models, steps interleaved: each gets the bits that it gets alone, dropout
  // included.
  auto alone = [](uint64_t seed, int which) {
    manual_seed(seed);
    Net net;
    optim::Adam opt(net.parameters(), {.lr = 0.01});
    for (int i = 0; i < 4; ++i) train_step(net, opt, batch(10 * which + i));
    return values(net);
  };
  manual_seed(61);
  Net first;
  const uint64_t counter = default_generator().counter();
  manual_seed(62);
  Net second;
  optim::Adam first_opt(first.parameters(), {.lr = 0.01}),
      second_opt(second.parameters(), {.lr = 0.01});
  uint64_t at[2] = {counter, counter};
  for (int i = 0; i < 4; ++i) {
    default_generator().set_state(61, at[0]);
    train_step(first, first_opt, batch(10 + i));
    at[0] = default_generator().counter();
    default_generator().set_state(62, at[1]);
    train_step(second, second_opt, batch(20 + i));
    at[1] = default_generator().counter();
  }
  EXPECT_EQ(values(first), alone(61, 1));
  EXPECT_EQ(values(second), alone(62, 2));
}

}  // namespace
}  // namespace suanli
