// SPDX-License-Identifier: Apache-2.0
// Sessions: settings, accounts and generators that threads share or keep apart.
#include "suanli/session.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "base/threads/thread_pool.h"
#include "gtest/gtest.h"
#include "runtime/session.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "support/child.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

MemoryAccount& account_of(const Session& s) { return *s.state().account; }
int64_t held(const Session& s) { return s.memory_use().tensors + s.memory_use().arena; }

template <class F> void on_threads(int n, F&& f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back([&f, i] { f(i); });
  for (auto& t : threads) t.join();
}

TEST(Session, ANewOneHasTheSettingsOfTheCurrentOne) {
  const int threads = Session::default_session().threads();
  Session outer;
  outer.set_threads(3);
  outer.set_tier(Tier::cold);
  outer.set_check_nan(true);
  outer.set_poison(true);
  outer.set_working_memory_limit(5);
  outer.set_memory_limit(int64_t{1} << 30);
  const Session::Use use(outer);
  Session inner;
  EXPECT_NE(inner, outer);
  EXPECT_EQ(inner.threads(), 3);
  EXPECT_EQ(inner.tier(), Tier::cold);
  EXPECT_TRUE(inner.check_nan());
  EXPECT_TRUE(inner.poison());
  EXPECT_EQ(inner.working_memory_limit(), 5);
  EXPECT_EQ(inner.memory_use().limit, int64_t{1} << 30);
  EXPECT_EQ(inner.memory_use().peak, 0);
  EXPECT_EQ(inner.device(), Device{});

  inner.set_threads(2);
  inner.set_tier(Tier::planned);
  inner.set_memory_limit(0);
  EXPECT_EQ(outer.threads(), 3);
  EXPECT_EQ(outer.tier(), Tier::cold);
  EXPECT_EQ(outer.memory_use().limit, int64_t{1} << 30);
  EXPECT_EQ(Session::default_session().threads(), threads);
  EXPECT_THROW(inner.set_threads(0), ArgumentError);
  EXPECT_THROW(inner.set_device({DeviceKind::cuda, 0}), DeviceError);
  EXPECT_EQ(inner.device(), Device{});
}

// In a process of its own, whose environment says all of it.
TEST(SessionCase, DISABLED_Environment) {
  const Session s = Session::default_session();
  EXPECT_EQ(s, Session::current());
  EXPECT_EQ(s.threads(), 3);
  EXPECT_EQ(s.tier(), Tier::cold);
  EXPECT_TRUE(s.check_nan());
  EXPECT_TRUE(s.poison());
  EXPECT_EQ(s.memory_use().limit, 300 << 20);
  EXPECT_EQ(Session().memory_use().limit, 300 << 20);
}
TEST(SessionCase, DISABLED_BadLimit) {
  for (int again = 0; again < 2; ++again)
    EXPECT_FAULT(ArgumentError, Session::current(), .op = "environment",
                 .argument = "SUANLI_MEMORY_LIMIT", .given = "'much'",
                 .expected = "a size such as 400MiB, 2GB or 1000000");
}
TEST(Session, TheDefaultOneBeginsAsTheEnvironmentSays) {
  const std::pair<const char*, const char*> variables[] = {{"SUANLI_THREADS", "3"},
                                                           {"SUANLI_TIER", "cold"},
                                                           {"SUANLI_CHECK_NAN", "1"},
                                                           {"SUANLI_POISON", "1"},
                                                           {"SUANLI_MEMORY_LIMIT", "300MiB"}};
  for (auto [name, value] : variables) setenv(name, value, 1);
  EXPECT_EQ(run_self("SessionCase.DISABLED_Environment"), 0);
  setenv("SUANLI_MEMORY_LIMIT", "much", 1);
  EXPECT_EQ(run_self("SessionCase.DISABLED_BadLimit"), 0);
  for (auto [name, value] : variables) unsetenv(name);
}

