// SPDX-License-Identifier: Apache-2.0
// Compares the tiers on as many compositions as asked for.
#pragma once
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"
#include "plan/compositions/composition_generator.h"

namespace suanli::test {

inline uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Compares the tiers on random compositions, other ones in every run. SUANLI_COMPOSITIONS says how
/// many, SUANLI_COMPOSITION_SEED is the seed of the first; the next seeds follow. A failing
/// composition is repeated by its own seed and a count of 1.
inline void check_compositions(uint64_t usual) {
  const uint64_t count = number_from("SUANLI_COMPOSITIONS", usual);
  const uint64_t seed = number_from("SUANLI_COMPOSITION_SEED", std::random_device()() % 1000000000);
  std::printf("%llu compositions: SUANLI_COMPOSITION_SEED=%llu\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(seed));
  std::fflush(stdout);  // a crash leaves it
  int refused = 0, failed = 0;
  for (uint64_t k = 0; k < count && failed < 5; ++k) {
    const Composition c = composition(seed + k);
    bool was_refused = false;
    const std::string what = failure(c, &was_refused);
    refused += was_refused;
    if (what.empty()) continue;
    ++failed;
    const Composition smallest =
        minimized(c, [](const Composition& s) { return !failure(s).empty(); });
    ADD_FAILURE() << "SUANLI_COMPOSITION_SEED=" << seed + k << ": " << what
                  << "\nthe smallest program that fails (" << failure(smallest) << "):\n"
                  << text_of(smallest);
    clear_plan_cache();
  }
  EXPECT_LE(refused, static_cast<int>(count / 20 + 1))
      << "compositions that the library refuses test nothing";
  clear_plan_cache();
}

}  // namespace suanli::test
