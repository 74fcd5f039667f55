// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/conv/depthwise_simd.h"

#include <algorithm>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/conv/depthwise_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/conv/channel_chain_simd.h"
#include "backends/cpu/simd/simd_transpose.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

template <class T> using Tag = hn::ScalableTag<T>;
template <class T> HWY_INLINE hn::Vec<Tag<T>> load(const T* p) { return hn::LoadU(Tag<T>(), p); }

template <class T> HWY_INLINE void zero(T* to, int64_t pixels) {
  for (int64_t i = 0; i < pixels; ++i)
    hn::StoreU(hn::Zero(Tag<T>()), Tag<T>(), to + i * kRowLanes<T>);
}

template <class T> void gather(const DepthwiseChannels<const T>& from,
                               const DepthwiseWindow& window, T* to) {
  constexpr int64_t lanes = kRowLanes<T>;
  const DepthwiseWindow& w = window;
  const int64_t begin = std::clamp<int64_t>(-w.column, 0, w.columns),
                end = std::clamp<int64_t>(w.width - w.column, begin, w.columns);
  for (int64_t i = 0; i < w.rows; ++i, to += w.columns * lanes) {
    const int64_t row = w.row + i, inside = row >= 0 && row < w.height ? end - begin : 0;
    if (inside == 0) {
      zero(to, w.columns);
      continue;
    }
    zero(to, begin);
    zero(to + end * lanes, w.columns - end);
    const T* x = from.data + (row * w.width + w.column + begin) * from.block;
    T* first = to + begin * lanes;
    if (from.block == 1 && from.repeat == 1) {
      transpose_rows(x, from.step, from.valid, lanes, inside, first);
    } else if (from.block == 1) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const T* channel =
            x + (from.phase + std::min(lane, from.valid - 1)) / from.repeat * from.step;
        for (int64_t k = 0; k < inside; ++k) first[k * lanes + lane] = channel[k];
      }
    } else if (from.block >= lanes) {
      for (int64_t k = 0; k < inside; ++k)
        hn::StoreU(load(x + k * from.block), Tag<T>(), first + k * lanes);
    } else {
      for (int64_t k = 0; k < inside; ++k)
        for (int64_t lane = 0; lane < lanes; ++lane)
          first[k * lanes + lane] = x[std::min(lane, from.valid - 1) / from.block * from.step +
                                      k * from.block + lane % from.block];
    }
  }
}

template <class T> void scatter(const T* from, int64_t pixels, const DepthwiseChannels<T>& to) {
  constexpr int64_t lanes = kRowLanes<T>;
  if (to.block == 1 && pixels >= lanes) {
    transpose_rows(from, lanes, pixels, pixels, to.valid, to.data, to.step);
  } else {
    for (int64_t lane = 0; lane < to.valid; ++lane) {
      T* channel = to.data + lane / to.block * to.step + lane % to.block;
      for (int64_t k = 0; k < pixels; ++k) channel[k * to.block] = from[k * lanes + lane];
    }
  }
}

/// kRows × kColumns results, all in registers. kStep: vectors from a result's factors to those of
/// the next one in its row; 0: any.
template <class T, int kRows, int kColumns, int kStep>
HWY_INLINE void tile(const T* x, const DepthwiseTaps& taps, std::pair<int64_t, int64_t> met,
                     const T* w, const T* start, bool add, T* y, int64_t y_row, int64_t y_column,
                     const DepthwiseChain& chain, int64_t skip_rows, int64_t skip_columns) {
  constexpr int64_t lanes = kRowLanes<T>;
  const auto [first_tap, last_tap] = met;
  w += first_tap * taps.columns * lanes;
  const int64_t step = kStep != 0 ? kStep * lanes : taps.x_column;
  hn::Vec<Tag<T>> sum[kRows][kColumns];
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int k = 0; k < kColumns; ++k)
      sum[i][k] = add                ? load(y + i * y_row + k * y_column)
                  : start != nullptr ? load(start)
                                     : hn::Zero(Tag<T>());
  for (int64_t r = first_tap; r < last_tap; ++r)
    for (int64_t s = 0; s < taps.columns; ++s, w += lanes) {
      const T* from = x + r * taps.tap_row + s * taps.tap_column;
      const auto weight = load(w);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
        for (int k = 0; k < kColumns; ++k)
          sum[i][k] = hn::MulAdd(load(from + i * taps.x_row + k * step), weight, sum[i][k]);
    }
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i) {
    if constexpr (std::is_same_v<T, float>)
      run_chain(*chain.chain, chain.channel, chain.left, y + i * y_row, y_column, sum[i]);
#pragma GCC unroll 8
    for (int k = 0; k < kColumns; ++k)
      if (i >= skip_rows && k >= skip_columns)
        hn::StoreU(sum[i][k], Tag<T>(), y + i * y_row + k * y_column);
  }
}

template <class T> struct Correlation {
  const T* x;
  const DepthwiseTaps& taps;
  const T *w, *start;
  bool add;
  T* y;
  int64_t rows, columns, y_row, y_column;
  DepthwiseChain chain;
};

