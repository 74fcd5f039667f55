// SPDX-License-Identifier: Apache-2.0
// Optimizers against plain loops over doubles, written from the papers.
#include <cmath>
#include <cstdio>
#include <limits>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// A loss with a gradient that changes from step to step and couples the elements: L = Σ (w_i −
/// a_i)² + 0.3 sin(2 w_i) w_{i+1}.
constexpr size_t kN = 7;
const std::vector<double> kGoal = numbers(kN, 40);

Tensor loss_of(const Tensor& w) {
  Tensor next = cat({narrow(w, 0, 1, kN - 1), narrow(w, 0, 0, 1)});
  return sum(square(w - tensor(kGoal, {kN})) + 0.3 * sin(2.0 * w) * next);
}
std::vector<double> gradient_of(const std::vector<double>& w) {
  std::vector<double> g(kN);
  for (size_t i = 0; i < kN; ++i) {
    const size_t before = (i + kN - 1) % kN, next = (i + 1) % kN;
    g[i] =
        2 * (w[i] - kGoal[i]) + 0.6 * std::cos(2 * w[i]) * w[next] + 0.3 * std::sin(2 * w[before]);
  }
  return g;
}

/// PyTorch's SGD: v ← g the first time, then μ v + (1 − τ) g; Nesterov steps along g + μ v
/// (Sutskever et al. 2013).
std::vector<double> sgd_reference(std::vector<double> w, const optim::SGDOptions& o, int steps) {
  std::vector<double> v(kN, 0.0);
  for (int t = 0; t < steps; ++t) {
    auto g = gradient_of(w);
    for (size_t i = 0; i < kN; ++i) {
      g[i] += o.weight_decay * w[i];
      double d = g[i];
      if (o.momentum != 0) {
        v[i] = t == 0 ? g[i] : o.momentum * v[i] + (1 - o.dampening) * g[i];
        d = o.nesterov ? g[i] + o.momentum * v[i] : v[i];
      }
      w[i] -= o.lr * d;
    }
  }
  return w;
}

/// Algorithm 1 of Kingma & Ba 2015, with PyTorch's L2 weight decay.
std::vector<double> adam_reference(std::vector<double> w, const optim::AdamOptions& o, int steps) {
  std::vector<double> m(kN, 0.0), v(kN, 0.0);
  for (int t = 1; t <= steps; ++t) {
    const auto g = gradient_of(w);
    for (size_t i = 0; i < kN; ++i) {
      const double gi = g[i] + o.weight_decay * w[i];
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * gi;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * gi * gi;
      const double m_hat = m[i] / (1 - std::pow(o.beta1, t)),
                   v_hat = v[i] / (1 - std::pow(o.beta2, t));
      w[i] -= o.lr * m_hat / (std::sqrt(v_hat) + o.eps);
    }
  }
  return w;
}

/// Algorithm 2 of Loshchilov & Hutter 2019 with a constant schedule; as in PyTorch the decay is
/// multiplied by the learning rate.
std::vector<double> adamw_reference(std::vector<double> w, const optim::AdamWOptions& o,
                                    int steps) {
  std::vector<double> m(kN, 0.0), v(kN, 0.0);
  for (int t = 1; t <= steps; ++t) {
    const auto g = gradient_of(w);
    for (size_t i = 0; i < kN; ++i) {
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(o.beta1, t)),
                   v_hat = v[i] / (1 - std::pow(o.beta2, t));
      w[i] -= o.lr * (m_hat / (std::sqrt(v_hat) + o.eps) + o.weight_decay * w[i]);
    }
  }
  return w;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& expected,
                 const char* what) {
  for (size_t i = 0; i < kN; ++i) EXPECT_NEAR(got[i], expected[i], 1e-12) << what << " " << i;
}

TEST(Optimizer, SgdFollowsThePlainLoop) {
  struct Case {
    const char* what;
    optim::SGDOptions options;
  };
  const Case cases[] = {
      {"plain", {.lr = 0.05}},
      {"momentum", {.lr = 0.02, .momentum = 0.9}},
      {"dampening", {.lr = 0.05, .momentum = 0.9, .dampening = 0.3}},
      {"nesterov", {.lr = 0.02, .momentum = 0.8, .nesterov = true}},
      {"weight decay", {.lr = 0.05, .weight_decay = 0.1}},
      {"all", {.lr = 0.02, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true}}};
  for (const Case& c : cases) {
    Parameter w(tensor_f64({kN}, 41));
    optim::SGD opt({w}, c.options);
    for (int t = 0; t < 50; ++t) {
      loss_of(w).backward();
      opt.step();
    }
    expect_near(w.value().to_vector<double>(), sgd_reference(numbers(kN, 41), c.options, 50),
                c.what);
  }
}

