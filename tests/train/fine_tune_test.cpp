// SPDX-License-Identifier: Apache-2.0
#include "train/stored/fine_tune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text/text.h"
#include "suanli/io.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/checkpoint.h"
#include "train/stored/dataset_summary.h"

namespace suanli {
namespace {

using namespace test;

NamedTensors state_of(const char* model, int64_t classes) {
  nn::AnyModule m = models::make(model, {.classes = classes, .seed = 9});
  return values_of(m);
}
std::vector<float> value(nn::Module& m, const std::string& name) {
  for (auto& [n, p] : m.state_dict())
    if (n == name) return p.value().to_vector<float>();
  ADD_FAILURE() << name;
  return {};
}

TEST(Head, IsTheLayerOfTheLastParameter) {
  for (auto [model, head] :
       {std::pair("mlp", "fc3"), std::pair("resnet18", "fc"), std::pair("vit_tiny", "heads.head"),
        std::pair("mobilenet_v2", "classifier.1"), std::pair("airbench", "7")}) {
    nn::AnyModule m = models::make(model);
    EXPECT_EQ(head_of(m), head);
  }
}

TEST(AdoptWeights, TakesEverythingOrAllButTheHead) {
  for (int64_t classes : {10, 3}) {
    nn::AnyModule model = models::make("cnn_c", {.classes = classes, .seed = 1});
    nn::AnyModule given = models::make("cnn_c", {.seed = 9});
    const auto fresh = value(model, "fc2.weight");
    std::vector<std::string> notes;
    adopt_weights(model, {.tensors = values_of(given), .path = "file"}, {}, notes);
    EXPECT_EQ(value(model, "conv1.weight"), value(given, "conv1.weight"));
    EXPECT_EQ(value(model, "fc2.weight"), classes == 10 ? value(given, "fc2.weight") : fresh);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_EQ(notes[0],
              classes == 10
                  ? "weights: 8 tensors of file"
                  : "weights: 6 tensors of file; a new head, fc2, since its classes are others");
  }
}

TEST(AdoptWeights, ARunsClassesGoByName) {
  nn::AnyModule given = models::make("cnn_c", {.classes = 2, .seed = 9});
  const GivenWeights of_run{.tensors = values_of(given),
                            .path = "run",
                            .of_run = true,
                            .data = {.class_names = {"cat", "dog"}}};
  for (bool same : {true, false}) {
    nn::AnyModule model = models::make("cnn_c", {.classes = 2, .seed = 1});
    const auto fresh = value(model, "fc2.weight");
    std::vector<std::string> notes;
    data::Info info;
    info.class_names = {"cat", same ? "dog" : "cow"};
    adopt_weights(model, of_run, info, notes);
    EXPECT_EQ(value(model, "fc2.weight"), same ? value(given, "fc2.weight") : fresh);
    EXPECT_EQ(value(model, "fc1.weight"), value(given, "fc1.weight"));
  }
}

TEST(AdoptWeights, TakesSomethingOrNothingBegins) {
  nn::AnyModule model = models::make("linear", {.classes = 3});
  std::vector<std::string> notes;
  EXPECT_FAULT(IoError,
               adopt_weights(model, {.tensors = state_of("linear", 10), .path = "file"}, {}, notes),
               .argument = "file", .given = "only weights for other answers or samples",
               .expected = "some that this model takes");
}

TEST(AdoptWeights, ConvertsFloatsAndListsAllThatDoesNotFit) {
  nn::AnyModule model = models::make("mlp", {.input_shape = {4}});
  NamedTensors state = values_of(model);
  std::vector<std::string> notes;
  for (auto& [name, t] : state) t = cast(t, f64);
  adopt_weights(model, {.tensors = state, .path = "file"}, {}, notes);
  EXPECT_EQ(model.state_dict()[0].second.dtype(), f32);

  const auto before = value(model, "fc1.weight");
  state[0].second = zeros({5, 4});  // fc1.weight
  state[1].second = zeros({256}, i64);  // fc1.bias
  state.erase(state.begin() + 2);  // fc2.weight
  state.emplace_back("extra", zeros({}));
  EXPECT_FALSE(weights_fit(model, state));
  const Fault fault = fault_of<IoError>(
      [&] { adopt_weights(model, {.tensors = state, .path = "file"}, {}, notes); });
  EXPECT_EQ(fault.argument, "file");
  EXPECT_EQ(fault.expected, "the weights of this model (mlp)");
  EXPECT_EQ(fault.given.find("missing fc2.weight; unexpected extra; misshapen fc1.weight"), 0u)
      << fault.given;
  for (const char* part : {"f32 [5, 4]", "f32 [256, 4]", "fc1.bias", "i64 [256]", "f32 [256]"})
    EXPECT_TRUE(contains(fault.given, part)) << fault.given;
  EXPECT_EQ(value(model, "fc1.weight"), before);
}

TEST(ModelOf, IsTheOneOfTheseNamesAndShapes) {
  const models::ModelOptions of_photos{.input_shape = {3, 72, 72}, .classes = 5};
  for (const char* name : {"mlp", "cnn_b", "cnn_bn", "vgg11_bn", "resnet34", "mobilenet_v2"}) {
    nn::AnyModule m = models::make(name, {.input_shape = of_photos.input_shape});
    EXPECT_EQ(model_of(values_of(m), of_photos), name);
  }
  // of smaller pictures: with the other stem, and where nothing depends on the size
  for (const char* name : {"resnet18", "vit_tiny", "airbench"}) {
    nn::AnyModule m = models::make(name, {.input_shape = {3, 32, 32}});
    EXPECT_EQ(model_of(values_of(m), of_photos), name);
  }
  NamedTensors foreign = state_of("cnn_c", 10);
  EXPECT_EQ(model_of(foreign, of_photos), "");  // one channel
  foreign[0].first = "conv.weight";
  EXPECT_EQ(model_of(foreign, {}), "");
  for (const models::ModelOptions& other :
       {models::ModelOptions{.input_shape = {3, 72, 72}, .classes = 10},
        models::ModelOptions{.input_shape = {3, 32, 32}, .classes = 5}}) {
    nn::AnyModule head_alone = models::make("linear", other);
    EXPECT_EQ(model_of(values_of(head_alone), of_photos), "");  // there is nothing to begin with
  }
}

TEST(ModelOf, LeavesWhatIsPending) {
  const Tensor sum = ones({3}) + 1.0;
  const NamedTensors state = state_of("mlp", 10);
  const Tensor other = sum * 2.0;
  EXPECT_EQ(model_of(state, {}), "mlp");
  EXPECT_EQ(other.to_vector<float>(), (std::vector<float>{4, 4, 4}));
}

std::set<std::string> trained(nn::Module& m) {
  std::set<std::string> names;
  for (auto& [name, p] : m.named_parameters())
    if (p.requires_grad()) names.insert(name);
  return names;
}

TEST(Freeze, PatternsNameParameters) {
  const std::set<std::string> head{"fc3.weight", "fc3.bias"};
  struct Row {
    const char* patterns;
    std::set<std::string> trained;
  };
  const Row rows[] = {
      {"backbone", head},
      {"fc1.*,fc2.*", head},
      {"fc?.weight", {"fc1.bias", "fc2.bias", "fc3.bias"}},
      {"*bias", {"fc1.weight", "fc2.weight", "fc3.weight"}},
      {"*1*e*t", {"fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"}},
  };
  for (const Row& r : rows) {
    nn::AnyModule m = models::make("mlp");
    freeze(m, r.patterns);
    EXPECT_EQ(trained(m), r.trained) << r.patterns;
  }
  nn::AnyModule m = models::make("mlp");
  EXPECT_FAULT(ArgumentError, freeze(m, "fc4.*"), .argument = "freeze", .given = "'fc4.*'",
               .expected =
                   "names of parameters: fc1.weight, fc1.bias, fc2.weight, fc2.bias, "
                   "fc3.weight, fc3.bias");
  EXPECT_FAULT(ArgumentError, freeze(m, "*"), .argument = "freeze", .given = "'*'",
               .expected = "a parameter that is trained");
}

TEST(Freeze, FrozenNormalizationKeepsItsStatistics) {
  nn::AnyModule m = models::make("resnet18", {.input_shape = {3, 8, 8}});
  freeze(m, "bn1.*,layer1.*");
  train_what_is_not_frozen(m);
  m(rand({2, 3, 8, 8}));
  flush();
  for (auto& [name, p] : m.state_dict())
    if (name.ends_with("num_batches_tracked")) {
      const bool frozen = name.starts_with("bn1") || name.starts_with("layer1");
      EXPECT_EQ(p.value().item<int64_t>(), frozen ? 0 : 1) << name;
    }
}

/// The run's config says it all: a resumed run has the same frozen parameters and rates, without
/// the file.
TEST(FineTuning, IsRecordedAndResumedBitForBit) {
  TempFolder folder;
  save_safetensors(folder / "w.safetensors", state_of("cnn_c", 3));
  auto config = [&](const char* out) {
    TrainConfig c;
    c.data = "glyphs?train=128&test=64";
    c.model = "cnn_c";
    c.epochs = 2;
    c.batch_size = 32;
    c.weights = folder / "w.safetensors";
    c.freeze = "conv1.*";
    c.backbone_lr = 0.1;
    c.out = folder / out;
    return c;
  };
  Trainer whole(config("whole"));
  EXPECT_EQ(whole.data().notes.back().substr(0, 19), "weights: 6 tensors ");
  whole.run();

  {
    Trainer first(config("parts"));
    int steps = 0;
    first.on_step = [&](const StepReport&) { ++steps; };
    first.should_stop = [&] { return steps == 3; };
    EXPECT_TRUE(first.run().stopped);
  }
  std::filesystem::remove(folder / "w.safetensors");
  Trainer second = Trainer::resume(folder / "parts");
  EXPECT_EQ(second.config().freeze, "conv1.*");
  second.run();
  nn::AnyModule given = models::make("cnn_c", {.classes = 3, .seed = 9});
  for (auto& [name, p] : whole.model().state_dict())
    EXPECT_EQ(p.value().to_vector<float>(), value(second.model(), name)) << name;
  EXPECT_EQ(value(whole.model(), "conv1.weight"), value(given, "conv1.weight"));
  EXPECT_NE(value(whole.model(), "conv2.weight"), value(given, "conv2.weight"));
}

TEST(FineTuning, BeginsWithARunsBestWeightsAndSeesPicturesAsItDid) {
  TempFolder folder;
  TrainConfig none;
  none.weights = folder / "begun";
  std::filesystem::create_directory(none.weights);
  EXPECT_FAULT(IoError, Trainer{none}, .argument = folder / "begun",
               .given = "a folder without config.toml", .expected = "the folder of a run");
  folder.file("begun/config.toml", "");
  EXPECT_FAULT(IoError, Trainer{none}, .argument = folder / "begun",
               .given = "no complete epoch yet");

  TrainConfig c;
  c.data = "glyphs?train=256&test=64";
  // the average is what is kept
  c.model = "cnn_bn";
  c.epochs = 2;
  c.ema = 0.9;
  c.out = folder / "first";
  Trainer first(c);
  first.run();
  ASSERT_FALSE(first.config().stddev.empty());

  TrainConfig next;
  next.data = "glyphs?train=128&test=64&seed=5";
  next.weights = folder / "first";

  next.out = folder / "next";
  Trainer second(next);
  EXPECT_EQ(second.config().model, "cnn_bn");  // glyphs' usual one is cnn_b
  EXPECT_EQ(second.config().mean, first.config().mean);
  EXPECT_EQ(second.config().stddev, first.config().stddev);
  const std::vector<std::string>& notes = second.data().notes;
  EXPECT_NE(std::find(notes.begin(), notes.end(), "model cnn_bn: the one of the weights"),
            notes.end());
  nn::AnyModule kept = load_run(folder / "first").model;
  const Checkpoint last = *CheckpointFolder(folder / "first/checkpoints").load();
  ASSERT_NE(last.model.name, last.best_model.name);
  for (auto& [name, p] : second.model().state_dict()) {
    if (p.dtype() != f32) continue;  // counters of batches
    EXPECT_EQ(p.value().to_vector<float>(), value(kept, name)) << name;
  }

  next.mean = {0.25};
  next.stddev = {2};  // what the user says holds
  EXPECT_EQ(Trainer(next).config().mean, std::vector<double>{0.25});
  // a file says nothing of inputs; but its names say whose it is
  next.mean = next.stddev = {};
  next.weights += "/model.safetensors";
  EXPECT_EQ(Trainer(next).config().model, "cnn_bn");
  EXPECT_NE(Trainer(next).config().mean, first.config().mean);
  next.weights = folder / "first";
  next.data = "random:3x28x28?samples=64";
  EXPECT_FAULT(IoError, Trainer{next}, .argument = folder / "first",
               .given = "samples of shape [3, 28, 28]",
               .expected = "samples of shape [1, 28, 28], which this run saw");
}

/// A module of one's own sees glyphs as they are, cnn_bn of the zoo would normalize them.
TEST(FineTuning, WhatAnEarlierRunDidNotNormalizeStaysSoAfterAResume) {
  TempFolder folder;
  nn::AnyModule own = models::make("cnn_bn");
  TrainConfig c;
  c.data = "glyphs?train=128&test=64";
  c.epochs = 1;
  c.out = folder / "first";
  Trainer(std::move(own), c).run();
  c.epochs = 2;
  c.model = "cnn_bn";
  c.weights = folder / "first";
  c.out = folder / "next";
  {
    Trainer next(c);
    EXPECT_TRUE(next.config().stddev.empty());
    next.should_stop = [] { return true; };
    EXPECT_TRUE(next.run().stopped);
  }
  Trainer again = Trainer::resume(folder / "next");
  EXPECT_TRUE(again.config().stddev.empty());
  EXPECT_FALSE(again.run().stopped);
}

TEST(FineTuning, ATableHasTheSameColumnsAndPerhapsAnotherTarget) {
  TempFolder folder;
  std::string rows;
  for (int i = 0; i < 40; ++i)
    rows += str(5 * i, ",", i * i % 7, ",", 2 * i + 0.5, ",", 3 * i + 0.25, "\n");
  folder.file("t.csv", "a,b,y,z\n" + rows);
  folder.file("u.csv", "a,c,y,z\n" + rows);

  folder.file("w.csv", "a,b,z,t\n" + rows);
  TrainConfig c;
  c.data = "csv:" + (folder / "t.csv") + "?target=y&task=regression";
  c.epochs = 1;

  c.out = folder / "first";
  Trainer(c).run();
  c.weights = folder / "first";
  c.out = folder / "next";
  EXPECT_EQ(Trainer(c).data().notes.back().find("a new head"), std::string::npos);
  c.data = "csv:" + (folder / "u.csv") + "?target=y&task=regression";
  EXPECT_FAULT(IoError, Trainer{c}, .argument = c.weights, .given = "columns a, c, z",
               .expected = "columns a, b, z, which this run saw");
  const std::string gaps = "a,b,y,z\n,1,2.5,3.25\n,2,3.5,4.25\n,3,4.5,5.25\n" + rows;
  folder.file("gaps.csv", gaps);
  c.data = "csv:" + (folder / "gaps.csv") + "?target=y&task=regression&test=0";
  c.val = 0;
  EXPECT_FAULT(IoError, Trainer{c}, .argument = c.weights,
               .given = "other words or missing cells in column a");
  c.data = "glyphs?train=64&test=32";
  c.val = 0.1;
  EXPECT_FAULT(IoError, Trainer{c}, .argument = c.weights, .given = "samples of shape [1, 28, 28]",
               .expected = "samples of shape [3], which this run saw");
  c.data = "csv:" + (folder / "w.csv") + "?target=t&task=regression";
  EXPECT_NE(Trainer(c).data().notes.back().find("a new head"), std::string::npos);
}

TEST(FineTuning, ARunsStemStays) {
  TempFolder folder;
  TrainConfig c;
  c.data = "random:3x32x32?classes=4&samples=16&test=4";
  c.model = "mobilenet_v2";
  c.out = folder / "first";
  c.batch_size = 8;
  c.max_steps = 1;
  c.val = 0;

  c.epochs = 1;
  Trainer(c).run();
  c.data = "random:3x72x72?classes=4&samples=16&test=4";
  c.out = folder / "next";
  EXPECT_EQ(Trainer(c).config().stem, "large");
  c.weights = folder / "first";
  EXPECT_EQ(Trainer(c).config().stem, "small");
}

/// One SGD step from the same point: the backbone moves by the factor, the head as ever.
TEST(FineTuning, TheBackboneLearnsAtItsOwnRate) {
  auto moved = [](double factor) {
    TrainConfig c;
    c.data = "glyphs?train=64&test=32";
    c.model = "cnn_c";
    c.batch_size = 64;
    c.backbone_lr = factor;
    c.val = 0;
    Trainer t(c);
    std::map<std::string, std::pair<double, double>> out;
    for (auto& [name, p] : t.model().state_dict())
      out[name].first = static_cast<double>(p.value().to_vector<float>()[0]);
    t.take_steps(1);
    for (auto& [name, p] : t.model().state_dict())
      out[name].second = static_cast<double>(p.value().to_vector<float>()[0]);
    std::map<std::string, double> delta;
    for (auto& [name, pair] : out) delta[name] = pair.second - pair.first;
    return delta;
  };
  auto whole = moved(1), half = moved(0.5);
  for (auto& [name, d] : whole) {
    const bool head = name.starts_with("fc2");
    EXPECT_NEAR(half[name], d * (head ? 1 : 0.5), 1e-7) << name;
  }
}

TEST(FineTuning, TheStemIsTheOneOfTheWeights) {
  TempFolder folder;
  nn::AnyModule small = models::make("resnet18", {.input_shape = {3, 32, 32}});
  save_safetensors(folder / "w.safetensors", values_of(small));
  TrainConfig c;
  c.data = "random:3x72x72?classes=4&samples=8&test=4";
  c.model = "resnet18";
  c.weights = folder / "w.safetensors";
  c.out = folder / "run";

  c.batch_size = 4;
  c.max_steps = 1;
  c.val = 0;
  Trainer t(c);
  EXPECT_EQ(t.config().stem, "small");
  c.weights = "";
  c.out = folder / "other";
  EXPECT_EQ(Trainer(c).config().stem, "large");
  c.weights = folder / "w.safetensors";
  c.stem = "large";
  const Fault fault = fault_of<IoError>([&] { Trainer{c}; });
  EXPECT_TRUE(contains(fault.given, "misshapen conv1.weight")) << fault.given;
  EXPECT_TRUE(contains(fault.given, "f32 [64, 3, 3, 3]")) << fault.given;
}

TEST(FineTune, WeightsOfAnotherModelAreNamed) {
  TempFolder folder;
  const models::ModelOptions pictures{.input_shape = {1, 28, 28}, .classes = 10};
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.model = "linear";
  c.epochs = 1;
  c.weights = folder / "w.safetensors";
  c.out = folder / "run";
  save_safetensors(c.weights, values_of(models::make("mlp", pictures)));
  const Fault fault = fault_of<IoError>([&] { Trainer{c}; });
  EXPECT_EQ(fault.argument, c.weights);
  EXPECT_TRUE(contains(fault.remedy, "They are weights of the model mlp.")) << fault.remedy;
  EXPECT_EQ(fault.settings, std::vector<std::string>{"model=mlp"});
  // No model of the zoo has these: none is named.
  save_safetensors(c.weights, {{"layer.weight", zeros({3, 3})}});
  EXPECT_EQ(fault_of<IoError>([&] { Trainer{c}; }).settings, std::vector<std::string>{});
}

}  // namespace
}  // namespace suanli
