// The parts of a recipe in a run: each resumes bit for bit from any step, and does what it is for.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "suanli/plan.h"
#include "suanli/train.h"
#include "temp_folder.h"
#include "train/json.h"
#include "train/run_folder.h"

namespace suanli {
namespace {

TrainConfig tiny(const std::string& out) {
  TrainConfig c;
  c.data = "glyphs?train=320&test=64";
  c.model = "mlp";
  c.epochs = 3;
  c.batch_size = 32;
  c.out = out;
  return c;
}

struct Part {
  const char* name;
  void (*set)(TrainConfig&);
};
const Part parts[] = {
    {"nesterov", [](TrainConfig& c) { c.optimizer = "nesterov", c.weight_decay = 1e-3, c.decay = "all"; }},
    {"adamw, cosine with warm-up", [](TrainConfig& c) { c.optimizer = "adamw", c.schedule = "cosine", c.warmup = 0.2; }},
    {"onecycle", [](TrainConfig& c) { c.schedule = "onecycle", c.lr_factors = "*.bias=2,fc1.weight=0.5"; }},
    {"frozen later", [](TrainConfig& c) { c.freeze_after = "fc1.*=1,fc2.bias=2"; }},
    {"views drawn again", [](TrainConfig& c) { c.sampler = "balanced", c.augment = "rotation,reflect_crop,alternating_flip"; }},
    {"views in the test", [](TrainConfig& c) { c.optimizer = "sgd", c.tta = "translate"; }},
    {"linear", [](TrainConfig& c) { c.schedule = "linear", c.lr_end = 0.1; }},
    {"step", [](TrainConfig& c) { c.schedule = "step", c.milestones = "0.3,0.6", c.gamma = 0.5; }},
    {"clipping", [](TrainConfig& c) { c.clip_norm = 0.5, c.clip_value = 0.1; }},
    {"accumulation", [](TrainConfig& c) { c.batch_size = 7, c.accumulate = 4; }},
    {"ema", [](TrainConfig& c) { c.ema = 0.9; }},
    {"lookahead", [](TrainConfig& c) { c.lookahead = 5; }},
    {"smoothing and weights", [](TrainConfig& c) { c.label_smoothing = 0.1, c.class_weights = "auto"; }},
    {"limit", [](TrainConfig& c) { c.limit = 150; }},
};

TEST(Recipe, EveryPartResumesWithTheSameBits) {
  for (const Part& part : parts) {
    TempFolder folder;
    auto config = [&](const char* name) {
      TrainConfig c = tiny(folder / name);
      part.set(c);
      return c;
    };
    auto plain = tiny(folder / "plain");
    Trainer(plain).run();
    const TrainResult expected = Trainer(config("whole")).run();
    const std::string weights = read_file(folder / "whole/model.safetensors");
    EXPECT_NE(weights, read_file(folder / "plain/model.safetensors")) << part.name << " changes nothing";
    for (int64_t stop : {1, 6, 13}) {
      const std::string run = folder / ("stop" + std::to_string(stop));
      int64_t steps = 0;
      {
        TrainConfig c = config("");
        c.out = run;
        Trainer first(c);
        first.on_step = [&](const StepReport& r) { steps = r.step; };
        first.should_stop = [&] { return steps >= stop; };
        EXPECT_TRUE(first.run().stopped) << part.name;
      }
      const TrainResult r = Trainer::resume(run).run();
      EXPECT_EQ(read_file(run + "/model.safetensors") == weights, true) << part.name << ", stopped at " << stop;
      EXPECT_EQ(r.val_loss, expected.val_loss) << part.name;
      EXPECT_EQ(r.test_accuracy, expected.test_accuracy) << part.name;
      EXPECT_EQ(r.clipped, expected.clipped) << part.name;
    }
  }
}

TEST(Recipe, ForecastLeavesItsPlansReady) {
  for (const Part& part : parts) {
    TempFolder folder;
    clear_plan_cache();
    TrainConfig c = tiny(folder / "run");
    part.set(c);
    Trainer trainer(c);
    trainer.forecast();
    const int64_t plans = plan_stats().plans;
    trainer.run();
    // Weights and their average are exchanged by a program without kernels, which needs no forecast.
    EXPECT_LE(plan_stats().plans - plans, c.ema > 0 || c.lookahead > 0) << part.name;
  }
}

TEST(Recipe, AccumulatedBatchesAreOneLargeBatch) {
  TempFolder folder;
  auto run = [&](const char* name, int64_t batch, int64_t accumulate) {
    TrainConfig c = tiny(folder / name);
    c.optimizer = "sgd", c.batch_size = batch, c.accumulate = accumulate;
    return Trainer(c).run();
  };
  const TrainResult whole = run("whole", 32, 1), parted = run("parted", 8, 4), uneven = run("uneven", 12, 3);
  EXPECT_EQ(parted.steps, whole.steps);
  EXPECT_NEAR(parted.train_loss, whole.train_loss, 1e-5);
  EXPECT_NEAR(parted.val_loss, whole.val_loss, 1e-5);
  EXPECT_EQ(uneven.steps, 3 * 8) << "288 samples in steps of 36";
}

TEST(Recipe, EarlyStoppingKeepsTheBestEpoch) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.optimizer = "sgd", c.lr = 1e-12, c.momentum = 0;  // nothing is learned, so that no epoch after the first is better
  c.epochs = 50, c.patience = 3, c.clip_norm = 1;
  std::string said;
  const TrainResult r = [&] {
    Trainer trainer(c);
    trainer.on_message = [&](const std::string& line) { said += line + "\n"; };
    return trainer.run();
  }();
  EXPECT_LE(r.epochs, 8);
  EXPECT_EQ(r.epochs - r.best_epoch, 3);
  EXPECT_NE(said.find("no better validation since epoch"), std::string::npos) << said;
  EXPECT_TRUE(std::isfinite(r.grad_norm) && r.grad_norm > 0);
  EXPECT_TRUE(Trainer::resume(folder / "run").finished());
}

TEST(Recipe, OverfittingAFewBatchesGetsThemRight) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.overfit_batches = 2, c.epochs = 40;
  Trainer trainer(c);
  EXPECT_EQ(trainer.data().train->size(), 64);
  EXPECT_EQ(trainer.data().test, nullptr);
  EXPECT_EQ(trainer.run().val_accuracy, 1);
}