TEST(Session, UseIsOfOneThreadAndNests) {
  const Session before = Session::current();
  Session a, b;
  a.set_threads(2);
  b.set_threads(3);
  {
    const Session::Use use_a(a);
    EXPECT_EQ(Session::current(), a);
    EXPECT_EQ(pool_threads(), 2);
    std::thread([&] { EXPECT_EQ(Session::current(), Session::default_session()); }).join();
    try {
      const Session::Use use_b(b);
      EXPECT_EQ(Session::current(), b);
      EXPECT_EQ(pool_threads(), 3);
      throw std::runtime_error("out of it");
    } catch (const std::runtime_error&) {}
    EXPECT_EQ(Session::current(), a);
    EXPECT_EQ(pool_threads(), 2);
  }
  EXPECT_EQ(Session::current(), before);
  EXPECT_EQ(pool_threads(), before.threads());
}

TEST(Session, BothEndsFlushUnlessItIsInUse) {
  const Tensor outside = tensor_f32({3}, 1) + 1.0;
  Session s;
  Tensor inside;
  {
    const Session::Use use(s);
    EXPECT_TRUE(outside.materialized());
    EXPECT_EQ(s.memory_use().tensors, 0) << "it was computed in the session that recorded it";
    inside = outside * 2.0;
    {
      const Session::Use again(s);
      EXPECT_FALSE(inside.materialized());
    }
    EXPECT_FALSE(inside.materialized());
  }
  EXPECT_TRUE(inside.materialized());
  EXPECT_EQ(s.memory_use().tensors, 64);
}

TEST(Session, WhatFailsInTheLastFlushSaysSoWhenItIsUsed) {
  Session s;
  s.set_check_nan(true);
  Tensor bad;
  {
    const Session::Use use(s);
    bad = log(zeros({3}) - 1.0);
  }
  EXPECT_FAULT(StateError, bad.to_vector<float>(), .op = "read",
               .given =
                   "dropped with its program: its computation failed: [log] result: the "
                   "first NaN, in shape [3], sample 0");
  EXPECT_TRUE(std::isnan(log(zeros({3}) - 1.0).to_vector<float>()[0])) << "no check here";
}

TEST(Session, SettingsOfOneDoNotReachAnother) {
  Session planned, cold, limited;
  cold.set_tier(Tier::cold);
  limited.set_working_memory_limit(1 << 20);
  clear_plan_cache();
  const Tensor x = tensor_f32({30, 40}, 3);
  flush();
  struct Counts {
    int64_t plans, kernels;
  };
  auto counts = [&](const Session& s) {
    const Session::Use use(s);
    const PlanStats before = plan_stats();
    EXPECT_GT(sum(abs(x) + 1.0).item(), 0);
    const PlanStats after = plan_stats();
    return Counts{after.plans - before.plans, after.kernels - before.kernels};
  };
  for (int round = 0; round < 2; ++round) {
    const Counts p = counts(planned), c = counts(cold), l = counts(limited);
    EXPECT_EQ(p.plans, round == 0);
    EXPECT_EQ(c.plans, round == 0);
    EXPECT_EQ(l.plans, round == 0) << "a plan for another limit";
    EXPECT_EQ(p.kernels, 1);
    EXPECT_EQ(c.kernels, 3);
    EXPECT_EQ(l.kernels, 1);
  }
  EXPECT_EQ(counts(Session()).plans, 0) << "plans are the process's";
}

