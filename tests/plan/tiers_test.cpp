// SPDX-License-Identifier: Apache-2.0
// The planned tier against the cold one, bit for bit: random programs and trainings.
#include <cstdlib>
#include <set>

#include "gtest/gtest.h"
#include "plan/large_ops.h"
#include "plan/planned.h"
#include "plan/random_programs.h"
#include "suanli/loader.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Tiers, RandomProgramsHaveTheSameBits) {
  const uint64_t programs = std::getenv("SUANLI_TEST_FULL") ? 20000 : 400;
  int64_t kernels[2] = {};
  for (uint64_t seed = 0; seed < programs; ++seed) {
    std::vector<std::string> got[2];
    for (Tier t : {Tier::cold, Tier::planned}) {
      InTier in_tier(t);
      const int64_t before = plan_stats().kernels;
      const auto out = random_program(seed);
      flush();
      for (const Tensor& o : out) got[t == Tier::cold].push_back(bits(o));
      kernels[t == Tier::cold] += plan_stats().kernels - before;
    }
    ASSERT_EQ(got[0] == got[1], true) << "seed " << seed;
  }
  std::printf("kernels of %lu random programs: planned %ld, cold %ld\n",
              static_cast<unsigned long>(programs), long{kernels[0]}, long{kernels[1]});
  EXPECT_LT(kernels[0], kernels[1] * 2 / 3);
}

/// True if `f`, which returns tensors, gives the same bits however many threads it is planned for.
/// Every count has plans of its own.
template <class F> void expect_same_bits_by_threads(F&& f) {
  std::vector<std::string> by_one_thread;
  for (int n : {1, 2, 3, 5}) {
    Threads threads(n);
    clear_plan_cache();
    const int64_t plans = plan_stats().plans;
    std::vector<std::string> got;
    for (const Tensor& o : f()) got.push_back(bits(o));
    EXPECT_GT(plan_stats().plans, plans) << n << " threads have no plan of their own";
    if (n == 1) by_one_thread = std::move(got);
    else
      for (size_t k = 0; k < got.size(); ++k)
        EXPECT_EQ(got[k] == by_one_thread[k], true) << "result " << k << ", threads " << n;
  }
}

TEST(Tiers, ThreadsDoNotChangeBits) {
  for (uint64_t seed = 0; seed < 160; seed += 16) {
    SCOPED_TRACE(seed);
    expect_same_bits_by_threads([&] { return random_program(seed); });
  }
}

TEST(Tiers, ThreadsDoNotChangeBitsOfLargeOps) {
  for_large_ops(f32, [](const char* what, auto&& values) {
    SCOPED_TRACE(what);
    expect_same_bits_by_threads(values);
  });
}

TEST(Tiers, AnotherNumberOfThreadsTakesEffectInTheNextStep) {
  const Tensor x = tensor_f32({300, 400}, 1), w = tensor_f32({400, 200}, 2);
  flush();
  auto plans_of = [&](int threads) {
    Session::current().set_threads(threads);
    const int64_t before = plan_stats().plans;
    EXPECT_GT(sum(abs(matmul(x, w))).item(), 0);
    return plan_stats().plans - before;
  };
  const Threads restored(1);
  clear_plan_cache();
  for (int threads : {1, 2, 3}) EXPECT_EQ(plans_of(threads), 1) << threads;
  for (int threads : {1, 3, 2, 1})
    EXPECT_EQ(plans_of(threads), 0) << "back to " << threads << ": the plan is still there";
}

TEST(Tiers, AnotherLimitOfWorkingMemoryTakesEffectInTheNextStep) {
  const Tensor x = tensor_f32({30, 40}, 1);
  flush();
  auto plans_of = [&](int64_t limit) {
    Session::current().set_working_memory_limit(limit);
    const int64_t before = plan_stats().plans;
    EXPECT_GT(sum(abs(x)).item(), 0);
    return plan_stats().plans - before;
  };
  clear_plan_cache();
  EXPECT_EQ(plans_of(0), 1);
  EXPECT_EQ(plans_of(1 << 20), 1);
  EXPECT_EQ(plans_of(0), 0);
  EXPECT_EQ(plans_of(1 << 20), 0);
  Session::current().set_working_memory_limit(0);
}

