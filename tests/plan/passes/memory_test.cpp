// SPDX-License-Identifier: Apache-2.0
// The memory plan, checked by what it does: every read must meet one whole, untouched write.
#include <cmath>

#include "base/core/philox.h"
#include "gtest/gtest.h"
#include "plan/passes/memory.h"
#include "plan/planned.h"
#include "runtime/derived.h"

namespace suanli {
namespace {

using namespace suanli::test;

struct Interval {
  int64_t at, bytes;
  bool overlaps(const Interval& o) const { return at < o.at + o.bytes && o.at < at + bytes; }
  bool operator==(const Interval&) const = default;
};

/// Replays the steps on intervals; knows nothing of lifetimes.
void expect_reads_of_intact_writes(const Plan& plan) {
  std::vector<Interval> written;
  for (const PlannedStep& s : plan.steps) {
    auto where = [](const Place& p, const ValueDesc& d) { return Interval{p.at, bytes_of(d)}; };
    std::vector<Interval> read, made;
    for (size_t i = 0; i < s.in.size(); ++i)
      if (s.in[i].kind == Place::arena && bytes_of(s.step.in[i]) > 0)
        read.push_back(where(s.in[i], s.step.in[i]));
    for (const Interval& r : read)
      ASSERT_NE(std::find(written.begin(), written.end(), r), written.end())
          << op_of(s.step.op).name() << " reads " << r.bytes << " at " << r.at;
    for (size_t k = 0; k < s.out.size(); ++k)
      if (s.out[k].kind == Place::arena && bytes_of(s.step.out[k]) > 0)
        made.push_back(where(s.out[k], s.step.out[k]));
    const Interval workspace{s.workspace_at, s.kernel->workspace_bytes};
    for (size_t k = 0; k < made.size(); ++k) {
      ASSERT_LE(made[k].at + made[k].bytes, plan.arena_bytes);
      EXPECT_EQ(made[k].at % kArenaAlign, 0);
      for (size_t j = 0; j < k; ++j)
        EXPECT_FALSE(made[k].overlaps(made[j])) << "two results in one place";
      for (const Interval& r : read)
        EXPECT_TRUE(!made[k].overlaps(r) || made[k] == r) << "a result over a part of an input";
      EXPECT_FALSE(workspace.bytes > 0 && workspace.overlaps(made[k]));
    }
    for (const Interval& r : read) EXPECT_FALSE(workspace.bytes > 0 && workspace.overlaps(r));
    ASSERT_LE(workspace.at + workspace.bytes, plan.arena_bytes);
    if (workspace.bytes > 0)
      std::erase_if(written, [&](const Interval& w) { return w.overlaps(workspace); });
    for (const Interval& m : made) {
      std::erase_if(written, [&](const Interval& w) { return w.overlaps(m); });
      written.push_back(m);
    }
  }
  for (const PlannedOutput& o : plan.outputs)
    EXPECT_NE(o.place.kind, Place::arena) << "a result that leaves has a storage of its own";
}

TEST(ArenaPlacement, NothingOverlapsAndGapsAreSmall) {
  PhiloxStream random(7, 0);
  for (int round = 0; round < 200; ++round) {
    const auto steps = static_cast<uint32_t>(1 + random.below(40));
    std::vector<ArenaBlock> blocks;
    for (uint64_t n = random.below(60); n-- > 0;) {
      const auto first = static_cast<uint32_t>(random.below(steps)),
                 last = first + static_cast<uint32_t>(random.below(steps - first));
      blocks.push_back({static_cast<int64_t>(
                            random.below(5) == 0 ? 0 : random.below(1 << (4 + random.below(12)))),
                        first, last});
    }
    const int64_t size = place(blocks);
    int64_t end = 0, total = 0;
    for (size_t i = 0; i < blocks.size(); ++i) {
      const ArenaBlock& a = blocks[i];
      if (a.bytes == 0) continue;
      EXPECT_EQ(a.at % kArenaAlign, 0);
      end = std::max(end, a.at + a.bytes);
      total += a.bytes + kArenaAlign;
      for (size_t j = 0; j < i; ++j) {
        const ArenaBlock& b = blocks[j];
        const bool meet = b.bytes > 0 && a.first <= b.last && b.first <= a.last;
        EXPECT_FALSE(meet && a.at < b.at + b.bytes && b.at < a.at + a.bytes) << "round " << round;
      }
    }
    EXPECT_LE(end, size);
    EXPECT_GE(size, most_alive(blocks));
    EXPECT_LE(size, std::max(total, int64_t{0}));
  }
}

TEST(ArenaPlacement, ALargeBlockIsNotLeftWithoutRoomBySmallOnes) {
  // As they come about: a small block would lie at the bottom of what the large one could have had,
  // then another behind it, and so on.
  std::vector<ArenaBlock> blocks{{1024, 0, 1}, {64, 1, 4}, {1024, 2, 3}, {64, 3, 6},
                                 {1024, 4, 5}, {64, 5, 7}, {1024, 6, 7}};
  EXPECT_EQ(most_alive(blocks), 1024 + 128);
  EXPECT_EQ(place(blocks), 1024 + 128);
}

struct Network {
  const char* name;
  Shape input;
  int64_t batch;
};
const Network networks[] = {{"mlp", {1, 28, 28}, 16},
                            {"cnn_b", {1, 28, 28}, 8},
                            {"cnn_c", {1, 28, 28}, 8},
                            {"resnet18", {3, 32, 32}, 4}};

struct Training {
  explicit Training(const Network& n)
      : model(models::make(n.name, {.input_shape = n.input})),
        opt(model.parameters(), {.lr = 0.01, .momentum = 0.9}) {
    Shape s{n.batch};
    for (int64_t d : n.input) s.push_back(d);
    x = tensor_f32(s, 3);
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < n.batch; ++i) labels.push_back(i % 10);
    y = tensor(labels, Shape{n.batch});
  }
  Tensor record() {
    Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    return loss;
  }
  float step() {
    const Tensor loss = record();
    opt.step();
    return loss.item<float>();
  }
  nn::AnyModule model;
  optim::SGD opt;
  Tensor x, y;
};

TEST(ArenaPlacement, TrainingStepsTakeLittleMoreThanIsAlive) {
  for (const Network& n : networks) {
    Training t(n);
    const Tensor loss = t.record();
    const auto plan = plan_of_pending();
    // a value in the place of another one meets it at one step: counted once
    std::vector<ArenaBlock> values;
    for (const PlannedBytes& b : plan->arena) {
      auto same = [&](const ArenaBlock& v) {
        return v.at == b.at && v.bytes == b.bytes && v.last == b.first;
      };
      if (auto before = std::find_if(values.begin(), values.end(), same);
          before != values.end() && !b.workspace)
        before->last = b.last;
      else values.push_back({b.bytes, b.first, b.last, b.at});
    }
    EXPECT_LE(plan->arena_bytes, most_alive(values) * 105 / 100) << n.name;
    flush();
  }
}

TEST(MemoryPlan, ReadsMeetIntactWrites) {
  for (const Network& n : networks) {
    SCOPED_TRACE(n.name);
    Training t(n);
    const Tensor loss = t.record();
    for (Tier tier : {Tier::planned, Tier::cold})
      expect_reads_of_intact_writes(*plan_of_pending(tier));
    flush();
  }
}

TEST(MemoryPlan, PoisonChangesNothing) {
  for (const Network& n : networks) {
    std::vector<float> losses[2];
    Bits weights[2];
    for (bool on : {false, true}) {
      Session::current().set_poison(on);
      manual_seed(5);
      Training t(n);
      for (int i = 0; i < 3; ++i) losses[on].push_back(t.step());
      weights[on] = values(t.model);
      Session::current().set_poison(false);
    }
    EXPECT_EQ(losses[0], losses[1]) << n.name;
    EXPECT_EQ(weights[0], weights[1]) << n.name;
  }
}

TEST(MemoryPlan, AKeptActivationIsMadeAgain) {
  // The gradient of a square reads what was squared, so the square, which the next product's
  // gradient reads, need not be kept.
  Parameter w1(tensor_f32({1024, 1024}, 1)), w2(tensor_f32({1024, 1024}, 2));
  const Tensor x = tensor_f32({512, 1024}, 3);
  auto arena = [&](bool planned) {
    Tensor y = x;
    for (int i = 0; i < 12; ++i) y = matmul(square(matmul(y, w1)), w2);
    const Tensor loss = sum(y);
    loss.backward();
    const int64_t bytes = plan_of_pending(planned ? Tier::planned : Tier::cold)->arena_bytes;
    flush();
    w1.set_grad({});
    w2.set_grad({});
    return bytes;
  };
  EXPECT_LT(arena(true), arena(false) * 8 / 10);
}

TEST(PackedWeights, FollowTheirParameter) {
  manual_seed(2);
  nn::AnyModule model = models::make("resnet18", {.input_shape = {3, 32, 32}});
  model.eval();
  const Tensor x = tensor_f32({2, 3, 32, 32}, 7);
  auto run = [&](Tier tier) {
    InTier in_tier(tier);
    NoGrad off;
    return model(x).to_vector<float>();
  };
  auto near = [](const std::vector<float>& a, const std::vector<float>& b) {
    float worst = 0, largest = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      worst = std::max(worst, std::fabs(a[i] - b[i]));
      largest = std::max(largest, std::fabs(b[i]));
    }
    return worst <= 1e-4f * largest;
  };
  const auto first = run(Tier::planned);
  EXPECT_GT(derived_bytes({}), 0);
  EXPECT_EQ(run(Tier::planned), first);
  EXPECT_TRUE(near(first, run(Tier::cold)));
  {  // overwritten where they lie
    NoGrad off;
    for (const Parameter& p : model.parameters()) Parameter(p).set(p.value() * 1.1);
    flush();
  }
  const auto second = run(Tier::planned);
  EXPECT_FALSE(near(second, first));
  EXPECT_TRUE(near(second, run(Tier::cold)));
  model = {};
  EXPECT_EQ(derived_bytes({}), 0) << "copies stay behind";
}

}  // namespace
}  // namespace suanli
