// SPDX-License-Identifier: Apache-2.0
// The parts of a recipe in a run: each resumes bit for bit from any step, and does what it is for.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/files/file.h"
#include "base/text/json.h"
#include "suanli/io.h"
#include "suanli/plan.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/run_folder.h"

namespace suanli {
namespace {

using namespace test;

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
    {"nesterov",
     [](TrainConfig& c) {
       c.optimizer = "nesterov";
       c.weight_decay = 1e-3;
       c.decay = "all";
     }},
    {"adamw, cosine with warm-up",
     [](TrainConfig& c) {
       c.optimizer = "adamw";
       c.schedule = "cosine";
       c.warmup = 0.2;
     }},
    {"onecycle",
     [](TrainConfig& c) {
       c.schedule = "onecycle";
       c.lr_factors = "*.bias=2,fc1.weight=0.5";
     }},
    {"frozen later", [](TrainConfig& c) { c.freeze_after = "fc1.*=1,fc2.bias=2"; }},
    {"views drawn again",
     [](TrainConfig& c) {
       c.sampler = "balanced";
       c.augment = "rotation,reflect_crop,alternating_flip";
     }},
    {"views in the test",
     [](TrainConfig& c) {
       c.optimizer = "sgd";
       c.tta = "translate";
     }},
    {"linear",
     [](TrainConfig& c) {
       c.schedule = "linear";
       c.lr_end = 0.1;
     }},
    {"step",
     [](TrainConfig& c) {
       c.schedule = "step";
       c.milestones = "0.3,0.6";
       c.gamma = 0.5;
     }},
    {"clipping",
     [](TrainConfig& c) {
       c.clip_norm = 0.5;
       c.clip_value = 0.1;
     }},
    {"accumulation",
     [](TrainConfig& c) {
       c.batch_size = 7;
       c.accumulate = 4;
     }},
    {"ema", [](TrainConfig& c) { c.ema = 0.9; }},
    {"lookahead", [](TrainConfig& c) { c.lookahead = 5; }},
    {"smoothing and weights",
     [](TrainConfig& c) {
       c.label_smoothing = 0.1;
       c.class_weights = "auto";
     }},
    {"limit", [](TrainConfig& c) { c.limit = 150; }},
    {"weights and accumulation",
     [](TrainConfig& c) {
       c.class_weights = "1,2,1,1,5,1,1,1,1,30";
       c.batch_size = 7;
       c.accumulate = 4;
     }},
    {"weights of 0",
     [](TrainConfig& c) {
       c.class_weights = "1,0,0,0,0,0,0,0,0,0";
       c.batch_size = 2;
       c.accumulate = 8;
     }},
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
    EXPECT_NE(weights, read_file(folder / "plain/model.safetensors"))
        << part.name << " changes nothing";
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
      EXPECT_EQ(read_file(run + "/model.safetensors") == weights, true)
          << part.name << ", stopped at " << stop;
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
    // Weights and their average are exchanged by a program without kernels, which needs no
    // forecast.
    EXPECT_LE(plan_stats().plans - plans, c.ema > 0 || c.lookahead > 0) << part.name;
  }
}

// The rehearsal before step 0 records the fifth step, which such a run never makes.
TEST(Recipe, ARunMayBeShorterThanLookahead) {
  for (int64_t steps : {1, 2, 4}) {
    TempFolder folder;
    TrainConfig c = tiny(folder / "run");
    c.lookahead = 5;
    c.max_steps = steps;
    EXPECT_EQ(Trainer(c).run().steps, steps);
  }
}

TEST(Recipe, AccumulatedBatchesAreOneLargeBatch) {
  TempFolder folder;
  auto run = [&](const char* name, int64_t batch, int64_t accumulate) {
    TrainConfig c = tiny(folder / name);
    c.optimizer = "sgd";
    c.batch_size = batch;
    c.accumulate = accumulate;
    return Trainer(c).run();
  };
  const TrainResult whole = run("whole", 32, 1), parted = run("parted", 8, 4),
                    uneven = run("uneven", 12, 3);
  EXPECT_EQ(parted.steps, whole.steps);
  EXPECT_NEAR(parted.train_loss, whole.train_loss, 1e-5);
  EXPECT_NEAR(parted.val_loss, whole.val_loss, 1e-5);
  EXPECT_EQ(uneven.steps, 3 * 8) << "288 samples in steps of 36";
}

