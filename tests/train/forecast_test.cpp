// SPDX-License-Identifier: Apache-2.0
// Messages of Trainer before the first step.
#include <filesystem>

#include "gtest/gtest.h"
#include "suanli/suanli.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace test;

struct Plain : nn::Module {
  nn::Linear fc{784, 10};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const { return fc(flatten(x, 1)); }
};

/// Decides by its values what it computes.
struct Reader : nn::Module {
  nn::Linear fc{784, 10};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const {
    Tensor y = fc(flatten(x, 1));
    return mean(y).item() > 0 ? y : y * 2.0;
  }
};

TrainConfig small(const TempFolder& folder) {
  TrainConfig c;
  c.data = "glyphs?train=100&test=20";
  c.batch_size = 32;
  c.epochs = 1;
  c.val = 0;
  c.optimizer = "adam";
  c.lr = 0.001;
  c.out = folder / "run";
  return c;
}

TEST(Forecast, CountsWhatClosedFormsSay) {
  TempFolder folder;
  Trainer trainer(Plain(), small(folder));
  const RunForecast f = trainer.forecast();
  const int64_t weights = (784 * 10 + 10) * 4;
  EXPECT_GE(f.weights, weights);
  EXPECT_LE(f.weights, weights * 9 / 8) << "blocks waste at most an eighth";
  EXPECT_EQ(f.optimizer_state, 2 * weights);
  EXPECT_EQ(f.data, 120 * (784 + 4));
  const int64_t products = 2 * 2 * 32 * 784 * 10;
  EXPECT_GE(f.flops_per_step, products);
  EXPECT_LE(f.flops_per_step, products + 20 * weights)
      << "an Adam update takes a dozen operations per weight";
  EXPECT_EQ(f.peak(), f.weights + f.optimizer_state + f.gradients + f.activations + f.workspace +
                          f.updates + f.packed + f.loader + f.data);
  EXPECT_FALSE(trainer.finished());
}

TEST(Forecast, LeavesThePlansOfTheWholeRunReady) {
  TempFolder folder;
  std::string table = "a,b,price\n";
  for (int i = 0; i < 100; ++i)
    table += std::to_string(i % 7) + "," + std::to_string(i * i % 11) + "," +
             std::to_string(i % 7 * 3.5) + "\n";
  const std::string sources[] = {"glyphs?train=100&test=20", "csv:" + folder.file("t.csv", table) +
                                                                 "?target=price&task=regression"};
  for (const std::string& source : sources) {
    clear_plan_cache();
    TrainConfig config = small(folder);
    config.data = source;
    config.model = "mlp";
    config.val = 0.2;
    config.out += std::to_string(&source - sources);
    Trainer trainer(config);
    trainer.forecast();
    const int64_t plans = plan_stats().plans;
    EXPECT_EQ(trainer.run().epochs, 1);
    EXPECT_EQ(plan_stats().plans, plans)
        << source << ": full and last batches, training and both evaluations";
  }
}

struct TwoConvolutions : nn::Module {
  nn::Conv2d first{3, 32, 3, {.padding = 1}}, second{32, 32, 3, {.padding = 1}};
  nn::Linear fc{32, 10};
  SUANLI_FIELDS(first, second, fc)
  Tensor forward(const Tensor& x) const { return fc(mean(second(relu(first(x))), {2, 3})); }
};

/// F(4×4, 3×3) takes 36 products for the 144 of a tile of 16 pixels. Each of the three directions
/// of the second layer either saves that or is a direct convolution.
TEST(Forecast, TellsWhatWinogradSaves) {
  TempFolder folder;
  TrainConfig c;
  c.data = "random:3x32x32?classes=10&samples=32&test=0";
  c.model = "own";
  c.batch_size = 16;

  c.epochs = 1;
  c.val = 0;
  Trainer trainer(TwoConvolutions(), c);
  const RunForecast f = trainer.forecast();
  const int64_t of_one = 2 * 32 * 32 * (16 * 32 * 32 * 9 - 16 * 8 * 8 * 36);
  EXPECT_EQ(f.saved_flops_per_step % of_one, 0) << f.saved_flops_per_step;
  EXPECT_LE(f.saved_flops_per_step, 3 * of_one);
  EXPECT_TRUE(f.saved_flops_per_step > 0 || isa().find("avx3") == std::string::npos);
  EXPECT_LT(f.saved_flops_per_step, f.flops_per_step);
}