/// The results in tiles of kColumns. The last tiles overlap those before, unless what they add to
/// was written by them; they store the others alone, since the chain may read what lay there.
template <class T, int kColumns, int kStep> HWY_INLINE void in_tiles(const Correlation<T>& c) {
  constexpr int kRows = kColumns <= 4 ? 2 : 1;
  for (int64_t i = 0; i < c.rows; i += kRows) {
    const bool whole = i + kRows <= c.rows || (!c.add && c.rows >= kRows);
    const int64_t row = whole ? std::min(i, c.rows - kRows) : i;
    const auto met = c.taps.met(row, whole ? row + kRows : row + 1);
    for (int64_t k = 0; k < c.columns; k += kColumns) {
      const int64_t column = std::min(k, c.columns - kColumns);
      const T* x = c.x + row * c.taps.x_row + column * c.taps.x_column;
      T* y = c.y + row * c.y_row + column * c.y_column;
      if (whole)
        tile<T, kRows, kColumns, kStep>(x, c.taps, met, c.w, c.start, c.add, y, c.y_row, c.y_column,
                                        c.chain, i - row, k - column);
      else
        tile<T, 1, kColumns, kStep>(x, c.taps, met, c.w, c.start, c.add, y, c.y_row, c.y_column,
                                    c.chain, 0, k - column);
    }
  }
}

template <class T, int kStep> HWY_INLINE void with_step(const Correlation<T>& c) {
  // As few tiles as there can be, of one size; what is added to is not to be met twice.
  const int64_t tiles = (c.columns + 7) / 8;
  int64_t columns = (c.columns + tiles - 1) / tiles;
  if (c.add)
    while (c.columns % columns != 0) --columns;
  switch (columns) {
    case 1: return in_tiles<T, 1, kStep>(c);
    case 2: return in_tiles<T, 2, kStep>(c);
    case 3: return in_tiles<T, 3, kStep>(c);
    case 4: return in_tiles<T, 4, kStep>(c);
    case 5: return in_tiles<T, 5, kStep>(c);
    case 6: return in_tiles<T, 6, kStep>(c);
    case 7: return in_tiles<T, 7, kStep>(c);
    default: return in_tiles<T, 8, kStep>(c);
  }
}

template <class T> void correlate(const Correlation<T>& c) {
  if (c.rows <= 0 || c.columns <= 0) return;
  if (c.taps.x_column == kRowLanes<T>) with_step<T, 1>(c);
  else if (c.taps.x_column == 2 * kRowLanes<T>) with_step<T, 2>(c);
  else with_step<T, 0>(c);
}

/// kTaps taps from number `first` on.
template <class T, int kTaps>
HWY_INLINE void some_taps(const T* x, const DepthwiseTaps& taps, int64_t first, const T* g,
                          int64_t rows, int64_t columns, int64_t g_row, int64_t g_column, T* dw) {
  constexpr int64_t lanes = kRowLanes<T>;
  hn::Vec<Tag<T>> sum[kTaps];
  int64_t offset[kTaps];
#pragma GCC unroll 9
  for (int k = 0; k < kTaps; ++k) {
    sum[k] = hn::Zero(Tag<T>());
    offset[k] =
        (first + k) / taps.columns * taps.tap_row + (first + k) % taps.columns * taps.tap_column;
  }
  for (int64_t i = 0; i < rows; ++i) {
    const auto [first_met, last_met] = taps.met(i, i + 1);
    if (first_met * taps.columns >= first + kTaps || last_met * taps.columns <= first) continue;
    const T* from = x + i * taps.x_row;
    const T* gradient = g + i * g_row;
    for (int64_t j = 0; j < columns; ++j, from += taps.x_column, gradient += g_column) {
      const auto factor = load(gradient);
#pragma GCC unroll 9
      for (int k = 0; k < kTaps; ++k) sum[k] = hn::MulAdd(load(from + offset[k]), factor, sum[k]);
    }
  }
#pragma GCC unroll 9
  for (int k = 0; k < kTaps; ++k) {
    T* to = dw + (first + k) * lanes;
    hn::StoreU(hn::Add(load(to), sum[k]), Tag<T>(), to);
  }
}

template <class T>
void accumulate(const T* x, const DepthwiseTaps& taps, const T* g, int64_t rows, int64_t columns,
                int64_t g_row, int64_t g_column, T* dw) {
  const int64_t all = taps.rows * taps.columns, groups = (all + 8) / 9;
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t first = all * i / groups;
    switch (all * (i + 1) / groups - first) {
      case 1: some_taps<T, 1>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 2: some_taps<T, 2>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 3: some_taps<T, 3>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 4: some_taps<T, 4>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 5: some_taps<T, 5>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 6: some_taps<T, 6>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 7: some_taps<T, 7>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      case 8: some_taps<T, 8>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
      default: some_taps<T, 9>(x, taps, first, g, rows, columns, g_row, g_column, dw); break;
    }
  }
}