/// Largest difference between two runs' weights, relative to each tensor's largest element.
double difference(const std::string& a, const std::string& b) {
  double most = 0;
  const NamedTensors left = load_safetensors(a + "/model.safetensors"),
                     right = load_safetensors(b + "/model.safetensors");
  EXPECT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    const std::vector<float> x = left[i].second.to_vector<float>(),
                             y = right[i].second.to_vector<float>();
    float off = 0, largest = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      off = std::max(off, std::abs(x[k] - y[k]));
      largest = std::max(largest, std::abs(x[k]));
    }
    most = std::max(most, static_cast<double>(off / largest));
  }
  return most;
}

/// A weighted mean over a step is one over all its samples, however they are cut into batches.
TEST(Recipe, AccumulatedBatchesAreOneLargeBatchWithWeightsToo) {
  struct Row {
    const char* name;
    void (*set)(TrainConfig&);
  };
  const Row rows[] = {
      {"weights", [](TrainConfig& c) { c.class_weights = "1,2,1,1,1,1,1,1,1,30"; }},
      {"weights and smoothing",
       [](TrainConfig& c) {
         c.class_weights = "1,2,1,1,1,1,1,1,1,30";
         c.label_smoothing = 0.1;
       }},
      {"weights of 0", [](TrainConfig& c) { c.class_weights = "1,0,0,0,3,0,0,0,0,0"; }},
      {"auto",
       [](TrainConfig& c) {
         c.class_weights = "auto";
         c.sampler = "balanced";
       }},
      {"smoothing", [](TrainConfig& c) { c.label_smoothing = 0.2; }},
      {"none", [](TrainConfig&) {}},
  };
  for (const Row& row : rows) {
    TempFolder folder;
    auto run = [&](const char* name, int64_t batch, int64_t accumulate) {
      TrainConfig c;
      // 100 samples: the last step of an epoch has 4
      c.data = "glyphs?train=100&test=20";
      c.model = "mlp";
      c.optimizer = "sgd";
      c.lr = 0.05;
      c.momentum = 0.9;
      c.val = 0;
      c.epochs = 3;
      c.batch_size = batch;
      c.accumulate = accumulate;
      c.out = folder / name;
      row.set(c);
      Trainer(c).run();
      return folder / name;
    };
    const std::string whole = run("whole", 32, 1);
    EXPECT_LE(difference(whole, run("parts", 8, 4)), 1e-4) << row.name;
    EXPECT_LE(difference(whole, run("small", 4, 8)), 1e-4) << row.name << ", batches of 4";
  }
}

/// Samples of class 0 alone count; most batches of one sample count for nothing, and leave no NaN.
TEST(Recipe, BatchesThatCountForNothingAreSkipped) {
  TempFolder folder;
  TrainConfig c;
  c.data = "glyphs?train=60&test=20";
  c.model = "mlp";
  c.optimizer = "sgd";
  c.momentum = 0;

  c.val = 0;
  c.epochs = 1;
  c.batch_size = 1;
  c.class_weights = "1,0,0,0,0,0,0,0,0,0";
  c.out = folder / "run";
  Trainer trainer(c);
  std::vector<double> losses;
  std::vector<bool> moved;
  std::vector<float> before = trainer.model().parameters().back().value().to_vector<float>();
  trainer.on_step = [&](const StepReport& r) {
    std::vector<float> now = trainer.model().parameters().back().value().to_vector<float>();
    losses.push_back(r.batch_loss);
    moved.push_back(now != before);
    before = std::move(now);
  };
  const TrainResult result = trainer.run();
  EXPECT_TRUE(std::isfinite(result.train_loss));
  int64_t counted = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_EQ(losses[i] > 0, moved[i]) << i;
    counted += losses[i] > 0;
  }
  int64_t of_class_0 = 0;
  for (int64_t i = 0; i < 60; ++i) of_class_0 += trainer.data().train->label(i) == 0;
  EXPECT_EQ(counted, of_class_0);
  EXPECT_GT(of_class_0, 0);
  EXPECT_LT(of_class_0, 60);
}

/// Batch normalization of rows: one number per channel is all that a batch of one sample has.
struct NormalizedRows : nn::Module {
  nn::Linear fc1{784, 8}, fc2{8, 10};
  nn::BatchNorm1d norm{8};
  SUANLI_FIELDS(fc1, norm, fc2)
  Tensor forward(const Tensor& x) const { return fc2(relu(norm(fc1(flatten(x, 1))))); }
};

