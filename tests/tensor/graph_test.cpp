// SPDX-License-Identifier: Apache-2.0
// The graph that backward() walks: when it is consumed, what it keeps, and that nothing grows over
// a long run.
#include <cmath>

#include "base/threads/slab.h"
#include "gtest/gtest.h"
#include "suanli/loader.h"
#include "support/errors.h"
#include "tensor/node.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// h' = tanh(W h + U x): a recurrent cell.
struct Cell : nn::Module {
  nn::Linear w{4, 4}, u{2, 4};
  SUANLI_FIELDS(w, u)
  Tensor forward(const Tensor& h, const Tensor& x) const { return tanh(w(h) + u(x)); }
};
struct Rnn : nn::Module {
  Cell cell;
  SUANLI_FIELDS(cell)
  Tensor forward(const Tensor& h, const Tensor& x) const { return cell(h, x); }
};

TEST(Graph, AStateCarriedOverUndetachedIsAnError) {
  manual_seed(1);
  Rnn rnn;
  optim::SGD opt(rnn.parameters(), {.lr = 0.1});
  Tensor h = zeros({3, 4});
  auto one_batch = [&](uint64_t i) {
    h = rnn(h, tensor_f32({3, 2}, i));
    sum(h * h).backward();
    opt.step();
  };
  one_batch(1);
  EXPECT_FAULT(StateError, one_batch(2), .op = "backward", .argument = "graph of tanh",
               .given = "consumed by an earlier backward", .module = "cell",
               .remedy = "Use retain_graph, or detach() what is carried on.");
}

TEST(Graph, ADetachedStateTrainsAsByHandInConstantMemory) {
  // One number of state: h' = tanh(w h + u x), loss Σ h² over 3 steps, truncated there. The
  // reference differentiates by hand.
  Parameter w(scalar(0.7)), u(scalar(-0.4));
  optim::SGD opt({w, u}, {.lr = 0.05});
  Tensor h = scalar(0.1);
  double rw = 0.7, ru = -0.4, rh = 0.1;
  int64_t bytes = 0;
  size_t chunks = 0;
  const auto xs = numbers(3 * 200, 5);
  for (size_t b = 0; b < 200; ++b) {
    Tensor loss = scalar(0);
    h = h.detach();
    double dh_dw = 0, dh_du = 0, gw = 0, gu = 0;
    for (size_t t = 0; t < 3; ++t) {
      const double x = xs[b * 3 + t];
      h = tanh(w * h + u * x);
      loss += h * h;
      const double now = std::tanh(rw * rh + ru * x), slope = 1 - now * now;
      dh_dw = slope * (rh + rw * dh_dw);
      dh_du = slope * (x + rw * dh_du);
      rh = now;
      gw += 2 * now * dh_dw;
      gu += 2 * now * dh_du;
    }
    loss.backward();
    opt.step();
    rw -= 0.05 * gw;
    ru -= 0.05 * gu;
    ASSERT_NEAR(h.item<double>(), rh, 1e-12);
    if (b == 5) {
      bytes = Session::current().memory_use().tensors;
      chunks = slab_chunks();
    }
    if (b > 5) {
      ASSERT_EQ(Session::current().memory_use().tensors, bytes) << b;
      ASSERT_EQ(slab_chunks(), chunks) << b;
    }
  }
  EXPECT_NEAR(w.value().item<double>(), rw, 1e-12);
  EXPECT_NEAR(u.value().item<double>(), ru, 1e-12);
}

