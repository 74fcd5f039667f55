// The roof that bench/peers/compare.py measures beside every case: fused multiply-adds in f32 on registers alone, on all compute
// threads, on the widest vectors that own kernels use. What the machine gives in that minute, with the clock that it has then.
#include "backends/cpu/simd_targets.h"
#define HWY_TARGET_INCLUDE "bench/roof.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bench::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// `rounds` times 12 independent multiply-adds: more than latency × ports of any core asks for. Returns their sum; the operations are
/// counted in `flops`.
float multiply_adds(int64_t rounds, int64_t* flops) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, 0.999999f), b = hn::Set(d, 1e-6f);
  // Named, not an array: g++ 12 keeps an array of vectors in memory. Each begins elsewhere: equal chains would be merged into one.
  auto s0 = hn::Set(d, 0.0f), s1 = hn::Set(d, 0.1f), s2 = hn::Set(d, 0.2f), s3 = hn::Set(d, 0.3f), s4 = hn::Set(d, 0.4f),
       s5 = hn::Set(d, 0.5f), s6 = hn::Set(d, 0.6f), s7 = hn::Set(d, 0.7f), s8 = hn::Set(d, 0.8f), s9 = hn::Set(d, 0.9f),
       s10 = hn::Set(d, 1.1f), s11 = hn::Set(d, 1.2f);
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
    s10 = hn::MulAdd(s10, a, b);
    s11 = hn::MulAdd(s11, a, b);
  }
  *flops = rounds * 12 * 2 * static_cast<int64_t>(hn::Lanes(d));
  const auto low = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(s4, s5));
  const auto high = hn::Add(hn::Add(hn::Add(s6, s7), hn::Add(s8, s9)), hn::Add(s10, s11));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(low, high)));
}

}  // namespace
}  // namespace bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <numeric>
#include <vector>

#include "base/thread_pool.h"
#include "bench/worker.h"

namespace bench {
HWY_EXPORT(multiply_adds);

namespace {
struct Roof : Work {
  std::vector<float> sums = std::vector<float>(static_cast<size_t>(suanli::compute_threads()));
  std::vector<int64_t> counts = std::vector<int64_t>(sums.size());

  double step() override {
    suanli::parallel_parts(static_cast<int>(sums.size()), [&](int part) {
      const auto i = static_cast<size_t>(part);
      sums[i] = HWY_DYNAMIC_DISPATCH(multiply_adds)(1'000'000, &counts[i]);  // some milliseconds
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }
  int64_t flops() override { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }
};
}  // namespace

}  // namespace bench

int main() {
  return bench::serve([](const bench::Json&) { return std::make_unique<bench::Roof>(); });
}
#endif
