// SPDX-License-Identifier: Apache-2.0
#include "train/stored/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/dataset_summary.h"

namespace suanli {
namespace {

using namespace test;

NamedTensors weights(float v) { return {{"w", tensor<float>({v, v})}}; }

std::set<std::string> files(const TempFolder& folder) {
  std::set<std::string> names;
  for (auto& e : std::filesystem::directory_iterator(folder / ""))
    names.insert(e.path().filename().string());
  return names;
}

Checkpoint at_step(int64_t step) {
  Checkpoint c;
  c.progress.step = step;
  c.provenance = {"1", "isa", 2, Json::Object{}, Json::Object{}, "00ff"};
  c.tuning = Json::Object{{"device", 8192}};
  return c;
}

TEST(CheckpointFolder, NothingUntilTheFirstCommit) {
  TempFolder folder;
  EXPECT_FALSE(CheckpointFolder(folder / "").load().has_value());
}

TEST(CheckpointFolder, KeepsTheLastAndTheBestAndNothingElse) {
  TempFolder folder;
  CheckpointFolder checkpoints(folder / "");
  Checkpoint c = at_step(1);
  c.best = {1, 1, 0.5, 0.75};
  const NamedTensors first = weights(1);
  checkpoints.save(c, first, {}, &first);
  c.progress.step = 2;
  checkpoints.save(c, weights(2), {}, nullptr);
  c.progress.step = 3;
  checkpoints.save(c, weights(3), {}, nullptr);
  EXPECT_EQ(files(folder), (std::set<std::string>{"state.json", "step-00000001.safetensors",
                                                  "step-00000003.optim.safetensors",
                                                  "step-00000003.safetensors"}));
  Checkpoint back = *checkpoints.load();
  EXPECT_EQ(back.progress.step, 3);
  EXPECT_EQ(back.best.accuracy, 0.75);
  EXPECT_EQ(back.provenance.numerics, "00ff");
  EXPECT_EQ(back.tuning.integer("device"), 8192);
  EXPECT_EQ(checkpoints.tensors(back.model)[0].second.to_vector<float>()[0], 3);
  EXPECT_EQ(checkpoints.tensors(back.best_model)[0].second.to_vector<float>()[0], 1);
}

TEST(CheckpointFolder, ProgressKeepsItsBits) {
  TempFolder folder;
  CheckpointFolder checkpoints(folder / "");
  Checkpoint c = at_step(7);
  Progress& p = c.progress;
  p.epoch_loss = 0.1 + 0.2;
  p.window_loss = 1.0 / 3;
  p.generator_seed = 0xFEDCBA9876543210;
  p.generator_counter = ~uint64_t{0};
  checkpoints.save(c, weights(1), {}, nullptr);
  EXPECT_EQ(to_json(checkpoints.load()->progress), to_json(p));
  Progress back = checkpoints.load()->progress;
  EXPECT_EQ(back.epoch_loss, p.epoch_loss);
  EXPECT_EQ(back.generator_counter, p.generator_counter);
}

TEST(CheckpointFolder, ASaveThatDiesBeforeItsCommitChangesNothing) {
  TempFolder folder;
  CheckpointFolder checkpoints(folder / "");
  Checkpoint c = at_step(1);
  checkpoints.save(c, weights(1), {}, nullptr);
  // The files that a killed process leaves: a whole weights file of the next step, half an
  // optimizer file.
  folder.file("step-00000002.safetensors", "whole");
  folder.file("step-00000002.optim.safetensors.tmp", "half");
  folder.file("notes.txt", "the user's");
  Checkpoint back = *checkpoints.load();
  EXPECT_EQ(back.progress.step, 1);
  EXPECT_EQ(checkpoints.tensors(back.model)[0].second.to_vector<float>()[0], 1);
  checkpoints.clean(back);
  EXPECT_EQ(files(folder),
            (std::set<std::string>{"notes.txt", "state.json", "step-00000001.optim.safetensors",
                                   "step-00000001.safetensors"}));
}

TEST(CheckpointFolder, DamageIsFound) {
  TempFolder folder;
  CheckpointFolder checkpoints(folder / "");
  Checkpoint c = at_step(1);
  checkpoints.save(c, weights(1), {}, nullptr);
  const std::string path = folder / c.model.name, whole = read_file(path);
  auto expect_damage = [&](const std::string& now) {
    const std::string recorded = to_string(c.model.digest);
    EXPECT_FAULT(IoError, checkpoints.tensors(c.model),
                 .argument = checkpoints.path() + "/" + c.model.name, .given = now,
                 .expected = recorded + ", which state.json recorded",
                 .remedy = "The file was changed or damaged. Restore it, or start the run anew.");
  };
  for (size_t at : {size_t{0}, size_t{20}, whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 16);
    folder.file(c.model.name, damaged);
    expect_damage(to_string(digest_file(path)));
  }
  folder.file(c.model.name, whole.substr(0, whole.size() - 1));
  expect_damage(to_string(digest_file(path)));
  folder.file(c.model.name, whole);
  EXPECT_NO_THROW(checkpoints.tensors(c.model));
  const std::string state = read_file(folder / "state.json");
  for (size_t length = 0; length < state.size() - 1; length += 7) {  // wherever it was cut
    folder.file("state.json", state.substr(0, length));
    EXPECT_THROW(checkpoints.load(), IoError) << length;
  }
}

struct Other : nn::Module {
  nn::Linear fc{2, 3}, head{3, 4};
  SUANLI_FIELDS(fc, head)
  Tensor forward(const Tensor& x) const { return head(fc(x)); }
};
struct Wider : nn::Module {
  nn::Linear fc{2, 5}, tail{5, 4};
  SUANLI_FIELDS(fc, tail)
  Tensor forward(const Tensor& x) const { return tail(fc(x)); }
};

TEST(CheckpointFolder, WeightsOfAnotherModelAreListed) {
  TempFolder folder;
  CheckpointFolder checkpoints(folder / "");
  Other other;
  Wider wider;
  Checkpoint c = at_step(1);
  checkpoints.save(c, values_of(other), {}, nullptr);
  auto before = values_of(wider);
  const Fault fault = fault_of<IoError>([&] { load_weights(wider, checkpoints, c.model); });
  EXPECT_EQ(fault.argument.find(folder / ""), 0u) << fault.argument;
  EXPECT_EQ(fault.expected, "the weights of this model");
  for (const char* part :
       {"missing tail.weight, tail.bias", "unexpected head.", "fc.weight", "[3, 2]", "[5, 2]"})
    EXPECT_TRUE(contains(fault.given, part)) << fault.given;
  auto after = values_of(wider);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(before[i].second.to_vector<float>(), after[i].second.to_vector<float>());
}

}  // namespace
}  // namespace suanli
