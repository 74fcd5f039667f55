// SPDX-License-Identifier: Apache-2.0
// The roof that bench/peers/compare.py measures beside every case: the loop behind `suanli bench
// roofs` (f32 multiply-adds on registers alone), on all compute threads. It measures the machine at
// the clock of that minute.

#include <memory>

#include "backends/cpu/roofs/roof_loops.h"
#include "base/threads/thread_pool.h"
#include "bench/worker.h"

namespace {

constexpr int64_t kIterations = 1'000'000;  // some milliseconds

struct Roof : bench::Work {
  const suanli::cpu::RoofLoop loop = suanli::cpu::f32_loop();
  const int threads = suanli::Session::current().threads();

  double step() override {
    suanli::parallel_invoke(threads, [&](int) { loop.run(kIterations); });
    return 0;
  }
  int64_t flops() override { return static_cast<int64_t>(loop.operations) * kIterations * threads; }
};

}  // namespace

int main() {
  return bench::serve([](const bench::Json&) { return std::make_unique<Roof>(); });
}
