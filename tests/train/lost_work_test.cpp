// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/files/file.h"
#include "suanli/io.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/checkpoint.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/run_folder.h"

namespace suanli {
namespace {

using namespace test;

namespace fs = std::filesystem;

TrainConfig tiny(const std::string& out) {
  TrainConfig c;
  c.data = "glyphs?train=160&test=64";
  c.model = "mlp";
  c.epochs = 2;
  c.batch_size = 16;
  c.out = out;
  return c;
}

/// Runs until `stop` steps are taken.
void run_to(Trainer&& trainer, int64_t stop) {
  int64_t steps = 0;
  trainer.on_step = [&](const StepReport& r) { steps = r.step; };
  trainer.should_stop = [&] { return steps >= stop; };
  EXPECT_TRUE(trainer.run().stopped);
}

std::string read_if_there(const std::string& path) {
  return path_exists(path) ? read_file(path) : "";
}

/// All that a run holds, for "nothing was touched".
std::vector<std::string> contents(const std::string& run) {
  std::vector<std::string> out;
  for (auto& entry : fs::recursive_directory_iterator(run))
    if (entry.is_regular_file())
      out.push_back(entry.path().string() + ": " + read_file(entry.path().string()));
  std::sort(out.begin(), out.end());
  return out;
}

Tensor some_pictures() {
  manual_seed(4);
  return rand({3, 1, 28, 28});
}

TEST(WithoutCheckpoints, TheModelFileAndTheConfigurationAreEnough) {
  TempFolder folder;
  Trainer first(tiny(folder / "run"));
  const TrainResult result = first.run();
  TrainedModel before = load_run(folder / "run");
  const std::vector<float> answers = before.predict(some_pictures()).to_vector<float>();
  fs::create_directory(folder / "handed");  // what people hand on
  for (const char* name : {"config.toml", "model.safetensors"})
    fs::copy_file(folder / "run/" + name, folder / "handed/" + name);
  fs::remove_all(folder / "run/checkpoints");
  for (const char* run : {"run", "handed"}) {
    TrainedModel after = load_run(folder / run);
    EXPECT_TRUE(after.finished);
    EXPECT_EQ(after.epoch, result.best_epoch);
    EXPECT_EQ(after.step, before.step);
    EXPECT_EQ(after.class_names, before.class_names);
    EXPECT_EQ(after.input_shape, before.input_shape);
    EXPECT_EQ(after.predict(some_pictures()).to_vector<float>(), answers) << run;

    TrainConfig next = tiny(folder / (std::string("next-") + run));
    next.model = "";
    next.weights = folder / run;
    Trainer fine(next);
    EXPECT_EQ(fine.config().model, "mlp");
    for (auto& [name, p] : fine.model().state_dict())
      for (auto& [other, q] : after.model.state_dict()) {
        if (name != other) continue;
        EXPECT_EQ(p.value().to_vector<float>(), q.value().to_vector<float>()) << name;
      }
  }
}

TEST(WithoutCheckpoints, ATableKeepsItsColumnsAndItsTarget) {
  TempFolder folder;
  std::string rows = "a,b,y\n";
  for (int i = 0; i < 60; ++i)
    rows += std::to_string(i) + (i % 2 ? ",red," : ",blue,") + std::to_string(1000 + 3 * i) + "\n";
  folder.file("t.csv", rows);
  TrainConfig c;
  c.data = "csv:" + (folder / "t.csv") + "?target=y&task=regression";
  c.epochs = 2;

  c.out = folder / "run";
  Trainer(c).run();
  const TrainedModel before = load_run(folder / "run");
  fs::remove_all(folder / "run/checkpoints");
  fs::remove(folder / "t.csv");
  const TrainedModel after = load_run(folder / "run");
  EXPECT_EQ(after.task, data::Task::regression);
  EXPECT_EQ(after.encoding, before.encoding);
  EXPECT_EQ(after.target_mean, before.target_mean);
  EXPECT_EQ(after.target_stddev, before.target_stddev);
}

/// model.safetensors of runs that did not describe themselves: their data do.
TEST(WithoutCheckpoints, RunsOfBeforeAskTheirData) {
  TempFolder folder;
  Trainer(tiny(folder / "run")).run();
  const std::string file = folder / "run/model.safetensors";
  save_safetensors(file, load_safetensors(file));
  fs::remove_all(folder / "run/checkpoints");
  EXPECT_EQ(load_run(folder / "run").class_names.size(), 10u);
}

TEST(WithoutCheckpoints, GoingOnIsRefusedAndTouchesNothing) {
  TempFolder folder;
  Trainer(tiny(folder / "finished")).run();
  fs::remove_all(folder / "finished/checkpoints");
  run_to(Trainer(tiny(folder / "stopped")), 12);
  fs::remove_all(folder / "stopped/checkpoints");
  fs::create_directory(folder / "empty");
  for (auto [run, part] : {std::pair("finished", "model.safetensors"),
                           std::pair("stopped", "log.txt"), std::pair("empty", "config.toml")}) {
    const std::vector<std::string> before = contents(folder / run);
    const Fault fault = fault_of<IoError>([&] { Trainer::resume(folder / run); });
    EXPECT_EQ(fault.argument, folder / run);
    EXPECT_TRUE(contains(fault.given, part)) << fault.given;
    EXPECT_EQ(contents(folder / run), before) << run;
    EXPECT_THROW(Trainer::resume(folder / run, {.force = true}), IoError) << run;
  }
}

TEST(WithoutCheckpoints, OnlyTheStateIsMissingOrCutOff) {
  TempFolder folder;
  run_to(Trainer(tiny(folder / "run")), 12);
  const std::string state = folder / "run/checkpoints/state.json", whole = read_file(state),
                    weights = "run/checkpoints/step-00000012.safetensors";
  auto refused = [&](const std::string& argument, const char* part) {
    for (auto& fault : {fault_of<IoError>([&] { Trainer::resume(folder / "run"); }),
                        fault_of<IoError>([&] { load_run(folder / "run"); })}) {
      EXPECT_TRUE(contains(fault.argument + fault.given, argument)) << fault.argument;
      EXPECT_TRUE(contains(fault.given + fault.remedy, part)) << fault.given << fault.remedy;
      EXPECT_TRUE(contains(fault.remedy, folder / weights)) << fault.remedy;
      EXPECT_TRUE(names_setting(fault, "weights"));
    }
  };
  for (size_t bytes : {size_t{0}, whole.size() / 2, whole.size() - 3}) {
    folder.file("run/checkpoints/state.json", whole.substr(0, bytes));
    refused(state, "The file was cut off or damaged");
  }
  fs::remove(state);
  refused(folder / "run", "checkpoints/state.json is missing");
  TrainConfig next = tiny(folder / "next");
  next.weights = folder / "run";
  EXPECT_TRUE(contains(fault_of<IoError>([&] { Trainer{next}; }).given, "state.json is missing"));
  next.weights = folder / weights;  // as the text advises
  EXPECT_FALSE(Trainer(next).run().stopped);
}

TEST(WithoutCheckpoints, ARunThatNeverHadOneBeginsAndSaysSo) {
  TempFolder folder;
  Trainer(tiny(folder / "whole")).run();
  run_to(Trainer(tiny(folder / "bare")), 1);
  for (const char* name : {"checkpoints", "log.txt", "metrics.jsonl"})
    fs::remove_all(folder / "bare/" + name);
  Trainer again = Trainer::resume(folder / "bare");
  std::vector<std::string> said;
  again.on_message = [&](const std::string& line) { said.push_back(line); };
  again.run();
  EXPECT_NE(said.at(0).find("begins at step 0"), std::string::npos) << said[0];
  EXPECT_EQ(read_file(folder / "bare/model.safetensors"),
            read_file(folder / "whole/model.safetensors"));
}

TEST(CheckpointMinutes, SaveByTheClockAndChangeNoBit) {
  TempFolder folder;
  Trainer(tiny(folder / "whole")).run();
  TrainConfig c = tiny(folder / "timed");
  c.checkpoint_every = 0;
  c.checkpoint_minutes = 2;
  double now = 1000;
  std::vector<int64_t> saved;
  {
    Trainer trainer(c);
    trainer.clock = [&] { return now; };
    trainer.on_step = [&](const StepReport& r) {
      const std::string path = folder / "timed/checkpoints/state.json";
      const Json state = Json::parse(read_if_there(path), path);
      if (const int64_t step = state.at("progress").integer("step");
          saved.empty() || step != saved.back())
        saved.push_back(step);
      // after steps 1, 2, 3: 50, 100, 221 seconds, so step 4 finds a checkpoint due
      now += r.step == 3 ? 121 : 50;
    };
    trainer.should_stop = [&] { return saved.size() == 4; };
    EXPECT_TRUE(trainer.run().stopped);
  }
  // Steps are saved where two minutes have passed since the last save: at 3 (221 s), at 6 (150 s
  // more), at 9 (end of the epoch).
  EXPECT_EQ(saved, (std::vector<int64_t>{0, 3, 6, 9}));
  Trainer::resume(folder / "timed", {.checkpoint_minutes = 0}).run();
  EXPECT_EQ(read_file(folder / "timed/model.safetensors"),
            read_file(folder / "whole/model.safetensors"));
}

TEST(UnfinishedRuns, SayOfWhichStepTheirWeightsAre) {
  TempFolder folder;
  run_to(Trainer(tiny(folder / "run")), 4);
  TrainedModel early = load_run(folder / "run");
  EXPECT_FALSE(early.finished);
  EXPECT_EQ(early.epoch, 0);
  EXPECT_EQ(early.step, 4);
  run_to(Trainer::resume(folder / "run"), 10);  // one epoch of 9 steps is complete
  TrainedModel later = load_run(folder / "run");
  EXPECT_FALSE(later.finished);
  EXPECT_EQ(later.epoch, 1);
  EXPECT_EQ(later.step, 9);
  Trainer::resume(folder / "run").run();
  EXPECT_TRUE(load_run(folder / "run").finished);
  run_to(Trainer::resume(folder / "run", {.epochs = 4}), 20);  // made longer: not finished again
  EXPECT_FALSE(load_run(folder / "run").finished);
}

TEST(MovedData, AreFoundWhereTheUserSaysAndCompared) {
  TempFolder folder;
  std::string rows = "a,b,y\n";
  for (int i = 0; i < 60; ++i)
    rows += std::to_string(i) + "," + std::to_string(i % 7) + (i % 2 ? ",yes\n" : ",no\n");
  fs::create_directory(folder / "old");
  fs::create_directory(folder / "new");
  const std::string old = folder.file("old/t.csv", rows);
  TrainConfig c;
  c.data = "csv:" + old + "?target=y&test=10";
  c.epochs = 2;
  c.batch_size = 8;

  c.out = folder / "whole";
  c.model = "mlp";
  Trainer(c).run();
  c.out = folder / "run";
  run_to(Trainer(c), 3);
  fs::rename(old, folder / "new/t.csv");
  EXPECT_FAULT(IoError, Trainer::resume(folder / "run"), .argument = folder / "run",
               .given = "no data at " + old + " any more");
  std::string wide = "a,b,c,y\n";
  for (int i = 0; i < 60; ++i)
    wide += std::to_string(i % 5) + "," + std::to_string(i % 7) + ",1." + std::to_string(i % 3) +
            (i % 2 ? ",yes\n" : ",no\n");
  folder.file("wide.csv", wide);
  for (bool force : {false, true}) {
    auto given = [&](const std::string& data) {
      const Fault fault = fault_of<IoError>(
          [&] { Trainer::resume(folder / "run", {.force = force, .data = data}); });
      EXPECT_EQ(fault.argument, folder / "run");
      EXPECT_EQ(fault.expected, "data of 1 column, on which it was trained");
      return fault.given;
    };
    EXPECT_EQ(given("glyphs?train=64&test=32"), "data of 1×28×28");
    EXPECT_TRUE(contains(given(folder / "wide.csv"), "data of 3 columns, the train data changed"))
        << given(folder / "wide.csv");
  }
  folder.file("other.csv", rows + "1,2,yes\n");
  const Fault other =
      fault_of<IoError>([&] { Trainer::resume(folder / "run", {.data = folder / "other.csv"}); });
  EXPECT_TRUE(contains(other.given, "the train data changed")) << other.given;
  EXPECT_TRUE(names_setting(other, "data"));
  Trainer again = Trainer::resume(folder / "run", {.data = folder / "new/t.csv"});
  EXPECT_EQ(again.config().data,
            "csv:" + (folder / "new/t.csv") + "?target=y&task=classification&test=10")
      << "the settings stay";
  again.run();
  EXPECT_EQ(read_file(folder / "run/model.safetensors"),
            read_file(folder / "whole/model.safetensors"));
}

}  // namespace
}  // namespace suanli
