// SPDX-License-Identifier: Apache-2.0
// The programs that ordinary loops make: few, and the same ones over and over.
#include <cmath>

#include "base/threads/slab.h"
#include "gtest/gtest.h"
#include "runtime/storage.h"
#include "suanli/loader.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// Plans that `f` adds, from an empty cache.
template <class F> int64_t new_plans(F&& f) {
  const int64_t before = plan_stats().plans;
  f();
  return plan_stats().plans - before;
}

TEST(Programs, EightfoldAccumulationSettlesOnThree) {
  manual_seed(1);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  auto rounds = [&](int n) {
    return new_plans([&] {
      for (int round = 0; round < n; ++round) {
        for (int k = 0; k < 8; ++k) {
          const Batch b = batch(round * 8 + k);
          (cross_entropy(net(b.x), b.y) / 8.0).backward();
        }
        opt.step();
      }
    });
  };
  flush();
  EXPECT_LE(rounds(1), 3) << "the first round";
  EXPECT_LE(rounds(1), 3) << "the second: now the optimizer has its state";
  const int64_t programs = plan_stats().programs;
  EXPECT_EQ(rounds(10), 0);
  EXPECT_EQ(plan_stats().programs - programs, 80) << "one program for each micro-batch";
}

TEST(Programs, ASimulationOfTenThousandStepsSettlesOnThree) {
  // A rotation by θ per step: after n steps (cos nθ, sin nθ).
  const int n = 10000;
  const double theta = 0.001;
  size_t chunks = 0;
  int64_t peak = 0;
  Tensor x = scalar(1), y = scalar(0);
  flush();
  const int64_t plans = new_plans([&] {
    for (int i = 0; i < n; ++i) {
      const double c = std::cos(theta), s = std::sin(theta);
      Tensor next = x * c - y * s;
      y = x * s + y * c;
      x = next;
      if (i == n / 2) {
        chunks = slab_chunks();
        Session::current().reset_peak_memory();

        peak = Session::current().memory_use().peak;
      }
    }
    EXPECT_NEAR(x.item<double>(), std::cos(n * theta), 1e-10);
    EXPECT_NEAR(y.item<double>(), std::sin(n * theta), 1e-10);
  });
  EXPECT_LE(plans, 3);
  EXPECT_EQ(slab_chunks(), chunks);
  EXPECT_LE(Session::current().memory_use().peak - peak, int64_t{4} << 20);
}

TEST(Programs, SlotsMayDifferFromStepToStep) {
  // x' = x + dt·cos(t) with its own t in every step: sin t at the end, one program.
  const int n = 10000;
  Tensor x = scalar(0);
  flush();
  const int64_t plans = new_plans([&] {
    for (int i = 0; i < n; ++i) x = x + cos(Tensor(scalar((i + 0.5) * 1e-3))) * 1e-3;
    EXPECT_NEAR(x.item<double>(), std::sin(n * 1e-3), 1e-6);
  });
  EXPECT_LE(plans, 3);
}

/// One step of the classical Runge–Kutta method for (x, y)' = (−y, x).
void runge_kutta(Tensor& x, Tensor& y, double h) {
  Tensor kx = -y, ky = x, sx = kx, sy = ky;
  for (int stage = 1; stage < 4; ++stage) {
    const double reach = stage == 3 ? h : h / 2, weight = stage == 3 ? 1 : 2;
    Tensor px = x + kx * reach, py = y + ky * reach;
    kx = -py;
    ky = px;
    sx = sx + kx * weight;
    sy = sy + ky * weight;
  }
  x = x + sx * (h / 6);
  y = y + sy * (h / 6);
}

TEST(Programs, StepsWithStagesSettleOnThree) {
  const int n = 10000;
  Tensor x = scalar(1), y = scalar(0);
  flush();
  const int64_t plans = new_plans([&] {
    for (int i = 0; i < n; ++i) runge_kutta(x, y, 1e-3);
    EXPECT_NEAR(x.item<double>(), std::cos(10.0), 1e-11);
    EXPECT_NEAR(y.item<double>(), std::sin(10.0), 1e-11);
  });
  EXPECT_LE(plans, 3);
}

TEST(Programs, StepsWithAnInnerLoopSettleOnThree) {
  // Twelve small steps x' = x − h x, then a kick x' = x / 2 + 1: the tail of the recording looks
  // like the inner loop alone.
  const int n = 3000, inner = 12;
  const double h = 0.01;
  double r = 1;
  for (int i = 0; i < n; ++i) {
    for (int s = 0; s < inner; ++s) r = r * (1 - h) + h * 0.1;
    r = std::tanh(r) / 2 + 1;
  }
  NodeBudget small(2000);
  Tensor x = scalar(1);
  flush();
  const int64_t plans = new_plans([&] {
    for (int i = 0; i < n; ++i) {
      for (int s = 0; s < inner; ++s) x = x * (1 - h) + h * 0.1;
      x = tanh(x) * 0.5 + 1.0;
    }
    EXPECT_NEAR(x.item<double>(), r, 1e-12);
  });
  EXPECT_LE(plans, 3);
}