int64_t lanes_f32() { return kRowLanes<float>; }
int64_t lanes_f64() { return kRowLanes<double>; }
void gather_f32(const DepthwiseChannels<const float>& from, const DepthwiseWindow& window,
                float* to) {
  gather(from, window, to);
}
void gather_f64(const DepthwiseChannels<const double>& from, const DepthwiseWindow& window,
                double* to) {
  gather(from, window, to);
}
void scatter_f32(const float* from, int64_t pixels, const DepthwiseChannels<float>& to) {
  scatter(from, pixels, to);
}
void scatter_f64(const double* from, int64_t pixels, const DepthwiseChannels<double>& to) {
  scatter(from, pixels, to);
}
void correlate_f32(const float* x, const DepthwiseTaps& taps, const float* w, const float* start,
                   bool add, float* y, int64_t rows, int64_t columns, int64_t y_row,
                   int64_t y_column, const DepthwiseChain& chain) {
  correlate<float>({x, taps, w, start, add, y, rows, columns, y_row, y_column, chain});
}
void correlate_f64(const double* x, const DepthwiseTaps& taps, const double* w, const double* start,
                   bool add, double* y, int64_t rows, int64_t columns, int64_t y_row,
                   int64_t y_column, const DepthwiseChain& chain) {
  correlate<double>({x, taps, w, start, add, y, rows, columns, y_row, y_column, chain});
}
void accumulate_f32(const float* x, const DepthwiseTaps& taps, const float* g, int64_t rows,
                    int64_t columns, int64_t g_row, int64_t g_column, float* dw) {
  accumulate(x, taps, g, rows, columns, g_row, g_column, dw);
}
void accumulate_f64(const double* x, const DepthwiseTaps& taps, const double* g, int64_t rows,
                    int64_t columns, int64_t g_row, int64_t g_column, double* dw) {
  accumulate(x, taps, g, rows, columns, g_row, g_column, dw);
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(lanes_f32);
HWY_EXPORT(lanes_f64);
HWY_EXPORT(gather_f32);
HWY_EXPORT(gather_f64);
HWY_EXPORT(scatter_f32);
HWY_EXPORT(scatter_f64);
HWY_EXPORT(correlate_f32);
HWY_EXPORT(correlate_f64);
HWY_EXPORT(accumulate_f32);
HWY_EXPORT(accumulate_f64);

template <> int64_t depthwise_lanes<float>() { return HWY_DYNAMIC_DISPATCH(lanes_f32)(); }
template <> int64_t depthwise_lanes<double>() { return HWY_DYNAMIC_DISPATCH(lanes_f64)(); }
template <> void depthwise_gather<float>(const DepthwiseChannels<const float>& from,
                                         const DepthwiseWindow& window, float* to) {
  HWY_DYNAMIC_DISPATCH(gather_f32)(from, window, to);
}
template <> void depthwise_gather<double>(const DepthwiseChannels<const double>& from,
                                          const DepthwiseWindow& window, double* to) {
  HWY_DYNAMIC_DISPATCH(gather_f64)(from, window, to);
}
template <> void depthwise_scatter<float>(const float* from, int64_t pixels,
                                          const DepthwiseChannels<float>& to) {
  HWY_DYNAMIC_DISPATCH(scatter_f32)(from, pixels, to);
}
template <> void depthwise_scatter<double>(const double* from, int64_t pixels,
                                           const DepthwiseChannels<double>& to) {
  HWY_DYNAMIC_DISPATCH(scatter_f64)(from, pixels, to);
}
template <>
void depthwise_correlate<float>(const float* x, const DepthwiseTaps& taps, const float* w,
                                const float* start, bool add, float* y, int64_t rows,
                                int64_t columns, int64_t y_row, int64_t y_column,
                                const DepthwiseChain& chain) {
  HWY_DYNAMIC_DISPATCH(correlate_f32)(x, taps, w, start, add, y, rows, columns, y_row, y_column,
                                      chain);
}
template <>
void depthwise_correlate<double>(const double* x, const DepthwiseTaps& taps, const double* w,
                                 const double* start, bool add, double* y, int64_t rows,
                                 int64_t columns, int64_t y_row, int64_t y_column,
                                 const DepthwiseChain& chain) {
  HWY_DYNAMIC_DISPATCH(correlate_f64)(x, taps, w, start, add, y, rows, columns, y_row, y_column,
                                      chain);
}
template <>
void depthwise_accumulate<float>(const float* x, const DepthwiseTaps& taps, const float* g,
                                 int64_t rows, int64_t columns, int64_t g_row, int64_t g_column,
                                 float* dw) {
  HWY_DYNAMIC_DISPATCH(accumulate_f32)(x, taps, g, rows, columns, g_row, g_column, dw);
}
template <>
void depthwise_accumulate<double>(const double* x, const DepthwiseTaps& taps, const double* g,
                                  int64_t rows, int64_t columns, int64_t g_row, int64_t g_column,
                                  double* dw) {
  HWY_DYNAMIC_DISPATCH(accumulate_f64)(x, taps, g, rows, columns, g_row, g_column, dw);
}
}  // namespace suanli::cpu
#endif
