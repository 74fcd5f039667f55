// SPDX-License-Identifier: Apache-2.0
// The plan cache: its plans are counted at what they take, and those that were used longest ago go
// first.
#include <malloc.h>

#include <fstream>
#include <functional>
#include <thread>

#include "gtest/gtest.h"
#include "plan/planned.h"
#include "runtime/storage.h"

namespace suanli {
namespace {

using namespace suanli::test;

constexpr int64_t kMebi = int64_t{1} << 20, kLimit = 256 * kMebi;

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

struct PictureNet : nn::Module {
  nn::Conv2d conv1{3, 4, 3, {.padding = 1}}, conv2{4, 4, 3, {.padding = 1}};
  nn::Linear fc{4, 10};
  SUANLI_FIELDS(conv1, conv2, fc)
  Tensor forward(const Tensor& x) const {
    return fc(flatten(adaptive_avg_pool2d(relu(conv2(relu(conv1(x)))), 1), 1));
  }
};

/// The i-th of some thousand sizes of pictures, all of them different, up to some tens of pixels.
Shape picture(int i) { return {1, 3, 8 + i % 90, 8 + i / 90}; }

void expect_bounded(const char* what, int programs, const std::function<void(int)>& run) {
  SCOPED_TRACE(what);
  clear_plan_cache();
  release_freed_memory();
  malloc_trim(0);
  run(0);
  const int64_t before = resident_bytes(), counted_before = plan_cache_bytes();
  int64_t largest_count = 0;
  for (int i = 1; i < programs; ++i) {
    run(i);
    largest_count = std::max(largest_count, plan_cache_bytes());
  }
  const int64_t grown = resident_bytes() - before, counted = plan_cache_bytes() - counted_before;
  std::printf("%s, %d programs: %.0f MB resident, %.0f MB counted\n", what, programs,
              static_cast<double>(grown) / 1e6, static_cast<double>(counted) / 1e6);
  EXPECT_LE(largest_count, kLimit);
  EXPECT_LT(grown, kLimit + 100 * kMebi);
  EXPECT_GT(counted, grown / 2) << "counted at too little";
  EXPECT_LT(counted, grown * 2) << "counted at too much";
  clear_plan_cache();
  EXPECT_LT(plan_cache_bytes(), kMebi);
}

/// Some 200 steps.
Tensor chain(int64_t n) {
  Tensor x = zeros({n, 3});
  for (int k = 0; k < 80; ++k) x = tanh(x * 0.5) - mean(x, {0}, true);
  return sum(x);
}

TEST(PlanCache, HoldsAsMuchAsItCounts) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's own memory would be counted too";
#endif
  // From small to large: what one leaves to the allocator the next would use.
  nn::Linear fc1(8, 8), fc2(8, 3);
  expect_bounded("rows", 4000,
                 [&](int i) { sum(log_softmax(fc2(gelu(fc1(zeros({1 + i, 8})))))).item(); });
  expect_bounded("chains", 1500, [](int i) { chain(1 + i).item(); });
  PictureNet net;
  net.eval();
  NoGrad off;
  expect_bounded("pictures", 4000, [&](int i) { sum(net(zeros(picture(i)))).item(); });
}

/// True if the plan of a size is still cached.
bool is_planned(int64_t n) {
  const int64_t before = plan_stats().plans;
  chain(n).item();
  return plan_stats().plans == before;
}

TEST(PlanCache, ForgetsWhatWasUsedLongestAgo) {
  clear_plan_cache();
  EXPECT_FALSE(is_planned(1));
  EXPECT_FALSE(is_planned(2));
  EXPECT_TRUE(is_planned(1));
  const int64_t one = plan_cache_bytes() / 2;
  ASSERT_GT(one, 0);
  // Fill it up to where the first ones go; size 1 is used over and over.
  int64_t n = 3;
  for (int64_t held = 0; n < 100000; ++n) {
    EXPECT_FALSE(is_planned(n));
    if (n % 100 == 0) { EXPECT_TRUE(is_planned(1)) << n; }
    if (plan_cache_bytes() <= held) break;  // as much went as came
    held = plan_cache_bytes();
    ASSERT_LE(held, kLimit);
  }
  ASSERT_GT(plan_cache_bytes(), kLimit - 10 * one);
  EXPECT_TRUE(is_planned(1)) << "was used a moment ago";
  EXPECT_TRUE(is_planned(n)) << "the latest";
  EXPECT_TRUE(is_planned(n - 100));
  EXPECT_FALSE(is_planned(2)) << "was used longest ago";
  clear_plan_cache();
}

TEST(PlanCache, CountsThePlansOfEveryThread) {
  clear_plan_cache();
  auto run = [] { sum(exp(zeros({77}))).item(); };
  run();
  const int64_t one = plan_cache_bytes();
  run();
  EXPECT_EQ(plan_cache_bytes(), one);
  std::thread(run).join();
  EXPECT_EQ(plan_cache_bytes(), one) << "nobody ran it meanwhile, so that the plan serves both";
  clear_plan_cache();
  EXPECT_EQ(plan_cache_bytes(), 0);
}

}  // namespace
}  // namespace suanli
