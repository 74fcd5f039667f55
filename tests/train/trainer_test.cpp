// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "base/files/file.h"
#include "base/text/json.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/checkpoint.h"
#include "train/stored/run_folder.h"

namespace suanli {
namespace {

using namespace test;

/// Dropout draws random numbers in each step, so a resume must also put the generator back.
struct Net : nn::Module {
  nn::Linear fc1{784, 32}, fc2{32, 10};
  nn::Dropout drop{0.3};
  SUANLI_FIELDS(fc1, fc2, drop)
  Tensor forward(const Tensor& x) const { return fc2(drop(relu(fc1(flatten(x, 1))))); }
};

/// Computes the logarithm of negative numbers while *broken is true. The flag is outside of the
/// module because the module is moved into the trainer.
struct Fragile : nn::Module {
  nn::Linear fc1{784, 16}, fc2{16, 10};
  SUANLI_FIELDS(fc1, fc2)
  const bool* broken;
  explicit Fragile(const bool* broken) : broken(broken) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = fc2(relu(fc1(flatten(x, 1))));
    return *broken ? log(y - 1e9) : y;
  }
};

/// Predicts class 0 with probability 1/2, and each of the nine other classes with 1/18.
struct Constant : nn::Module {
  Tensor forward(const Tensor& x) const {
    std::vector<float> row(10, std::log(0.5f / 9));
    row[0] = std::log(0.5f);
    return expand(tensor(row, Shape{1, 10}), {x.size(0), 10});
  }
  SUANLI_CALL
};

TrainConfig tiny(const std::string& out) {
  TrainConfig c;
  c.data = "glyphs?train=320&test=64";
  c.model = "net";
  c.epochs = 3;
  c.batch_size = 32;
  c.out = out;
  return c;
}

Net seeded_net() {
  manual_seed(5);
  return Net();
}

std::string weights_of(const std::string& run) { return read_file(run + "/model.safetensors"); }

/// Returns the rows of metrics.jsonl with the time-dependent fields set to 0.
std::string rows_of(const std::string& run) {
  std::string out, text = read_file(run + "/metrics.jsonl");
  for (size_t from = 0, to; (to = text.find('\n', from)) != std::string::npos; from = to + 1) {
    Json row = Json::parse(text.substr(from, to - from));
    out += row.set("wall", 0).set("samples_per_s", 0).dump() + "\n";
  }
  return out;
}

TEST(Trainer, TrainsAUserModule) {
  TempFolder folder;
  Trainer trainer(seeded_net(), tiny(folder / "run"));
  int64_t steps = 0, epochs = 0;
  double last = 0;
  trainer.on_step = [&](const StepReport& r) {
    EXPECT_EQ(r.step, ++steps);
    EXPECT_EQ(r.batches, 9);
    last = r.loss;
  };
  trainer.on_epoch = [&](const EpochReport& r) {
    EXPECT_EQ(r.epoch, ++epochs);
    EXPECT_EQ(r.train_loss, last) << "both callbacks report the same loss";
  };
  TrainResult r = trainer.run();
  EXPECT_EQ(steps, 27);
  EXPECT_EQ(epochs, 3);
  EXPECT_EQ(r.steps, 27);
  EXPECT_FALSE(r.stopped);
  EXPECT_EQ(r.train_loss, last);
  EXPECT_LT(r.train_loss, 2.3) << "better than chance, ln 10";
  // After run(), the model in memory has the weights of the best epoch.
  Evaluation test =
      evaluate(trainer.model(), trainer.data().test,
               {.loss = [](const Tensor& x, const Tensor& y) { return cross_entropy(x, y); }});
  EXPECT_EQ(test.samples, 64);
  EXPECT_EQ(test.accuracy, r.test_accuracy);
  EXPECT_EQ(trainer.run().test_accuracy, r.test_accuracy) << "run() is idempotent";

  TrainedModel trained = load_run(folder / "run", seeded_net());
  EXPECT_EQ(trained.step, r.best_epoch * 9);
  Tensor p = trained.predict(zeros({2, 1, 28, 28}));
  EXPECT_EQ(p.shape(), Shape({2, 10}));
  EXPECT_NEAR(sum(p).item(), 2, 1e-5);
  EXPECT_FAULT(StateError, load_run(folder / "run", nn::AnyModule()), .op = "load_run",
               .argument = "model", .given = "an empty module");
  EXPECT_FAULT(StateError, Trainer(nn::AnyModule(), tiny(folder / "none")), .op = "Trainer",
               .argument = "model");
  EXPECT_FAULT(IoError, load_run(folder / "run"), .argument = folder / "run",
               .given = "model 'net'", .expected = "a model of the zoo");
}

TEST(Trainer, ARunStoppedAtAnyStepResumesBitExactly) {
  TempFolder folder;
  Trainer whole(seeded_net(), tiny(folder / "whole"));
  TrainResult expected = whole.run();
  for (int64_t stop : {1, 5, 9, 10, 26, 27}) {
    const std::string run = folder / ("stop" + std::to_string(stop));
    int64_t steps = 0;
    {
      Trainer first(seeded_net(), tiny(run));
      first.on_step = [&](const StepReport& r) { steps = r.step; };
      first.should_stop = [&] { return steps >= stop; };
      TrainResult r = first.run();
      EXPECT_TRUE(r.stopped);
      EXPECT_EQ(r.steps, stop);
    }
    manual_seed(99);  // the thread's generator must not affect the resumed run
    Trainer second = Trainer::resume(run, Net(), {.loader_threads = 3});
    TrainResult r = second.run();
    EXPECT_EQ(weights_of(run), weights_of(folder / "whole")) << stop;
    EXPECT_EQ(rows_of(run), rows_of(folder / "whole")) << stop;
    EXPECT_EQ(r.train_loss, expected.train_loss) << stop;
    EXPECT_EQ(r.val_loss, expected.val_loss) << stop;
    EXPECT_EQ(r.test_accuracy, expected.test_accuracy) << stop;
  }
}

/// Resume must restore the running statistics of batch normalization. The planned tier also changes
/// the layout of convolutions to blocks of channels. The number of compute threads changes no bit.
TEST(Trainer, AResidualNetworkResumesBitExactlyWithOtherThreads) {
  TempFolder folder;
  auto config = [&](const char* name) {
    TrainConfig c;
    c.data = "random:3x8x8?classes=4&samples=48";
    c.model = "resnet18";
    c.epochs = 2;
    c.batch_size = 8;
    c.lr = 0.01;
    c.threads = 2;
    c.out = folder / name;
    return c;
  };
  Trainer(config("whole")).run();
  int64_t steps = 0;
  {
    Trainer first(config("parts"));
    first.on_step = [&](const StepReport& r) { steps = r.step; };
    first.should_stop = [&] { return steps >= 7; };
    EXPECT_TRUE(first.run().stopped);
  }
  {
    Trainer second = Trainer::resume(folder / "parts", {.threads = 3});
    EXPECT_EQ(second.session().threads(), 3);
    second.run();
  }
  const std::string log = read_file(folder / "parts" + "/log.txt");
  EXPECT_NE(log.find("compute threads: 2 before, 3 from here on."), std::string::npos) << log;
  EXPECT_EQ(log.find("bit-exact"), std::string::npos) << log;
  EXPECT_EQ(weights_of(folder / "parts") == weights_of(folder / "whole"), true);
  EXPECT_EQ(rows_of(folder / "parts"), rows_of(folder / "whole"));
}

TEST(Trainer, FrequentCheckpointsDoNotChangeTheWeights) {
  TempFolder folder;
  Trainer(seeded_net(), tiny(folder / "a")).run();
  TrainConfig often = tiny(folder / "b");
  often.checkpoint_every = 1;
  Trainer(seeded_net(), often).run();
  EXPECT_EQ(weights_of(folder / "a"), weights_of(folder / "b"));
}

TEST(Trainer, KeepsTheWeightsOfTheBestEpoch) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.model = "linear";
  c.epochs = 4;
  Trainer trainer(c);
  double best = -1;
  int64_t best_epoch = 0;
  trainer.on_epoch = [&](const EpochReport& r) {
    EXPECT_EQ(r.best,
              r.val_accuracy > best || best_epoch == 0 || (r.best && r.val_accuracy == best));
    if (r.best) {
      best = r.val_accuracy;
      best_epoch = r.epoch;
    }
  };
  TrainResult r = trainer.run();
  EXPECT_EQ(r.val_accuracy, best);
  EXPECT_EQ(r.best_epoch, best_epoch);
  TrainedModel trained = load_run(folder / "run");
  EXPECT_EQ(trained.epoch, best_epoch);
  Evaluation val =
      evaluate(trained.model, trainer.data().val,
               {.batch_size = 256, .mean = trained.config.mean, .stddev = trained.config.stddev});
  EXPECT_EQ(val.accuracy, r.val_accuracy);
  EXPECT_EQ(val.loss, r.val_loss);
}