/// Pointwise ops alone, of one shape, all from three tensors; no op twice, since equal ones become
/// one.
Tensor one_shape(uint64_t seed, size_t ops) {
  Draw d(seed);
  std::vector<Tensor> pool{tensor_f32({6, 5}, 1), tensor_f32({6, 5}, 2), tensor_f32({6, 5}, 3)},
      unread;
  std::set<std::pair<size_t, size_t>> seen;
  const size_t before = Recorder::current().pending().size();
  auto count = [&] { return Recorder::current().pending().size() - before; };
  while (count() + unread.size() < ops) {
    const size_t a = d.below(pool.size()),
                 b = pool.size() - 1 - d.below(std::min<size_t>(4, pool.size()));
    const bool unary = d.below(2);
    if (!seen.emplace(a, unary ? SIZE_MAX : b).second) continue;
    Tensor z = unary ? tanh(pool[a]) : maximum(pool[a], pool[b]);
    pool.push_back(z);
    unread.push_back(z);
  }
  while (unread.size() > 1 && count() < ops) {  // everything is read
    unread[0] = unread[0] + unread.back();
    unread.pop_back();
  }
  return unread[0];
}

// Where one shape, at most 64 ops and at most 16 pointers leave nothing in the way, there is one
// kernel, however the ops hang together. Beyond, every unit keeps both bounds and every op is in
// one of them (chains: Fuse.LongChainsAreCutAtTheBound).
TEST(Tiers, FusionReachesItsBounds) {
  InTier planned(Tier::planned);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Tensor y = one_shape(seed, 64);
    EXPECT_EQ(plan_of_pending()->steps.size(), 1u) << "seed " << seed;
  }
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const size_t ops = 65 + seed * 3;
    const Tensor y = one_shape(seed, ops);
    const auto plan = plan_of_pending();
    size_t ops_in_units = 0;
    for (const PlannedStep& s : plan->steps) {
      EXPECT_LE(s.in.size() + s.out.size(), static_cast<size_t>(Expr::kMaxPointers));
      const size_t ops_in_unit = s.expr ? s.expr->code.size() : 1;
      EXPECT_LE(ops_in_unit, static_cast<size_t>(Expr::kMaxInstructions));
      ops_in_units += ops_in_unit;
    }
    EXPECT_EQ(ops_in_units, plan_of_pending(Tier::cold)->steps.size()) << "each op once";
  }
}

struct ConvNet : nn::Module {
  nn::Conv2d conv1{1, 8, 3}, conv2{8, 8, 3};
  nn::MaxPool2d pool{2};
  nn::Dropout drop{0.25};
  nn::Linear fc{200, 3};
  SUANLI_FIELDS(conv1, conv2, pool, drop, fc)
  Tensor forward(const Tensor& x) const {
    return fc(flatten(drop(pool(relu(conv2(gelu(conv1(x)))))), 1));
  }
};
struct Mlp : nn::Module {
  nn::Linear fc1{196, 32}, fc2{32, 3};
  SUANLI_FIELDS(fc1, fc2)
  Tensor forward(const Tensor& x) const { return fc2(tanh(fc1(flatten(x, 1)))); }
};

template <class M, class Opt> Bits trained(Tier t, int threads) {
  InTier in_tier(t);
  Threads pool(threads);
  manual_seed(7);
  M net;
  Opt opt = [&] {
    if constexpr (std::is_same_v<Opt, optim::Adam>)
      return optim::Adam(net.parameters(), {.lr = 0.01});
    else return optim::SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3});
  }();
  Bits losses(1);
  for (int i = 0; i < 10; ++i) {
    Batch b = batch(i, 9);
    b.x = tensor_f32({9, 1, 14, 14}, static_cast<uint64_t>(i));
    losses[0].push_back(static_cast<float>(train_step(net, opt, b).item()));
  }
  Bits out = values(net);
  out.push_back(losses[0]);
  return out;
}

TEST(Tiers, TrainingsHaveTheSameBits) {
  const Bits conv = trained<ConvNet, optim::Adam>(Tier::cold, 2),
             mlp = trained<Mlp, optim::SGD>(Tier::cold, 2);
  for (int threads : {1, 2}) {
    EXPECT_EQ((trained<ConvNet, optim::Adam>(Tier::planned, threads)), conv) << threads;
    EXPECT_EQ((trained<Mlp, optim::SGD>(Tier::planned, threads)), mlp) << threads;
  }
}

}  // namespace
}  // namespace suanli
