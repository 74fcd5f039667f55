// SPDX-License-Identifier: Apache-2.0
// The content of an explanation, as text that needs no timing, and reasons that hold by
// construction.
#include "suanli/explain.h"
#include "suanli/loader.h"

#include "base/text/text.h"
#include "gtest/gtest.h"
#include "support/tier.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// The one program that f plans.
template <class F> ProgramExplanation explained(F&& f) {
  flush();
  clear_plan_cache();
  Explainer explainer;
  f();
  flush();
  EXPECT_EQ(explainer.programs().size(), 1u);
  return explainer.programs().at(0);
}

TEST(Explain, ListsRecordsAndKernels) {
  // f32 would be one kernel
  const Tensor x = cast(tensor_f32({4, 3}, 1), f64), w = cast(tensor_f32({3, 2}, 2), f64);
  flush();
  Tensor y;
  NoGrad off;
  const ProgramExplanation p = explained([&] { y = relu(matmul(x, w) + 1.0) * 2.0; });
  ASSERT_FALSE(p.passes.empty());
  EXPECT_EQ(p.passes[0].pass, "recorded");
  EXPECT_EQ(p.passes[0].records,
            (std::vector<std::string>{"%0 = matmul(leaf0, leaf1) f64[4, 2]",
                                      "%1 = add(%0, number0) f64[4, 2]", "%2 = relu(%1) f64[4, 2]",
                                      "%3 = mul(%2, number1) f64[4, 2]"}));
  ASSERT_EQ(p.kernels.size(), 2u);
  EXPECT_EQ(p.kernels[0].name, "matmul");
  EXPECT_EQ(p.kernels[1].name, "fused(add, relu, mul)");
  EXPECT_EQ(p.kernels[1].ops, 3);
  EXPECT_EQ(p.kernels[1].reads, std::vector<size_t>{0});
  EXPECT_TRUE(p.kernels[1].leaves);
  EXPECT_EQ(p.memory.flops, 2 * 4 * 3 * 2 + 3 * 8);
  EXPECT_EQ(p.kernels[1].bytes, 2 * 8 * 8 + 2 * 8)
      << "eight numbers in, eight out, and two that are slots";
  EXPECT_TRUE(p.unfused.empty());
  const auto& holders = p.memory.holders;
  EXPECT_TRUE(std::any_of(holders.begin(), holders.end(), [](const MemoryHolder& h) {
    return h.kind == MemoryHolder::activation && h.op == "matmul" && h.bytes == 64;
  }));
  const std::string words = in_words(p);
  for (const char* part : {"program: 4 records, 2 kernels", "fused(add, relu, mul) reads 0; leaves",
                           "  64 B       activation matmul [4, 2]"})
    EXPECT_NE(words.find(part), std::string::npos) << part << " is not in\n" << words;
  EXPECT_EQ(words.find("leaf0"), std::string::npos) << "records only where they are asked for";
  EXPECT_NE(in_words(p, true).find("%1 = add(%0, number0)"), std::string::npos);
}

TEST(Explain, NamesCompositesWithTheirAttributes) {
  const Tensor x = tensor_f32({4, 3}, 1), w = tensor_f32({3, 3}, 2),
               target = tensor<int64_t>({0, 2, 1, 1}), share = tensor<float>({1, 2, 3});
  flush();
  Tensor loss, unused;
  NoGrad off;
  struct Head : nn::Module {
    Tensor forward(const Tensor& in, const Tensor& t, const Tensor& s) const {
      nn::Scope scope(*this);
      return cross_entropy(in, t, {.weight = s, .label_smoothing = 0.25});
    }
  } head;
  const ProgramExplanation p = explained([&] {
    const Tensor y = matmul(x, w);
    const Tensor first = head.forward(y, target, share);
    loss = first + mse_loss(y, x);
    unused = mse_loss(y, y);
    unused = Tensor();
  });
  ASSERT_EQ(p.calls.size(), 3u) << "what nobody needs is in no program";
  const ExplainedCall &outer = p.calls[0], &second = p.calls[1], &inner = p.calls[2];
  EXPECT_EQ(outer.op, "cross_entropy");
  EXPECT_EQ(outer.attributes, "ignore_index=-100, reduction=1, label_smoothing=0.25");
  EXPECT_EQ(outer.depth, 0u);
  EXPECT_EQ(outer.first, 1u) << "behind the product";
  EXPECT_EQ(outer.inputs, (std::vector<std::string>{"%0", "leaf2", "leaf3"}));
  EXPECT_EQ(outer.results, (std::vector<std::string>{str("%", outer.records)}));
  EXPECT_EQ(second.op, "mse_loss");
  EXPECT_EQ(second.attributes, "reduction=1");
  EXPECT_EQ(second.first, outer.first + outer.records);
  EXPECT_EQ(second.inputs, (std::vector<std::string>{"%0", "leaf0"}));
  EXPECT_EQ(inner.op, "mean");
  EXPECT_EQ(inner.depth, 1u);
  EXPECT_EQ(inner.first + inner.records, second.first + second.records);
  EXPECT_EQ(inner.results, second.results);
  const std::string words = in_words(p);
  EXPECT_NE(words.find("\n  cross_entropy(%0, leaf2, leaf3; ignore_index=-100, reduction=1, "
                       "label_smoothing=0.25) → %"),
            std::string::npos)
      << words;
  EXPECT_NE(words.find("\n    mean(%"), std::string::npos) << words;
}