TEST(Trainer, TheErrorForANanLossNamesTheOp) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.checkpoint_every = 4;
  bool broken = false;
  int64_t steps = 0;
  Trainer trainer(Fragile(&broken), c);
  trainer.on_step = [&](const StepReport& r) {
    steps = r.step;
    if (r.step == 6) broken = true;
  };
  const Fault fault = fault_of<NumericError>([&] { trainer.run(); });
  EXPECT_EQ(steps, 6);
  EXPECT_EQ(fault.argument, "training step 7 (epoch 1)");
  EXPECT_EQ(fault.given, "the loss became nan");
  for (const char* part : {"[log]", "step 4", "lr = "})
    EXPECT_TRUE(contains(fault.remedy, part)) << fault.remedy;
  EXPECT_TRUE(names_setting(fault, "lr"));
  EXPECT_EQ(CheckpointFolder(folder / "run/checkpoints").load()->progress.step, 4);
}

TEST(Trainer, ADivergingRunNeverSavesBadWeights) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.model = "mlp";
  c.optimizer = "sgd";
  c.lr = 1e30;
  c.checkpoint_every = 1;
  Trainer trainer(c);
  const Fault fault = fault_of<NumericError>([&] { trainer.run(); });
  EXPECT_TRUE(contains(fault.remedy, "The first bad value: [")) << fault.remedy;
  EXPECT_TRUE(contains(fault.remedy, "fc")) << fault.remedy;
  CheckpointFolder checkpoints(folder / "run/checkpoints");
  for (auto& [name, t] : checkpoints.tensors(checkpoints.load()->model))
    for (float v : t.to_vector<float>()) ASSERT_TRUE(std::isfinite(v)) << name;
}