/// Each of these would take more than any machine that runs this test has: refused before it is
/// allocated.
TEST(Forecast, ARunThatDoesNotFitIsRefusedBeforeItTakesMemory) {
  TempFolder folder;
  TrainConfig wide;  // a first layer of 512 weights per pixel
  wide.data = "random:1x8192x8192?classes=2&samples=4&test=0";
  wide.model = "cnn_b";
  wide.val = 0;

  wide.batch_size = 2;
  wide.epochs = 1;
  wide.out = folder / "wide";
  const Session of_wide, of_deep;
  Fault fault = fault_of<OutOfMemory>([&] { Trainer(wide, of_wide); });
  EXPECT_EQ(fault.argument, "memory");
  EXPECT_TRUE(contains(fault.given, " leaves ")) << fault.given;
  EXPECT_TRUE(contains(fault.expected, "[1, 8192, 8192] has 12")) << fault.expected;
  EXPECT_TRUE(names_setting(fault, "memory_limit"));
  EXPECT_LT(of_wide.memory_use().peak, 1 << 20);

  TrainConfig deep;  // weights are few, activations are not
  deep.data = "random:3x1024x1024?classes=2&samples=4096&test=0";
  deep.model = "resnet18";

  deep.val = 0;
  deep.batch_size = 4096;
  deep.epochs = 1;
  deep.out = folder / "deep";
  Trainer trainer(deep, of_deep);
  fault = fault_of<OutOfMemory>([&] { trainer.autotune(); });
  EXPECT_EQ(fault.argument, "memory");
  EXPECT_TRUE(contains(fault.expected, "the run needs")) << fault.expected;
  EXPECT_TRUE(contains(fault.expected, "activations")) << fault.expected;
  EXPECT_GT(of_deep.memory_use().peak, 0);
  EXPECT_LT(of_deep.memory_use().peak, 1 << 29) << "weights and optimizer state alone";
  EXPECT_TRUE(contains(fault_of<OutOfMemory>([&] { trainer.run(); }).expected, "the run needs"));
  EXPECT_FALSE(std::filesystem::exists(folder / "deep"));
}

/// No limit lets a run through the checks that then runs out of memory where it is built.
TEST(Forecast, EveryLimitBelowTheNeedIsRefusedInWords) {
  TempFolder folder;
  TrainConfig c;
  c.data = "random:1x512x512?classes=2&samples=8&test=0";
  c.model = "mlp";
  c.val = 0;

  c.batch_size = 2;
  c.epochs = 1;
  c.out = folder / "run";
  int64_t refused = 0, settled = 0;
  for (int64_t mib = 200; mib <= 1400; mib += 100) {
    const int64_t held = Session::current().memory_use().tensors +
                         Session::current().memory_use().arena,
                  limit = Session::current().memory_use().limit;
    Session::current().set_memory_limit(held + (mib << 20));
    try {
      Trainer trainer(c);
      trainer.autotune();
      ++settled;
    } catch (const OutOfMemory& e) {
      EXPECT_TRUE(names_setting(e.fault(), "memory_limit")) << e.what();
      ++refused;
    } catch (const std::exception& e) { ADD_FAILURE() << mib << " MiB: " << e.what(); }
    Session::current().set_memory_limit(limit);
  }
  EXPECT_GE(refused, 6) << "weights, their state and gradients take 1 GiB";
  EXPECT_GE(settled, 1);
}

TEST(Defaults, LargePicturesGetANetworkThatDoesNotGrowWithThem) {
  for (const char* size : {"1x300x300", "3x600x600", "3x2000x2000"}) {
    TrainConfig c;
    c.data = std::string("random:") + size + "?classes=3&samples=8&test=0";
    c.val = 0;
    const Trainer trainer(c);
    EXPECT_EQ(trainer.config().model, "mobilenet_v3_small") << size;
    int64_t weights = 0;
    for (const Parameter& p : const_cast<Trainer&>(trainer).model().parameters())
      weights += p.numel();
    EXPECT_LT(weights, 3'000'000) << size;
  }
  TrainConfig usual;
  usual.data = "random:1x96x96?classes=3&samples=8&test=0";
  usual.val = 0;
  EXPECT_EQ(Trainer(usual).config().model, "cnn_b");
}

TEST(Forecast, AStepThatReadsValuesCannotBeRehearsedAndTrainsAllTheSame) {
  TempFolder folder;
  Trainer trainer(Reader(), small(folder));
  EXPECT_THROW(trainer.forecast(), RehearsalError);
  std::string said;
  trainer.on_message = [&](const std::string& line) { said += line + "\n"; };
  EXPECT_EQ(trainer.run().steps, 4);
  for (const char* part :
       {"not known beforehand: [read]", "shape []", "read while the program is recorded"})
    EXPECT_TRUE(contains(said, part)) << said;
}

/// Refuses a batch of one sample, and decides by values for all others.
struct PairReader : nn::Module {
  nn::Linear fc{784, 10};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const {
    if (x.size(0) == 1)
      throw ShapeError({.op = "pair", .given = "one sample", .expected = "at least two"});
    Tensor y = fc(flatten(x, 1));
    return mean(y).item() > 0 ? y : y * 2.0;
  }
};

TEST(Forecast, ALastBatchOfOneIsLeftOutThoughTheOthersCannotBeRehearsed) {
  TempFolder folder;
  TrainConfig config = small(folder);
  config.data = "glyphs?train=97&test=20";  // 3 batches of 32, and one sample
  Trainer trainer(PairReader(), config);
  EXPECT_EQ(trainer.run().steps, 3);
}

}  // namespace
}  // namespace suanli
