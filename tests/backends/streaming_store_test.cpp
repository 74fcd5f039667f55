// SPDX-License-Identifier: Apache-2.0
// Results that are written past the caches are the ones that ordinary stores give.
#include "backends/cpu/simd/streaming_store.h"

#include <cstring>
#include <functional>

#include "gtest/gtest.h"
#include "suanli/suanli.h"
#include "support/tunings.h"

namespace suanli::cpu {
namespace {

std::vector<std::vector<double>> computed(int64_t cache,
                                          const std::function<std::vector<Tensor>()>& record) {
  cpu::CpuTuning tuning = cpu_tuning();
  tuning.last_cache_bytes = cache;
  const test::InTuning in_tuning(tuning);
  release_freed_memory();  // or what an earlier run left there would do
  std::vector<std::vector<double>> values;
  for (const Tensor& t : record()) values.push_back(cast(t, f64).to_vector<double>());
  return values;
}

TEST(PastCaches, GivesTheSameResults) {
  manual_seed(3);
  const Tensor x = randn({37, 1003}), y = randn({37, 1003}), bias = randn({1003});
  const std::vector<std::function<std::vector<Tensor>()>> programs = {
      [&] { return std::vector{x * 2.0 + y}; },
      // several results, of several types
      [&] { return std::vector{tanh(x) * y + bias, x > y, cast(x, f64) * 3.0}; },
      [&] {
        const Tensor e = exp(x - amax(x, {-1}, true));
        // one of them is read again by a later stage
        return std::vector{e, e / sum(e, {-1}, true)};
      },
      [&] { return std::vector{relu(x + y), sum(relu(x + y), {0})}; },
      [&] {
        return std::vector{softmax(x), log_softmax(y), softmax(x, 0),
                           softmax(reshape(x, {1003 * 37, 1}))};
      },
      [&] {
        Parameter p(x), weight(bias), shift(y);
        const Tensor target = tensor(std::vector<int64_t>(37, 5), {37});
        (cross_entropy(p, target) + sum(layer_norm(shift, weight, bias) * x)).backward();
        return std::vector{p.grad(), layer_norm(x, bias, bias), weight.grad(), shift.grad()};
      },
      [&] {
        Parameter p(x);
        p.set(p * 0.5 + y);  // over its former value
        flush();
        return std::vector<Tensor>{p};
      },
  };
  for (size_t i = 0; i < programs.size(); ++i)
    EXPECT_EQ(computed(0, programs[i]), computed(int64_t{1} << 40, programs[i])) << "program " << i;
}

TEST(PastCaches, CopiesFromAnywhereToAnywhere) {
  std::vector<char> from(500), to(500);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<char>(i * 7);
  for (int64_t begin : {0, 1, 15, 16, 63})
    for (int64_t n : {0, 1, 16, 63, 64, 65, 129, 300}) {
      std::fill(to.begin(), to.end(), 'x');
      char* const there = to.data() + 64 - begin;
      copy_past_caches(from.data() + begin, there, n);
      finish_past_caches();
      EXPECT_EQ(std::memcmp(there, from.data() + begin, static_cast<size_t>(n)), 0)
          << begin << " " << n;
      EXPECT_EQ(there[-1], 'x');
      EXPECT_EQ(there[n], 'x') << begin << " " << n;
    }
}

}  // namespace
}  // namespace suanli::cpu
