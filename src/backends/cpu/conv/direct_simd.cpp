// SPDX-License-Identifier: Apache-2.0
// Tiles of y in registers, as in a matrix product whose one operand is the matrix of windows, which
// is read where the picture lies. Plain y: some channels by vectors of neighboring pixels. Blocked
// y: some pixels by vectors of neighboring channels.
#include "backends/cpu/conv/direct_simd.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backends/cpu/numerics.h"
#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/conv/direct_simd.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
// as in gemm_simd.cpp
constexpr int kTileRows = numerics_of(kLanes).gemm_tile_rows;

/// n things in tiles of at most kTileRows, all of nearly the same height.
struct Tiles {
  explicit Tiles(int64_t n)
      : count((n + kTileRows - 1) / kTileRows), height(n / count), higher(n % count) {}
  int64_t begin(int64_t i) const { return i * height + std::min(i, higher); }
  int64_t count, height, higher;
};

struct Tile {
  int64_t depth;
  const int32_t* offset;
  const float* x;
  const float* w;
  const float* bias;  // or null
  float* y[2];  // of the vectors, where y is blocked; plain: the first
  int64_t x_step, w_row, y_step;
};

/// kRows channels by kVectors of pixels.
template <int kRows, int kVectors> void plain_tile(const Tile& t) {
  constexpr D d;
  hn::Vec<D> sum[kRows][kVectors];
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) sum[i][j] = t.bias ? hn::Set(d, t.bias[i]) : hn::Zero(d);
  }
  const float* w = t.w;
  for (int64_t k = 0; k < t.depth; ++k, w += kRows) {
    const float* x = t.x + t.offset[k];
    hn::Vec<D> pixels[kVectors];
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) pixels[j] = hn::LoadU(d, x + j * kLanes);
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) {
      const auto weight = hn::Set(d, w[i]);
      HWY_UNROLL(2)
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(weight, pixels[j], sum[i][j]);
    }
  }
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, t.y[0] + i * t.y_step + j * kLanes);
  }
}

/// kRows pixels by kVectors of channels.
template <int kRows, int kVectors> void blocked_tile(const Tile& t) {
  constexpr D d;
  hn::Vec<D> sum[kRows][kVectors];
  HWY_UNROLL(2)
  for (int j = 0; j < kVectors; ++j) {
    const auto bias = t.bias ? hn::LoadU(d, t.bias + j * kLanes) : hn::Zero(d);
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) sum[i][j] = bias;
  }
  const float* w = t.w;
  for (int64_t k = 0; k < t.depth; ++k, w += kVectors * kLanes) {
    const float* x = t.x + t.offset[k];
    hn::Vec<D> weights[kVectors];
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) weights[j] = hn::LoadU(d, w + j * kLanes);
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) {
      const auto pixel = hn::Set(d, x[i * t.x_step]);
      HWY_UNROLL(2)
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(weights[j], pixel, sum[i][j]);
    }
  }
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, t.y[j] + i * t.y_step);
  }
}

using ComputeTile = void (*)(const Tile&);
using TilesByRows = std::array<ComputeTile, kTileRows>;
template <int kVectors, bool kBlocked> constexpr TilesByRows tiles_of() {
  return []<int... kRows>(std::integer_sequence<int, kRows...>) {
    return TilesByRows{
        (kBlocked ? blocked_tile<kRows + 1, kVectors> : plain_tile<kRows + 1, kVectors>)...};
  }(std::make_integer_sequence<int, kTileRows>());
}
constexpr TilesByRows plain_tiles[2] = {tiles_of<1, false>(), tiles_of<2, false>()};
constexpr TilesByRows blocked_tiles[2] = {tiles_of<1, true>(), tiles_of<2, true>()};

void plain(const DirectRows& s, const float* x, const float* w, const float* bias, float* y) {
  const Tiles panels(s.channels);
  Tile t{s.depth, s.offset, nullptr, nullptr, nullptr, {}, 0, 0, s.y_step};
  for (int64_t p = 0; p < s.rows; ++p)
    for (int64_t i = 0; i < panels.count; ++i) {
      const int64_t o = panels.begin(i), height = panels.begin(i + 1) - o;
      t.w = w + o * s.depth;
      t.bias = bias ? bias + o : nullptr;
      // the last vectors overlap those before
      for (int64_t next = 0, taken = 0; next < s.columns; next += taken) {
        const bool two = s.columns >= 2 * kLanes && s.columns - next > kLanes;
        taken = two ? 2 * kLanes : kLanes;
        const int64_t j = std::min(next, s.columns - taken);
        t.x = x + p * s.x_row + j;
        t.y[0] = y + o * s.y_step + p * s.columns + j;
        plain_tiles[two][static_cast<size_t>(height - 1)](t);
      }
    }
}

void blocked(const DirectRows& s, const float* x, const float* w, const float* bias, float* y) {
  const Tiles panels(s.columns);
  Tile t{s.depth, s.offset, nullptr, nullptr, nullptr, {}, s.stride, 0, s.block};
  for (int64_t p = 0; p < s.rows; ++p)
    for (int64_t o = 0; o < s.channels; o += 2 * kLanes) {
      const bool two = o + kLanes < s.channels;
      t.w = w + o * s.depth;
      t.bias = bias ? bias + o : nullptr;
      for (int64_t i = 0; i < panels.count; ++i) {
        const int64_t j = panels.begin(i), height = panels.begin(i + 1) - j;
        t.x = x + p * s.x_row + j * s.stride;
        for (int64_t v = 0; v <= two; ++v) {
          const int64_t channel = o + v * kLanes;
          t.y[v] =
              y + channel / s.block * s.y_step + (p * s.columns + j) * s.block + channel % s.block;
        }
        blocked_tiles[two][static_cast<size_t>(height - 1)](t);
      }
    }
}

void direct_rows_dispatched(const DirectRows& s, const float* x, const float* w, const float* bias,
                            float* y) {
  s.block ? blocked(s, x, w, bias, y) : plain(s, x, w, bias, y);
}

/// Channels that a tile takes lie side by side, depth by depth.
void direct_pack_dispatched(const DirectRows& s, const float* w, float* packed) {
  const Tiles panels(s.channels);
  const int64_t count = s.block ? (s.channels + 2 * kLanes - 1) / (2 * kLanes) : panels.count;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t o = s.block ? i * 2 * kLanes : panels.begin(i),
                  end = s.block ? std::min(s.channels, o + 2 * kLanes) : panels.begin(i + 1);
    for (int64_t k = 0; k < s.depth; ++k)
      for (int64_t j = o; j < end; ++j) *packed++ = w[j * s.w_step + s.w_offset[k]];
  }
}

int64_t direct_lanes_dispatched() { return kLanes; }

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(direct_lanes_dispatched);
HWY_EXPORT(direct_pack_dispatched);
HWY_EXPORT(direct_rows_dispatched);

int64_t direct_lanes() { return HWY_DYNAMIC_DISPATCH(direct_lanes_dispatched)(); }
void direct_pack(const DirectRows& shape, const float* w, float* packed) {
  HWY_DYNAMIC_DISPATCH(direct_pack_dispatched)(shape, w, packed);
}
void direct_rows(const DirectRows& shape, const float* x, const float* packed, const float* bias,
                 float* y) {
  HWY_DYNAMIC_DISPATCH(direct_rows_dispatched)(shape, x, packed, bias, y);
}
}  // namespace suanli::cpu
#endif
