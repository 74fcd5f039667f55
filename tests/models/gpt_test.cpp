// SPDX-License-Identifier: Apache-2.0
// The GPT: names, shapes, initial values, causality, gradients, and that it learns.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "suanli/autograd.h"
#include "suanli/models.h"
#include "suanli/optim.h"
#include "suanli/plan.h"
#include "suanli/session.h"
#include "support/errors.h"

namespace suanli {
namespace {

constexpr models::GptOptions kSmall{
    .vocab = 11, .context = 8, .layers = 2, .width = 12, .heads = 3};

/// Tokens (7 i + 3 j²) mod 11.
Tensor tokens(int64_t b, int64_t t) {
  std::vector<int64_t> v;
  for (int64_t i = 0; i < b; ++i)
    for (int64_t j = 0; j < t; ++j) v.push_back((7 * i + 3 * j * j) % 11);
  return tensor(v, {b, t});
}

TEST(Gpt, NamesShapesAndInitialValues) {
  manual_seed(1);
  models::Gpt gpt(kSmall);
  std::map<std::string, Shape> expected = {{"transformer.wte.weight", {11, 12}},
                                           {"transformer.wpe.weight", {8, 12}},
                                           {"transformer.ln_f.weight", {12}},
                                           {"transformer.ln_f.bias", {12}},
                                           {"lm_head.weight", {11, 12}}};
  for (const std::string block : {"transformer.h.0.", "transformer.h.1."}) {
    for (const char* norm : {"ln_1", "ln_2"})
      expected[block + norm + ".weight"] = expected[block + norm + ".bias"] = {12};
    const std::pair<const char*, std::pair<int64_t, int64_t>> layers[] = {{"attn.c_attn", {12, 36}},
                                                                          {"attn.c_proj", {12, 12}},
                                                                          {"mlp.c_fc", {12, 48}},
                                                                          {"mlp.c_proj", {48, 12}}};
    for (auto& [name, size] : layers) {
      expected[block + name + ".weight"] = {size.second, size.first};
      expected[block + name + ".bias"] = {size.second};
    }
  }
  std::map<std::string, Shape> state;
  for (auto& [name, p] : gpt.state_dict()) state[name] = p.shape();
  EXPECT_EQ(state, expected);

  models::Gpt wide({.vocab = 300, .context = 16, .layers = 2, .width = 128, .heads = 4});
  for (auto& [name, p] : wide.state_dict()) {
    const auto v = p.value().to_vector<float>();
    double squares = 0;
    for (float x : v) squares += static_cast<double>(x) * x;
    const double deviation = std::sqrt(squares / static_cast<double>(v.size()));
    const bool bias = name.ends_with("bias"), norm = name.find("ln_") != std::string::npos,
               into = name.find("c_proj") != std::string::npos;
    double want = into ? 0.01 : 0.02;  // 0.02/√4 in the projections
    if (norm) want = 1;
    if (bias) want = 0;
    EXPECT_NEAR(deviation, want, 0.1 * want) << name;
  }
}

TEST(Gpt, LaterTokensChangeNothingBefore) {
  manual_seed(2);
  models::Gpt gpt(kSmall);
  NoGrad no_grad;
  Tensor a = tokens(1, 8), b = cat({narrow(a, 1, 0, 5), tensor<int64_t>({10, 10, 10}, {1, 3})}, 1);
  const auto whole = gpt(a).to_vector<float>(), changed = gpt(b).to_vector<float>(),
             alone = gpt(narrow(a, 1, 0, 5)).to_vector<float>();
  EXPECT_EQ(gpt(a).shape(), (Shape{1, 8, 11}));
  for (size_t i = 0; i < 55; ++i) {
    EXPECT_EQ(whole[i], changed[i]) << i;
    EXPECT_NEAR(whole[i], alone[i], 1e-6) << i;
  }
  EXPECT_NE(std::vector<float>(whole.begin() + 55, whole.end()),
            std::vector<float>(changed.begin() + 55, changed.end()));
}

TEST(Gpt, GradientsOfEveryParameter) {
  manual_seed(3);
  models::Gpt gpt(kSmall);
  gpt.to(f64);
  // far from the flat start
  for (auto& [name, p] : gpt.state_dict()) p.set(p.value().detach() + 0.3 * randn(p.shape(), f64));
  const Tensor x = tokens(2, 5), y = flatten(tokens(2, 5) + 0);
  auto loss = [&] { return cross_entropy(reshape(gpt(x), {-1, 11}), y); };
  loss().backward();
  for (auto& [name, p] : gpt.named_parameters()) {
    const auto g = p.grad().to_vector<double>(), value = p.value().to_vector<double>();
    for (size_t i : {size_t{0}, value.size() / 2, value.size() - 1}) {
      constexpr double h = 1e-5;
      double at[2];
      for (int side : {0, 1}) {
        auto moved = value;
        moved[i] += side ? -h : h;
        NoGrad no_grad;
        p.set(tensor(moved, p.shape()));
        at[side] = loss().item<double>();
      }
      p.set(tensor(value, p.shape()));
      EXPECT_NEAR(g[i], (at[0] - at[1]) / (2 * h), 1e-8) << name << " " << i;
    }
  }
}

TEST(Gpt, LearnsASequenceByHeart) {
  manual_seed(4);
  models::Gpt gpt(kSmall);
  optim::AdamW opt(gpt.parameters(), {.lr = 1e-2});
  const Tensor x = tokens(3, 8);
  const Tensor input = narrow(x, 1, 0, 7), target = flatten(narrow(x, 1, 1, 7));
  float last = 0;
  for (int step = 0; step < 60; ++step) {
    Tensor loss = cross_entropy(flatten(gpt(input), 0, 1), target);
    loss.backward();
    opt.step();
    last = loss.item<float>();
    if (step == 0) {
      EXPECT_NEAR(last, std::log(11.0), 0.1);  // small weights know nothing
    }
  }
  EXPECT_LT(last, 0.1);
}

/// Greedy decoding by the definition: the whole text again for every token.
std::vector<int64_t> decoded_without_cache(models::Gpt& gpt, std::vector<int64_t> text,
                                           int64_t more) {
  NoGrad no_grad;
  for (int64_t i = 0; i < more; ++i) {
    const auto t = static_cast<int64_t>(text.size());
    const auto logits = gpt(tensor(text, {1, t})).to_vector<float>();
    text.push_back(std::max_element(logits.end() - 11, logits.end()) - (logits.end() - 11));
  }
  return text;
}
constexpr models::GptOptions kLong{
    .vocab = 11, .context = 256, .layers = 2, .width = 12, .heads = 3};

/// Large weights, so that the most likely token depends on what was said.
models::Gpt talkative(const models::GptOptions& options) {
  models::Gpt gpt(options);
  for (auto& [name, p] : gpt.state_dict()) p.set(p.value().detach() + 0.5 * randn(p.shape()));
  flush();
  return gpt;
}

TEST(Gpt, DecodesWithACacheWhatItDecodesWithout) {
  manual_seed(5);
  models::Gpt gpt = talkative(kLong);
  for (int64_t prompt : {1, 5, 64}) {
    const Tensor text = tokens(1, prompt);
    const auto expected = decoded_without_cache(gpt, text.to_vector<int64_t>(), 40);
    EXPECT_EQ(gpt.generate(text, 40).to_vector<int64_t>(), expected) << prompt;
    EXPECT_GT(std::set<int64_t>(expected.begin() + prompt, expected.end()).size(), 2u)
        << "says too little to tell anything";
  }
}

TEST(Gpt, EachTextOfABatchIsDecodedForItself) {
  manual_seed(6);
  models::Gpt gpt = talkative(kLong);
  const Tensor texts = tokens(3, 6);
  const auto together = gpt.generate(texts, 12).to_vector<int64_t>();
  for (int64_t b = 0; b < 3; ++b) {
    const auto alone = gpt.generate(narrow(texts, 0, b, 1), 12).to_vector<int64_t>();
    EXPECT_EQ(std::vector<int64_t>(together.begin() + b * 18, together.begin() + (b + 1) * 18),
              alone)
        << b;
  }
}

TEST(Gpt, LogitsWithACacheAreThoseOfTheWholeText) {
  manual_seed(7);
  models::Gpt gpt = talkative(kLong);
  NoGrad no_grad;
  const Tensor text = tokens(2, 90);
  const auto whole = gpt(text).to_vector<float>();  // [2, 90, 11]
  models::KvCache cache = gpt.cache(2, 100);
  int64_t at = 0;
  for (int64_t piece : {70, 1, 1, 17, 1}) {  // several tokens at once go as well
    const auto logits = gpt(narrow(text, 1, at, piece), cache).to_vector<float>();
    at += piece;
    EXPECT_EQ(cache.length(), at);
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t v = 0; v < 11; ++v) {
        const float expected = whole[static_cast<size_t>((b * 90 + at - 1) * 11 + v)];
        EXPECT_NEAR(logits[static_cast<size_t>(b * 11 + v)], expected,
                    2e-5 * (1 + std::fabs(expected)))
            << b << " " << at;
      }
  }
  cache.clear();
  EXPECT_EQ(gpt(narrow(text, 1, 0, 70), cache).shape(), (Shape{2, 11}));
}

// The promise of a cache cell: a token is the same program as the one before, and what is kept is
// written where it lies.
TEST(Gpt, TwoHundredTokensBuildFewPlansAndCopyNoCache) {
  manual_seed(8);
  constexpr models::GptOptions kLonger{
      .vocab = 11, .context = 4096, .layers = 2, .width = 32, .heads = 2};
  models::Gpt gpt(kLonger);
  const int64_t plans = plan_stats().plans;
  gpt.generate(tokens(1, 7), 200).to_vector<int64_t>();
  EXPECT_LE(plan_stats().plans - plans, 8);

  NoGrad no_grad;
  models::KvCache cache = gpt.cache(1, 4096);
  Tensor next = tokens(1, 7);
  auto token = [&] {
    next = reshape(argmax(gpt(next, cache), -1), {1, 1});
    flush();
  };
  for (int i = 0; i < 3; ++i) token();
  const int64_t blocks = kLonger.layers, in_place = plan_stats().overwritten,
                before = Session::current().memory_use().tensors;
  Session::current().reset_peak_memory();
  const int64_t peak = Session::current().memory_use().peak;
  for (int i = 0; i < 50; ++i) token();
  EXPECT_EQ(plan_stats().overwritten - in_place, 50 * 2 * blocks);
  EXPECT_EQ(Session::current().memory_use().tensors, before);
  EXPECT_LT(Session::current().memory_use().peak - peak, cache.bytes() / (2 * blocks) / 8)
      << "room for keys or values of a block was taken";
  EXPECT_LT(plan_stats().last_arena_bytes, cache.bytes() / (2 * blocks) / 4)
      << "keys or values of a block were copied";
}

TEST(Gpt, Errors) {
  const std::string sizes = "at least 1 each and a width that is a multiple of the heads";
  EXPECT_FAULT(IoError, models::Gpt({.width = 10, .heads = 3}), .op = "Gpt", .argument = "options",
               .given = "vocab 50257, context 1024, layers 12, width 10, heads 3",
               .expected = sizes);
  EXPECT_FAULT(IoError, models::Gpt({.vocab = 0}), .op = "Gpt", .argument = "options",
               .given = "vocab 0, context 1024, layers 12, width 768, heads 12", .expected = sizes);
  models::Gpt gpt(kSmall);
  EXPECT_FAULT(ShapeError, gpt(tokens(1, 9)), .op = "GptTrunk", .argument = "tokens",
               .given = "[1, 9]", .expected = "[B, T] with T up to the context, 8",
               .module = "transformer");
  EXPECT_FAULT(IoError, gpt(tensor<int64_t>({11}, {1, 1})).to_vector<float>(), .op = "embedding",
               .argument = "index", .given = "11 at position 0",
               .expected = "0…10, for 11 entries");
  const std::string room = "[B, T] with T ≥ 1, in all no more than the context, 8";
  EXPECT_FAULT(ShapeError, gpt.generate(tokens(1, 5), 4), .op = "Gpt.generate",
               .argument = "tokens", .given = "[1, 5] and 4 new ones", .expected = room);
  EXPECT_FAULT(ShapeError, gpt.generate(tensor<int64_t>({}, {1, 0}), 4), .op = "Gpt.generate",
               .argument = "tokens", .given = "[1, 0] and 4 new ones", .expected = room);
  models::KvCache cache = gpt.cache(1, 4);
  EXPECT_FAULT(ShapeError, gpt(tokens(1, 5), cache), .op = "GptTrunk", .argument = "tokens",
               .given = "[1, 5] and a cache of 2 blocks with 0 of 4 tokens",
               .expected = "[B, T] with T up to 4 and a cache of 2 blocks, for a context of 8",
               .module = "transformer");
  EXPECT_EQ(cache.length(), 0);
  EXPECT_FAULT(ShapeError, gpt.cache(1, 0), .op = "KvCache", .argument = "capacity", .given = "0",
               .expected = "at least 1");
}

}  // namespace
}  // namespace suanli
