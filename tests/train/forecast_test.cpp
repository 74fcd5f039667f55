// What Trainer says before the first step.
#include "gtest/gtest.h"
#include "suanli/suanli.h"
#include "train/temp_folder.h"

namespace suanli {
namespace {

struct Plain : nn::Module {
  nn::Linear fc{784, 10};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) { return fc(flatten(x, 1)); }
};

/// Decides by its values what it computes.
struct Reader : nn::Module {
  nn::Linear fc{784, 10};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) {
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
  EXPECT_LE(f.flops_per_step, products + 20 * weights) << "an Adam update takes a dozen operations per weight";
  EXPECT_EQ(f.peak(), f.weights + f.optimizer_state + f.gradients + f.activations + f.workspace + f.updates + f.packed + f.loader + f.data);
  EXPECT_FALSE(trainer.finished());
}

TEST(Forecast, LeavesThePlansOfTheWholeRunReady) {
  TempFolder folder;
  std::string table = "a,b,price\n";
  for (int i = 0; i < 100; ++i)
    table += std::to_string(i % 7) + "," + std::to_string(i * i % 11) + "," + std::to_string(i % 7 * 3.5) + "\n";
  const std::string sources[] = {"glyphs?train=100&test=20", "csv:" + folder.file("t.csv", table) + "?target=price&task=regression"};
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
    EXPECT_EQ(plan_stats().plans, plans) << source << ": full and last batches, training and both evaluations";
  }
}

TEST(Forecast, AStepThatReadsValuesCannotBeRehearsedAndTrainsAllTheSame) {
  TempFolder folder;
  Trainer trainer(Reader(), small(folder));
  EXPECT_THROW(trainer.forecast(), RehearsalError);
  std::string said;
  trainer.on_message = [&](const std::string& line) { said += line + "\n"; };
  EXPECT_EQ(trainer.run().steps, 4);
  EXPECT_NE(said.find("not known beforehand: [read] a value of shape [] is read while the program is recorded"), std::string::npos) << said;
}

}  // namespace
}  // namespace suanli
