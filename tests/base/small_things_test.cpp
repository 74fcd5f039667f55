// SPDX-License-Identifier: Apache-2.0
// Small helpers that every room uses: rounding, hashes, disjoint sets, lists, suggestions.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "base/core/hash.h"
#include "base/core/round_up.h"
#include "base/core/union_find.h"
#include "base/system/stopwatch.h"
#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/utf8.h"

namespace suanli {
namespace {

TEST(RoundUp, IsTheNextMultiple) {
  for (int64_t multiple : {1, 3, 8, 64})
    for (int64_t n = 0; n < 200; ++n) {
      const int64_t up = round_up(n, multiple);
      EXPECT_EQ(up % multiple, 0) << n << " to " << multiple;
      EXPECT_GE(up, n);
      EXPECT_LT(up - n, multiple);
    }
}

TEST(MixHash, SpreadsNeighbors) {
  std::set<uint64_t> upper, lower;
  for (uint64_t word = 0; word < 1024; ++word) {
    upper.insert(mix_hash(0, word * 64) >> 32 & 4095);
    lower.insert(mix_hash(0, word * 64) & 4095);
  }
  EXPECT_GT(upper.size(), 900u);  // random numbers would give 906
  EXPECT_GT(lower.size(), 700u);
  EXPECT_NE(mix_hash(mix_hash(0, 1), 2), mix_hash(mix_hash(0, 2), 1));
}

TEST(UnionFind, AgreesWithLabels) {
  constexpr uint32_t kCount = 60;
  std::mt19937 random(3);
  UnionFind sets(kCount - 1);
  sets.add();
  std::vector<int> label(kCount);
  for (uint32_t i = 0; i < kCount; ++i) label[i] = static_cast<int>(i);
  for (int round = 0; round < 50; ++round) {
    const uint32_t a = random() % kCount, b = random() % kCount;
    const uint32_t root = sets.find(a);
    sets.join(root, sets.find(b));
    EXPECT_EQ(sets.find(b), root) << "the first root stays";
    const int from = label[b], to = label[a];
    for (int& l : label)
      if (l == from) l = to;
    for (uint32_t i = 0; i < kCount; ++i)
      EXPECT_EQ(sets.find(i) == sets.find(a), label[i] == label[a]) << i;
  }
}

TEST(SplitList, GivesPartsBetweenSeparators) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split_list("crop=4,flip"), (Parts{"crop=4", "flip"}));
  EXPECT_EQ(split_list(""), Parts{""});
  EXPECT_EQ(split_list("a,"), (Parts{"a", ""}));
  EXPECT_EQ(split_list(",,"), (Parts{"", "", ""}));
  EXPECT_EQ(split_list("a b,c", ' '), (Parts{"a", "b,c"}));
}

TEST(JoinList, IsTheOpposite) {
  EXPECT_EQ(join_list(std::vector<std::string>{}), "");
  EXPECT_EQ(join_list(split_list("a,,c")), "a, , c");
  EXPECT_EQ(join_list(std::vector<const char*>{"a", "b"}, "/"), "a/b");
}

TEST(Suggestion, StandsBetweenItsWords) {
  EXPECT_EQ(suggestion("mnits", {"cifar", "mnist"}, " Did you mean '", "'?"),
            " Did you mean 'mnist'?");
  EXPECT_EQ(suggestion("zebra", {"cifar", "mnist"}, " Did you mean '", "'?"), "");
}

TEST(Utf8, TakesWellFormedTextAlone) {
  for (const char* good : {"", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xC1\xBF", "\xC2",
                          "\xC2"
                          "a",
                          "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(Stopwatch, RunsForward) {
  const double before = steady_seconds();
  Stopwatch watch;
  while (watch.seconds() < 0.002) {}
  EXPECT_GE(steady_seconds() - before, 0.002);
  watch.restart();
  EXPECT_LT(watch.seconds(), steady_seconds() - before);
}

}  // namespace
}  // namespace suanli
