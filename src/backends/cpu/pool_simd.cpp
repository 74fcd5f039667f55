// One window per lane: a gather per element of the window, no branches. Comparing element by element mispredicts half of the time and took a
// third of a small network's training step.
#include "backends/cpu/pool_simd.h"

#include <algorithm>

#include "backends/cpu/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/pool_simd.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

void pool_windows_dispatched(const float* x, const int32_t* start, int64_t windows, int64_t kernel, int64_t width, float* y, int32_t* at) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN int32_t last[hn::MaxLanes(di)];
  for (int64_t i = 0; i < windows; i += lanes) {
    const int64_t n = std::min(lanes, windows - i);
    auto from = hn::Undefined(di);
    if (n == lanes) {
      from = hn::LoadU(di, start + i);
    } else {  // idle lanes repeat the last window, so that nothing outside is read
      for (int64_t k = 0; k < lanes; ++k) last[k] = start[i + std::min(k, n - 1)];
      from = hn::Load(di, last);
    }
    auto largest = hn::GatherIndex(d, x, from);
    auto place = from;
    for (int64_t r = 0; r < kernel; ++r)
      for (int64_t c = r == 0 ? 1 : 0; c < kernel; ++c) {
        const auto position = hn::Add(from, hn::Set(di, static_cast<int32_t>(r * width + c)));
        const auto v = hn::GatherIndex(d, x, position);
        // Larger, or the first NaN; a NaN stays. (Not through IsNaN, which Highway 1.0.3 gets wrong on AVX2.)
        const auto better = hn::And(hn::Not(hn::Le(v, largest)), hn::Eq(largest, largest));
        largest = hn::IfThenElse(better, v, largest);
        place = hn::IfThenElse(hn::RebindMask(di, better), position, place);
      }
    if (n == lanes) {
      hn::StoreU(largest, d, y + i);
      hn::StoreU(place, di, at + i);
    } else {
      HWY_ALIGN float values[hn::MaxLanes(d)];
      hn::Store(largest, d, values);
      hn::Store(place, di, last);
      std::copy_n(values, n, y + i);
      std::copy_n(last, n, at + i);
    }
  }
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(pool_windows_dispatched);

void pool_windows(const float* x, const int32_t* start, int64_t windows, int64_t kernel, int64_t width, float* y, int32_t* at) {
  HWY_DYNAMIC_DISPATCH(pool_windows_dispatched)(x, start, windows, kernel, width, y, at);
}
}  // namespace suanli::cpu
#endif
