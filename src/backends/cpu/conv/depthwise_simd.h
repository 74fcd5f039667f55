// SPDX-License-Identifier: Apache-2.0
// The arithmetic of depthwise convolutions, in which every channel has a kernel of its own: the
// lanes of a vector are channels.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "backends/cpu/conv/channel_chain.h"

namespace suanli::cpu {

/// The channels in the lanes of a vector, in a picture of any layout.
template <class T> struct DepthwiseChannels {
  T* data;                        // pixel 0 of the first one
  int64_t valid;                  // how many there are; the lanes behind them may hold anything
  int64_t block;                  // so many lie side by side; 1: the plain [C, H, W]
  int64_t step;                   // elements from one block to the next
  int64_t repeat = 1, phase = 0;  // lane i has channel (phase + i) / repeat, if block is 1
};

/// Part of a picture of height × width pixels. It may reach beyond the picture.
struct DepthwiseWindow {
  int64_t height, width, row, rows, column, columns;
};

/// Where the factors of a result lie, in elements of a gathered window.
struct DepthwiseTaps {
  int64_t rows, columns, tap_row, tap_column;  // how many, and from one to the next
  int64_t x_row, x_column;  // from those of one result to those of the next one
  // The window's rows, counted from that of the first factor: from one tap to the next, from one
  // result to the next, and those before `low` and from `high` on are zeros, which need not be
  // multiplied.
  int64_t tap_rows, x_rows, low, high;

  /// Taps from first to before second may meet a row that is not zeros, for result rows from
  /// `begin` to before `end`.
  std::pair<int64_t, int64_t> met(int64_t begin, int64_t end) const {
    const int64_t first = (low - (end - 1) * x_rows + tap_rows - 1) / tap_rows,
                  last = (high - 1 - begin * x_rows) / tap_rows + 1;
    const int64_t from = low <= (end - 1) * x_rows ? 0 : std::min(first, rows);
    return {from, high - 1 < begin * x_rows ? from : std::clamp(last, from, rows)};
  }
};

/// T: float or double.
template <class T> int64_t depthwise_lanes();

/// to[row][column][lane] ← the window, with zeros outside of the picture.
template <class T> void depthwise_gather(const DepthwiseChannels<const T>& from,
                                         const DepthwiseWindow& window, T* to);
/// Pixels 0 … pixels−1 of `to` ← from[pixel][lane].
template <class T> void depthwise_scatter(const T* from, int64_t pixels,
                                          const DepthwiseChannels<T>& to);

/// The epilogue of finished results, f32.
struct DepthwiseChain {
  const BoundChain* chain;
  int64_t channel, left;  // of the first lane, and how many are there
};
/// y ← start + Σ x · w over the taps, or what y was + that; and what the chain makes of it. w:
/// [taps][lane]; start: one number per lane, or null.
template <class T>
void depthwise_correlate(const T* x, const DepthwiseTaps& taps, const T* w, const T* start,
                         bool add, T* y, int64_t rows, int64_t columns, int64_t y_row,
                         int64_t y_column, const DepthwiseChain& chain);
/// dw[tap][lane] += Σ x · g over rows × columns elements of g.
template <class T>
void depthwise_accumulate(const T* x, const DepthwiseTaps& taps, const T* g, int64_t rows,
                          int64_t columns, int64_t g_row, int64_t g_column, T* dw);

}  // namespace suanli::cpu