TEST(Optimizer, AdamFollowsThePlainLoop) {
  struct Case {
    const char* what;
    optim::AdamOptions options;
  };
  const Case cases[] = {{"defaults", {}},
                        {"fast", {.lr = 0.05}},
                        {"betas", {.lr = 0.05, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-4}},
                        {"weight decay", {.lr = 0.05, .weight_decay = 0.1}}};
  for (const Case& c : cases) {
    Parameter w(tensor_f64({kN}, 42));
    optim::Adam opt({w}, c.options);
    for (int t = 0; t < 50; ++t) {
      loss_of(w).backward();
      opt.step();
    }
    expect_near(w.value().to_vector<double>(), adam_reference(numbers(kN, 42), c.options, 50),
                c.what);
  }
}

TEST(Optimizer, AdamWFollowsThePlainLoop) {
  struct Case {
    const char* what;
    optim::AdamWOptions options;
  };
  const Case cases[] = {
      {"defaults", {}},
      {"no decay", {.lr = 0.05, .weight_decay = 0}},
      {"much decay", {.lr = 0.05, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-4, .weight_decay = 0.3}}};
  for (const Case& c : cases) {
    Parameter w(tensor_f64({kN}, 45));
    optim::AdamW opt({w}, c.options);
    for (int t = 0; t < 50; ++t) {
      loss_of(w).backward();
      opt.step();
    }
    expect_near(w.value().to_vector<double>(), adamw_reference(numbers(kN, 45), c.options, 50),
                c.what);
  }
}

TEST(Optimizer, ThePlainLoopItselfIsRight) {
  // The gradient above, against central differences of the loss above it.
  const auto w = numbers(kN, 43), g = gradient_of(w);
  for (size_t i = 0; i < kN; ++i) {
    auto up = w, down = w;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    EXPECT_NEAR(
        (loss_of(tensor(up, {kN})).item<double>() - loss_of(tensor(down, {kN})).item<double>()) /
            2e-6,
        g[i], 1e-8);
  }
}

TEST(Optimizer, StateContinuesWithEqualBits) {
  auto train = [](auto make, bool split) {
    manual_seed(44);
    Net net;
    auto opt = make(net.parameters());
    for (int i = 0; i < 3; ++i) train_step(net, *opt, batch(i));
    if (split) {
      const auto state = opt->state_dict();
      opt = make(net.parameters());
      opt->load_state_dict(state);
    }
    for (int i = 3; i < 6; ++i) train_step(net, *opt, batch(i));
    return values(net);
  };
  auto adam = [](auto p) {
    return std::make_unique<optim::Adam>(std::move(p), optim::AdamOptions{.lr = 0.01});
  };
  auto sgd = [](auto p) {
    return std::make_unique<optim::SGD>(
        std::move(p), optim::SGDOptions{.lr = 0.05, .momentum = 0.9, .dampening = 0.1});
  };
  EXPECT_EQ(train(adam, true), train(adam, false));
  EXPECT_EQ(train(sgd, true), train(sgd, false));
}

TEST(Optimizer, LoadedStateIsACopy) {
  Net net;
  optim::Adam opt(net.parameters()), other(net.parameters());
  train_step(net, opt, batch(0));
  const auto state = opt.state_dict();
  const auto m = state[1].second.to_vector<float>();
  other.load_state_dict(state);
  train_step(net, other, batch(1));
  train_step(net, opt, batch(2));
  EXPECT_EQ(state[1].second.to_vector<float>(), m);
}

TEST(Optimizer, WrongStateIsRefusedWhole) {
  Net net;
  optim::Adam opt(net.parameters());
  train_step(net, opt, batch(0));
  auto state = opt.state_dict();
  ASSERT_EQ(state[0].first, "0.step");
  ASSERT_EQ(state[1].first, "0.exp_avg");
  const auto moments = state[1].second.to_vector<float>();
  auto bad = state;
  bad[1].second = zeros({2, 2});
  bad.erase(bad.begin() + 5);  // 1.exp_avg_sq
  bad.emplace_back("9.exp_avg", zeros({1}));
  bad.emplace_back("0.velocity", zeros({1}));
  EXPECT_FAULT(IoError, opt.load_state_dict(bad), .op = "load_state_dict", .argument = "state",
               .given =
                   "0.exp_avg is f32 [2, 2], not f32 [16, 6]; unexpected 9.exp_avg; "
                   "unexpected 0.velocity; missing 0.exp_avg; missing 1.exp_avg_sq",
               .expected = "a state of this optimizer");
  EXPECT_EQ(opt.state_dict()[1].second.to_vector<float>(), moments);
  auto uncounted = state;
  uncounted.erase(uncounted.begin());
  EXPECT_FAULT(IoError, opt.load_state_dict(uncounted), .given = "missing 0.step");
}

