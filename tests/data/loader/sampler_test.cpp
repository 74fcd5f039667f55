// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {
namespace {

using namespace suanli::test;
using Order = std::vector<int64_t>;

std::map<int64_t, int64_t> counts(const Sampler& sampler, int64_t epochs) {
  std::map<int64_t, int64_t> count;
  for (int64_t epoch = 0; epoch < epochs; ++epoch)
    for (int64_t i : sampler.order(epoch)) ++count[i];
  return count;
}

TEST(Sampler, SequentialAndRandom) {
  EXPECT_EQ(sequential_sampler(4)->order(7), (Order{0, 1, 2, 3}));
  EXPECT_EQ(random_sampler(100, 3)->order(5), epoch_order(100, 3, 5));
}

TEST(Sampler, WeightsAreProbabilities) {
  const auto sampler = weighted_sampler({1, 0, 3, 4}, 1000, 9);
  EXPECT_EQ(sampler->size(), 1000);
  EXPECT_EQ(sampler->order(2), sampler->order(2));
  EXPECT_NE(sampler->order(2), sampler->order(3));
  auto count = counts(*sampler, 20);
  EXPECT_EQ(count.count(1), 0u);
  for (auto [i, p] : {std::pair{0, 0.125}, {2, 0.375}, {3, 0.5}})
    EXPECT_NEAR(static_cast<double>(count[i]), 20'000 * p, 5 * std::sqrt(20'000 * p * (1 - p)))
        << i;
  for (const std::vector<double>& none : {std::vector<double>{}, {0, 0}})
    EXPECT_FAULT(ArgumentError, weighted_sampler(none, 3), .op = "weighted_sampler",
                 .argument = "weights", .given = "a sum of 0", .expected = "a finite one above 0");
  struct Bad {
    std::vector<double> weights;
    const char *argument, *given;
  };
  for (const Bad& c : {Bad{{1, -1}, "weights[1]", "-1"},
                       {{1, std::nan("")}, "weights[1]", "nan"},
                       {{INFINITY}, "weights[0]", "inf"}})
    EXPECT_FAULT(ArgumentError, weighted_sampler(c.weights, 3), .op = "weighted_sampler",
                 .argument = c.argument, .given = c.given,
                 .expected = "a finite number, at least 0");
}

TEST(Sampler, BalancedClassesAreEquallyLikely) {
  std::vector<int64_t> few;
  const auto all = open("glyphs?train=400&test=1", {.val_fraction = 0}).train;
  for (int64_t i = 0; i < 400; ++i)
    if (all->label(i) != 3 || few.size() % 7 == 0) few.push_back(i);  // few of class 3
  const auto set = subset(all, few);
  std::vector<int64_t> count(10);
  for (auto [i, n] : counts(*balanced_sampler(*set, 1), 50))
    count[static_cast<size_t>(set->label(i))] += n;
  const auto total = static_cast<double>(50 * set->size());
  for (int64_t c : count)
    EXPECT_NEAR(static_cast<double>(c), total / 10, 5 * std::sqrt(total * 0.09));
}

TEST(Sampler, ShardsAreDisjointAndCoverAll) {
  for (int64_t n : {12, 13}) {
    std::multiset<int64_t> seen;
    for (int64_t rank = 0; rank < 4; ++rank) {
      const auto shard = sharded_sampler(random_sampler(n, 1), rank, 4);
      const Order order = shard->order(6);
      EXPECT_EQ(static_cast<int64_t>(order.size()), shard->size());
      EXPECT_EQ(shard->size(), n == 12 ? 3 : 4);
      seen.insert(order.begin(), order.end());
    }
    for (int64_t i = 0; i < n; ++i) EXPECT_GE(seen.count(i), 1u);
  }
  EXPECT_FAULT(ArgumentError, sharded_sampler(sequential_sampler(4), 4, 4), .op = "sharded_sampler",
               .argument = "rank", .given = "4", .expected = "0 to 3 of 4 ranks");
  EXPECT_FAULT(ArgumentError, sharded_sampler(sequential_sampler(4), 0, 0), .op = "sharded_sampler",
               .argument = "ranks", .given = "0", .expected = "at least 1");
}

TEST(Sampler, TheLoaderTakesOne) {
  const auto set = open("random:2?samples=10", {.val_fraction = 0}).train;
  Loader loader(
      set,
      {.batch_size = 4, .threads = 2, .sampler = sharded_sampler(sequential_sampler(10), 1, 2)});
  EXPECT_EQ(loader.batches(), 2);
  std::vector<float> got, x(2);
  for (auto& [inputs, targets] : loader)
    for (float v : inputs.to_vector<float>()) got.push_back(v);
  size_t at = 0;
  for (int64_t i : {1, 3, 5, 7, 9}) {
    int64_t y = 0;
    set->read(i, x.data(), &y);
    for (float v : x) EXPECT_EQ(got.at(at++), v);
  }
  EXPECT_EQ(at, got.size());
  EXPECT_FAULT(ArgumentError, Loader(set, {.sampler = sequential_sampler(11)}).start(0),
               .op = "Loader", .argument = "sampler", .given = "sample 10",
               .expected = "at least 0, below 10");
}

}  // namespace
}  // namespace suanli::data
