// SPDX-License-Identifier: Apache-2.0
// Schedules, parameter groups, clipping by value and averages, against closed forms and plain
// loops.
#include <cmath>
#include <numbers>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;
using optim::Schedule;

TEST(Schedule, GoesThroughItsKnownPoints) {
  struct Point {
    int64_t step;
    double factor;
  };
  struct Case {
    const char* what;
    Schedule schedule;
    std::vector<Point> points;  // of 100 steps
  };
  using enum Schedule::Shape;
  const double root = std::cos(std::numbers::pi / 4);
  const Case cases[] = {
      {"constant", {}, {{0, 1}, {99, 1}}},
      {"cosine",
       {.shape = cosine},
       {{0, 1}, {25, (1 + root) / 2}, {50, 0.5}, {75, (1 - root) / 2}}},
      {"cosine to a tenth", {.shape = cosine, .end = 0.1}, {{0, 1}, {50, 0.55}}},
      {"linear", {.shape = linear, .end = 0.2}, {{0, 1}, {50, 0.6}, {75, 0.4}}},
      {"warm-up", {.warmup = 0.1, .start = 0.5}, {{0, 0.5}, {5, 0.75}, {10, 1}, {99, 1}}},
      {"warm-up, then cosine",
       {.shape = cosine, .warmup = 0.2, .start = 0},
       {{0, 0}, {10, 0.5}, {20, 1}, {60, 0.5}}},
      // airbench's triangle: from 0.2 up to 1 over 23 steps, then down to 0.07 after the last one
      {"triangle",
       {.shape = linear, .warmup = 0.23, .start = 0.2, .end = 0.07},
       {{0, 0.2}, {23, 1}, {61, 1 - 0.93 * 38 / 77}}},
      {"step",
       {.shape = step, .milestones = {0.5, 0.75}},
       {{49, 1}, {50, 0.1}, {74, 0.1}, {75, 0.01}, {99, 0.01}}},
      {"onecycle",
       optim::schedule_from_name("onecycle"),
       {{0, 0.04}, {29, 1}, {64, (1 + 4e-6) / 2}, {99, 4e-6}}},
  };
  for (const Case& c : cases)
    for (const Point& p : c.points)
      EXPECT_NEAR(c.schedule.factor(p.step, 100), p.factor, 1e-12)
          << c.what << " at step " << p.step;
  EXPECT_NEAR(Schedule{.shape = Schedule::Shape::cosine}.factor(0, 1), 1, 1e-12)
      << "a run of one step";
  EXPECT_TRUE(std::isfinite(optim::schedule_from_name("onecycle").factor(0, 1)));
}

TEST(Schedule, NamesAreSuggested) {
  EXPECT_FAULT(ArgumentError, optim::schedule_from_name("cosin"), .op = "schedule_from_name",
               .argument = "schedule", .given = "'cosin'",
               .expected = "one of constant, cosine, linear, onecycle, step",
               .remedy = "Did you mean 'cosine'?");
}

TEST(ParameterGroups, TakeTheirShareOfLearningRateAndDecay) {
  // One step from w = 2 with gradient 3: w − lr·f·(3 + decay·d·2).
  for (const bool adamw : {false, true}) {
    Parameter a(tensor<double>({2.0})), b(tensor<double>({2.0}));
    std::unique_ptr<optim::Optimizer> opt;
    if (adamw)
      opt = std::make_unique<optim::AdamW>(
          std::vector{a, b}, optim::AdamWOptions{.lr = 0.1, .eps = 0, .weight_decay = 0.5});
    else
      opt = std::make_unique<optim::SGD>(std::vector{a, b},
                                         optim::SGDOptions{.lr = 0.1, .weight_decay = 0.5});
    opt->scale({b}, 4, 0);
    sum(a * 3.0 + b * 3.0).backward();
    opt->step();
    // Adam's first step is lr in the gradient's direction, whatever its size.
    EXPECT_NEAR(a.value().item<double>(),
                adamw ? 2 * (1 - 0.1 * 0.5) - 0.1 : 2 - 0.1 * (3 + 0.5 * 2), 1e-12);
    EXPECT_NEAR(b.value().item<double>(), adamw ? 2 - 0.4 : 2 - 0.4 * 3, 1e-12);
    EXPECT_FAULT(ArgumentError, opt->scale({Parameter(zeros({3}))}, 1, 1), .op = "scale",
                 .argument = "parameters", .given = "one of shape [3]",
                 .expected = "parameters of this optimizer");
  }
}

TEST(Clipping, ByValueBoundsEveryElement) {
  Parameter w(tensor<double>({1, 2, 3, 4})), untouched(tensor<double>({1}));
  sum(w * tensor<double>({0.5, -0.5, 7, -9})).backward();
  optim::clip_grad_value_({w, untouched}, 0.75);
  EXPECT_EQ(w.grad().to_vector<double>(), (std::vector<double>{0.5, -0.5, 0.75, -0.75}));
  EXPECT_FALSE(untouched.grad().defined());
}

TEST(WeightAverage, FollowsThePlainLoop) {
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.05, .momentum = 0.9});
  optim::WeightAverage average(net);
  const double decay = 0.8;
  std::vector<std::vector<double>> expected;
  auto as_doubles = [&] {
    std::vector<std::vector<double>> out;
    for (auto& v : values(net)) out.emplace_back(v.begin(), v.end());
    return out;
  };
  expected = as_doubles();
  for (int i = 0; i < 10; ++i) {
    train_step(net, opt, batch(i));
    average.update(decay);
    const auto now = as_doubles();
    for (size_t k = 0; k < now.size(); ++k)
      for (size_t j = 0; j < now[k].size(); ++j)
        expected[k][j] = decay * expected[k][j] + (1 - decay) * now[k][j];
  }
  auto expect_average = [&](const std::vector<std::vector<double>>& got) {
    for (size_t k = 0; k < got.size(); ++k)
      for (size_t j = 0; j < got[k].size(); ++j) EXPECT_NEAR(got[k][j], expected[k][j], 1e-6);
  };
  const Bits trained = values(net);
  average.swap();
  expect_average(as_doubles());
  average.swap();
  EXPECT_EQ(values(net), trained) << "a second swap undoes the first";

  optim::WeightAverage other(net);
  other.load_state_dict(average.state_dict());
  other.copy_to_module();
  expect_average(as_doubles());
  auto state = average.state_dict();
  state[0].first = "elsewhere";
  EXPECT_FAULT(IoError, other.load_state_dict(state), .op = "load_state_dict", .argument = "state",
               .given = "missing fc1.weight", .expected = "an average of this model");
}

}  // namespace
}  // namespace suanli