std::vector<std::string> reasons(const ProgramExplanation& p) {
  std::vector<std::string> out;
  for (const Unfused& u : p.unfused) out.push_back(u.why);
  return out;
}

TEST(Explain, SaysWhyNeighborsWereNotFused) {
  const Tensor x = tensor_f32({8, 8}, 3);
  NoGrad off;
  Tensor y;
  EXPECT_EQ(reasons(explained([&] { y = exp(x) - sum(exp(x), {0}); })),
            std::vector<std::string>{"a reduction is complete only when its kernel has ended"});
  EXPECT_EQ(reasons(explained([&] { y = relu(reshape(exp(x), {4, 16})) + 1.0; })),
            std::vector<std::string>{"they run over different shapes"});
  EXPECT_EQ(reasons(explained([&] {
              const Tensor a = exp(x);
              y = a + softmax(a);
            })),
            std::vector<std::string>{"another kernel lies between them on a second path"});
  EXPECT_EQ(
      reasons(explained([&] {
        const Tensor a = exp(x);
        y = a + matmul(a, a);
      })),
      std::vector<std::string>{"the product or convolution of that kernel reads all of it first"});
  const auto long_chain = reasons(explained([&] {
    y = x;
    for (int i = 0; i < 40; ++i) y = relu(y) + static_cast<double>(1);
  }));
  ASSERT_EQ(long_chain.size(), 1u);
  EXPECT_EQ(long_chain[0].find("together they have more than"), 0u) << long_chain[0];
}

TEST(Explain, NamesPhasesAndKeptUpdates) {
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  const Batch b = batch(0);
  auto step = [&] {
    cross_entropy(net(b.x), b.y).backward();
    opt.step();
  };
  step();
  const Tensor held = net.parameters()[0].value().detach();  // as a copy before a step would
  clear_plan_cache();
  Explainer explainer;
  step();
  ASSERT_EQ(explainer.programs().size(), 1u);
  const ProgramExplanation& p = explainer.programs()[0];
  bool phase[3] = {};
  for (const ExplainedKernel& k : p.kernels) {
    phase[k.phase] = true;
    EXPECT_EQ(k.phase == ExplainedKernel::update, k.module == "optimizer");
    for (size_t r : k.reads)
      EXPECT_LT(r, static_cast<size_t>(&k - p.kernels.data())) << "what it reads ran before";
  }
  EXPECT_TRUE(phase[0] && phase[1]);
  EXPECT_EQ(held.numel(), 96);
}

TEST(Explain, AnUpdateIsOneWhateverIsFusedInFrontOfIt) {
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  const Batch b = batch(0);
  auto step = [&] {
    cross_entropy(net(b.x), b.y).backward();
    for (Parameter p : net.parameters()) p.set_grad(p.grad() * 0.5);
    opt.step();
  };
  step();
  const ProgramExplanation p = explained(step);
  size_t updated = 0;
  for (const ExplainedKernel& k : p.kernels) {
    EXPECT_EQ(k.updates, k.leaves && k.results != std::vector<std::string>{"f32[]"}) << k.name;
    if (k.updates) updated += k.results.size();
    const bool only_updates = k.updates && k.name.starts_with("fused(") && k.results.size() == 2;
    EXPECT_TRUE(!only_updates || k.phase == ExplainedKernel::update) << k.name;
    EXPECT_FALSE(k.name.starts_with("matmul") && k.phase == ExplainedKernel::update) << k.name;
  }
  EXPECT_GE(updated, 2 * net.parameters().size()) << "weights and momenta";
  EXPECT_NE(in_words(p).find(" backward+update "), std::string::npos)
      << "a gradient's product with its update behind it";
}

TEST(Explain, AnAverageOfTheWeightsIsAnUpdate) {
  Net net;
  optim::WeightAverage average(net);
  const ProgramExplanation p = explained([&] { average.update(0.9); });
  ASSERT_FALSE(p.kernels.empty());
  for (const ExplainedKernel& k : p.kernels)
    EXPECT_TRUE(k.phase == ExplainedKernel::update && k.updates) << k.name;
}

TEST(Explain, TheColdTierFusesNothing) {
  const InTier cold(Tier::cold);
  const Tensor x = tensor_f32({8, 8}, 3);
  NoGrad off;
  Tensor y;
  const ProgramExplanation p = explained([&] { y = relu(exp(x) + 1.0); });
  EXPECT_EQ(p.kernels.size(), 3u);
  EXPECT_EQ(p.passes.size(), 1u);
  for (const ExplainedKernel& k : p.kernels) EXPECT_EQ(k.ops, 1);
}

TEST(Explain, OneAtATime) {
  Explainer explainer;
  EXPECT_THROW(Explainer(), StateError);
}

}  // namespace
}  // namespace suanli
