// SPDX-License-Identifier: Apache-2.0
// Values of unchanging cells are computed once, and anew when a cell has another value.
#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "plan/planned.h"
#include "plan/rehearsal.h"
#include "runtime/derived.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// y = (x − mean) · (1/√(variance + eps) · weight), as batch normalization in eval mode.
struct Frozen {
  Frozen() { flush(); }
  Parameter mean{tensor_f32({6}, 1)}, variance{square(tensor_f32({6}, 2)) + 0.5},
      weight{tensor_f32({6}, 3)};
  Tensor operator()(const Tensor& x, double eps = 1e-3) const {
    return (x - mean) * (rsqrt(variance + eps) * weight);
  }
};

using Values = std::vector<float>;

template <class F> int64_t kernels_of(F&& f) {
  const int64_t before = plan_stats().kernels;
  f();
  return plan_stats().kernels - before;
}

template <class F> Values in_cold(F&& f) {
  InTier cold(Tier::cold);
  return f();
}

TEST(Constants, AreComputedInTheFirstCallAlone) {
  NoGrad off;
  const Frozen net;
  const Tensor x = tensor_f32({4, 6}, 7);
  auto run = [&] { return net(x).to_vector<float>(); };
  const Values cold = in_cold(run);
  Values first, second;
  EXPECT_EQ(kernels_of([&] { first = run(); }), 2);
  EXPECT_EQ(derived_bytes({}), 6 * 4);
  EXPECT_EQ(kernels_of([&] { second = run(); }), 1);
  EXPECT_EQ(first, cold);
  EXPECT_EQ(second, cold);
}

TEST(Constants, AreSharedByProgramsOfOtherBatches) {
  NoGrad off;
  const Frozen net;
  net(tensor_f32({4, 6}, 7)).to_vector<float>();
  const Tensor x = tensor_f32({9, 6}, 8);
  Values y;
  EXPECT_EQ(kernels_of([&] { y = net(x).to_vector<float>(); }), 1);
  EXPECT_EQ(derived_bytes({}), 6 * 4);
  EXPECT_EQ(y, in_cold([&] { return net(x).to_vector<float>(); }));
}

TEST(Constants, FollowNewValuesOfCells) {
  Frozen net;
  const Tensor x = tensor_f32({4, 6}, 7);
  auto run = [&] {
    NoGrad off;
    return net(x).to_vector<float>();
  };
  auto expect_new = [&](const char* how) {
    Values y;
    EXPECT_EQ(kernels_of([&] { y = run(); }), 2) << how;
    EXPECT_EQ(y, in_cold(run)) << how;
    EXPECT_EQ(kernels_of(run), 1) << how;
    EXPECT_EQ(derived_bytes({}), 6 * 4) << how << ": what belongs to the former value goes";
  };
  run();
  net.weight.set(tensor_f32({6}, 11));
  expect_new("another tensor");
  {
    NoGrad off;
    const int64_t before = plan_stats().overwritten;
    net.weight.set(net.weight.value() * 1.5);
    flush();
    EXPECT_EQ(plan_stats().overwritten - before, 1) << "written where it lies";
  }
  EXPECT_EQ(derived_bytes({}), 0);
  expect_new("in place");
  optim::SGD opt({net.weight}, {.lr = 0.1});
  sum(square(net(x))).backward();
  opt.step();
  expect_new("a step of an optimizer");
  net.mean.set(tensor_f32({6}, 12));
  const Values y = run();
  EXPECT_EQ(y, in_cold(run)) << "a cell that no constant is made of";
}

TEST(Constants, FollowAStateDict) {
  nn::BatchNorm2d a(3), b(3);
  {
    NoGrad off;
    b.running_var.set(square(tensor_f32({3}, 4)) + 0.25);
    b.weight.set(tensor_f32({3}, 5));
    flush();
  }
  a.eval();
  b.eval();
  const Tensor x = tensor_f32({2, 3, 4, 4}, 6);
  auto run = [&](nn::BatchNorm2d& m) {
    NoGrad off;
    return m(x).to_vector<float>();
  };
  const Values before = run(a), wanted = run(b);
  ASSERT_NE(before, wanted);
  std::vector<std::pair<std::string, Tensor>> state;
  for (auto& [name, p] : b.state_dict()) state.emplace_back(name, p.value());
  a.load_state_dict(state);
  EXPECT_EQ(run(a), wanted);
}

TEST(Constants, GoWithTheirCells) {
  NoGrad off;
  const int64_t before = Session::current().memory_use().tensors;
  {
    const Frozen net;
    net(tensor_f32({4, 6}, 7)).to_vector<float>();
    EXPECT_EQ(derived_bytes({}), 6 * 4);
  }
  EXPECT_EQ(derived_bytes({}), 0);
  EXPECT_EQ(Session::current().memory_use().tensors, before);
}

