// SPDX-License-Identifier: Apache-2.0
// Steps of a plan that share a kernel.
#include "gtest/gtest.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// The kernels of a plan's products, in order.
std::vector<const Kernel*> products(const Plan& plan) {
  std::vector<const Kernel*> found;
  for (const PlannedStep& s : plan.steps)
    if (op_of(s.step.op).name() == std::string("matmul")) found.push_back(s.kernel.get());
  return found;
}

TEST(KernelTable, EqualStepsShareAKernelAndOthersDoNot) {
  const Tensor x = randn({8, 8}), w = randn({8, 8}), wide = randn({8, 16});
  flush();
  const Tensor y = matmul(matmul(matmul(matmul(x, w), w), w, {.transpose_b = true}), wide);
  const auto k = products(*plan_of_pending());
  ASSERT_EQ(k.size(), 4u);
  EXPECT_EQ(k[0], k[1]);
  EXPECT_NE(k[1], k[2]) << "another attribute";
  EXPECT_NE(k[2], k[3]) << "another shape";
  EXPECT_NE(k[0], k[3]);
  flush();
}

TEST(KernelTable, EpiloguesMustBeEqualToo) {
  const Tensor x = randn({8, 8}), w = randn({8, 8});
  flush();
  const Tensor y = matmul(tanh(matmul(tanh(matmul(sigmoid(matmul(x, w)), w)), w)), w);
  const auto k = products(*plan_of_pending());
  ASSERT_EQ(k.size(), 4u);  // then sigmoid, then tanh, then tanh, alone
  EXPECT_EQ(k[1], k[2]);
  EXPECT_NE(k[0], k[1]);
  EXPECT_NE(k[2], k[3]);
  flush();
}

}  // namespace
}  // namespace suanli
