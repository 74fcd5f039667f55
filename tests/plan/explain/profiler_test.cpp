// SPDX-License-Identifier: Apache-2.0
#include "suanli/loader.h"
#include "suanli/profile.h"

#include <thread>

#include "gtest/gtest.h"
#include "runtime/profiler.h"
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

TEST(Profiler, CountsWhatItsThreadRan) {
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

TEST(Profiler, HearsNothingOfOtherThreads) {
  Profiler profiler;
  std::thread([] { product(8); }).join();
  EXPECT_EQ(profiler.report().kernels, 0);
  std::thread([] {
    Profiler its_own;
    product(8);
    EXPECT_GT(its_own.report().kernels, 0);
  }).join();
  EXPECT_EQ(profiler.report().kernels, 0);
}

TEST(Profiler, OneAtATime) {
  {
    Profiler profiler;
    EXPECT_THROW(Profiler(), StateError);
    EXPECT_NE(profiler_hooks, nullptr) << "the first one goes on";
  }
  EXPECT_EQ(profiler_hooks, nullptr);
  Profiler another;
}

TEST(Profiler, NamesModulesAndSurvivesSpansThatOutliveIt) {
  Net net;
  const Batch b = batch(0);
  auto profiler = std::make_unique<Profiler>();
  {
    ProfilerSpan span("outer");
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
  EXPECT_EQ(profiler_hooks, nullptr);
}

}  // namespace
}  // namespace suanli
