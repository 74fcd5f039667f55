// SPDX-License-Identifier: Apache-2.0
// One window per lane, without branches: comparing element by element mispredicts half of the time
// and took a third of a small network's training step.
#include "backends/cpu/pool/pool_simd.h"

#include <algorithm>
#include <limits>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/pool/pool_simd.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// The largest element of each lane's window so far, and where it lies.
template <class D> struct Largest {
  hn::Vec<D> value;
  hn::Vec<hn::RebindToSigned<D>> place;
  /// Larger, or the first NaN; a NaN stays. (Not through IsNaN, which Highway 1.0.3 gets wrong on
  /// AVX2.)
  HWY_INLINE void take(hn::Vec<D> v, hn::Vec<hn::RebindToSigned<D>> position) {
    const auto better = hn::And(hn::Not(hn::Le(v, value)), hn::Eq(value, value));
    value = hn::IfThenElse(better, v, value);
    place = hn::IfThenElse(hn::RebindMask(hn::RebindToSigned<D>(), better), position, place);
  }
};

void pool_windows_dispatched(const float* x, const int32_t* start, int64_t windows,
                             const PoolBlocks& s, float* y, int32_t* at) {
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
    Largest<decltype(d)> largest{hn::GatherIndex(d, x, from), from};
    for (int64_t r = 0; r < s.vertical.kernel; ++r)
      for (int64_t c = r == 0 ? 1 : 0; c < s.horizontal.kernel; ++c) {
        const int64_t offset = r * s.vertical.dilation * s.width + c * s.horizontal.dilation;
        const auto position = hn::Add(from, hn::Set(di, static_cast<int32_t>(offset)));
        largest.take(hn::GatherIndex(d, x, position), position);
      }
    if (n == lanes) {
      hn::StoreU(largest.value, d, y + i);
      if (at) hn::StoreU(largest.place, di, at + i);
    } else {
      HWY_ALIGN float values[hn::MaxLanes(d)];
      hn::Store(largest.value, d, values);
      hn::Store(largest.place, di, last);
      std::copy_n(values, n, y + i);
      if (at) std::copy_n(last, n, at + i);
    }
  }
}

/// Every second element of 2 × lanes from x on: the even ones, or the odd ones.
template <class D> HWY_INLINE hn::Vec<D> every_second(D d, const float* x, bool odd) {
  const auto low = hn::LoadU(d, x), high = hn::LoadU(d, x + hn::Lanes(d));
  return odd ? hn::ConcatOdd(d, high, low) : hn::ConcatEven(d, high, low);
}

/// Windows side by side, at a stride of 1 or 2. The last vector overlaps the one before. kKernel: 0
/// where only the shape knows it.
template <int kStride, int kKernel> void rows_of(const float* x, const PoolBlocks& s, float* y,
                                                 int32_t* at) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto apart = hn::Mul(hn::Iota(di, 0), hn::Set(di, kStride));  // from window to window
  const int64_t kernel = kKernel ? kKernel : s.vertical.kernel;
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t next = 0; next < s.columns; next += lanes) {
      const int64_t j = std::min(next, s.columns - lanes),
                    corner = i * kStride * s.width + j * kStride;
      Largest<decltype(d)> largest{hn::Zero(d), hn::Zero(di)};
      for (int64_t r = 0; r < kernel; ++r)
        for (int64_t c = 0; c < kernel; ++c) {
          const int64_t from = corner + r * s.width + c;
          // Behind the last window lies nothing: its last column is the odd element of a pair.
          const bool odd = kStride == 2 && (c % 2 == 1 || c + 1 == kernel) && c > 0;
          const auto v =
              kStride == 2 ? every_second(d, x + from - odd, odd) : hn::LoadU(d, x + from);
          const auto position = hn::Add(apart, hn::Set(di, static_cast<int32_t>(from)));
          if (r + c == 0) largest = {v, position};
          else largest.take(v, position);
        }
      hn::StoreU(largest.value, d, y + i * s.columns + j);
      if (at) hn::StoreU(largest.place, di, at + i * s.columns + j);
    }
}

bool pool_rows_dispatched(const float* x, const PoolBlocks& s, float* y, int32_t* at) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<float>()));
  // at a stride of 2 a window of one column has no pair
  const PoolAxis &a = s.vertical, &b = s.horizontal;
  if (a.kernel != b.kernel || a.stride != b.stride || a.dilation != 1 || b.dilation != 1)
    return false;
  if (s.columns < lanes || a.stride > 2 || a.kernel < a.stride) return false;
  if (a.stride == 1) rows_of<1, 0>(x, s, y, at);
  else if (a.kernel == 2) rows_of<2, 2>(x, s, y, at);
  else rows_of<2, 0>(x, s, y, at);
  return true;
}

