// SPDX-License-Identifier: Apache-2.0
// A tuning decides speed and memory: results have the same bits under all of them.
#include "plan/ir/tuning.h"

#include "backends/cpu/numerics.h"
#include "gtest/gtest.h"
#include "plan/large_ops.h"
#include "plan/planned.h"
#include "plan/random_programs.h"
#include "support/tunings.h"

namespace suanli {
namespace {

using namespace suanli::test;

std::vector<std::string> bits_of(const std::vector<Tensor>& values) {
  std::vector<std::string> all;
  for (const Tensor& t : values) all.push_back(bits(t));
  return all;
}

/// True in the test's log if values() gives the same bits under all tunings, on three threads as on
/// one.
template <class F> void expect_same_bits_by_tuning(F&& values) {
  const auto want = [&] {
    const Threads threads(1);
    return bits_of(values());
  }();
  const Threads threads(3);
  for (const TuningCase& t : far_tunings()) {
    const InTuning in_tuning(t);
    const int64_t plans = plan_stats().plans;
    const auto got = bits_of(values());
    EXPECT_GT(plan_stats().plans, plans) << t.name << ": no plan of its own";
    ASSERT_EQ(got.size(), want.size());
    for (size_t k = 0; k < got.size(); ++k)
      EXPECT_EQ(got[k] == want[k], true) << "result " << k << ", tuned by " << t.name;
  }
}

TEST(Tuning, ChangesNoBitOfLargeOps) {
  for (DType dtype : {f32, f64})
    for_large_ops(dtype, [&](const char* what, auto&& values) {
      SCOPED_TRACE(what);
      SCOPED_TRACE(to_string(dtype));
      expect_same_bits_by_tuning(values);
    });
}

TEST(Tuning, ChangesNoBitOfRandomPrograms) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    expect_same_bits_by_tuning([&] { return random_program(seed); });
  }
}

/// The loss and all weights of a network after `steps` steps.
template <class MakeNet, class MakeLoss>
std::vector<Tensor> trained(MakeNet&& make, MakeLoss&& loss_of, int steps) {
  manual_seed(7);
  auto net = make();
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  Tensor loss;
  for (int i = 0; i < steps; ++i) {
    opt.zero_grad();
    loss = loss_of(net, static_cast<uint64_t>(i));
    loss.backward();
    opt.step();
  }
  std::vector<Tensor> out{loss};
  for (const Parameter& p : net.parameters()) out.push_back(p);
  return out;
}

Tensor tokens(const Shape& shape, int64_t below, uint64_t seed) {
  std::vector<int64_t> values;
  for (double x : numbers(static_cast<size_t>(shape.numel()), seed))
    values.push_back(static_cast<int64_t>((x + 1) / 2 * static_cast<double>(below)));
  return tensor(values, shape);
}

TEST(Tuning, ChangesNoBitOfTrainingAConvolutionalNetwork) {
  expect_same_bits_by_tuning([] {
    return trained([] { return models::make("cnn_b"); },
                   [](auto& net, uint64_t i) {
                     return nll_loss(net(tensor_f32({16, 1, 28, 28}, i)), tokens({16}, 10, i));
                   },
                   2);
  });
}

TEST(Tuning, ChangesNoBitOfTrainingResidualBlocks) {
  expect_same_bits_by_tuning([] {
    return trained([] { return models::make("resnet18", {.input_shape = {3, 32, 32}}); },
                   [](auto& net, uint64_t i) {
                     return cross_entropy(net(tensor_f32({4, 3, 32, 32}, i)), tokens({4}, 10, i));
                   },
                   1);
  });
}

TEST(Tuning, ChangesNoBitOfTrainingATransformer) {
  expect_same_bits_by_tuning([] {
    return trained(
        [] {
          return models::Gpt({.vocab = 300, .context = 96, .layers = 2, .width = 96, .heads = 4});
        },
        [](auto& net, uint64_t i) {
          const Tensor y = net(tokens({3, 96}, 300, i));
          return cross_entropy(reshape(y, {3 * 96, 300}), tokens({3 * 96}, 300, i + 100));
        },
        2);
  });
}