TEST(Constants, DependOnTheNumbersThatAreBound) {
  NoGrad off;
  const Frozen net;
  const Tensor x = tensor_f32({4, 6}, 7);
  for (double eps : {1e-3, 0.5, 1e-3}) {
    auto run = [&] { return net(x, eps).to_vector<float>(); };
    EXPECT_EQ(run(), in_cold(run)) << eps;
  }
  const int64_t plans = plan_stats().plans;
  net(x, 0.25).to_vector<float>();
  EXPECT_EQ(plan_stats().plans, plans) << "a number does not make another program";
}

TEST(Constants, AreLaidOutForTheirReaders) {
  NoGrad off;
  const Parameter w(tensor_f32({256, 512}, 1)), mask(tensor_f32({256, 512}, 2));
  const Tensor x = tensor_f32({96, 256}, 3);
  auto product = [&] { return matmul(x, w * mask); };
  auto run = [&] { return product().to_vector<float>(); };
  const Values cold = in_cold(run);
  EXPECT_EQ(kernels_of([&] { EXPECT_EQ(run(), cold); }), 2);
  EXPECT_GT(derived_bytes({}), 256 * 512 * 4) << "the product, and its packed copy";
  EXPECT_EQ(kernels_of([&] { EXPECT_EQ(run(), cold); }), 1);
}

TEST(Constants, AreNotKeptWhereTheyAreLargerThanTheirCells) {
  NoGrad off;
  const Parameter row(tensor_f32({1, 400}, 1)), column(tensor_f32({400, 1}, 2));
  const Tensor x = tensor_f32({400, 400}, 3);
  auto sum = [&] { return x + matmul(column, row); };
  sum().to_vector<float>();
  EXPECT_EQ(derived_bytes({}), 0);
}

TEST(Constants, DrawsAreMadeAnew) {
  NoGrad off;
  const Parameter w(tensor_f32({1000}, 1));
  const Tensor x = tensor_f32({1000}, 2);
  auto sum = [&] { return x + w * rand({1000}); };
  auto run = [&] { return sum().to_vector<float>(); };
  EXPECT_NE(run(), run());
  EXPECT_EQ(derived_bytes({}), 0);
}

TEST(Constants, WhatLeavesTheProgramIsItsOwn) {
  NoGrad off;
  const Parameter w(tensor_f32({8}, 1));
  const Tensor x = tensor_f32({3, 8}, 2);
  auto run = [&] {
    const Tensor scale = exp(w), y = x * scale;
    flush();
    return std::pair(scale.to_vector<float>(), y.to_vector<float>());
  };
  const auto first = run();
  EXPECT_EQ(run(), first);
  EXPECT_EQ(derived_bytes({}), 0);
}

TEST(Constants, TrainingStepsKeepNone) {
  Frozen net;
  const Tensor x = tensor_f32({4, 6}, 7);
  optim::SGD opt({net.weight}, {.lr = 0.1});
  auto step = [&] {
    sum(square(net(x))).backward();
    opt.step();
    flush();
  };
  step();
  const int64_t kernels = kernels_of(step);
  EXPECT_EQ(kernels_of(step), kernels);
  EXPECT_EQ(derived_bytes({}), 0);
  sum(square(net(x))).backward();  // gradients alone
  flush();
  EXPECT_EQ(derived_bytes({}), 0);
  NoGrad off;  // another cell is written, as by a moving average
  Parameter average(zeros({6}), false);
  for (int i = 0; i < 2; ++i) {
    average.set(average.value() * 0.9 + (net.weight.value() * net.mean.value()) * 0.1);
    flush();
  }
  EXPECT_EQ(derived_bytes({}), 0);
}

TEST(Constants, ThreadsShareThem) {
  const Frozen net;
  const Tensor x = tensor_f32({64, 6}, 7);
  flush();
  auto run = [&] {
    NoGrad off;
    return net(x).to_vector<float>();
  };
  const Values cold = in_cold(run);
  std::atomic<int> wrong = 0;
  auto many = [&] {
    for (int i = 0; i < 200; ++i) wrong += run() != cold;
  };
  std::thread other(many);
  many();
  other.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(derived_bytes({}), 6 * 4);
}

TEST(Constants, AreForecast) {
  const Frozen net;
  const Tensor x = tensor_f32({4, 6}, 7);
  flush();
  Rehearsal rehearsal;
  {
    NoGrad off;
    const Tensor y = net(x);
    flush();
  }
  ASSERT_EQ(rehearsal.programs().size(), 1u);
  const ProgramForecast& f = rehearsal.programs()[0];
  EXPECT_EQ(f.kernels, 1);
  EXPECT_EQ(f.constant_kernels, 1);
  int64_t bytes = 0;
  for (const auto& [name, of_value] : f.packed) bytes += of_value;
  EXPECT_EQ(bytes, 6 * 4);
}

}  // namespace
}  // namespace suanli
