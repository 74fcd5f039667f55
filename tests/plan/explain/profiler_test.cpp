// SPDX-License-Identifier: Apache-2.0
#include "suanli/loader.h"
#include "suanli/profile.h"

#include <thread>

#include "gtest/gtest.h"
#include "runtime/profiler.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// [m, 4] · [4, 2], read at once: one program with one product.
float product(int64_t m) {
  return matmul(full({m, 4}, 2.0), full({4, 2}, 3.0)).to_vector<float>()[0];
}

const ProfileRow* row(const std::vector<ProfileRow>& rows, const std::string& name) {
  for (const ProfileRow& r : rows)
    if (r.name == name) return &r;
  return nullptr;
}

TEST(Profiler, CountsWhatItsSessionRan) {
  product(8);
  Profiler profiler;
  EXPECT_EQ(product(8), 24);
  product(8);
  product(12);
  const ProfileReport r = profiler.report();
  EXPECT_EQ(r.plan_hits, 2);
  EXPECT_EQ(r.plans_built, 1) << "12 rows are another program";
  const ProfileRow* products = row(r.by_op, "matmul");
  ASSERT_NE(products, nullptr);
  EXPECT_EQ(products->calls, 3);
  EXPECT_EQ(products->flops, 2 * (8 + 8 + 12) * 4 * 2);
  EXPECT_EQ(products->bytes, 4 * (28 * 4 + 3 * 8 + 28 * 2));
  ASSERT_NE(row(r.spans, "flush"), nullptr);
  EXPECT_EQ(row(r.spans, "flush")->calls, 3);
  EXPECT_EQ(row(r.spans, "build plan")->calls, 1);
  double inside = 0;
  for (const ProfileRow& s : r.spans) inside += s.seconds;
  EXPECT_LE(inside + r.kernel_seconds + r.own_seconds, r.seconds)
      << "spans without what lies in them";
}

TEST(Profiler, TwoSessionsAreProfiledApart) {
  Session one, two;
  const Profiler of_one(one), of_two(two);
  {
    const Session::Use use(one);
    product(8);
  }
  EXPECT_EQ(row(of_one.report().by_op, "matmul")->calls, 1);
  EXPECT_EQ(of_two.report().kernels, 0);
  {
    const Session::Use use(two);
    product(8);
    product(8);
  }
  product(8);  // in neither
  EXPECT_EQ(row(of_one.report().by_op, "matmul")->calls, 1);
  EXPECT_EQ(row(of_two.report().by_op, "matmul")->calls, 2);
}

TEST(Profiler, HearsEveryThreadOfItsSession) {
  Session session;
  const Profiler profiler(session);
  constexpr int kThreads = 3, kRounds = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      const Session::Use use(session);
      for (int i = 0; i < kRounds; ++i) product(8);
    });
  for (std::thread& t : threads) t.join();
  std::thread([] { product(8); }).join();  // in the default session
  const ProfileReport r = profiler.report();
  EXPECT_EQ(row(r.by_op, "matmul")->calls, kThreads * kRounds);
  EXPECT_EQ(row(r.spans, "flush")->calls, kThreads * kRounds);
  EXPECT_EQ(r.plan_hits + r.plans_built, kThreads * kRounds);
  std::vector<int> products(kThreads);
  double last = 0;
  for (const ProfileEvent& e : profiler.events()) {
    EXPECT_GE(e.start, last) << "in the order of their start";
    last = e.start;
    if (e.name == "matmul") ++products.at(static_cast<size_t>(e.thread));
  }
  EXPECT_EQ(products, std::vector<int>(kThreads, kRounds));
}

TEST(Profiler, OneAtATimeInASession) {
  const Session session;
  {
    const Profiler profiler(session);
    EXPECT_FAULT(StateError, Profiler{session}, .op = "Profiler", .argument = "session",
                 .given = "a session with a profiler", .expected = "one profiler at a time");
    EXPECT_NE(session.state().profiler(), nullptr) << "the first one goes on";
    EXPECT_EQ(Session::current().state().profiler(), nullptr);
  }
  EXPECT_EQ(session.state().profiler(), nullptr);
  const Profiler another(session);
}

TEST(Profiler, NamesModulesAndSurvivesSpansThatOutliveIt) {
  Net net;
  const Batch b = batch(0);
  auto profiler = std::make_unique<Profiler>();
  {
    ProfilerSpan span(Session::current(), "outer");
    const float loss = cross_entropy(net(b.x), b.y).item();
    EXPECT_GT(loss, 0);
    const auto events = profiler->events();
    ASSERT_GE(events.size(), 3u);
    EXPECT_EQ(events[0].name, "outer");
    EXPECT_FALSE(events[0].kernel);
    bool product_in_module = false;
    for (const ProfileEvent& e : events)
      product_in_module |= e.kernel && e.name == "matmul" && e.module.find("fc") == 0;
    EXPECT_TRUE(product_in_module);
    profiler.reset();
  }
  EXPECT_EQ(Session::current().state().profiler(), nullptr);
}

}  // namespace
}  // namespace suanli
