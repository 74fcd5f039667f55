// SPDX-License-Identifier: Apache-2.0
#include "io/weight_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>

#include "base/text/text.h"
#include "io/torch_bytes.h"
#include "support/errors.h"
#include "support/temp_folder.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/fine_tune.h"

namespace suanli {
namespace {

using namespace test;

/// A tensor of one element out of the storage {1, 2, 3, 4}: `which` tells apart where a value came
/// from.
std::string one(int which) { return tensor_call({.offset = which, .shape = {1}, .strides = {1}}); }

/// Dicts as torch.save writes them, by name.
std::string pairs(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out;
  for (auto& [key, value] : entries) out += text(key) + value;
  return dict(out);
}
std::string weights(int which, const std::string& prefix = "") {
  return pairs({{prefix + "fc.weight", one(which)}, {prefix + "fc.bias", one(which)}});
}

/// fc.weight [1, 1] and fc.bias [1] of a model that the files above are for.
struct Net : nn::Module {
  struct Layer : nn::Module {
    Parameter weight{zeros({1})}, bias{zeros({1})};
    SUANLI_FIELDS(weight, bias)
    Tensor forward(const Tensor& x) const { return x * weight + bias; }
  } fc;
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const { return fc(x); }
};

/// The values that the model gets from a file.
std::string adopted(const std::string& place) {
  Net net;
  GivenWeights given = weights_to_adopt(place);
  choose_weights(net, given);
  net.load_state_dict(given.tensors);
  return str(net.fc.weight.value().item(), " ", net.fc.bias.value().item());
}
/// The same of a file's content, or the error.
std::string loaded(const std::string& file, const std::string& setting = "") {
  TempFolder folder;
  try {
    return adopted(folder.file("c.pt", file) + setting);
  } catch (const IoError& e) { return e.what(); }
}

const std::string kNamespace =
    object("argparse", "Namespace") + ")\x81" + pairs({{"lr", "K\x01"}, {"data", "N"}}) + "b";
const std::string kOptimizer =
    pairs({{"state", std::string("}(K\0", 4) +
                         std::string(pairs({{"exp_avg", one(0)}, {"step", one(0)}})) + "u"},
           {"param_groups", "]" + pairs({{"lr", "K\x01"}}) + "a"}});

TEST(StateDicts, ACheckpointHoldsOtherThingsBesideTheWeights) {
  struct Row {
    const char* what;
    std::string pickle;
  };
  const Row rows[] = {
      {"a tensor at the top",
       pairs({{"epoch", "K\x03"}, {"state_dict", weights(1)}, {"best_acc", one(0)}})},
      {"before it", pairs({{"loss", one(0)}, {"rng", one(2)}, {"model_state_dict", weights(1)}})},
      {"arguments", pairs({{"args", kNamespace}, {"model", weights(1)}, {"best", one(3)}})},
      {"an optimizer", pairs({{"optimizer", kOptimizer}, {"net", weights(1)}})},
      {"three levels", pairs({{"model", pairs({{"net", pairs({{"state_dict", weights(1)}})}})}})},
      {"five levels",
       pairs({{"a", pairs({{"b", pairs({{"c", pairs({{"d", pairs({{"e", weights(1)}})}})}})}})}})},
      {"a list", pairs({{"models", "](" + weights(1) + "e"}})},
      {"a tuple in a list", pairs({{"models", "](" + tuple({"K\x03", weights(1)}) + "e"}})},
      {"a list at the root", "](" + weights(1) + "e"},
      {"a tuple at the root", tuple({"K\x03", weights(1)})},
      {"tensors on the way",
       pairs({{"x", pairs({{"model", pairs({{"state_dict", weights(1)}})}, {"t", one(0)}})},
              {"t", one(0)}})},
      {"any key", pairs({{"params_of_mine", weights(1)}, {"x", one(0)}})},
      {"two levels",
       pairs({{"checkpoint", pairs({{"model", weights(1)}, {"loss", one(0)}})}, {"x", one(0)}})},
      {"other networks",
       pairs({{"disc", pairs({{"d.weight", one(0)}, {"d.bias", one(0)}, {"e.bias", one(0)}})},
              {"gen", weights(1)}})},
      {"beside epochs",
       pairs(
           {{"fc.weight", one(1)}, {"epoch", "K\x03"}, {"fc.bias", one(1)}, {"args", kNamespace}})},
      {"one dict under two keys", pairs({{"model", weights(1) + "q\x05"}, {"best", "h\x05"}})},
      {"a default dict",
       pairs({{"state_dict", object("collections", "defaultdict") + object("__builtin__", "float") +
                                 "\x85R(" + text("fc.weight") + one(1) + text("fc.bias") + one(1) +
                                 "u"}})},
      {"an ordered dict of pairs", object("collections", "OrderedDict") + "](" + "(" +
                                       text("fc.weight") + one(1) + "t(" + text("fc.bias") +
                                       one(1) + "te\x85R"},
  };
  for (const Row& r : rows) EXPECT_EQ(loaded(torch_file(program(r.pickle))), "2 2") << r.what;
}

TEST(StateDicts, WhereSeveralFitTheUserChooses) {
  const std::string file = torch_file(program(pairs(
      {{"model", weights(1)}, {"ema", pairs({{"module", weights(2)}})}, {"epoch", "K\x01"}})));
  TempFolder folder;
  const std::string path = folder.file("c.pt", file);
  EXPECT_FAULT(IoError, adopted(path), .argument = path,
               .given = "several state dicts that fit equally well: model, ema.module",
               .remedy = str("Choose one, such as '", path, "?key=ema.module'."));
  EXPECT_EQ(loaded(file, "?key=model"), "2 2");
  EXPECT_EQ(loaded(file, "?key=ema.module"), "3 3");
  const std::string both = torch_file(program(pairs({{"raw.fc.weight", one(1)},
                                                     {"raw.fc.bias", one(1)},
                                                     {"avg.fc.weight", one(2)},
                                                     {"avg.fc.bias", one(2)},
                                                     {"step", one(3)}})));
  EXPECT_EQ(loaded(both, "?key=raw"), "2 2") << "a part of the names";
  EXPECT_EQ(loaded(both, "?key=avg"), "3 3");
  EXPECT_FAULT(IoError, state_dicts_of(path + "?key=x"), .argument = path,
               .given = "no state dict at 'x'", .expected = "one of model, ema.module");
}

TEST(StateDicts, DictsThatHoldThemselvesEnd) {
  const std::string file = torch_file(program("}q\x05(" + text("self") + "h\x05" + text("model") +
                                              weights(1) + text("list") +
                                              "]q\x06(h\x06h\x05"
                                              "eu"));
  EXPECT_EQ(loaded(file), "2 2");
}

TEST(StateDicts, AKeyReachesEveryDictAndPart) {
  const std::string deep =
      torch_file(program(pairs({{"model", pairs({{"net", pairs({{"state_dict", weights(1)}})}})},
                                {"ema", "](" + weights(2) + weights(3) + "e"}})));
  EXPECT_EQ(loaded(deep, "?key=model.net.state_dict"), "2 2");
  EXPECT_EQ(loaded(deep, "?key=ema.0"), "3 3");
  EXPECT_EQ(loaded(deep, "?key=ema.1"), "4 4");
  TempFolder folder;
  EXPECT_FAULT(
      IoError, adopted(folder.file("c.pt", deep)), .argument = folder / "c.pt",
      .given = "several state dicts that fit equally well: ema.0, ema.1, model.net.state_dict");
  const std::string both = pairs({{"student.fc.weight", one(1)},
                                  {"student.fc.bias", one(1)},
                                  {"teacher.fc.weight", one(2)},
                                  {"teacher.fc.bias", one(2)}});
  EXPECT_EQ(loaded(torch_file(program(both)), "?key=student"), "2 2");
  EXPECT_EQ(loaded(torch_file(program(both)), "?key=teacher"), "3 3");
  EXPECT_EQ(loaded(torch_file(program(pairs({{"sd", both}}))), "?key=teacher"), "3 3");
  EXPECT_EQ(loaded(torch_file(program(pairs({{"sd", both}}))), "?key=sd.teacher"), "3 3");
}

TEST(StateDicts, TheRefusalOfSeveralNetworksSaysHowToTakeOne) {
  TempFolder folder;
  nn::AnyModule model = models::make("linear", {.seed = 3});
  NamedTensors both;
  for (const char* word : {"student.", "teacher."})
    for (auto& [name, t] : values_of(model)) both.emplace_back(word + name, t);
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.out = folder / "run";
  for (const char* words : {"", "module."}) {
    NamedTensors state;
    for (auto& [name, t] : both) state.emplace_back(words + name, t);
    const std::string file = folder / "two.safetensors";
    save_safetensors(file, state);
    for (const char* name : {"", "linear"}) {
      c.model = name;
      c.weights = file;
      const Fault fault = fault_of<IoError>([&] { Trainer{c}; });
      EXPECT_TRUE(contains(fault.remedy, str("give '", file, "?key=", words, "student'.")))
          << fault.remedy;
      c.weights = str(file, "?key=", words, "student");
      EXPECT_EQ(Trainer(c).config().model, "linear");
    }
  }
}

TEST(StateDicts, WithoutAModelTheUsualKeyOrTheMostTensorsCount) {
  TempFolder folder;
  auto first = [&](const std::string& pickle) {
    const NamedTensors state = load_torch(folder.file("x.pt", torch_file(program(pickle))));
    return str(state.size(), " ", state.at(0).first, " ", state[0].second.item());
  };
  EXPECT_EQ(first(pairs({{"best", one(0)}, {"ema", weights(1)}, {"state_dict", weights(2)}})),
            "2 fc.weight 3");
  EXPECT_EQ(first(pairs({{"best", one(0)}, {"mine", weights(1)}})), "2 fc.weight 2");
  EXPECT_FAULT(IoError, first(pairs({{"a", weights(0)}, {"b", weights(1)}})),
               .argument = folder / "x.pt",
               .given = "several state dicts that fit equally well: a, b");
}

TEST(Wrappers, AreTakenOffWhereThatMakesNamesFit) {
  for (const char* prefix :
       {"", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.",
        "backbone.", "encoder.", "module.model.net.", "my.own.words."})
    EXPECT_EQ(loaded(torch_file(program(weights(1, prefix)))), "2 2") << prefix;
  EXPECT_EQ(loaded(torch_file(
                program(pairs({{"fc._orig_mod.weight", one(1)}, {"fc._orig_mod.bias", one(1)}})))),
            "2 2")
      << "in the middle";
  EXPECT_EQ(
      loaded(torch_file(program(pairs(
          {{"n_averaged", one(0)}, {"module.fc.weight", one(1)}, {"module.fc.bias", one(1)}})))),
      "2 2");
  EXPECT_EQ(loaded(torch_file(program(pairs({{"state_dict", pairs({{"model.fc.weight", one(1)},
                                                                   {"model.fc.bias", one(1)},
                                                                   {"loss.weight", one(0)}})},
                                             {"hyper_parameters", pairs({{"lr", "K\x01"}})}})))),
            "2 2")
      << "a tensor beside the network";
  EXPECT_NE(
      loaded(torch_file(program(pairs({{"_orig_mod.fc.weight", one(1)}, {"fc.weight", one(0)}}))))
          .find("two tensors named fc.weight"),
      std::string::npos);
  // Nothing is guessed where another network is in the file.
  EXPECT_NE(loaded(torch_file(
                       program(pairs({{"a.fc.weight", one(1)}, {"b.x", one(0)}, {"b.y", one(0)}}))))
                .find("unexpected"),
            std::string::npos);
}

TEST(Wrappers, OfSafetensorsToo) {
  TempFolder folder;
  nn::AnyModule model = models::make("cnn_bn", {.seed = 3});
  NamedTensors wrapped;
  for (auto& [name, t] : values_of(model)) wrapped.emplace_back("_orig_mod." + name, t);
  save_safetensors(folder / "c.safetensors", wrapped);
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.weights = folder / "c.safetensors";
  c.out = folder / "run";
  Trainer t(c);
  EXPECT_EQ(t.config().model, "cnn_bn") << "the model is found through the wrapper";
  for (auto& [name, value] : values_of(model))
    for (auto& [other, p] : t.model().state_dict()) {
      if (name != other || value.dtype() != f32) continue;
      EXPECT_EQ(p.value().to_vector<float>(), value.to_vector<float>()) << name;
    }
}

/// Halves every float tensor's width, as bf16: what is left are the upper 16 bits.
Tensor as_bf16(const Tensor& t) {
  std::vector<uint16_t> words;
  for (float v : t.to_vector<float>())
    words.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
  return tensor_from_bytes(words.data(), static_cast<int64_t>(words.size() * 2), t.shape(),
                           DType::bf16);
}

TEST(HalfPrecision, FilesBecomeTheModelsDtype) {
  TempFolder folder;
  nn::AnyModule model = models::make("mlp", {.seed = 3});
  NamedTensors halves;
  for (auto& [name, t] : values_of(model)) halves.emplace_back(name, as_bf16(t));
  save_safetensors(folder / "h.safetensors", halves);
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.weights = folder / "h.safetensors";
  c.out = folder / "run";

  c.epochs = 1;
  Trainer t(c);
  EXPECT_EQ(t.config().model, "mlp");
  for (auto& [name, value] : values_of(model))
    for (auto& [other, p] : t.model().state_dict()) {
      if (name != other) continue;
      const std::vector<float> now = p.value().to_vector<float>(), was = value.to_vector<float>();
      for (size_t i = 0; i < now.size(); ++i)
        ASSERT_EQ(std::bit_cast<uint32_t>(now[i]), std::bit_cast<uint32_t>(was[i]) & 0xffff0000u)
            << name;
    }
  EXPECT_FALSE(t.run().stopped);

  // A torch file of halves: 1, 2, 3, 4 as binary16.
  const std::string words = bytes_of(uint16_t{0x3c00}) + bytes_of(uint16_t{0x4000}) +
                            bytes_of(uint16_t{0x4200}) + bytes_of(uint16_t{0x4400});
  const std::string half =
      tensor_call({.storage = "HalfStorage", .offset = 2, .shape = {1}, .strides = {1}});
  const std::string pickle = program(pairs({{"fc.weight", half}, {"fc.bias", half}}));
  EXPECT_EQ(loaded(zip_of({{"m/data.pkl", pickle}, {"m/data/0", words}})), "3 3");
}

TEST(HalfPrecision, DtypesWithoutAConversionNameFileAndTensor) {
  TempFolder folder;
  nn::AnyModule model = models::make("mlp", {.seed = 3});
  NamedTensors state = values_of(model);
  state[0].second =
      tensor_from_bytes(std::string(static_cast<size_t>(state[0].second.numel()), '\0').data(),
                        state[0].second.numel(), state[0].second.shape(), DType::f8e4m3);
  save_safetensors(folder / "f8.safetensors", state);
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.model = "mlp";
  c.weights = folder / "f8.safetensors";

  c.out = folder / "run";
  const Fault fault = fault_of<IoError>([&] { Trainer{c}; });
  EXPECT_EQ(fault.argument, c.weights);
  EXPECT_TRUE(contains(fault.given, "fc1.weight is f8e4m3 [256, 784], not f32 [256, 784]"))
      << fault.given;
}

TEST(NotFinite, WeightsOfAFileAreRefusedBeforeTheFirstStep) {
  TempFolder folder;
  nn::AnyModule model = models::make("mlp", {.seed = 3});
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  struct Row {
    double value;
    DType dtype;
    const char* given;  // null where the file is taken
  };
  const Row rows[] = {{nan, f32, "nan"},
                      {inf, f32, "inf"},
                      {-inf, f32, "-inf"},
                      {nan, f64, "nan"},
                      {1e39, f64, "1e39"},
                      {-1e300, f64, "-1e300"},
                      {3.4028235e38, f64, nullptr},
                      {1e-300, f64, nullptr}};
  for (const Row& r : rows) {
    NamedTensors state;
    for (auto& [name, t] : values_of(model)) {
      std::vector<double> values;
      for (float v : t.to_vector<float>()) values.push_back(v);
      if (name == "fc2.bias") values.back() = r.value;
      std::vector<float> narrow(values.begin(), values.end());
      state.emplace_back(name, r.dtype == f64 ? tensor<double>(values, t.shape())
                                              : tensor<float>(narrow, t.shape()));
    }
    TrainConfig c;
    c.data = "glyphs?train=64&test=32";
    c.weights = folder / "w.safetensors";

    c.out = folder / "run";
    save_safetensors(c.weights, state);
    for (const char* name : {"", "mlp"}) {
      c.model = name;
      const auto fault = fault_if_any<IoError>([&] { Trainer{c}; });
      EXPECT_EQ(fault.has_value(), r.given != nullptr);
      if (!fault || !r.given) continue;
      EXPECT_EQ(fault->argument, c.weights + ": fc2.bias");
      EXPECT_EQ(fault->given, r.given);
      EXPECT_EQ(fault->expected, "numbers that are finite in f32");
    }
  }
  // A half that is nan: 0x7e00.
  const std::string half =
      tensor_call({.storage = "HalfStorage", .offset = 2, .shape = {1}, .strides = {1}});
  const std::string words = bytes_of(uint16_t{0x3c00}) + bytes_of(uint16_t{0x4000}) +
                            bytes_of(uint16_t{0x7e00}) + bytes_of(uint16_t{0});
  const std::string path = folder.file(
      "half.pt", zip_of({{"m/data.pkl", program(pairs({{"fc.weight", half}, {"fc.bias", half}}))},
                         {"m/data/0", words}}));
  Net net;
  EXPECT_FAULT(IoError, load_weights(net, suanli::load_weights(path), path),
               .argument = path + ": fc.weight", .given = "nan");
}

TEST(NotFinite, ARunsModelFileIsRefusedToo) {
  TempFolder folder;
  TrainConfig c;
  c.data = "glyphs?train=64&test=32";
  c.model = "mlp";
  c.epochs = 1;
  c.out = folder / "run";
  Trainer(c).run();
  std::filesystem::remove_all(folder / "run/checkpoints");
  std::map<std::string, std::string> metadata;
  const std::string file = folder / "run/model.safetensors";
  NamedTensors state = load_safetensors(file, &metadata);
  state.back().second = state.back().second * std::numeric_limits<float>::quiet_NaN();
  save_safetensors(file, state, metadata);
  EXPECT_FAULT(IoError, load_run(folder / "run"), .argument = file + ": " + state.back().first,
               .given = "nan");
}

}  // namespace
}  // namespace suanli