TEST(Optimizer, GradientsAreConsumedUnlessKept) {
  Parameter w(scalar(1));
  optim::SGD opt({w}, {.lr = 0.1});
  (w * 3).backward();
  opt.step();
  EXPECT_FALSE(w.grad().defined());
  EXPECT_NEAR(w.value().item<double>(), 0.7, 1e-15);
  opt.keep_grads = true;
  (w * 3).backward();
  opt.step();
  ASSERT_TRUE(w.grad().defined());
  opt.step();
  EXPECT_NEAR(w.value().item<double>(), 0.1, 1e-15);
  opt.zero_grad();
  EXPECT_FALSE(w.grad().defined());
}

TEST(Optimizer, AParameterWithoutAGradientIsSkipped) {
  Parameter a(tensor_f64({kN}, 45)), b(tensor_f64({kN}, 46));
  optim::Adam opt({a, b}, {.lr = 0.05});
  for (int t = 0; t < 10; ++t) {
    loss_of(a).backward();
    if (t % 2) loss_of(b).backward();
    opt.step();
  }
  expect_near(a.value().to_vector<double>(), adam_reference(numbers(kN, 45), {.lr = 0.05}, 10),
              "every step");
  expect_near(b.value().to_vector<double>(), adam_reference(numbers(kN, 46), {.lr = 0.05}, 5),
              "every other step: its count is its own");
}

TEST(Optimizer, StepWithoutBackwardFlushesAndWarnsOnce) {
  // In a process of its own: the warning comes once per process.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Parameter w(scalar(1));
        optim::SGD opt({w}, {.lr = 0.1});
        Tensor y = tensor_f32({2}, 1) + 1.0;
        testing::internal::CaptureStderr();
        opt.step();
        opt.step();
        const std::string text = testing::internal::GetCapturedStderr();
        const std::string wanted = "[step] no parameter has a gradient; call backward() first";
        const size_t at = text.find(wanted);
        std::fprintf(stderr, "%s",
                     at != std::string::npos && text.find(wanted, at + 1) == std::string::npos
                         ? "once"
                         : text.c_str());
        std::exit(y.materialized() && w.value().item<double>() == 1 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "once");
}

TEST(Optimizer, ClipGradNorm) {
  Parameter a(tensor_f64({3}, 1)), b(tensor_f64({2, 2}, 2)), c(scalar(1));
  const auto ga = numbers(3, 3), gb = numbers(4, 4);
  double norm = 0;
  for (double g : ga) norm += g * g;
  for (double g : gb) norm += g * g;
  norm = std::sqrt(norm);
  for (double most : {0.5 * norm, 2 * norm}) {
    a.set_grad(tensor(ga, {3}));
    b.set_grad(tensor(gb, {2, 2}));
    const int64_t programs = plan_stats().programs;
    Tensor before = optim::clip_grad_norm_({a, b, c}, most);
    EXPECT_EQ(plan_stats().programs, programs) << "it reads nothing";
    EXPECT_NEAR(before.item(), norm, 1e-5);
    const double scale = std::min(1.0, most / (norm + 1e-6));
    for (size_t i = 0; i < 3; ++i)
      EXPECT_NEAR(a.grad().to_vector<double>()[i], ga[i] * scale, 1e-6);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(b.grad().to_vector<double>()[i], gb[i] * scale, 1e-6);
    EXPECT_FALSE(c.grad().defined());
  }
  EXPECT_EQ(optim::clip_grad_norm_({c}, 1).item(), 0);
}

/// True if `make(v)` throws for each value out of the range, and only for these.
template <class F> void expect_range(const char* what, F&& make, bool below_one = false) {
  const double inf = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN();
  for (double bad : {-1.0, -1e-9, nan, inf, -inf})
    EXPECT_THROW(make(bad), ArgumentError) << what << " " << bad;
  if (below_one) { EXPECT_THROW(make(1.0), ArgumentError) << what; }
  for (double good : {0.0, 0.5}) EXPECT_NO_THROW(make(good)) << what << " " << good;
}