// Kernels of networks that are not trained: epilogues in registers, packed weights, constants.
TEST(Tuning, ChangesNoBitOfFrozenNetworks) {
  const InferenceMode mode;
  for (const char* name : {"resnet18", "mobilenet_v3_small"})
    for (int64_t samples : {1, 3}) {
      SCOPED_TRACE(str(name, ", ", samples, " samples"));
      manual_seed(3);
      const nn::AnyModule net = models::make(name, {.input_shape = {3, 64, 64}});
      expect_same_bits_by_tuning(
          [&] { return std::vector{net(tensor_f32({samples, 3, 64, 64}, 5))}; });
    }
}

TEST(Tuning, AnotherOneTakesEffectInTheNextStep) {
  const Tensor x = tensor_f32({300, 400}, 1), w = tensor_f32({400, 200}, 2);
  flush();
  auto plans_of = [&](const TuningCase& t) {
    const InTuning in_tuning(t);
    const int64_t before = plan_stats().plans;
    EXPECT_GT(sum(abs(matmul(x, w))).item(), 0);
    return plan_stats().plans - before;
  };
  TuningCase cpu{"cpu", cpu::cpu_tuning(), plan_tuning()}, plan = cpu, none = cpu;
  cpu.cpu.gemm_block_rows = 64;
  plan.plan.longest_row = 7;
  clear_plan_cache();
  for (const TuningCase* t : {&none, &cpu, &plan}) EXPECT_EQ(plans_of(*t), 1);
  for (const TuningCase* t : {&none, &plan, &cpu})
    EXPECT_EQ(plans_of(*t), 0) << "back again: the plan is still there";
}

TEST(Tuning, ValuesOutOfTheirRangesAreRefused) {
  const cpu::CpuTuning cpu = cpu::cpu_tuning();
  const PlanTuning plan = plan_tuning();
  cpu::CpuTuning bad = cpu;
  bad.tile_bytes = 5000;
  EXPECT_THROW(cpu::set_cpu_tuning(bad), ArgumentError);
  bad.tile_bytes = 32768;
  EXPECT_THROW(cpu::set_cpu_tuning(bad), ArgumentError);
  PlanTuning worse = plan;
  worse.longest_row = 65536;  // kernels would cut such a row when it stands alone
  EXPECT_THROW(set_plan_tuning(worse), ArgumentError);
  EXPECT_EQ(cpu::cpu_tuning(), cpu);
  EXPECT_EQ(plan_tuning(), plan);
}

TEST(Tuning, DefaultsLieInTheirRanges) {
  for (const auto& values : {values_of(cpu::cpu_tuning_of_machine()), values_of(PlanTuning())})
    for (const TuningValue& v : values) {
      EXPECT_GE(v.value, v.least) << v.name;
      EXPECT_LE(v.value, v.most) << v.name;
    }
}

// A changed hash says that results of this version have other bits than those before: then this is
// right to fail, and the change belongs into the list of changes.
// Rows of a row program are added up as they are alone: not cut, and not shared out by columns.
static_assert(most_plan_tuning().longest_row < 2 * cpu::Numerics::reduction_parallel_elements);
static_assert(most_plan_tuning().row_columns <=
              cpu::Numerics::reduction_parts * cpu::Numerics::reduction_block);

TEST(Numerics, HashesAreThoseOfThisVersion) {
  EXPECT_EQ(cpu::numerics_hash(4), 0xEAC300A07EDD90EAu);
  EXPECT_EQ(cpu::numerics_hash(8), 0x824DB267D548C9FEu);
  EXPECT_EQ(cpu::numerics_hash(16), 0x3C968D704D5FAF92u);
}

}  // namespace
}  // namespace suanli
