// SPDX-License-Identifier: Apache-2.0
// Random compositions of what people write: the planned tier against the cold one, with other
// programs in every run.
#include "gtest/gtest.h"
#include "plan/compositions/composition_check.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Compositions, HaveTheSameBitsInBothTiers) { check_compositions(500); }

// The programs are worth it: of many sizes, with gradients, of all families.
TEST(Compositions, AreOfAllKinds) {
  size_t lines = 0, by_family[3] = {}, by_mode[6] = {}, second_order = 0;
  std::vector<size_t> by_kind(kinds().size(), 0);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Composition c = composition(seed);
    lines += c.body.size();
    ++by_family[c.family];
    ++by_mode[c.mode];
    for (const Call& call : c.body) {
      ++by_kind[static_cast<size_t>(call.kind)];
      second_order += is_kind(call, "grad");
    }
  }
  EXPECT_GT(lines, 400u * 12);
  EXPECT_GT(second_order, 20u);
  for (size_t n : by_family) EXPECT_GT(n, 20u);
  for (size_t n : by_mode) EXPECT_GT(n, 10u);
  for (size_t k = 0; k < by_kind.size(); ++k) EXPECT_GT(by_kind[k], 0u) << kinds()[k].name;
}

// A failing program shrinks to what makes it fail.
TEST(Compositions, AreMinimized) {
  auto fails = [](const Composition& c) {
    bool gelu = false, product = false;
    for (const Call& call : without_dead_lines(c).body) {
      gelu |= is_kind(call, "gelu");
      product |= is_kind(call, "matmul");
    }
    return gelu && product && failure(c).empty();
  };
  int found = 0;
  for (uint64_t seed = 0; found < 3; ++seed) {
    const Composition c = composition(seed);
    if (!fails(c)) continue;
    ++found;
    const Composition smallest = minimized(c, fails);
    EXPECT_LE(smallest.body.size(), 10u) << text_of(smallest);
    EXPECT_EQ(smallest.mode, Composition::forward);
    EXPECT_EQ(smallest.steps, 1);
    EXPECT_NE(text_of(smallest).find("gelu("), std::string::npos);
  }
}

}  // namespace
}  // namespace suanli