TEST(Optimizer, NumbersOutOfRangeAreRefused) {
  const std::vector<Parameter> w = {Parameter(scalar(1))};
  expect_range("lr", [&](double v) { optim::SGD(w, {.lr = v}); });
  expect_range("lr", [&](double v) { optim::Adam(w, {.lr = v}); });
  expect_range("lr", [&](double v) { optim::AdamW(w, {.lr = v}); });
  expect_range("momentum", [&](double v) { optim::SGD(w, {.momentum = v}); });
  expect_range("dampening", [&](double v) { optim::SGD(w, {.dampening = v}); });
  expect_range("weight_decay", [&](double v) { optim::SGD(w, {.weight_decay = v}); });
  expect_range("beta1", [&](double v) { optim::Adam(w, {.beta1 = v}); }, true);
  expect_range("beta2", [&](double v) { optim::AdamW(w, {.beta2 = v}); }, true);
  expect_range("eps", [&](double v) { optim::Adam(w, {.eps = v}); });
  expect_range("weight_decay", [&](double v) { optim::AdamW(w, {.weight_decay = v}); });
  expect_range("lr_factor", [&](double v) { optim::SGD(w, {}).scale(w, v, 1); });
  expect_range("weight_decay_factor", [&](double v) { optim::SGD(w, {}).scale(w, 1, v); });
  EXPECT_FAULT(ArgumentError, optim::AdamW(w, {.lr = -0.5}), .op = "AdamW", .argument = "lr",
               .given = "-0.5", .expected = "a finite number from 0 on");
  // Between steps: the step that would use them throws, and changes nothing.
  optim::SGD sgd(w, {.lr = 0.1});
  optim::Adam adam(w, {.lr = 0.1});
  (w[0] * 3).backward();
  for (double bad : {-0.1, std::nan("")}) {
    sgd.lr = bad;
    EXPECT_THROW(sgd.step(), ArgumentError);
    sgd.lr = 0.1;
    adam.options.beta1 = bad;
    EXPECT_THROW(adam.step(), ArgumentError);
    adam.options.beta1 = 0.9;
  }
  EXPECT_EQ(w[0].value().item<double>(), 1);
  sgd.step();
  EXPECT_NEAR(w[0].value().item<double>(), 0.7, 1e-15);
}

TEST(Optimizer, SchedulesRefuseNumbersOutOfRange) {
  using optim::Schedule;
  expect_range("warmup", [](double v) { (Schedule{.warmup = v}).factor(0, 10); }, true);
  expect_range("start", [](double v) { (Schedule{.start = v}).factor(0, 10); });
  expect_range("end", [](double v) { (Schedule{.end = v}).factor(0, 10); });
  expect_range("gamma", [](double v) { (Schedule{.gamma = v}).factor(0, 10); });
  expect_range("milestone", [](double v) { (Schedule{.milestones = {0.5, v}}).factor(0, 10); });
  Net net;
  optim::WeightAverage average(net);
  for (double bad : {-0.1, 1.1, std::nan("")}) EXPECT_THROW(average.update(bad), ArgumentError);
  EXPECT_NO_THROW(average.update(1.0));
}

TEST(Optimizer, OptionsAreTheOneTruth) {
  Parameter w(scalar(1));
  const auto step = [&](optim::Optimizer& opt) {
    w.set(scalar(1));
    w.set_grad(scalar(1));
    opt.step();
    return 1 - w.value().item<double>();
  };
  optim::SGD sgd({w}, {.lr = 0.1});
  EXPECT_NEAR(step(sgd), 0.1, 1e-15);
  sgd.options.lr = 0.25;
  EXPECT_EQ(sgd.lr, 0.25);
  EXPECT_NEAR(step(sgd), 0.25, 1e-15);
  sgd.lr = 0.5;
  EXPECT_EQ(sgd.options.lr, 0.5);
  EXPECT_NEAR(step(sgd), 0.5, 1e-15);
  sgd.options.weight_decay = 1;
  EXPECT_NEAR(step(sgd), 1.0, 1e-15);
  optim::AdamW adamw({w}, {.lr = 0.1, .weight_decay = 0.5});
  EXPECT_EQ(adamw.options.weight_decay, 0.5);
  EXPECT_EQ(adamw.options.lr, 0.1);
  EXPECT_NEAR(step(adamw), 0.1 * 0.5 + 0.1, 1e-6);
  adamw.options.weight_decay = 0;
  adamw.options.lr = 0.2;
  EXPECT_NEAR(step(adamw), 0.2, 1e-6) << "equal gradients: m/√v stays 1";
}

/// Keeps its learning rate in the base, as optimizers of users do.
struct Sign : optim::Optimizer {
  Sign(std::vector<Parameter> p, double rate) : Optimizer(std::move(p), rate) {}
  std::vector<std::string> state_names() const override { return {}; }
  void update(Slot& s, const Tensor& g, int64_t) override {
    write(s.parameter, s.parameter - sign(g) * lr_of(s));
  }
};

