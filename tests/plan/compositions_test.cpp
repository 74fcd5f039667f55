// Random compositions of what people write: the planned tier against the cold one, with other programs in every run.
#include <chrono>
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"
#include "plan/composition_generator.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// SUANLI_COMPOSITIONS: how many. SUANLI_COMPOSITION_SEED: the seed of the first; the next ones follow, so that a failing one is run alone by
// its own seed and a count of 1.
TEST(Compositions, HaveTheSameBitsInBothTiers) {
  const uint64_t count = number_from("SUANLI_COMPOSITIONS", std::getenv("SUANLI_TEST_FULL") ? 20000 : 500);
  const uint64_t seed = number_from("SUANLI_COMPOSITION_SEED", std::random_device()() % 1000000000);
  std::printf("%llu compositions: SUANLI_COMPOSITION_SEED=%llu\n", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);  // a crash leaves it
  int refused = 0, failed = 0;
  for (uint64_t k = 0; k < count && failed < 5; ++k) {
    const Composition c = composition(seed + k);
    bool was_refused = false;
    const std::string what = failure(c, &was_refused);
    refused += was_refused;
    if (what.empty()) continue;
    ++failed;
    const Composition smallest = minimized(c, [](const Composition& s) { return !failure(s).empty(); });
    ADD_FAILURE() << "SUANLI_COMPOSITION_SEED=" << seed + k << ": " << what << "\nthe smallest program that fails (" << failure(smallest)
                  << "):\n"
                  << text_of(smallest);
    clear_plan_cache();
  }
  EXPECT_LE(refused, static_cast<int>(count / 20 + 1)) << "compositions that the library refuses test nothing";
  clear_plan_cache();
}

// The programs are worth it: of many sizes, with gradients, of all families.
TEST(Compositions, AreOfAllKinds) {
  size_t lines = 0, by_family[3] = {}, by_mode[6] = {}, second_order = 0;
  std::vector<size_t> by_kind(kinds().size(), 0);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const Composition c = composition(seed);
    lines += c.body.size(), ++by_family[c.family], ++by_mode[c.mode];
    for (const Call& call : c.body) ++by_kind[static_cast<size_t>(call.kind)], second_order += is_kind(call, "grad");
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
    for (const Call& call : without_dead_lines(c).body) gelu |= is_kind(call, "gelu"), product |= is_kind(call, "matmul");
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