TEST(Session, AccountsAddUp) {
  flush();
  release_freed_memory();
  constexpr int kSessions = 4;
  std::vector<Session> sessions(1, Session::default_session());
  const int64_t others = held_by_all({}) - held(sessions[0]);
  for (int i = 0; i < kSessions; ++i) sessions.emplace_back(Session());
  std::vector<std::vector<Tensor>> kept(kSessions);
  auto sum_of_all = [&] {
    int64_t bytes = others;
    for (const Session& s : sessions) bytes += held(s);
    return bytes;
  };
  EXPECT_EQ(sum_of_all(), held_by_all({}));
  on_threads(kSessions, [&](int i) {
    const Session::Use use(sessions[static_cast<size_t>(i + 1)]);
    for (int k = 0; k < 20; ++k) {
      const Tensor x = tensor_f32({100, 100}, static_cast<uint64_t>(k));
      Tensor y = matmul(x, x);
      for (int n = 0; n < 4; ++n) y = matmul(y, x) * 0.01;
      if (k <= i) kept[static_cast<size_t>(i)].push_back(y);
      flush();
    }
  });
  EXPECT_EQ(sum_of_all(), held_by_all({}));
  for (int i = 0; i < kSessions; ++i) {
    const MemoryUse use = sessions[static_cast<size_t>(i + 1)].memory_use();
    EXPECT_EQ(use.tensors, (i + 1) * block_size(100 * 100 * 4)) << i;
    EXPECT_GT(use.arena, 0) << i;
    EXPECT_GE(use.peak, use.tensors + use.arena) << i;
  }
  // freed by another thread, in another session
  kept[3].clear();
  EXPECT_EQ(sessions[4].memory_use().tensors, 0);
  EXPECT_EQ(sum_of_all(), held_by_all({}));
  // A session that ends leaves its storages to their handles, and its working memory to others.
  const int64_t before = held_by_all({}), arena = sessions[3].memory_use().arena,
                tensors = sessions[3].memory_use().tensors;
  sessions.erase(sessions.begin() + 3);
  EXPECT_EQ(held_by_all({}), before - arena);
  EXPECT_EQ(kept[2].size(), 3u);
  EXPECT_GT(kept[2][0].to_vector<float>().size(), 0u);
  kept[2].clear();
  EXPECT_EQ(held_by_all({}), before - arena - tensors);
  EXPECT_EQ(sum_of_all(), held_by_all({}));
}

TEST(Session, WorkingMemoryServesTheNextSession) {
  release_freed_memory();
  std::optional<Session> first = Session();
  Session second;
  char* data = nullptr;
  {
    const Arena a(account_of(*first), 5 << 20, {}, "test");
    data = a.data();
    const Arena b(account_of(second), 1 << 20, {}, "test");
    EXPECT_NE(b.data(), data);
  }
  EXPECT_NE(Arena(account_of(second), 5 << 20, {}, "test").data(), data) << "it is the first one's";
  const int64_t committed = first->memory_use().arena;
  first.reset();
  {
    const Session next;
    EXPECT_EQ(Arena(account_of(next), 1 << 20, {}, "test").data(), data);
    EXPECT_EQ(next.memory_use().arena, committed);
  }
  Session limited;
  limited.set_memory_limit(committed - 1);
  const Arena small(account_of(limited), 1 << 20, {}, "test");  // all of it is too large
  EXPECT_LT(limited.memory_use().arena, committed);
}

TEST(Session, AnArenaInUseOutlivesItsSession) {
  std::optional<Session> ending = Session();
  const int64_t before = held_by_all({});
  {
    const Arena a(account_of(*ending), 1 << 20, {}, "test");
    ending.reset();
    std::memset(a.data(), 1, 1 << 20);
    EXPECT_GT(held_by_all({}), before);
  }
  EXPECT_EQ(held_by_all({}), before);
}

TEST(Session, ALimitIsOfOneSession) {
  Session small, large;
  small.set_memory_limit(1 << 20);
  const Tensor x = tensor_f32({1 << 18}, 1);
  const Session::Use use(large);
  const Tensor y = x * 2.0 + 1.0;
  EXPECT_EQ(y.to_vector<float>().size(), size_t{1} << 18);
  try {
    const Session::Use inner(small);
    const Tensor z = x * 3.0, w = x * 4.0;
    z.to_vector<float>();
    FAIL();
  } catch (const OutOfMemory& e) {
    expect_parts(e.fault(),
                 {.op = "flush",
                  .expected = "no more than the limit of 1.0 MiB",
                  .remedy = "Use smaller batches."},
                 e.what());
    EXPECT_TRUE(e.given().starts_with(
        "1.0 MiB more on cpu; tensors hold 1.0 MiB, working memory 0 B, other sessions "))
        << e.what();
  }
  EXPECT_EQ((x * 3.0).to_vector<float>().size(), size_t{1} << 18) << "no limit here";
  EXPECT_EQ(small.memory_use().tensors, 0);
  EXPECT_EQ(small.memory_use().peak, 1 << 20);
  small.reset_peak_memory();
  EXPECT_EQ(small.memory_use().peak, 0);
}

