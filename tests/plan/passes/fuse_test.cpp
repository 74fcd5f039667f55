// SPDX-License-Identifier: Apache-2.0
// The result of the fusion pass for small programs, as text.
#include "gtest/gtest.h"
#include "ops/schema/pointwise.h"
#include "plan/planned.h"
#include "support/errors.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// The steps that the planned tier makes of what `f` records; what it returns is held until then.
/// Afterward it runs, and the count of kernels has to be the number of steps.
template <class F> std::string steps(F&& f) {
  InTier planned(Tier::planned);
  auto held = f();
  const auto plan = plan_of_pending();
  EXPECT_EQ(plan->flops, plan_of_pending(Tier::cold)->flops);
  const int64_t before = plan_stats().kernels;
  flush();
  EXPECT_EQ(plan_stats().kernels - before, static_cast<int64_t>(plan->steps.size()));
  return "\n" + describe(*plan);
}
using Tensors = std::vector<Tensor>;

TEST(Fuse, AChainIsOneKernel) {
  const Tensor x = tensor_f32({4, 7}, 1), b = tensor_f32({7}, 2), c = tensor_f32({4, 1}, 3);
  EXPECT_EQ(steps([&] { return relu(x + b) * c; }), R"(
fused(add, relu, mul) f32[4, 7] 3 in 1 out
)");
}

TEST(Fuse, WhatIsHeldBecomesAnOutput) {
  const Tensor x = tensor_f32({4, 7}, 1);
  EXPECT_EQ(steps([&] {
              Tensor y = x + 1.0;
              return Tensors{y, exp(y), y > 1.0};
            }),
            R"(
fused(add, exp, gt) f32[4, 7] 3 in 3 out
)");
}

TEST(Fuse, GeluForwardAndBackward) {
  Parameter x(tensor_f32({4, 7}, 1));
  const Tensor w = tensor_f32({4, 7}, 2);
  EXPECT_EQ(steps([&] {
              sum(gelu(Tensor(x)) * w).backward();
              return x.grad();
            }),
            R"(
full f32[] 1 in 1 out
fused(mul.gx, gelu.gx) f32[4, 7] 3 in 1 out
)");
}

TEST(Fuse, AnAdamStepIsOneKernelForEachParameter) {
  InTier planned(Tier::planned);
  for (const bool equal : {true, false}) {
    Parameter a(tensor_f32({4, 7}, 1)), b(tensor_f32(equal ? Shape{4, 7} : Shape{9}, 2));
    optim::Adam opt({a, b}, {.lr = 0.01});
    auto give_gradients = [&] {
      a.set_grad(tensor_f32(a.shape(), 3));
      b.set_grad(tensor_f32(b.shape(), 4));
    };
    for (int i = 0; i < 2; ++i) {
      give_gradients();
      opt.step();
    }
    give_gradients();
    const int64_t before = plan_stats().kernels;
    opt.step();
    // 14 pointers each (4 tensors, 7 numbers, 3 results), so two do not fit into one.
    EXPECT_EQ(plan_stats().kernels - before, 2) << equal;
  }
}

TEST(Fuse, SoftmaxWithAMask) {
  const Tensor x = tensor_f32({4, 7}, 1), mask = tensor_f32({4, 7}, 2) > 0.0;
  flush();
  EXPECT_EQ(steps([&] {
              Tensor z = where(mask, x * 0.5, -1e9), e = exp(z - amax(z, {1}, true));
              return e / sum(e, {1}, true);
            }),
            R"(
fused(mul, where, amax, sub, exp, sum, div) f32[4, 7] 4 in 1 out
)");
}

TEST(Fuse, DropoutForwardAndBackward) {
  Parameter x(tensor_f32({4, 7}, 1));
  const Tensor w = tensor_f32({7, 3}, 2), v = tensor_f32({4, 3}, 3);
  EXPECT_EQ(steps([&] {
              sum(matmul(dropout(relu(Tensor(x)), 0.25), w) * v).backward();
              return x.grad();
            }),
            R"(
uniform f32[4, 7] 4 in 1 out
full f32[] 1 in 1 out
mul.gx f32[4, 3] 2 in 1 out
matmul(then relu, ge, where.gy, mul.gx, relu.gx) f32[4, 7] 6 in 1 out
)");
}