TEST(Graph, TwoLossesOverOneTrunk) {
  Parameter w(tensor_f64({4, 3}, 1)), a(tensor_f64({3}, 2)), b(tensor_f64({3}, 3));
  Tensor x = tensor_f64({5, 4}, 4);
  auto gradients = [&] {
    std::vector<std::vector<double>> out;
    for (Parameter* p : {&w, &a, &b}) {
      out.push_back(p->grad().to_vector<double>());
      p->set_grad({});
    }
    return out;
  };
  for (bool read_between : {false, true}) {
    Tensor trunk = tanh(matmul(x, w)), first = sum(trunk * a), second = sum(square(trunk * b));
    first.backward();
    if (read_between) flush();
    EXPECT_FAULT(StateError, second.backward(), .op = "backward",
                 .given = "consumed by an earlier backward");
    drop_pending();
    for (Parameter* p : {&w, &a, &b}) p->set_grad({});

    trunk = tanh(matmul(x, w));
    first = sum(trunk * a);
    second = sum(square(trunk * b));
    backward(first, {}, {.retain_graph = true});
    if (read_between) flush();
    second.backward();
    const auto separate = gradients();
    trunk = tanh(matmul(x, w));
    (sum(trunk * a) + sum(square(trunk * b))).backward();
    const auto together = gradients();
    for (size_t i = 0; i < together.size(); ++i)
      for (size_t k = 0; k < together[i].size(); ++k)
        EXPECT_NEAR(separate[i][k], together[i][k], 1e-14);
  }
}

TEST(Graph, BackwardTwiceNeedsRetainGraph) {
  Parameter w(scalar(3));
  Tensor y = w * w * w;
  backward(y, {}, {.retain_graph = true});
  y.backward();
  EXPECT_EQ(w.grad().item<double>(), 2 * 27);  // 2 · 3w²
  EXPECT_FAULT(StateError, y.backward(), .op = "backward", .argument = "graph of mul",
               .given = "consumed by an earlier backward");
}

TEST(Graph, WhatNeedsNoGradientSaysSo) {
  Parameter w(scalar(3));
  EXPECT_FAULT(StateError, (scalar(2) * 3).backward(), .op = "backward", .argument = "output",
               .given = "no requires_grad");
  {
    NoGrad off;
    EXPECT_FALSE((w * 2).requires_grad());
  }
  EXPECT_TRUE((w * 2).requires_grad());
  EXPECT_FALSE((w * 2).detach().requires_grad());
  Parameter v(tensor_f64({2}, 1));
  EXPECT_FAULT(ShapeError, (v * 2).backward(), .op = "backward", .argument = "output",
               .given = "[2]", .expected = "one element, or a seed of that shape");
  backward(v * 2, tensor(std::vector<double>{1, 10}, {2}));
  EXPECT_EQ(v.grad().to_vector<double>(), (std::vector<double>{2, 20}));
}

TEST(Graph, ARunningLossGrowsNoChain) {
  for (bool before_backward : {false, true}) {
    manual_seed(2);
    Net net;
    optim::SGD opt(net.parameters(), {.lr = 0.05});
    Tensor running = 0.0;
    float reference = 0;
    int64_t bytes = 0;
    size_t chunks = 0;
    for (int i = 0; i < 1000; ++i) {
      const Batch b = batch(i % 10);
      Tensor loss = cross_entropy(net(b.x), b.y);
      if (before_backward) running += loss;
      loss.backward();
      opt.step();
      if (!before_backward) running += loss;
      reference += loss.item();
      if (i == 10) {
        bytes = Session::current().memory_use().tensors;
        chunks = slab_chunks();
      }
      if (i > 10) {
        ASSERT_EQ(Session::current().memory_use().tensors, bytes) << i;
        ASSERT_EQ(slab_chunks(), chunks) << i;
      }
    }
    EXPECT_EQ(running.item(), reference);
    flush();
    EXPECT_EQ(running.node()->in()[0].node, nullptr) << "it still leads to earlier losses";
  }
}

TEST(Graph, KeptLossesKeepNothingElse) {
  manual_seed(3);
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.05});
  std::vector<Tensor> losses;
  std::vector<float> read;
  int64_t bytes = 0;
  size_t chunks = 0;
  const int warm = 10, steps = 1000;
  for (int i = 0; i < steps; ++i) {
    if (i == warm) {
      bytes = Session::current().memory_use().tensors;
      chunks = slab_chunks();
    }
    losses.push_back(train_step(net, opt, batch(i % 10)));
    if (i % 2) read.push_back(losses.back().item());
  }
  EXPECT_EQ(Session::current().memory_use().tensors - bytes, (steps - warm) * 64)
      << "one block of 64 bytes for each loss";
  EXPECT_LE((slab_chunks() - chunks) * 65536, (steps - warm) * size_t{512} + 2 * 65536)
      << "one node and one storage for each loss";
  for (Tensor& l : losses) {
    ASSERT_TRUE(l.materialized());
    for (int k = 0; k < l.node()->n_in; ++k) ASSERT_EQ(l.node()->in()[k].node, nullptr);
  }
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(losses[2 * i + 1].item(), read[i]);
}

