// SPDX-License-Identifier: Apache-2.0
#include "nn/state_values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "support/errors.h"

namespace suanli {
namespace {

/// A binary float by its definition: sign, exponent with bias, fraction.
double by_definition(uint32_t bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1, all_ones = (1 << exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & all_ones;
  const double fraction = std::ldexp(bits & ((1u << fraction_bits) - 1), -fraction_bits);
  const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
  if (exponent == all_ones)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias)
                               : std::ldexp(1 + fraction, exponent - bias));
}

TEST(NarrowFloats, EveryValueIsItsDefinitions) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto word = static_cast<uint16_t>(bits);
    for (auto [value, expected] :
         {std::pair(detail::float_from_f16(word), by_definition(bits, 5, 10)),
          std::pair(detail::float_from_bf16(word), by_definition(bits, 8, 7))}) {
      if (std::isnan(expected)) ASSERT_TRUE(std::isnan(value)) << bits;
      else ASSERT_EQ(static_cast<double>(value), expected) << bits;
      ASSERT_EQ(std::signbit(value), bits >= 32768) << bits;
    }
  }
  // Payloads of NaNs stay, as PyTorch's conversion keeps them.
  EXPECT_EQ(std::bit_cast<uint32_t>(detail::float_from_f16(0xfd01)), 0xffa02000u);
  EXPECT_EQ(std::bit_cast<uint32_t>(detail::float_from_bf16(0x7f81)), 0x7f810000u);
}

Tensor of_words(const std::vector<uint16_t>& words, DType dtype) {
  return tensor_from_bytes(words.data(), static_cast<int64_t>(words.size() * sizeof words[0]),
                           Shape{static_cast<int64_t>(words.size())}, dtype);
}

struct Net : nn::Module {
  nn::Linear fc{3, 2};
  nn::BatchNorm1d bn{2};
  SUANLI_FIELDS(fc, bn)
  Tensor forward(const Tensor& x) const { return bn(fc(x)); }
};

std::vector<std::pair<std::string, Tensor>> state_of(Net& net) {
  std::vector<std::pair<std::string, Tensor>> state;
  for (auto& [name, p] : net.state_dict()) state.emplace_back(name, p.value());
  return state;
}

TEST(LoadStateDict, FloatsTakeTheDtypeOfTheModel) {
  Net net;
  auto state = state_of(net);
  auto at = [&](const std::string& name) -> Tensor& {
    return std::find_if(state.begin(), state.end(), [&](auto& e) { return e.first == name; })
        ->second;
  };
  // 1 and the smallest subnormal, negative
  at("fc.bias") = of_words({0x3c00, 0x8001}, DType::f16);
  at("bn.weight") = of_words({0x3f80, 0xc040}, DType::bf16);        // 1 and -3
  // rounded to even, and to zero
  at("bn.bias") = tensor<double>({1 + 0x1p-30, 0x1p-150}, Shape{2});
  net.load_state_dict(state);
  EXPECT_EQ(net.fc.bias.value().to_vector<float>(), (std::vector<float>{1, -0x1p-24f}));
  EXPECT_EQ(net.bn.weight.value().to_vector<float>(), (std::vector<float>{1, -3}));
  EXPECT_EQ(net.bn.bias.value().to_vector<float>(), (std::vector<float>{1, 0}));

  Net wide;
  wide.to(f64);
  wide.load_state_dict(state);
  EXPECT_EQ(wide.fc.bias.value().to_vector<double>(), (std::vector<double>{1, -0x1p-24}));
  EXPECT_EQ(wide.bn.bias.value().to_vector<double>(), (std::vector<double>{1 + 0x1p-30, 0x1p-150}));
}

TEST(LoadStateDict, CountersOfBatchesHaveAnyDtypeOrAreMissing) {
  const std::string counter = "bn.num_batches_tracked";
  auto loaded = [&](const Tensor& value) {
    Net net;
    auto state = state_of(net);
    for (auto& [name, t] : state)
      if (name == counter) t = value;
    net.load_state_dict(state);
    return net.bn.num_batches_tracked.value().item<int64_t>();
  };
  EXPECT_EQ(loaded(tensor<int64_t>({7}, Shape{})), 7);
  EXPECT_EQ(loaded(tensor<int32_t>({7}, Shape{})), 7);
  EXPECT_EQ(loaded(tensor<uint8_t>({7}, Shape{})), 7);
  EXPECT_EQ(loaded(tensor<float>({7}, Shape{})), 7);
  EXPECT_EQ(loaded(tensor<double>({7}, Shape{1})), 7) << "[1] and [] are one number";
  EXPECT_FAULT(IoError, loaded(tensor<float>({7.5f}, Shape{})), .op = "load_state_dict",
               .argument = "state",
               .given = "misshapen " + counter + " is f32 without a whole number, not i64");
  EXPECT_FAULT(IoError, loaded(tensor<int64_t>({1, 2}, Shape{2})), .op = "load_state_dict",
               .argument = "state", .given = "misshapen " + counter + " is i64 [2], not i64 []");

  Net net;
  auto state = state_of(net);
  std::erase_if(state, [&](auto& e) { return e.first == counter; });
  EXPECT_NO_THROW(net.load_state_dict(state));
}

TEST(LoadStateDict, WhatDoesNotFitIsNamedWithBothShapesAndNothingIsTaken) {
  Net net;
  auto state = state_of(net);
  const std::vector<float> before = net.fc.bias.value().to_vector<float>();
  for (auto& [name, t] : state) {
    if (name == "fc.bias") t = tensor<float>({5, 6}, Shape{2});
    if (name == "fc.weight") t = of_words(std::vector<uint16_t>(4), DType::f16);
    if (name == "bn.bias") t = tensor<int64_t>({1, 2}, Shape{2});
  }
  EXPECT_FAULT(IoError, net.load_state_dict(state), .op = "load_state_dict", .argument = "state",
               .given =
                   "misshapen fc.weight is f16 [4], not f32 [2, 3], bn.bias is i64 "
                   "[2], not f32 [2]");
  EXPECT_EQ(net.fc.bias.value().to_vector<float>(), before);
}

}  // namespace
}  // namespace suanli
