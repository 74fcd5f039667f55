// SPDX-License-Identifier: Apache-2.0
// The result of the passes for one training step of a residual network together, in counts: nothing
// here depends on the machine but that its convolutions work in blocks of channels.
#include <map>

#include "gtest/gtest.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// "fused(add, mul)" of "fused(add, mul) f32[4] 2 in 1 out".
std::string step_name(const std::string& line) {
  const size_t bracket = line.find('(');
  return line.substr(0, line.find(' ', bracket == std::string::npos ? 0 : line.find(')')));
}

/// Steps by name, most frequent first, and the most that values (not workspaces, which depend on
/// the machine) hold at once.
std::string summary(const Plan& plan) {
  std::map<std::string, int> count;
  std::istringstream lines(describe(plan));
  for (std::string line; std::getline(lines, line);) ++count[step_name(line)];
  std::vector<std::pair<std::string, int>> rows(count.begin(), count.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = "\n";
  for (const auto& [name, n] : rows)
    if (n >= 4) text += str(n, " ", name, "\n");
  std::vector<int64_t> held(plan.steps.size() + 1);
  for (const PlannedBytes& b : plan.arena)
    if (!b.workspace)
      for (uint32_t s = b.first; s <= b.last; ++s) held[s] += b.bytes;
  return text + str(count["reorder"], " reorder, ", plan.steps.size(), " steps, ",
                    *std::max_element(held.begin(), held.end()) >> 10, " KiB of values\n");
}

struct ResNet {
  nn::AnyModule model = models::make("resnet18", {.input_shape = {3, 32, 32}});
  optim::SGD opt{model.parameters(), {.lr = 0.01, .momentum = 0.9, .weight_decay = 5e-4}};
  Tensor x = tensor_f32({4, 3, 32, 32}, 1), y = tensor(std::vector<int64_t>{1, 2, 3, 4}, Shape{4});
};

TEST(ResNetPlan, TrainingStep) {
  ResNet net;
  const Tensor loss = cross_entropy(net.model(net.x), net.y);
  loss.backward();
  EXPECT_EQ(summary(*plan_of_pending()), R"(
21 sum
20 add
20 conv2d
20 conv2d_grad_weight
20 fused(div, mul, add, rsqrt, mul, mul, mul, mul, add)
20 fused(div, mul, mul, add)
20 fused(mul, mul, div)
20 fused(sub, mul, square, sum)
19 conv2d_grad_input
15 div
9 fused(sub, mul, add, relu)
8 fused(sub, mul, mul, add, relu, relu.gx, sub, sub, mul)
8 fused(sub, mul, sub, sub, mul)
6 fused(relu.gx, sum, sub, mul, sum)
4 fused(sub, mul, add, add, relu)
0 reorder, 258 steps, 14402 KiB of values
)");
  flush();
}

TEST(ResNetPlan, Inference) {
  ResNet net;
  net.model.eval();
  NoGrad off;
  const Tensor y = net.model(net.x);
  EXPECT_EQ(summary(*plan_of_pending()), R"(
9 conv2d(then sub, mul, add, relu)
4 conv2d
4 conv2d(then sub, mul, add, add, relu)
0 reorder, 23 steps, 3072 KiB of values
)");
  flush();
}

TEST(ResNetPlan, TrainsAsTheColdTierDoes) {
  std::vector<float> losses[2];
  for (Tier tier : {Tier::planned, Tier::cold}) {
    InTier in_tier(tier);
    manual_seed(9);
    ResNet net;
    for (int i = 0; i < 4; ++i) {
      const Tensor loss = cross_entropy(net.model(net.x), net.y);
      loss.backward();
      net.opt.step();
      losses[tier == Tier::cold].push_back(loss.item<float>());
    }
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(losses[0][i], losses[1][i], 2e-3f * losses[1][0]) << i;
}

}  // namespace
}  // namespace suanli