TEST(Fuse, DifferentShapesDoNotJoin) {
  const Tensor x = tensor_f32({4, 7}, 1), b = tensor_f32({7}, 2);
  EXPECT_EQ(steps([&] { return x * exp(b); }), R"(
exp f32[7] 1 in 1 out
mul f32[4, 7] 2 in 1 out
)");
  EXPECT_EQ(steps([&] { return exp(reshape(x * 2.0, {7, 4})); }), R"(
mul f32[4, 7] 2 in 1 out
exp f32[7, 4] 1 in 1 out
)");
  // Under another name and back again it is the same value.
  EXPECT_EQ(steps([&] { return exp(reshape(reshape(x * 2.0, {28}), {4, 7})); }), R"(
fused(mul, exp) f32[4, 7] 2 in 1 out
)");
}

TEST(Fuse, NoPathLeavesAUnitAndComesBack) {
  const Tensor x = tensor_f32({4, 7}, 1), w = tensor_f32({7, 7}, 2);
  EXPECT_EQ(steps([&] {
              Tensor y = exp(x);
              return y / sum(y, {0}, true) + y;
            }),
            R"(
fused(exp, sum) f32[4, 7] 1 in 2 out
fused(div, add) f32[4, 7] 2 in 1 out
)");
  // The product reads all of y before the others run.
  EXPECT_EQ(steps([&] {
              Tensor y = relu(x * 2.0), z = matmul(y, w);
              return (z + y) * x;
            }),
            R"(
fused(mul, relu) f32[4, 7] 2 in 1 out
matmul(then add, mul) f32[4, 7] 4 in 1 out
)");
}

TEST(Fuse, AnEpilogueTakesTheResultAsItComes) {
  const Tensor x = tensor_f32({2, 3, 7, 5}, 1), w = tensor_f32({3, 3, 3, 3}, 2),
               v = tensor_f32({3, 3, 3, 3}, 3);
  const ConvOptions same{.padding = 1};
  EXPECT_EQ(steps([&] { return relu(conv2d(x, w, {}, same)) + x; }), R"(
conv2d(then relu, add) f32[2, 3, 7, 5] 3 in 1 out
)");
  // Its result is wanted too.
  EXPECT_EQ(steps([&] {
              Tensor y = conv2d(x, w, {}, same);
              return Tensors{y, relu(y)};
            }),
            R"(
conv2d(then relu) f32[2, 3, 7, 5] 2 in 2 out
)");
  // The later of two, as the earlier one would have to wait.
  EXPECT_EQ(steps([&] { return relu(conv2d(x, w, {}, same) + conv2d(x, v, {}, same)); }), R"(
conv2d f32[2, 3, 7, 5] 2 in 1 out
conv2d(then add, relu) f32[2, 3, 7, 5] 3 in 1 out
)");
  // A sum is complete only when all of it is there.
  EXPECT_EQ(steps([&] {
              Tensor y = conv2d(x, w, {}, same);
              return y - sum(y, {2, 3}, true);
            }),
            R"(
conv2d f32[2, 3, 7, 5] 2 in 1 out
fused(sum, sub) f32[2, 3, 7, 5] 1 in 1 out
)");
}

TEST(Fuse, AnEpilogueDoesNotWriteOverWhatItsOpStillReads) {
  // Every pixel of y is made of several of x: the sum may not take its place.
  InTier planned(Tier::planned);
  const Tensor w = tensor_f32({3, 3, 3, 3}, 2);
  auto compute = [&](Tier tier) {
    InTier in(tier);
    const Tensor x = tensor_f32({2, 3, 7, 5}, 1) * 2.0;
    return (relu(conv2d(x, w, {}, {.padding = 1})) + x).to_vector<float>();
  };
  EXPECT_EQ(compute(Tier::planned), compute(Tier::cold));
}

