// SPDX-License-Identifier: Apache-2.0
// Rows of numbers, a vector at a time: loads and stores whose last vector may be partial, and sums
// along a row. Compiled once per instruction set, as simd.h.
#if defined(SUANLI_CPU_SIMD_ROWS_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_SIMD_ROWS_H_
#undef SUANLI_CPU_SIMD_ROWS_H_
#else
#define SUANLI_CPU_SIMD_ROWS_H_
#endif

#include <algorithm>
#include <cstdint>

#include "backends/cpu/simd/simd.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {

template <class T> using RowVec = Vec<hn::ScalableTag<T>>;
template <class T> constexpr int64_t kRowLanes =
    static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));
/// The `left` elements of a row where a whole vector is known to be.
constexpr int64_t kWhole = INT64_MAX;

/// The first `left` elements at x, `fill` in the lanes behind them. Only AVX-512's masked load
/// never reads beyond.
template <class T> HWY_INLINE RowVec<T> load_row(const T* x, int64_t left, T fill) {
  constexpr hn::ScalableTag<T> d;
  if (left >= kRowLanes<T>) return hn::LoadU(d, x);
#if HWY_TARGET == HWY_AVX3
  const auto there = hn::FirstN(d, static_cast<size_t>(left));
  return hn::IfThenElse(there, hn::MaskedLoad(there, d, x), hn::Set(d, fill));
#else
  alignas(64) T lanes[kRowLanes<T>];
  for (int64_t k = 0; k < kRowLanes<T>; ++k) lanes[k] = k < left ? x[k] : fill;
  return hn::Load(d, lanes);
#endif
}
template <class T> HWY_INLINE void store_row(RowVec<T> v, T* y, int64_t left) {
  constexpr hn::ScalableTag<T> d;
  if (left >= kRowLanes<T>) return hn::StoreU(v.v, d, y);
#if HWY_TARGET == HWY_AVX3
  hn::BlendedStore(v.v, hn::FirstN(d, static_cast<size_t>(left)), d, y);
#else
  alignas(64) T lanes[kRowLanes<T>];
  hn::Store(v.v, d, lanes);
  std::copy_n(lanes, left, y);
#endif
}

/// Calls f(i, left) for every vector of a row of n elements, the first of which is element i.
template <class T, class F> HWY_INLINE void along_row(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + kRowLanes<T> <= n; i += kRowLanes<T>) f(i, kWhole);
  if (i < n) f(i, n - i);
}

/// Σ term(i, left) over the vectors of a row, whose idle lanes must be 0. Blocks of some thousand
/// elements are added in f64, so that the error does not grow with the row.
template <class T, class F> HWY_INLINE double sum_row(int64_t n, F&& term) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  double total = 0;
  for (int64_t i = 0; i < n;) {
    const int64_t end = std::min(n, i + 256 * lanes);
    RowVec<T> sum[4] = {RowVec<T>(0.0), RowVec<T>(0.0), RowVec<T>(0.0), RowVec<T>(0.0)};
    for (; i + 4 * lanes <= end; i += 4 * lanes)
#pragma GCC unroll 4  // or the sums would lie in memory
      for (int k = 0; k < 4; ++k) sum[k] = sum[k] + term(i + k * lanes, kWhole);
    for (; i + lanes <= end; i += lanes) sum[0] = sum[0] + term(i, kWhole);
    if (i < end) {
      sum[1] = sum[1] + term(i, end - i);
      i = end;
    }
    total += static_cast<double>(
        hn::GetLane(hn::SumOfLanes(d, ((sum[0] + sum[1]) + (sum[2] + sum[3])).v)));
  }
  return total;
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