TEST(Recipe, ALastBatchOfOneSampleIsLeftOutWhereItHasNoVariance) {
  TempFolder folder;
  auto config = [&](const char* name, int64_t batch, int64_t accumulate = 1) {
    TrainConfig c;
    c.data = "glyphs?train=65&test=20";
    c.val = 0;
    c.epochs = 2;
    c.batch_size = batch;

    c.accumulate = accumulate;
    c.out = folder / name;
    return c;
  };
  for (int64_t accumulate : {1, 3}) {
    Trainer trainer(NormalizedRows(), config(accumulate == 1 ? "one" : "three", 16, accumulate));
    int64_t steps = 0;
    trainer.on_step = [&](const StepReport& r) {
      EXPECT_EQ(r.batches, 4);
      ++steps;
    };
    const TrainResult r = trainer.run();
    EXPECT_EQ(r.steps, accumulate == 1 ? 8 : 4);
    EXPECT_EQ(steps, r.steps);
    EXPECT_NE(trainer.data().notes.back().find("single sample"), std::string::npos);
  }
  // The zoo's networks normalize over pixels, where one sample has several values; so do rows that
  // come in pairs.
  TrainConfig pixels = config("pixels", 16);
  pixels.model = "cnn_bn";
  pixels.epochs = 1;
  EXPECT_EQ(Trainer(pixels).run().steps, 5);
  EXPECT_EQ(Trainer(NormalizedRows(), config("pairs", 9)).run().steps, 16) << "65 = 7 · 9 + 2";
  // It resumes as it was.
  TrainConfig parts = config("parts", 16);
  {
    manual_seed(3);
    Trainer first(NormalizedRows(), parts);
    int64_t steps = 0;
    first.on_step = [&](const StepReport& r) { steps = r.step; };
    first.should_stop = [&] { return steps >= 3; };
    EXPECT_TRUE(first.run().stopped);
  }
  EXPECT_EQ(Trainer::resume(folder / "parts", NormalizedRows()).run().steps, 8);
  // Batches of one sample only: said before anything is written.
  Trainer single(NormalizedRows(), config("single", 1));
  const Fault fault = fault_of<IoError>([&] { single.run(); });
  EXPECT_TRUE(contains(fault.remedy, "batches of one sample")) << fault.remedy;
  EXPECT_TRUE(names_setting(fault, "batch_size"));
  EXPECT_FALSE(path_exists(folder / "single"));
}

TEST(Recipe, EarlyStoppingKeepsTheBestEpoch) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  // nothing is learned, so that no epoch after the first is better
  c.optimizer = "sgd";
  c.lr = 1e-12;
  c.momentum = 0;
  c.epochs = 50;
  c.patience = 3;
  c.clip_norm = 1;
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
  c.overfit_batches = 2;
  c.epochs = 40;
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
  EXPECT_EQ(read_file(folder / "a/model.safetensors") == read_file(folder / "b/model.safetensors"),
            true);
}

