// SPDX-License-Identifier: Apache-2.0
#include "base/core/philox.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace suanli {
namespace {

// The three philox4x32-10 rows of Random123's kat_vectors: counter, key, result.
struct Known {
  uint32_t counter[4], key[2];
  std::array<uint32_t, 4> result;
};
constexpr Known kKnown[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

constexpr uint64_t wide(uint32_t low, uint32_t high) { return low | (uint64_t{high} << 32); }

TEST(Philox, PublishedVectors) {
  for (const Known& k : kKnown)
    EXPECT_EQ(philox(wide(k.key[0], k.key[1]), wide(k.counter[0], k.counter[1]),
                     wide(k.counter[2], k.counter[3])),
              k.result);
  static_assert(philox(0, 0)[0] == 0x6627e8d5);
}

TEST(Philox, UniformIsExactAndBelowOne) {
  EXPECT_EQ(uniform01(0u), 0.0f);
  EXPECT_EQ(uniform01(~0u), 1.0f - 0x1.0p-24f);
  EXPECT_EQ(uniform01(0u, 0u), 0.0);
  EXPECT_EQ(uniform01(~0u, ~0u), 1.0 - 0x1.0p-53);
  EXPECT_EQ(uniform01(0u, 0x80000000u), 0.5);
}

TEST(Philox, StreamReadsTheBlocksInOrder) {
  PhiloxStream stream(7, philox_stream(PhiloxDomain::glyphs, 5));
  for (uint64_t block = 0; block < 3; ++block)
    for (uint32_t word : philox(7, block, (uint64_t{3} << 56) | 5))
      EXPECT_EQ(stream.next_u32(), word);
}

TEST(Philox, DomainsAndIdsAreApart) {
  std::set<std::array<uint32_t, 4>> seen;
  for (auto domain : {PhiloxDomain::generator, PhiloxDomain::epoch_order,
                      PhiloxDomain::validation_split, PhiloxDomain::glyphs})
    for (uint64_t id = 0; id < 100; ++id) seen.insert(philox(1, 0, philox_stream(domain, id)));
  EXPECT_EQ(seen.size(), 400u);
}

TEST(Philox, BelowIsInRangeAndEven) {
  PhiloxStream stream(1, 0);
  EXPECT_EQ(stream.below(1), 0u);
  std::vector<int> count(7);
  for (int i = 0; i < 70'000; ++i) ++count[stream.below(7)];
  for (int c : count) EXPECT_NEAR(c, 10'000, 500);  // 5 standard deviations are 463
}

// 3·2^30 does not divide 2^32: a plain product would make the lower third of results twice as
// likely as the others.
TEST(Philox, BelowHasNoBiasWhereAProductWould) {
  PhiloxStream stream(2, 0);
  int low = 0;
  for (int i = 0; i < 30'000; ++i) low += stream.below(uint64_t{3} << 30) % 3 == 0;
  EXPECT_NEAR(low, 10'000, 500);
}

TEST(Philox, BelowCoversWideRanges) {
  PhiloxStream stream(3, 0);
  const uint64_t n = (uint64_t{1} << 40) + 1;
  uint64_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t v = stream.below(n);
    ASSERT_LT(v, n);
    most = std::max(most, v);
  }
  EXPECT_GT(most, n / 2);
}

}  // namespace
}  // namespace suanli