TEST(Trainer, AFailedStartWritesNothing) {
  TempFolder folder;
  auto config = [&](auto change) {
    TrainConfig c = tiny(folder / "run");
    c.model = "cnn_b";
    change(c);
    return c;
  };
  EXPECT_THROW(Trainer(config([](auto& c) { c.model = "cnn_x"; })), ArgumentError);
  EXPECT_THROW(Trainer(config([](auto& c) { c.data = "mnist:/nowhere"; })), IoError);
  EXPECT_THROW(Trainer(config([](auto& c) { c.device = "cuda"; })), DeviceError);
  EXPECT_THROW(Trainer(config([](auto& c) { c.lr = -1; })), ArgumentError);
  EXPECT_THROW(Trainer(config([](auto& c) { c.precision = "bf16"; })), ArgumentError);
  {
    Trainer never_run(config([](auto&) {}));
  }
  EXPECT_FALSE(path_exists(folder / "run"));
  folder.file("file", "x");
  EXPECT_THROW(Trainer(config([&](auto& c) { c.out = folder / "file"; })), IoError);
  EXPECT_THROW(Trainer(config([&](auto& c) { c.out = folder / ""; })), IoError) << "not empty";
}

TEST(Trainer, OneWriterPerRun) {
  TempFolder folder;
  TrainConfig c = tiny(folder / "run");
  c.epochs = 1;
  Trainer trainer(seeded_net(), c);
  Fault fault;
  trainer.on_step = [&](const StepReport& r) {
    if (r.step == 1) fault = fault_of<IoError>([&] { Trainer::resume(folder / "run", Net()); });
  };
  trainer.run();
  EXPECT_EQ(fault.argument, folder / "run");
  EXPECT_EQ(fault.given, "another process is training this run");
}

TEST(Evaluate, CountsAndAveragesOverAllSamples) {
  data::Splits splits = data::open("glyphs?train=100&test=10", {.val_fraction = 0});
  int64_t zeros_in_data = 0;
  std::vector<float> pixels(784);
  for (int64_t i = 0; i < 100; ++i) {
    int64_t label = -1;
    splits.train->read(i, pixels.data(), &label);
    zeros_in_data += label == 0;
  }
  nn::AnyModule model = Constant();
  for (int64_t batch : {7, 100, 1000}) {  // a smaller last batch has less weight in the mean
    Evaluation e = evaluate(model, splits.train, {.batch_size = batch});
    EXPECT_EQ(e.samples, 100);
    EXPECT_DOUBLE_EQ(e.accuracy, static_cast<double>(zeros_in_data) / 100);
    const double n0 = static_cast<double>(zeros_in_data);
    EXPECT_NEAR(e.loss, (n0 * -std::log(0.5) + (100 - n0) * -std::log(0.5 / 9)) / 100, 1e-6);
  }
  EXPECT_TRUE(model.training()) << "evaluate() must restore training mode";
}

}  // namespace
}  // namespace suanli