TEST(Recipe, MeasuringLeavesTheRunAsItWas) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "a");
  c.ema = 0.9;
  Trainer(c).run();
  c.out = folder / "b";
  Trainer measured(c);
  const RunTiming timing = measured.measure();
  EXPECT_EQ(timing.steps_per_epoch, 9);
  EXPECT_GT(timing.step, 0);
  EXPECT_GT(timing.epoch, 9 * timing.step);
  EXPECT_GT(timing.of_run(3), 3 * timing.epoch);
  measured.run();
  EXPECT_EQ(read_file(folder / "a/model.safetensors") == read_file(folder / "b/model.safetensors"), true);
}

TEST(Recipe, MistakesAreNamed) {
  struct Row {
    void (*set)(TrainConfig&);
    const char* error;
  };
  const Row rows[] = {
      {[](TrainConfig& c) { c.optimizer = "adma"; }, "did you mean 'adam'? There are sgd, nesterov, adam, adamw."},
      {[](TrainConfig& c) { c.schedule = "cosin"; }, "did you mean 'cosine'?"},
      {[](TrainConfig& c) { c.optimizer = "adamw", c.momentum = 0.9; }, "momentum is sgd's; adamw has its own averages"},
      {[](TrainConfig& c) { c.class_weights = "1,2"; }, "class_weights has 2 numbers, but the data have 10 classes"},
      {[](TrainConfig& c) { c.class_weights = "1,x"; }, "class_weights is '1,x', expected numbers"},
      {[](TrainConfig& c) { c.milestones = "0.5,2"; }, "milestones is 0.5,2, expected numbers above 0 and below 1"},
      {[](TrainConfig& c) { c.ema = 0.9, c.lookahead = 5; }, "Give one of them"},
      {[](TrainConfig& c) { c.warmup = 1; }, "warmup is 1"},
      {[](TrainConfig& c) { c.accumulate = -1; }, "accumulate is -1, expected at least 1"},
      {[](TrainConfig& c) { c.decay = "some"; }, "decay is some, expected weights or all"},
      {[](TrainConfig& c) { c.lr_factors = "*.bias"; }, "lr_factors is '*.bias', expected none, or NAME=NUMBER"},
      {[](TrainConfig& c) { c.lr_factors = "*.bais=2"; }, "lr_factors: no parameter is named like '*.bais'. There are fc1.weight"},
      {[](TrainConfig& c) { c.lr_factors = "*.bias=0"; }, "lr_factors is *.bias=0, expected factors above 0"},
      {[](TrainConfig& c) { c.freeze_after = "fc1.*=0.5"; }, "expected whole numbers of epochs from 1 on"},
      {[](TrainConfig& c) { c.freeze_after = "fc*=2"; }, "freeze_after: 'fc*=2' leaves nothing to train"},
      {[](TrainConfig& c) { c.tta = "mirorr"; }, "tta is mirorr, expected none, mirror or translate"},
      {[](TrainConfig& c) { c.tta = "mirror", c.data = "random:7"; }, "samples of shape [7] are none"},
  };
  TempFolder folder;
  for (const Row& row : rows) {
    TrainConfig c = tiny(folder / "run");
    row.set(c);
    std::string text = "nothing was thrown";
    try {
      Trainer trainer(c);
    } catch (const Error& e) { text = e.what(); }
    EXPECT_NE(text.find(row.error), std::string::npos) << text;
  }
  EXPECT_FALSE(path_exists(folder / "run"));
}

}  // namespace
}  // namespace suanli