TEST(Programs, ASetupBeforeTheLoopIsOneProgramMore) {
  NodeBudget small(500);
  Tensor x = scalar(1);
  flush();
  const int64_t plans = new_plans([&] {
    Tensor k = exp(tensor_f64({3}, 1)) + 1.0;
    k = k / sum(k);
    for (int i = 0; i < 3000; ++i) x = x * 0.999 + sum(k) * 1e-3;
    EXPECT_NEAR(x.item<double>(), 1, 1e-9);
  });
  EXPECT_LE(plans, 3);
}

TEST(Programs, EvaluationSettlesOnThree) {
  manual_seed(2);
  Net net;
  net.eval();
  NodeBudget small(200);
  flush();
  const int64_t plans = new_plans([&] {
    NoGrad off;
    Tensor correct = 0, total_loss = 0.0;
    for (int i = 0; i < 500; ++i) {
      const Batch b = batch(i);
      Tensor logits = net(b.x);
      correct += sum(cast(argmax(logits, -1) == b.y, i64));
      total_loss += cross_entropy(logits, b.y);
    }
    EXPECT_GT(correct.item<int64_t>(), 0);
    EXPECT_GT(total_loss.item(), 0);
  });
  EXPECT_LE(plans, 3);
}

TEST(Programs, AScheduleMakesNoNewProgram) {
  manual_seed(3);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  for (int i = 0; i < 3; ++i) train_step(net, opt, batch(i));
  EXPECT_EQ(new_plans([&] {
              for (int i = 0; i < 20; ++i) {
                opt.lr = 0.01 * (1 + std::cos(i * 0.1)) / 2;
                net.drop = nn::Dropout(0.1 + 0.01 * i);
                train_step(net, opt, batch(i));
              }
            }),
            0);
}

TEST(Programs, TheScheduleIsApplied) {
  Parameter w(scalar(1));
  optim::SGD opt({w}, {.lr = 0.1});
  double r = 1;
  for (int i = 0; i < 10; ++i) {
    opt.lr = 0.1 / (i + 1);
    (w * w).backward();
    opt.step();
    r -= 2 * r * 0.1 / (i + 1);
  }
  EXPECT_NEAR(w.value().item<double>(), r, 1e-15);
}

TEST(Programs, ASmallerLastBatchIsOneMore) {
  manual_seed(4);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  for (int i = 0; i < 3; ++i) train_step(net, opt, batch(i));
  EXPECT_EQ(new_plans([&] {
              for (int epoch = 0; epoch < 5; ++epoch)
                for (int i = 0; i < 4; ++i) train_step(net, opt, batch(i, i == 3 ? 5 : 8));
            }),
            1);
}

TEST(Programs, TwoModelsOfOneShapeShareAPlan) {
  manual_seed(5);
  Net a, b;
  optim::Adam opt_a(a.parameters(), {.lr = 0.01}), opt_b(b.parameters(), {.lr = 0.1});
  flush();
  train_step(a, opt_a, batch(1));
  train_step(a, opt_a, batch(2));
  EXPECT_EQ(new_plans([&] {
              train_step(b, opt_b, batch(1));
              train_step(b, opt_b, batch(2));
            }),
            0);
}

TEST(Programs, AForgottenPlanIsBuiltAgainWithEqualBits) {
  const Bits plain = train_net(4);
  int64_t plans = plan_stats().plans;
  const Bits cleared = train_net(4, [](auto&&...) { clear_plan_cache(); });
  EXPECT_EQ(cleared, plain);
  EXPECT_GE(plan_stats().plans - plans, 4);
}

TEST(Programs, MemoryOfATrainingIsConstant) {
  manual_seed(6);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  auto step = [&](int i) { EXPECT_GT(train_step(net, opt, batch(i)).item(), 0); };
  for (int i = 0; i < 5; ++i) step(i);
  const int64_t system = system_allocations(), tensors = Session::current().memory_use().tensors,
                arena = Session::current().memory_use().arena;
  const size_t chunks = slab_chunks();
  for (int i = 0; i < 100; ++i) step(i);
  EXPECT_EQ(system_allocations(), system);
  EXPECT_EQ(slab_chunks(), chunks);
  EXPECT_EQ(Session::current().memory_use().tensors, tensors);
  EXPECT_EQ(Session::current().memory_use().arena, arena);
}

struct Bad : nn::Module {
  nn::Linear fc{2, 3};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const { return log(fc(x)); }
};
struct Outer : nn::Module {
  Bad bad;
  SUANLI_FIELDS(bad)
  Tensor forward(const Tensor& x) const { return bad(x) * 2.0; }
};

TEST(Programs, CheckNanNamesOpModuleAndSample) {
  Outer m;
  m.bad.fc.weight.set(ones({3, 2}));
  m.bad.fc.bias.set(zeros({3}));
  flush();
  Session::current().set_check_nan(true);
  // the third sample's sum is −2
  Tensor y = m(tensor(std::vector<float>{1, 1, 2, 2, -3, 1}, {3, 2}));
  EXPECT_FAULT(NumericError, y.to_vector<float>(), .op = "log", .argument = "result",
               .given = "the first NaN, in shape [3, 3], sample 2", .module = "bad");
  Session::current().set_check_nan(false);
  EXPECT_TRUE(std::isnan(m(tensor(std::vector<float>{-3, 1}, {1, 2})).to_vector<float>()[0]))
      << "off again: a NaN is a value";
}

}  // namespace
}  // namespace suanli