TEST(Recipe, MistakesAreNamed) {
  struct Row {
    void (*set)(TrainConfig&);
    const char *argument, *given, *expected;
    std::optional<std::string> remedy{};
  };
  const char *from_1 = "at least 1 and at most 1000000000",
             *above_0 = "a number above 0 and up to 1e30", *most = "9223372036854775807";
  const Row rows[] = {
      {[](TrainConfig& c) { c.optimizer = "adma"; }, "optimizer", "'adma'",
       "one of sgd, nesterov, adam, adamw", "Did you mean 'adam'?"},
      {[](TrainConfig& c) {
         c.optimizer = "adamw";
         c.momentum = 0.9;
       },
       "momentum", "0.9", "0 with adamw"},
      {[](TrainConfig& c) { c.class_weights = "1,2"; }, "class_weights", "2 numbers",
       "10, one per class of the data"},
      {[](TrainConfig& c) { c.class_weights = "0,0,0,0,0,0,0,0,0,0"; }, "class_weights",
       "'0,0,0,0,0,0,0,0,0,0'", "at least one weight above 0"},
      {[](TrainConfig& c) { c.batch_size = -7; }, "batch_size", "-7", from_1},
      {[](TrainConfig& c) { c.batch_size = std::numeric_limits<int64_t>::max(); }, "batch_size",
       most, from_1},
      {[](TrainConfig& c) { c.accumulate = std::numeric_limits<int64_t>::max(); }, "accumulate",
       most, from_1},
      {[](TrainConfig& c) { c.epochs = -1; }, "epochs", "-1", from_1},
      {[](TrainConfig& c) { c.epochs = std::numeric_limits<int64_t>::max(); }, "epochs", most,
       from_1},
      {[](TrainConfig& c) { c.lr = -0.1; }, "lr", "-0.1", above_0},
      {[](TrainConfig& c) { c.lr = NAN; }, "lr", "nan", above_0},
      {[](TrainConfig& c) { c.lr = INFINITY; }, "lr", "inf", above_0},
      {[](TrainConfig& c) { c.lr = 1e39; }, "lr", "1e+39", above_0},
      {[](TrainConfig& c) { c.weight_decay = NAN; }, "weight_decay", "nan",
       "0 or more and up to 1e30"},
      {[](TrainConfig& c) { c.momentum = NAN; }, "momentum", "nan", "0 or more and below 1"},
      {[](TrainConfig& c) { c.clip_norm = -1; }, "clip_norm", "-1", "0 or more"},
      {[](TrainConfig& c) { c.val = NAN; }, "val", "nan", "0 or more and below 1"},
      {[](TrainConfig& c) { c.checkpoint_minutes = NAN; }, "checkpoint_minutes", "nan",
       "0 or more"},
      {[](TrainConfig& c) { c.checkpoint_minutes = -1; }, "checkpoint_minutes", "-1", "0 or more"},
      {[](TrainConfig& c) { c.overfit_batches = std::numeric_limits<int64_t>::max(); },
       "overfit_batches", most, "0 to 1000000000"},
      {[](TrainConfig& c) { c.class_weights = "1,x"; }, "class_weights", "'1,x'",
       "numbers with commas between"},
      {[](TrainConfig& c) { c.milestones = "0.5,2"; }, "milestones", "'0.5,2'",
       "numbers above 0 and below 1"},
      {[](TrainConfig& c) {
         c.ema = 0.9;
         c.lookahead = 5;
       },
       "lookahead", "5", "0 beside ema = 0.9", "Both average the weights. Give one of them."},
      {[](TrainConfig& c) { c.warmup = 1; }, "warmup", "1", "0 or more and below 1"},
      {[](TrainConfig& c) { c.accumulate = -1; }, "accumulate", "-1", from_1},
      {[](TrainConfig& c) { c.decay = "some"; }, "decay", "'some'", "weights or all"},
      {[](TrainConfig& c) { c.lr_factors = "*.bias"; }, "lr_factors", "'*.bias'",
       "none, or NAME=NUMBER with commas between"},
      {[](TrainConfig& c) { c.lr_factors = "*.bais=2"; }, "lr_factors", "'*.bais'",
       "names of parameters: fc1.weight"},
      {[](TrainConfig& c) { c.lr_factors = "*.bias=0"; }, "lr_factors", "'*.bias=0'",
       "factors above 0 and up to 1e30"},
      {[](TrainConfig& c) { c.freeze_after = "fc1.*=0.5"; }, "freeze_after", "'fc1.*=0.5'",
       "whole numbers of epochs from 1 on"},
      {[](TrainConfig& c) { c.freeze_after = "fc*=2"; }, "freeze_after", "'fc*=2'",
       "a parameter that is trained"},
      {[](TrainConfig& c) { c.tta = "mirorr"; }, "tta", "'mirorr'", "none, mirror or translate"},
      {[](TrainConfig& c) {
         c.tta = "mirror";
         c.data = "random:7";
       },
       "tta", "mirror", "none for samples of shape [7], which are no pictures"},
  };
  TempFolder folder;
  for (const Row& row : rows) {
    TrainConfig c = tiny(folder / "run");
    row.set(c);
    SCOPED_TRACE(row.given);
    const Fault fault = fault_of<ArgumentError>([&] { Trainer{c}; });
    EXPECT_EQ(fault.argument, row.argument);
    EXPECT_EQ(fault.given, row.given);
    EXPECT_EQ(fault.expected.find(row.expected), 0u) << fault.expected;
    EXPECT_EQ(fault.remedy, row.remedy.value_or(fault.remedy));
  }
  TrainConfig c = tiny(folder / "run");
  c.schedule = "cosin";
  EXPECT_THROW(Trainer{c}, ArgumentError);
  EXPECT_FALSE(path_exists(folder / "run"));
}

}  // namespace
}  // namespace suanli
