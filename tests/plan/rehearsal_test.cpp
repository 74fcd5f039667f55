// SPDX-License-Identifier: Apache-2.0
// A rehearsal plans what a step would run, and leaves no trace but the plan.
#include "plan/rehearsal.h"

#include "gtest/gtest.h"
#include "suanli/loader.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// With everything that a program may change: weights, running statistics, draws.
struct Busy : nn::Module {
  nn::Linear fc1{6, 16}, fc2{16, 3};
  nn::Dropout drop{0.25};
  Parameter seen{zeros({6}), false};
  SUANLI_FIELDS(fc1, drop, fc2, seen)
  Tensor forward(const Tensor& x) const {
    seen.set(seen + sum(x, {0}));
    return fc2(drop(relu(fc1(x))));
  }
};

template <class M> void step(M& net, optim::Optimizer& opt, const Tensor& x, const Tensor& y) {
  cross_entropy(net(x), y).backward();
  opt.step();
}

struct Outcome {
  Bits values;
  uint64_t counter;
  int64_t plans_of_first_step;
};

/// Three steps, rehearsed before or not.
Outcome run(const std::function<std::unique_ptr<optim::Optimizer>(std::vector<Parameter>)>& make,
            bool rehearsed) {
  clear_plan_cache();
  manual_seed(5);
  Busy net;
  auto opt = make(net.parameters());
  flush();
  if (rehearsed) {
    const Bits before = values(net);
    const uint64_t counter = default_generator().counter();
    {
      Rehearsal rehearsal;
      step(net, *opt, rehearsal.leaf({8, 6}, f32), rehearsal.leaf({8}, i64));
      EXPECT_EQ(rehearsal.programs().size(), 1u);
      EXPECT_GT(default_generator().counter(), counter);
    }
    EXPECT_EQ(default_generator().counter(), counter) << "the draws were taken back";
    EXPECT_EQ(values(net), before);
    for (auto& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
    EXPECT_TRUE(opt->state_dict().empty()) << "no step was taken";
    EXPECT_TRUE(Recorder::current().pending().empty());
  }
  Outcome r{};
  for (int i = 0; i < 3; ++i) {
    const Batch b = batch(i);
    const int64_t plans = plan_stats().plans;
    step(net, *opt, b.x, b.y);
    if (i == 0) r.plans_of_first_step = plan_stats().plans - plans;
    else
      EXPECT_EQ(plan_stats().plans, plans)
          << "the first step is the same program as all later ones";
  }
  r.values = values(net);
  r.counter = default_generator().counter();
  return r;
}

TEST(Rehearsal, LeavesNothingBehindButThePlan) {
  using Parameters = std::vector<Parameter>;
  const std::function<std::unique_ptr<optim::Optimizer>(Parameters)> makers[] = {
      [](Parameters p) {
        return std::make_unique<optim::Adam>(std::move(p), optim::AdamOptions{.lr = 0.01});
      },
      [](Parameters p) {
        return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions{.lr = 0.1});
      },
      [](Parameters p) {
        return std::make_unique<optim::SGD>(
            std::move(p), optim::SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.5});
      },
  };
  for (auto& make : makers) {
    const Outcome plain = run(make, false), rehearsed = run(make, true);
    EXPECT_EQ(plain.values, rehearsed.values);
    EXPECT_EQ(plain.counter, rehearsed.counter);
    EXPECT_EQ(plain.plans_of_first_step, 1);
    EXPECT_EQ(rehearsed.plans_of_first_step, 0) << "its plan was there already";
  }
}

TEST(Rehearsal, ForetellsWhatRunningTakes) {
  manual_seed(5);
  Net net;
  optim::Adam opt(net.parameters());
  flush();
  ProgramForecast forecast;
  {
    Rehearsal rehearsal;
    step(net, opt, rehearsal.leaf({8, 6}, f32), rehearsal.leaf({8}, i64));
    ASSERT_EQ(rehearsal.programs().size(), 1u);
    forecast = rehearsal.programs()[0];
  }
  const Batch b = batch(0);
  const PlanStats before = plan_stats();
  step(net, opt, b.x, b.y);
  const PlanStats after = plan_stats();
  EXPECT_EQ(after.last_arena_bytes, forecast.arena_bytes);
  EXPECT_EQ(after.last_flops, forecast.flops);
  EXPECT_EQ(after.kernels - before.kernels, forecast.kernels);
  int64_t state = 0;
  // the weight and two moments
  for (auto& p : net.parameters()) state += 3 * p.shape().numel() * 4;
  EXPECT_EQ(forecast.overwritten_bytes, state) << "every update is written over what it replaces";
  EXPECT_TRUE(forecast.output_bytes.empty());
  int64_t held = 0;
  for (const MemoryHolder& h : forecast.holders) held += h.bytes;
  EXPECT_LE(held, forecast.arena_bytes);
  EXPECT_GE(held, forecast.arena_bytes / 2);
  EXPECT_GE(forecast.arena_bytes, 8 * (16 + 3) * 4) << "at least the activations";
}