TEST(Session, GeneratorsBelongToSessionAndThread) {
  auto draw = [] { return rand({4}).to_vector<float>(); };
  manual_seed(3);
  const auto first = draw(), second = draw();
  manual_seed(3);
  EXPECT_EQ(draw(), first);
  std::vector<float> fresh, seeded;
  Session a;
  {
    const Session::Use use(a);
    fresh = draw();
    manual_seed(3);
    seeded = draw();
  }
  EXPECT_EQ(seeded, first);
  EXPECT_EQ(draw(), second) << "draws elsewhere moved this one";
  {
    const Session::Use use(a);
    EXPECT_EQ(draw(), second) << "it goes on where it was";
  }
  Session b;
  std::thread([&] {
    const Session::Use use(b);
    EXPECT_EQ(draw(), fresh) << "a new session draws what another one does";
  }).join();
  const Session::Use use(b);
  EXPECT_NE(draw(), fresh) << "the second thread of a session draws from another stream";
}

TEST(Session, GeneratorsOfEndedSessionsAreDropped) {
  const int64_t before = Session::default_session().memory_use().tensors, all = held_by_all({});
  for (int i = 0; i < 50; ++i) {
    const Session s;
    const Session::Use use(s);
    EXPECT_EQ(rand({4}).to_vector<float>().size(), 4u);
  }
  EXPECT_EQ(Session::default_session().memory_use().tensors, before);
  EXPECT_LE(held_by_all({}) - all, 64) << "the last one's goes with the next";
}

TEST(Session, ALoaderChargesTheSessionThatMadeIt) {
  struct Numbers : data::Dataset {
    Numbers() {
      info_.input_shape = {1 << 18};
      info_.classes = 2;
    }
    int64_t size() const override { return 8; }
    void read(int64_t i, float* x, int64_t* label) const override {
      std::fill_n(x, 1 << 18, static_cast<float>(i));
      *label = i % 2;
    }
    const data::Info& info() const override { return info_; }
    data::Info info_;
  };
  for (int threads : {0, 2}) {
    std::optional<Session> s = Session();
    std::optional<data::Loader> loader;
    {
      const Session::Use use(*s);
      loader.emplace(std::make_shared<Numbers>(),
                     data::LoaderOptions{.batch_size = 1, .threads = threads});
    }
    const int64_t here = Session::current().memory_use().tensors;
    data::Batch batch;
    {
      const Session::Use use(*s);
      ASSERT_TRUE(loader->next(batch));
    }
    EXPECT_GE(s->memory_use().tensors, 1 << 20) << threads;
    EXPECT_EQ(Session::current().memory_use().tensors, here) << threads;
    s.reset();
    EXPECT_EQ(sum(batch.x).item(), 0);
    const Session::Use use{Session()};
    while (loader->next(batch)) {}
    EXPECT_EQ(batch.x.defined(), false);
  }
}

TEST(Session, FourSessionsWithOtherSettingsGiveTheBitsOfOneAlone) {
  const Bits alone = train_net(8);
  std::vector<Bits> got(4);
  on_threads(4, [&](int i) {
    Session s;
    s.set_threads(i + 1);
    s.set_tier(i == 2 ? Tier::cold : Tier::planned);
    s.set_working_memory_limit(i == 3 ? 1 : 0);
    s.set_poison(i == 1);
    const Session::Use use(s);
    got[static_cast<size_t>(i)] = train_net(8);
  });
  for (auto& g : got) EXPECT_EQ(g, alone);
}

TEST(Session, SettingsMayChangeWhileProgramsRun) {
  const Bits alone = train_net(4);
  Session shared;
  std::atomic<int> left{3}, wrong{0};
  std::thread settings([&] {
    for (int i = 0; left > 0; ++i) {
      shared.set_threads(i % 3 + 1);
      shared.set_tier(i % 2 ? Tier::cold : Tier::planned);
      shared.set_working_memory_limit(i % 5 ? 0 : 1);
      shared.set_poison(i % 7 == 0);
      shared.set_check_nan(i % 11 == 0);
      shared.set_memory_limit(i % 2 ? int64_t{1} << 40 : 0);
      wrong += shared.memory_use().tensors < 0;
    }
  });
  on_threads(3, [&](int) {
    const Session::Use use(shared);
    for (int round = 0; round < 10; ++round) wrong += train_net(4) != alone;
    --left;
  });
  settings.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace suanli