TEST(Fuse, WhatOneLatePlaceNeedsIsComputedThere) {
  const Tensor x = tensor_f32({4, 7}, 1), m = tensor_f32({4, 7}, 2), w = tensor_f32({7, 7}, 3);
  EXPECT_EQ(steps([&] {
              Tensor decayed = m * 0.9;
              return decayed + matmul(relu(x), w) * 0.1;
            }),
            R"(
relu f32[4, 7] 1 in 1 out
matmul(then mul, mul, add) f32[4, 7] 5 in 1 out
)");
}

TEST(Fuse, TypesMayMix) {
  const Tensor x = tensor_f32({4, 7}, 1);
  EXPECT_EQ(steps([&] {
              Tensor positive = x > 0.0, hundreds = cast(x * 100.0, u8), whole = cast(x, i32);
              return where(positive, hundreds, whole) + 1;
            }),
            R"(
fused(gt, mul, cast, cast, where, add) i32[4, 7] 4 in 1 out
)");
}

TEST(Fuse, LongChainsAreCutAtTheBound) {
  const Tensor x = tensor_f32({4, 7}, 1);
  for (int n : {64, 65, 128, 200}) {
    InTier planned(Tier::planned);
    Tensor y = x;
    for (int i = 0; i < n; ++i) y = i % 2 ? sin(y) : cos(y);
    EXPECT_EQ(plan_of_pending()->steps.size(), static_cast<size_t>((n + 63) / 64)) << n;
  }
}

TEST(Fuse, UpdatesThatShareAStepAreNotTorn) {
  // Each takes a tensor, two numbers and a result beside the shared g. The fourth's first op would
  // still fit; it waits for the rest.
  const Tensor g = tensor_f32({4, 7}, 9);
  EXPECT_EQ(steps([&] {
              Tensors out;
              for (uint64_t i = 0; i < 4; ++i) {
                Tensor decayed = tensor_f32({4, 7}, i) * 0.9;
                out.push_back(decayed - g * 0.1);
              }
              return out;
            }),
            R"(
fused(mul, mul, sub, mul, mul, sub, mul, mul, sub) f32[4, 7] 10 in 3 out
fused(mul, mul, sub) f32[4, 7] 4 in 1 out
)");
}

TEST(Fuse, CheckNanRunsTheColdTier) {
  const Tensor x = tensor_f32({4, 7}, 1);
  InTier planned(Tier::planned);
  Session::current().set_check_nan(true);
  Tensor y = log(x * 0.0 - 1.0) + 1.0;
  EXPECT_FAULT(NumericError, y.to_vector<float>(), .op = "log");
  Session::current().set_check_nan(false);
}

/// Steps that compute a pointwise op.
int64_t steps_with(const Plan& plan, PointwiseOp op) {
  return std::count_if(plan.steps.begin(), plan.steps.end(), [&](const PlannedStep& s) {
    return s.expr && std::any_of(s.expr->code.begin(), s.expr->code.end(), [&](const auto& code) {
             return code.op_index == static_cast<int16_t>(op);
           });
  });
}

TEST(Fuse, WhatIsReducedAndReadAgainIsComputedOnce) {
  const int64_t block = backend(Device{}).channel_block(), c = 2 * block;
  if (block == 0) GTEST_SKIP() << "no blocks of channels on this machine";
  const Parameter w(tensor_f32({c, 1, 3, 3}, 2)), scale(tensor_f32({c, 1, 1}, 3)),
      fc(tensor_f32({c, c, 1, 1}, 4));
  const Tensor x = tensor_f32({2, c, 20, 20}, 1);
  auto squeeze = [&] {
    const Tensor h = relu(conv2d(x, w, {}, {.padding = 1, .groups = static_cast<int>(c)}) * scale);
    return h * sigmoid(conv2d(mean(h, {2, 3}, true), fc));
  };
  NoGrad off;
  const Tensor y = squeeze();
  const auto plan = plan_of_pending();
  EXPECT_EQ(steps_with(*plan, PointwiseOp::relu), 1);
  const auto planned = y.to_vector<float>();
  InTier cold(Tier::cold);
  const auto one_by_one = squeeze().to_vector<float>();
  for (size_t i = 0; i < planned.size(); ++i) ASSERT_NEAR(planned[i], one_by_one[i], 1e-4);
}

}  // namespace
}  // namespace suanli