TEST(Rehearsal, CountsResultsThatAreThereTogether) {
  const int64_t size = block_size(1 << 20);
  auto of = [](const Tensor& x) {
    Tensor y = exp(x);
    flush();
    return y;
  };
  Rehearsal rehearsal;
  const Tensor x = rehearsal.leaf({1 << 18}, f32);
  EXPECT_TRUE(rehearsal.results().empty()) << "data are no results";
  for (int i = 0; i < 3; ++i) of(x);
  EXPECT_EQ(rehearsal.results(), (Blocks{{size, 1}})) << "each is gone before the next is made";
  std::vector<Tensor> held;
  for (int i = 0; i < 3; ++i) held.push_back(of(x));
  EXPECT_EQ(rehearsal.results(), (Blocks{{size, 3}}));
  held.clear();
  of(x);
  EXPECT_EQ(rehearsal.results(), (Blocks{{size, 3}})) << "the most at once";
}

TEST(Rehearsal, OfAStepThatIsSeveralPrograms) {
  manual_seed(5);
  Busy net;
  optim::Adam opt(net.parameters());
  flush();
  const Bits before = values(net);
  {
    const NodeBudget budget(40);
    Rehearsal rehearsal;
    const Tensor x = rehearsal.leaf({8, 6}, f32), y = rehearsal.leaf({8}, i64);
    step(net, opt, x, y);
    step(net, opt, x, y);
    EXPECT_GE(rehearsal.programs().size(), 3u);
  }
  EXPECT_EQ(values(net), before);
  for (auto& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
  const Batch b = batch(1);
  step(net, opt, b.x, b.y);
  EXPECT_NE(values(net), before);
}

TEST(Rehearsal, ReadingAValueSaysSoAndChangesNothing) {
  Net net;
  flush();
  const Bits before = values(net);
  Tensor escaped;
  {
    Rehearsal rehearsal;
    const Tensor x = rehearsal.leaf({8, 6}, f32);
    EXPECT_FAULT(RehearsalError, x.to_vector<float>(), .op = "read", .argument = "tensor",
                 .given = "shape [8, 6], read while the program is recorded");
    escaped = net(x);
    EXPECT_FAULT(RehearsalError, sum(escaped).item(), .op = "read", .argument = "tensor",
                 .given = "shape [], read while the program is recorded");
    EXPECT_EQ(net.parameters()[0].value().numel(), 96) << "what lies in memory may be read";
    EXPECT_NO_THROW(net.parameters()[0].value().to_vector<float>());
  }
  EXPECT_TRUE(contains(fault_of<StateError>([&] { escaped.to_vector<float>(); }).given,
                       "it was only rehearsed"));
  EXPECT_EQ(values(net), before);
}

/// A parameter of a computed value, which a second program then overwrites. Returns its bytes.
int64_t overwrite_a_new_parameter(Net& net, const Tensor& x) {
  Tensor y = net(x);
  flush();
  Parameter p(y);
  y = Tensor();
  p.set(p.value().detach() * 2);
  flush();
  return p.shape().numel() * itemsize(p.dtype());
}

TEST(Rehearsal, OverwritesItsOwnResultsWhereARunDoes) {
  manual_seed(5);
  Net net;
  flush();
  {
    Rehearsal rehearsal;
    const int64_t bytes = overwrite_a_new_parameter(net, rehearsal.leaf({8, 6}, f32));
    ASSERT_EQ(rehearsal.programs().size(), 2u);
    EXPECT_EQ(rehearsal.programs()[1].overwritten_bytes, bytes);
    EXPECT_TRUE(rehearsal.programs()[1].output_bytes.empty());
  }
  const int64_t before = plan_stats().overwritten;
  overwrite_a_new_parameter(net, batch(0).x);
  EXPECT_EQ(plan_stats().overwritten - before, 1);
}

TEST(Rehearsal, IsAloneOnItsThread) {
  Rehearsal rehearsal;
  EXPECT_FAULT(InternalError, Rehearsal(), .op = "Rehearsal",
               .given = "a second one on this thread");
  const Tensor y = exp(rehearsal.leaf({4}, f32));
  flush();
  EXPECT_EQ(rehearsal.programs().size(), 1u) << "the first one goes on";
}

}  // namespace
}  // namespace suanli
