// SPDX-License-Identifier: Apache-2.0
// Containers and state: names, refusals, loading in part.
#include "suanli/nn/containers.h"

#include <gtest/gtest.h>

#include "suanli/nn.h"
#include "support/errors.h"

namespace suanli {
namespace {

std::vector<std::string> names_of(const nn::Module& m) {
  std::vector<std::string> names;
  for (const auto& [name, p] : m.state_dict()) names.push_back(name);
  return names;
}

struct Holder : nn::Module {
  nn::ModuleList list{nn::Linear(2, 2), nn::ReLU(), nn::Linear(2, 1, {.bias = false})};
  nn::ModuleDict dict;
  nn::ParameterList scales{{Parameter(ones({2})), Parameter(ones({3}))}};
  SUANLI_FIELDS(list, dict, scales)
  Holder() { dict.insert("head", nn::Linear(2, 1, {.bias = false})); }
  Tensor forward(const Tensor& x) const {
    Tensor y = x;
    for (const nn::AnyModule& m : list) y = m(y);
    return y + dict["head"](x);
  }
};

TEST(Containers, StateHasPyTorchsNames) {
  Holder h;
  EXPECT_EQ(names_of(h), (std::vector<std::string>{"list.0.weight", "list.0.bias", "list.2.weight",
                                                   "dict.head.weight", "scales.0", "scales.1"}));
  EXPECT_EQ(h(ones({3, 2})).shape(), (Shape{3, 1}));
  EXPECT_TRUE(h.dict.contains("head"));
  EXPECT_FALSE(h.dict.contains("tail"));
  EXPECT_FAULT(ArgumentError, h.dict["tail"], .op = "ModuleDict", .argument = "name",
               .given = "'tail'", .expected = "one of head");
  EXPECT_FAULT(ArgumentError, h.dict.insert("a.b", nn::ReLU()), .op = "ModuleDict.insert",
               .argument = "name");
  EXPECT_FAULT(StateError, h.list.append(nn::AnyModule()), .op = "ModuleList.append",
               .argument = "module");
  EXPECT_EQ(names_of(nn::CrossEntropyLoss({.weight = ones({3})})),
            std::vector<std::string>{"weight"});
  EXPECT_EQ(names_of(nn::LSTM(2, 3, {.bidirectional = true})),
            (std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
                                      "weight_ih_l0_reverse", "weight_hh_l0_reverse",
                                      "bias_ih_l0_reverse", "bias_hh_l0_reverse"}));
}

TEST(Containers, StateLoadsInPart) {
  nn::Linear layer(2, 1);
  const auto bias = layer.bias.value().to_vector<float>();
  const Tensor weight = tensor<float>({3, 4}, {1, 2});
  const nn::LoadedState loaded =
      layer.load_state_dict({{"weight", weight}, {"more", ones({1})}}, {.strict = false});
  EXPECT_EQ(loaded.missing_keys, std::vector<std::string>{"bias"});
  EXPECT_EQ(loaded.unexpected_keys, std::vector<std::string>{"more"});
  EXPECT_EQ(layer.weight.value().to_vector<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(layer.bias.value().to_vector<float>(), bias);
  EXPECT_FAULT(IoError, layer.load_state_dict({{"weight", ones({2, 2})}}, {.strict = false}),
               .op = "load_state_dict", .argument = "state");
  EXPECT_EQ(layer.weight.value().to_vector<float>(), (std::vector<float>{3, 4}));
}

TEST(Containers, EmbeddingLeavesItsPaddingRow) {
  manual_seed(3);
  nn::Embedding table(4, 2, {.padding_idx = -1});
  EXPECT_EQ(narrow(table.weight.value(), 0, 3, 1).to_vector<float>(), (std::vector<float>{0, 0}));
  sum(table(tensor<int64_t>({3, 0, 3}, {3}))).backward();
  EXPECT_EQ(table.weight.grad().to_vector<float>(), (std::vector<float>{1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_FAULT(ArgumentError, nn::Embedding(4, 2, {.padding_idx = 4}), .op = "Embedding",
               .argument = "padding_idx", .given = "4", .expected = "-4 to 3");
}

TEST(Containers, ChannelsAreDroppedAsAWhole) {
  manual_seed(4);
  nn::Dropout2d drop(0.5);
  const auto y = drop(ones({8, 16, 3, 3})).to_vector<float>();
  int dropped = 0;
  for (size_t plane = 0; plane < 128; ++plane) {
    for (size_t i = 1; i < 9; ++i) EXPECT_EQ(y[plane * 9 + i], y[plane * 9]);
    EXPECT_TRUE(y[plane * 9] == 0 || y[plane * 9] == 2);
    dropped += y[plane * 9] == 0;
  }
  EXPECT_GT(dropped, 32);  // of 128, half: 5.7 is a standard deviation
  EXPECT_LT(dropped, 96);
  drop.eval();
  EXPECT_EQ(drop(ones({2, 2, 2})).to_vector<float>(), std::vector<float>(8, 1));
  EXPECT_FAULT(ShapeError, drop(ones({2, 2})), .op = "Dropout2d", .argument = "input");
}

}  // namespace
}  // namespace suanli