// At most a block's 8 lanes where vectors are longer.
using Block = hn::CappedTag<float, 8>;

template <class Tag> HWY_INLINE void block_of(Tag d, const float* x, const PoolBlocks& s,
                                              int64_t lane, float* y, int32_t* at) {
  const hn::RebindToSigned<Tag> di;
  for (int64_t i = 0; i < s.rows; ++i)
    for (int64_t j = 0; j < s.columns; ++j) {
      const PoolSpan rows = s.vertical.span(i, s.height), columns = s.horizontal.span(j, s.width);
      const int64_t first = rows.first(s.height) * s.width + columns.first(s.width);
      Largest<Tag> largest{hn::LoadU(d, x + first * s.block + lane),
                           hn::Set(di, static_cast<int32_t>(first))};
      if (rows.empty() || columns.empty())
        largest.value = hn::Set(d, -std::numeric_limits<float>::infinity());
      for (int64_t r = rows.begin; r < rows.end; r += s.vertical.dilation)
        for (int64_t c = columns.begin; c < columns.end; c += s.horizontal.dilation)
          largest.take(hn::LoadU(d, x + (r * s.width + c) * s.block + lane),
                       hn::Set(di, static_cast<int32_t>(r * s.width + c)));
      const int64_t to = (i * s.columns + j) * s.block + lane;
      hn::StoreU(largest.value, d, y + to);
      if (at) hn::StoreU(largest.place, di, at + to);
    }
}
template <class Tag> HWY_INLINE void block_grad_of(Tag d, const float* g, const int32_t* at,
                                                   const PoolBlocks& s, int64_t lane, float* x) {
  const hn::RebindToSigned<Tag> di;
  const auto mine = hn::Iota(di, static_cast<int32_t>(lane)),
             block = hn::Set(di, static_cast<int32_t>(s.block));
  for (int64_t i = 0; i < s.rows * s.columns; ++i) {  // lanes never meet in one element
    const auto to = hn::Add(hn::Mul(hn::LoadU(di, at + i * s.block + lane), block), mine);
    hn::ScatterIndex(hn::Add(hn::GatherIndex(d, x, to), hn::LoadU(d, g + i * s.block + lane)), d, x,
                     to);
  }
}

void pool_block_dispatched(const float* x, const PoolBlocks& s, float* y, int32_t* at) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  if (s.block % lanes == 0)
    for (int64_t lane = 0; lane < s.block; lane += lanes) block_of(d, x, s, lane, y, at);
  else
    for (int64_t lane = 0; lane < s.block; lane += static_cast<int64_t>(hn::Lanes(Block())))
      block_of(Block(), x, s, lane, y, at);
}
void pool_block_grad_dispatched(const float* g, const int32_t* at, const PoolBlocks& s, float* x) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  std::fill_n(x, s.height * s.width * s.block, 0.0f);
  if (s.block % lanes == 0)
    for (int64_t lane = 0; lane < s.block; lane += lanes) block_grad_of(d, g, at, s, lane, x);
  else
    for (int64_t lane = 0; lane < s.block; lane += static_cast<int64_t>(hn::Lanes(Block())))
      block_grad_of(Block(), g, at, s, lane, x);
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(pool_windows_dispatched);
HWY_EXPORT(pool_rows_dispatched);
HWY_EXPORT(pool_block_dispatched);
HWY_EXPORT(pool_block_grad_dispatched);

void pool_block(const float* x, const PoolBlocks& shape, float* y, int32_t* at) {
  HWY_DYNAMIC_DISPATCH(pool_block_dispatched)(x, shape, y, at);
}
void pool_block_grad(const float* g, const int32_t* at, const PoolBlocks& shape, float* x) {
  HWY_DYNAMIC_DISPATCH(pool_block_grad_dispatched)(g, at, shape, x);
}

bool pool_rows(const float* x, const PoolBlocks& shape, float* y, int32_t* at) {
  return HWY_DYNAMIC_DISPATCH(pool_rows_dispatched)(x, shape, y, at);
}
void pool_windows(const float* x, const int32_t* start, int64_t windows, const PoolBlocks& shape,
                  float* y, int32_t* at) {
  HWY_DYNAMIC_DISPATCH(pool_windows_dispatched)(x, start, windows, shape, y, at);
}
}  // namespace suanli::cpu
#endif