TEST(Optimizer, OfAUser) {
  Parameter w(scalar(1));
  Sign opt({w}, 0.25);
  EXPECT_EQ(opt.lr, 0.25);
  (w * -3).backward();
  opt.step();
  EXPECT_EQ(w.value().item<double>(), 1.25);
  opt.lr = 0.5;
  (w * 3).backward();
  opt.step();
  EXPECT_EQ(w.value().item<double>(), 0.75);
  EXPECT_THROW(Sign({w}, -1), ArgumentError);
}

TEST(Optimizer, PlacesThatToReplacedAreNamed) {
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  optim::WeightAverage average(net);
  train_step(net, opt, batch(0));
  net.to(f64);
  EXPECT_FAULT(StateError, opt.step(), .op = "step", .argument = "parameter 0 (f32 [16, 6])",
               .given = "replaced by Module::to() after this optimizer was made",
               .remedy = "Make the optimizer after to().");
  EXPECT_FAULT(StateError, average.update(0.9), .op = "WeightAverage", .argument = "fc1.weight",
               .given = "replaced by Module::to() after this average was made");
  EXPECT_THROW(average.swap(), StateError);
  EXPECT_THROW(average.copy_to_module(), StateError);
  optim::SGD again(net.parameters(), {.lr = 0.1});
  cross_entropy(net(cast(batch(0).x, f64)), batch(0).y).backward();
  EXPECT_NO_THROW(again.step());
  // A place that lives on elsewhere is stepped as ever.
  Parameter shared(scalar(1));
  struct Holds : nn::Module {
    Parameter p;
    void fields(nn::FieldVisitor& v) override { v.parameter("p", p); }
  } holds;
  holds.p = shared;
  optim::SGD of_shared({shared}, {.lr = 0.25});
  holds.to(f32);
  (shared * 2).backward();
  of_shared.step();
  EXPECT_EQ(shared.value().item<double>(), 0.5);
}

TEST(Optimizer, WhatToReplacedInAnotherModuleMayBeUpdated) {
  // The weights are tied. One module was converted before; the other keeps its own and gets an
  // optimizer and an average.
  Net kept, converted;
  nn::tie(kept.fc1.weight, converted.fc1.weight);
  converted.to(f64);
  optim::WeightAverage average(kept);
  EXPECT_NO_THROW(average.update(0.5));
  optim::SGD opt(kept.parameters(), {.lr = 0.1});
  sum(kept.fc2.weight.value()).backward();
  EXPECT_NO_THROW(opt.step());
  // A frozen parameter is not updated wherever it is.
  Net frozen;
  optim::SGD of_frozen(frozen.parameters(), {.lr = 0.1});
  frozen.fc1.requires_grad_(false);
  frozen.fc1.to(f64);
  sum(frozen.fc2.weight.value()).backward();
  EXPECT_NO_THROW(of_frozen.step());
}

TEST(Optimizer, MomentumMayBeTurnedOnLater) {
  Parameter w(scalar(1));
  optim::SGD opt({w}, {.lr = 0.25});
  (w * 1).backward();
  opt.step();
  opt.options.momentum = 0.5;
  EXPECT_EQ(opt.state_dict().size(), 1u) << "the step count; momentum is made by the next step";
  (w * 1).backward();
  opt.step();
  EXPECT_EQ(w.value().item<double>(), 0.5);
  EXPECT_EQ(opt.state_dict().size(), 2u);
}

TEST(Optimizer, MistakesAreNamed) {
  Parameter w(scalar(1));
  EXPECT_THROW(optim::SGD({}, {.lr = 0.1}), ArgumentError);
  EXPECT_THROW(optim::SGD({w, Parameter()}, {.lr = 0.1}), ArgumentError);
  for (const auto& use :
       {+[](Parameter p) { p.grad(); }, +[](Parameter p) { p.version(); },
        +[](Parameter p) { p.set_requires_grad(true); }, +[](Parameter p) { p.set_grad({}); },
        +[](Parameter p) { p.set(scalar(1)); }})
    EXPECT_THROW(use(Parameter()), StateError) << "undefined";
  EXPECT_THROW(optim::SGD({w}, {.lr = 0.1, .nesterov = true}), ArgumentError);
  optim::SGD twice({w, w}, {.lr = 0.1});
  EXPECT_EQ(twice.parameters().size(), 1u);
  (w * 3).backward();
  twice.step();
  EXPECT_NEAR(w.value().item<double>(), 0.7, 1e-15);
}

}  // namespace
}  // namespace suanli