TEST(Graph, ReadingTheLossFirstRunsNothingTwice) {
  auto run = [](bool read, int64_t* kernels) {
    manual_seed(4);
    Net net;
    optim::SGD opt(net.parameters(), {.lr = 0.05});
    flush();
    const Batch b = batch(1);
    const int64_t before = plan_stats().kernels;
    Tensor loss = cross_entropy(net(b.x), b.y);
    if (read) { EXPECT_GT(loss.item(), 0); }
    loss.backward();
    std::vector<std::vector<float>> gradients;
    for (auto& p : net.parameters()) gradients.push_back(p.grad().to_vector<float>());
    *kernels = plan_stats().kernels - before;
    return gradients;
  };
  int64_t at_once = 0, in_two = 0;
  EXPECT_EQ(run(false, &at_once), run(true, &in_two));
  EXPECT_EQ(at_once, in_two);
}

TEST(Graph, AGradientThroughTenThousandSteps) {
  // x_n = aⁿ x₀: dx_n/da = n aⁿ⁻¹ x₀. Far beyond the node budget, so the forward is cut into
  // programs while its graph is kept.
  const int n = 10000;
  for (size_t budget : {size_t{1000}, size_t{1} << 20}) {
    NodeBudget small(budget);
    Parameter a(scalar(0.9999));
    Tensor x = scalar(2.0), factor = a;
    for (int i = 0; i < n; ++i) x = x * factor;
    x.backward();
    EXPECT_NEAR(a.grad().item<double>() / (n * std::pow(0.9999, n - 1) * 2.0), 1, 1e-10);
  }
}

TEST(Graph, GradOfAnIntermediateValueLeavesItsOwnGraph) {
  // A backward in two halves, as pipelines do it: d loss/d h first, then h's own graph from there.
  Parameter w(scalar(0.3)), v(scalar(2.0));
  Tensor h = tanh(w * 1.5), loss = square(h * v);
  Tensor dh = grad({loss}, {h})[0];
  const double th = std::tanh(0.45);
  EXPECT_NEAR(dh.item<double>(), 2 * th * 4.0, 1e-14);
  EXPECT_FALSE(w.grad().defined());
  backward(h, dh);
  EXPECT_NEAR(w.grad().item<double>(), 8 * th * (1 - th * th) * 1.5, 1e-14);
}

TEST(Graph, GradOfParametersAndLeaves) {
  Parameter w(tensor_f64({3}, 1));
  Tensor x = tensor_f64({3}, 2), wv = w;
  x.requires_grad_();
  auto g = grad({sum(wv * x * x)}, {wv, x});
  const auto ws = w.value().to_vector<double>(), xs = x.to_vector<double>();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(g[0].to_vector<double>()[i], xs[i] * xs[i], 1e-15);
    EXPECT_NEAR(g[1].to_vector<double>()[i], 2 * ws[i] * xs[i], 1e-15);
  }
  EXPECT_FALSE(w.grad().defined()) << "grad() touches no parameter's gradient";
  Tensor other = tensor_f64({3}, 3);
  other.requires_grad_();
  EXPECT_FAULT(StateError, grad({sum(x * x)}, {other}), .op = "grad", .argument = "inputs[0]",
               .given = "unused", .expected = "a tensor that leads to the outputs");
  EXPECT_FALSE(grad({sum(x * x)}, {other}, {}, {}, true)[0].defined());
}

TEST(Graph, RequiresGradMakesALeafWhetherOrNotAFlushCameBefore) {
  std::vector<bool> reached;
  for (bool flushed : {false, true}) {
    Parameter w(scalar(2));
    Tensor x = w * 3;
    if (flushed) flush();
    x.requires_grad_();
    Tensor y = x * x;
    EXPECT_EQ(grad({y}, {x}, {}, {.retain_graph = true})[0].item<double>(), 12);
    y.backward();
    reached.push_back(w.grad().defined());
  }
  EXPECT_EQ(reached[0], reached[1]);
  EXPECT_FALSE(reached[0]) << "the handle names a new leaf";
}

