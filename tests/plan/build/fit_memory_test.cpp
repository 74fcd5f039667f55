// SPDX-License-Identifier: Apache-2.0
// Values that are computed again rather than held: less memory, the same bits.
#include <map>

#include "gtest/gtest.h"
#include "plan/ir/step_info.h"
#include "plan/planned.h"
#include "plan/random_programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

struct Limit {
  explicit Limit(int64_t bytes) { Session::current().set_working_memory_limit(bytes); }
  ~Limit() { Session::current().set_working_memory_limit(0); }
};
constexpr int64_t kAsLittleAsPossible = 1;

TEST(Shrink, RandomProgramsHaveTheSameBits) {
  int smaller = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    std::vector<std::string> got[2];
    int64_t arena[2];
    for (int limited : {0, 1}) {
      const Limit limit(limited ? kAsLittleAsPossible : 0);
      const auto out = random_program(seed);
      flush();
      arena[limited] = plan_stats().last_arena_bytes;
      for (const Tensor& o : out) got[limited].push_back(bits(o));
    }
    ASSERT_EQ(got[0] == got[1], true) << "seed " << seed;
    ASSERT_LE(arena[1], arena[0]) << "seed " << seed;
    smaller += arena[1] < arena[0];
  }
  std::printf("%d of 400 random programs take less working memory if they are to\n", smaller);
  EXPECT_GT(smaller, 20);
}

struct Block : nn::Module {
  nn::Linear in{64, 256}, out{256, 64};
  nn::Dropout drop{0.25};
  SUANLI_FIELDS(in, drop, out)
  Tensor forward(const Tensor& x) const { return x + out(drop(gelu(in(x)))); }
};
struct Deep : nn::Module {
  std::vector<Block> blocks = std::vector<Block>(6);
  nn::Linear head{64, 3};
  SUANLI_FIELDS(blocks, head)
  Tensor forward(const Tensor& x) const {
    Tensor y = x;
    for (const Block& b : blocks) y = b(y);
    return head(y);
  }
};

/// Trains with Adam; weights and losses. `arena`: bytes of the last program's.
Bits train(int64_t limit, int64_t& arena) {
  const Limit in_limit(limit);
  manual_seed(3);
  Deep net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  const Tensor x = tensor_f32({128, 64}, 1);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 128; ++i) labels.push_back(i % 3);
  const Tensor y = tensor(labels, Shape{128});
  std::vector<float> losses;
  for (int i = 0; i < 4; ++i) {
    Tensor loss = cross_entropy(net(x), y);
    loss.backward();
    opt.step();
    losses.push_back(loss.item<float>());
  }
  arena = plan_stats().last_arena_bytes;
  Bits out = values(net);
  out.push_back(losses);
  return out;
}

TEST(Shrink, ALimitIsKeptAndChangesNoBit) {
  int64_t usual, arena, least;
  const Bits want = train(0, usual);
  EXPECT_EQ(train(usual * 8 / 10, arena) == want, true);
  EXPECT_LE(arena, usual * 8 / 10);
  EXPECT_GT(arena, usual / 2) << "no more is computed again than it takes";
  EXPECT_EQ(train(kAsLittleAsPossible, least) == want, true);
  EXPECT_LT(least, arena);
  Session::current().set_poison(true);
  EXPECT_EQ(train(kAsLittleAsPossible, arena) == want, true)
      << "memory is read outside of its lifetime";
  Session::current().set_poison(false);
  EXPECT_EQ(train(0, arena) == want, true);
  EXPECT_EQ(arena, usual) << "a limit that is gone leaves plans behind";
}

/// Counts the computations of each op in a plan, fused or not.
std::map<std::string, int> ops_of(const Plan& plan) {
  std::map<std::string, int> count;
  for (const PlannedStep& s : plan.steps) {
    std::string name = step_name(s.step), word;
    for (char c : name + ' ') {
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.') word += c;
      else if (!word.empty()) {
        ++count[word];
        word.clear();
      }
    }
  }
  return count;
}

TEST(Shrink, RandomDrawsAreNeverRepeated) {
  Deep net;
  const Tensor x = tensor_f32({128, 64}, 1);
  std::map<std::string, int> ops[2];
  for (int limited : {0, 1}) {
    const Limit limit(limited ? kAsLittleAsPossible : 0);
    const Tensor loss = sum(square(net(x)));
    loss.backward();
    ops[limited] = ops_of(*plan_of_pending());
    flush();
    for (Parameter p : net.parameters()) p.set_grad({});
  }
  EXPECT_EQ(ops[0]["uniform"], 6);
  EXPECT_EQ(ops[1]["uniform"], 6);
  EXPECT_GT(ops[1]["gelu"], ops[0]["gelu"]);
}

TEST(Shrink, ATransformersStep) {
  // Only the gradients of weights read these later: gelus and normalizations.
  models::Gpt gpt({.vocab = 5000, .context = 256, .layers = 4, .width = 256, .heads = 8});
  optim::AdamW opt(gpt.parameters(), {.lr = 1e-3});
  const Tensor tokens = tensor(std::vector<int64_t>(8 * 256, 7), {8, 256});
  int64_t arena[2];
  std::map<std::string, int> ops[2];
  for (Tier tier : {Tier::planned, Tier::cold}) {
    const Tensor loss = cross_entropy(flatten(gpt(tokens), 0, -2), flatten(tokens));
    loss.backward();
    const auto plan = plan_of_pending(tier);
    arena[tier == Tier::cold] = plan->arena_bytes;
    ops[tier == Tier::cold] = ops_of(*plan);
    drop_pending();
    opt.zero_grad();
  }
  EXPECT_EQ(ops[1]["gelu"], 4);
  EXPECT_EQ(ops[1]["layer_norm"], 9);
  EXPECT_EQ(ops[0]["gelu"], 8);
  EXPECT_GE(ops[0]["layer_norm"], 16);
  EXPECT_EQ(ops[0]["self_attention"], 4) << "worth more than it saves";
  EXPECT_LE(arena[0], int64_t{140} << 20);
}

TEST(Shrink, AResidualNetworksStep) {
  nn::AnyModule net = models::make("resnet18", {.input_shape = {3, 32, 32}});
  const Tensor x = tensor_f32({128, 3, 32, 32}, 1),
               y = tensor(std::vector<int64_t>(128, 1), Shape{128});
  const Tensor loss = cross_entropy(net(x), y);
  loss.backward();
  const auto plan = plan_of_pending();
  auto ops = ops_of(*plan);
  EXPECT_EQ(ops["reorder"], 0);
  EXPECT_GE(ops["conv2d"], 20);
  EXPECT_LE(ops["conv2d"], 24)
      << "but for the first one and those of 1×1, a convolution is dearer than what it saves";
  EXPECT_LE(plan->arena_bytes, int64_t{360} << 20);
  drop_pending();
}

}  // namespace
}  // namespace suanli
