// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "plan/rehearsal.h"
#include "suanli/models.h"
#include "support/errors.h"

namespace suanli {
namespace {

using models::make;
using models::ModelOptions;

struct Case {
  const char* name;
  std::map<std::string, Shape> state;  // names and shapes as PyTorch has them for the same network
  int64_t parameters;  // counted by hand
};
/// torchvision's resnet18 with the 3×3 stem.
std::map<std::string, Shape> resnet18_state(int64_t channels, int64_t classes) {
  std::map<std::string, Shape> s{{"conv1.weight", {64, channels, 3, 3}},
                                 {"fc.weight", {classes, 512}},
                                 {"fc.bias", {classes}}};
  auto norm = [&](const std::string& name, int64_t n) {
    for (const char* part : {"weight", "bias", "running_mean", "running_var"})
      s[name + "." + part] = {n};
    s[name + ".num_batches_tracked"] = {};
  };
  norm("bn1", 64);
  for (int64_t stage = 1, in = 64; stage <= 4; ++stage) {
    const int64_t out = int64_t{32} << stage;
    for (const char* block : {"0", "1"}) {
      const std::string at = "layer" + std::to_string(stage) + "." + block + ".";
      s[at + "conv1.weight"] = {out, in, 3, 3};
      s[at + "conv2.weight"] = {out, out, 3, 3};
      norm(at + "bn1", out);
      norm(at + "bn2", out);
      if (in != out) {
        s[at + "downsample.0.weight"] = {out, in, 1, 1};
        norm(at + "downsample.1", out);
      }
      in = out;
    }
  }
  return s;
}

const Case cases[] = {
    {"linear", {{"fc.weight", {10, 784}}, {"fc.bias", {10}}}, 7850},
    {"mlp",
     {{"fc1.weight", {256, 784}},
      {"fc1.bias", {256}},
      {"fc2.weight", {128, 256}},
      {"fc2.bias", {128}},
      {"fc3.weight", {10, 128}},
      {"fc3.bias", {10}}},
     235146},
    {"cnn_a",
     {{"conv1.weight", {32, 1, 3, 3}},
      {"conv1.bias", {32}},
      {"fc1.weight", {128, 5408}},
      {"fc1.bias", {128}},
      {"fc2.weight", {10, 128}},
      {"fc2.bias", {10}}},
     693962},
    {"cnn_b",
     {{"conv1.weight", {32, 1, 3, 3}},
      {"conv1.bias", {32}},
      {"conv2.weight", {64, 32, 3, 3}},
      {"conv2.bias", {64}},
      {"fc1.weight", {128, 1600}},
      {"fc1.bias", {128}},
      {"fc2.weight", {10, 128}},
      {"fc2.bias", {10}}},
     225034},
    {"cnn_c",
     {{"conv1.weight", {10, 1, 5, 5}},
      {"conv1.bias", {10}},
      {"conv2.weight", {20, 10, 5, 5}},
      {"conv2.bias", {20}},
      {"fc1.weight", {50, 320}},
      {"fc1.bias", {50}},
      {"fc2.weight", {10, 50}},
      {"fc2.bias", {10}}},
     21840},
    {"resnet18", resnet18_state(1, 10), 11172810},
};

/// The shape of a sample that an entry takes.
Shape sample(const models::Entry& e, const Shape& picture) {
  return e.name == std::string("tabular") ? Shape{13} : picture;
}
Shape batch(int64_t n, const Shape& sample) {
  Shape shape{n};
  for (int64_t d : sample) shape.push_back(d);
  return shape;
}

// those of the rest are torchvision's (tests/peer/zoo_torchvision.py)
TEST(Zoo, NamesShapesAndCounts) {
  for (const Case& c : cases) {
    nn::AnyModule model = make(c.name);
    std::map<std::string, Shape> state;
    for (auto& [name, p] : model.state_dict()) state[name] = p.shape();
    EXPECT_EQ(state, c.state) << c.name;
    EXPECT_EQ(model.parameter_count(), c.parameters) << c.name;
  }
}

/// As published: torchvision's documentation of its models for ImageNet, Touvron et al. 2021 for
/// the transformer (5.7 M; the exact number is 12·(4·192² + 8·192² + 13·192) + (16²·3 + 1 + 1 + 197
/// + 2 + 1000)·192 + 1000), Jordan 2024 for airbench without its frozen scales.
TEST(Zoo, PublishedNumbersOfParameters) {
  const std::pair<const char*, int64_t> published[] = {
      {"vgg11", 132'863'336},    {"resnet18", 11'689'512},      {"resnet34", 21'797'672},
      {"resnet50", 25'557'032},  {"mobilenet_v2", 3'504'872},   {"mobilenet_v3_small", 2'542'856},
      {"vgg11_bn", 132'868'840}, {"convnext_tiny", 28'589'128}, {"vit_tiny", 5'717'416},
  };
  const Rehearsal rehearsal;  // so that no weight is drawn
  for (auto [name, parameters] : published)
    EXPECT_EQ(make(name, {.input_shape = {3, 224, 224}, .classes = 1000}).parameter_count(),
              parameters)
        << name;
}

TEST(Zoo, AirbenchIsItsPapersNetwork) {
  nn::AnyModule model = make("airbench", {.input_shape = {3, 32, 32}});
  std::map<std::string, Shape> state;
  int64_t trained = 0;
  for (auto& [name, p] : model.state_dict()) state[name] = p.shape();
  for (auto& p : model.parameters()) trained += p.requires_grad() ? p.numel() : 0;
  EXPECT_EQ(state.at("0.weight"), Shape({24, 3, 2, 2}));
  EXPECT_EQ(state.at("0.bias"), Shape({24}));
  EXPECT_EQ(state.at("2.conv1.weight"), Shape({64, 24, 3, 3}));
  EXPECT_EQ(state.at("3.conv2.weight"), Shape({256, 256, 3, 3}));
  EXPECT_EQ(state.at("4.norm2.running_var"), Shape({256}));
  EXPECT_EQ(state.at("7.weight"), Shape({10, 256}));
  // 24 + 24·64·9 + 64·64·9 + 64·256·9 + 3·256·256·9 + 2·(64 + 256 + 256) + 256·10
  EXPECT_EQ(trained, 1'971'352);
}

/// The filters' answers to the pictures that they were made from have the unit matrix as
/// covariance, where the spread exceeds eps.
TEST(Zoo, AirbenchsFirstLayerWhitens) {
  nn::AnyModule model = make("airbench", {.input_shape = {3, 32, 32}});
  NoGrad no_grad;
  manual_seed(5);
  Tensor x = normal(0, 3, {40, 3, 32, 32});
  // neighbors and channels have to do with each other
  x = x + narrow(cat({x, x}, 3), 3, 1, 32) * 0.5 + mean(x, {1}, true);
  models::entry("airbench").fit(model, x);
  Tensor filters;
  for (auto& [name, p] : model.state_dict())
    if (name == "0.weight") filters = p.value();
  Tensor y = flatten(permute(conv2d(x, filters), {1, 0, 2, 3}), 1);
  const auto c =
      (matmul(y, y, {.transpose_b = true}) / static_cast<double>(y.size(1))).to_vector<float>();
  for (size_t i = 0; i < 24; ++i)
    for (size_t j = 0; j < 24; ++j)
      EXPECT_NEAR(c[i * 24 + j], i == j ? 1 : i % 12 == j % 12 ? -1 : 0, 2e-3) << i << " " << j;
}

TEST(Zoo, StemsFollowTheSizeOfThePictures) {
  for (auto [side, stem] : {std::pair(32, models::Stem::small), std::pair(64, models::Stem::small),
                            std::pair(65, models::Stem::large)})
    EXPECT_EQ(models::stem_for({3, side, 20}), stem);
  auto kernel = [](models::Stem stem) {
    return make("resnet18", {.stem = stem}).state_dict()[0].second.shape()[2];
  };
  EXPECT_EQ(kernel(models::Stem::automatic), 3);
  EXPECT_EQ(kernel(models::Stem::large), 7);
}

TEST(Zoo, EveryEntryDoesWhatItSays) {
  for (const models::Entry& e : models::entries()) {
    EXPECT_STRNE(e.line, "");
    EXPECT_STRNE(e.source, "");
    const std::vector<std::string> optimizers{"sgd", "nesterov", "adam", "adamw"};
    EXPECT_EQ(std::count(optimizers.begin(), optimizers.end(), e.recipe.optimizer), 1)
        << e.name << " with " << e.recipe.optimizer;
    const Shape shape = sample(e, {1, 28, 28});
    nn::AnyModule model = make(e.name, {.input_shape = shape});
    NoGrad no_grad;
    manual_seed(1);
    auto y = model(rand(batch(3, shape)));
    ASSERT_EQ(y.shape(), Shape({3, 10})) << e.name;
    double total = 0;
    for (float v : exp(y).to_vector<float>()) total += v;
    if (e.output == models::Output::log_probabilities) EXPECT_NEAR(total, 3, 1e-5) << e.name;
    else EXPECT_GT(std::abs(total - 3), 1e-3) << e.name << " returns probabilities, not logits";
  }
}

TEST(Zoo, OtherPicturesAndClasses) {
  NoGrad no_grad;
  for (const models::Entry& e : models::entries()) {
    const Shape shape = sample(e, {3, 33, 20});
    nn::AnyModule model = make(e.name, {.input_shape = shape, .classes = 7});
    EXPECT_EQ(model(zeros(batch(2, shape))).shape(), Shape({2, 7})) << e.name;
  }
  EXPECT_EQ(make("cnn_b", {.input_shape = {1, 10, 10}})(zeros({1, 1, 10, 10})).shape(),
            Shape({1, 10}));
  EXPECT_EQ(make("cnn_c", {.input_shape = {1, 16, 16}})(zeros({1, 1, 16, 16})).shape(),
            Shape({1, 10}));
  EXPECT_EQ(make("mlp", {.input_shape = {5}})(zeros({1, 5})).shape(), Shape({1, 10}));
}

TEST(Zoo, WeightsAreAFunctionOfTheSeed) {
  auto weights = [](uint64_t seed) {
    return make("mlp", {.seed = seed}).state_dict()[0].second.value().to_vector<float>();
  };
  EXPECT_EQ(weights(3), weights(3));
  EXPECT_NE(weights(3), weights(4));
}

TEST(Zoo, Errors) {
  struct Row {
    const char* name;
    ModelOptions options;
    const char *argument, *given, *expected;
  };
  const Row rows[] = {
      {"cnn_b", {{1, 9, 28}, 10, 0}, "input_shape", "[1, 9, 28]", "pictures of at least 10x10"},
      {"cnn_c", {{1, 28, 15}, 10, 0}, "input_shape", "[1, 28, 15]", "pictures of at least 16x16"},
      {"cnn_b", {{784}, 10, 0}, "input_shape", "[784]", "[channels, height, width]"},
      {"cnn_b", {{0, 28, 28}, 10, 0}, "input_shape", "[0, 28, 28]", "axes of at least 1"},
      {"linear", {{1, 28, 28}, 0, 0}, "classes", "0", "at least 1"},
      {"airbench", {{3, 8, 32}, 10, 0}, "input_shape", "[3, 8, 32]", "pictures of at least 9x9"},
      {"vit_tiny", {{3, 3, 32}, 10, 0}, "input_shape", "[3, 3, 32]", "pictures of at least 4x4"},
      {"tabular", {{3, 8, 8}, 10, 0}, "input_shape", "[3, 8, 8]", "[columns]"},
      {"resnet50", {{784}, 10, 0}, "input_shape", "[784]", "[channels, height, width]"},
  };
  for (const Row& r : rows)
    EXPECT_FAULT(IoError, make(r.name, r.options), .op = r.name, .argument = r.argument,
                 .given = r.given, .expected = r.expected);
  std::string names;
  for (const models::Entry& e : models::entries())
    names += (names.empty() ? "" : ", ") + std::string(e.name);
  EXPECT_FAULT(ArgumentError, make("cnn-b"), .op = "models::entry", .argument = "model",
               .given = "'cnn-b'", .expected = "one of " + names,
               .remedy = "Did you mean 'cnn_b'?");
  EXPECT_FAULT(ArgumentError, make("transformer"), .given = "'transformer'",
               .expected = "one of " + names, .remedy = "");
}

}  // namespace
}  // namespace suanli
