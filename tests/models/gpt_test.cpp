// The GPT: names, shapes, initial values, causality, gradients, and that it learns.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "suanli/autograd.h"
#include "suanli/models.h"
#include "suanli/optim.h"

namespace suanli {
namespace {

constexpr models::GptOptions kSmall{.vocab = 11, .context = 8, .layers = 2, .width = 12, .heads = 3};

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
    for (const char* norm : {"ln_1", "ln_2"}) expected[block + norm + ".weight"] = expected[block + norm + ".bias"] = {12};
    const std::pair<const char*, std::pair<int64_t, int64_t>> layers[] = {
        {"attn.c_attn", {12, 36}}, {"attn.c_proj", {12, 12}}, {"mlp.c_fc", {12, 48}}, {"mlp.c_proj", {48, 12}}};
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
    const bool bias = name.ends_with("bias"), norm = name.find("ln_") != std::string::npos, into = name.find("c_proj") != std::string::npos;
    const double want = bias ? 0 : norm ? 1 : into ? 0.01 : 0.02;  // 0.02/√4 in the projections
    EXPECT_NEAR(deviation, want, 0.1 * want) << name;
  }
}

TEST(Gpt, LaterTokensChangeNothingBefore) {
  manual_seed(2);
  models::Gpt gpt(kSmall);
  NoGrad no_grad;
  Tensor a = tokens(1, 8), b = concat({slice(a, 1, 0, 5), tensor<int64_t>({10, 10, 10}, {1, 3})}, 1);
  const auto whole = gpt(a).to_vector<float>(), changed = gpt(b).to_vector<float>(), alone = gpt(slice(a, 1, 0, 5)).to_vector<float>();
  EXPECT_EQ(gpt(a).shape(), (Shape{1, 8, 11}));
  for (size_t i = 0; i < 55; ++i) {
    EXPECT_EQ(whole[i], changed[i]) << i;
    EXPECT_NEAR(whole[i], alone[i], 1e-6) << i;
  }
  EXPECT_NE(std::vector<float>(whole.begin() + 55, whole.end()), std::vector<float>(changed.begin() + 55, changed.end()));
}

TEST(Gpt, GradientsOfEveryParameter) {
  manual_seed(3);
  models::Gpt gpt(kSmall);
  gpt.to(f64);
  for (auto& [name, p] : gpt.state_dict()) p.set(p.value().detach() + 0.3 * normal(p.shape(), 0, 1, f64));  // far from the flat start
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
  const Tensor input = slice(x, 1, 0, 7), target = flatten(slice(x, 1, 1, 7));
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

TEST(Gpt, Errors) {
  auto error_of = [](auto&& f) -> std::string {
    try {
      f();
    } catch (const Error& e) { return e.what(); }
    return "nothing was thrown";
  };
  EXPECT_NE(error_of([] { models::Gpt({.width = 10, .heads = 3}); }).find("a multiple of the heads"), std::string::npos);
  EXPECT_NE(error_of([] { models::Gpt({.vocab = 0}); }).find("model gpt: vocab 0"), std::string::npos);
  models::Gpt gpt(kSmall);
  EXPECT_EQ(error_of([&] { gpt(tokens(1, 9)); }),
            "[GptTrunk] tokens have shape [1, 9]; [B, T] with T up to the context, 8, is expected (in transformer)");
  EXPECT_EQ(error_of([&] { gpt(tensor<int64_t>({11}, {1, 1})).to_vector<float>(); }),
            "[embedding] index 11 at position 0 is out of range: 11 entries (0…10) exist");
}

}  // namespace
}  // namespace suanli