TEST(Graph, HigherDerivatives) {
  Tensor x = scalar(1.3);
  x.requires_grad_();
  Tensor g = x * x * x * x;
  const double expected[] = {4 * 1.3 * 1.3 * 1.3, 12 * 1.3 * 1.3, 24 * 1.3, 24};
  for (double e : expected) {
    g = grad({g}, {x}, {}, {.create_graph = true})[0];
    EXPECT_NEAR(g.item<double>(), e, 1e-12);
  }
}

TEST(Graph, AGradientPenaltyTrainsTheGradient) {
  // f(x) = Σ_j v_j tanh(u_j · x), g = ∂f/∂x = Σ_j v_j (1 − t_j²) u_j, loss (|g| − 1)². By hand:
  // ∂loss/∂v_j = c g·u_j (1 − t_j²), ∂loss/∂u_j = c v_j (1 − t_j²) (g − 2 t_j (g·u_j) x) with c = 2
  // (|g| − 1)/|g|.
  const size_t units = 5, inputs = 3;
  const auto us = numbers(units * inputs, 1), vs = numbers(units, 2), xs = numbers(inputs, 3);
  for (bool read_between : {false, true}) {
    Parameter u(tensor(us, {5, 3})), v(tensor(vs, {5}));
    Tensor x = tensor(xs, {1, 3});
    x.requires_grad_();
    Tensor f = sum(v * tanh(matmul(x, u, {.transpose_b = true})));
    Tensor g = grad({f}, {x}, {}, {.create_graph = true})[0];
    if (read_between) { EXPECT_EQ(g.to_vector<double>().size(), inputs); }
    square(sqrt(sum(g * g)) - 1.0).backward();

    std::vector<double> t(units), rg(inputs, 0.0), gu(units, 0.0);
    for (size_t j = 0; j < units; ++j) {
      double z = 0;
      for (size_t i = 0; i < inputs; ++i) z += us[j * inputs + i] * xs[i];
      t[j] = std::tanh(z);
      for (size_t i = 0; i < inputs; ++i) rg[i] += vs[j] * (1 - t[j] * t[j]) * us[j * inputs + i];
    }
    double norm = 0;
    for (double e : rg) norm += e * e;
    norm = std::sqrt(norm);
    const double c = 2 * (norm - 1) / norm;
    for (size_t j = 0; j < units; ++j) {
      for (size_t i = 0; i < inputs; ++i) gu[j] += rg[i] * us[j * inputs + i];
      const double slope = 1 - t[j] * t[j];
      EXPECT_NEAR(v.grad().to_vector<double>()[j], c * gu[j] * slope, 1e-12);
      for (size_t i = 0; i < inputs; ++i)
        EXPECT_NEAR(u.grad().to_vector<double>()[j * inputs + i],
                    c * vs[j] * slope * (rg[i] - 2 * t[j] * gu[j] * xs[i]), 1e-12);
    }
  }
}

struct Root : nn::Module {
  Parameter w{zeros({3})};
  SUANLI_FIELDS(w)
  Tensor forward(const Tensor& x) const { return sqrt(w * x); }
};
struct HoldsRoot : nn::Module {
  Root root;
  SUANLI_FIELDS(root)
  Tensor forward(const Tensor& x) const { return root(x); }
};

TEST(Graph, AFailedBackwardLeavesTheModulePathAlone) {
  // The walk records inside the modules' scopes; an error on the way must not leave one of them
  // open.
  HoldsRoot m;
  Tensor loss = sum(m(ones({3})));
  flush();
  {
    NodeBudget tiny(1);
    Session::current().set_check_nan(true);
    // d√x/dx at 0
    EXPECT_FAULT(NumericError, loss.backward(),
                 .given = "the first infinity, in shape [3], sample 0", .module = "root");
    Session::current().set_check_nan(false);
  }
  EXPECT_FAULT(ShapeError, zeros({2}) + zeros({3}), .op = "add", .module = "");
}

}  // namespace
}  // namespace suanli
