// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/conv/winograd_simd.h"

#include <algorithm>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/conv/winograd_simd.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));

int64_t block_dispatched() { return kLanes; }

HWY_INLINE V set(double x) { return hn::Set(D(), static_cast<float>(x)); }
HWY_INLINE V load(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE void store(V v, float* p) { hn::StoreU(v, D(), p); }
HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
HWY_INLINE V fma(double a, V b, V c) { return hn::MulAdd(set(a), b, c); }

// The points a and b, and Π (p − other points) of ±a and of ±b.
constexpr double kA = 0.70710678118654752440, kB = 2 * kA, kA2 = 0.5, kB2 = 2,
                 kNa = 2 * kA2 * (kA2 - kB2), kNb = 2 * kB2 * (kB2 - kA2);

// The one-dimensional transforms: n vectors from `in`, `step` apart, become the next ones of `out`.

HWY_INLINE void input_line(const V* in, int step, V* out, int out_step) {  // Bᵀ: 6 → 6
  const V d1 = in[step], d2 = in[2 * step], d3 = in[3 * step], d4 = in[4 * step];
  const V even_a = fma(-kB2, d2, d4), odd_a = hn::Mul(set(kA), fma(-kB2, d1, d3));
  const V even_b = fma(-kA2, d2, d4), odd_b = hn::Mul(set(kB), fma(-kA2, d1, d3));
  out[0] = fma(kA2 * kB2, in[0], fma(-kA2 - kB2, d2, d4));
  out[out_step] = add(even_a, odd_a);
  out[2 * out_step] = sub(even_a, odd_a);
  out[3 * out_step] = add(even_b, odd_b);
  out[4 * out_step] = sub(even_b, odd_b);
  out[5 * out_step] = fma(kA2 * kB2, d1, fma(-kA2 - kB2, d3, in[5 * step]));
}
HWY_INLINE void output_line(const V* in, int step, V* out, int out_step) {  // Aᵀ: 6 → 4
  const V even_a = add(in[step], in[2 * step]),
          odd_a = hn::Mul(set(kA), sub(in[step], in[2 * step]));
  const V even_b = add(in[3 * step], in[4 * step]),
          odd_b = hn::Mul(set(kB), sub(in[3 * step], in[4 * step]));
  out[0] = add(in[0], add(even_a, even_b));
  out[out_step] = add(odd_a, odd_b);
  out[2 * out_step] = fma(kA2, even_a, hn::Mul(set(kB2), even_b));
  out[3 * out_step] = fma(kA2, odd_a, fma(kB2, odd_b, in[5 * step]));
}
HWY_INLINE void gradient_line(const V* in, int step, V* out, int out_step) {  // A: 4 → 6
  const V g0 = in[0], g1 = in[step], g2 = in[2 * step], g3 = in[3 * step];
  const V even_a = fma(kA2, g2, g0), odd_a = hn::Mul(set(kA), fma(kA2, g3, g1));
  const V even_b = fma(kB2, g2, g0), odd_b = hn::Mul(set(kB), fma(kB2, g3, g1));
  out[0] = g0;
  out[out_step] = add(even_a, odd_a);
  out[2 * out_step] = sub(even_a, odd_a);
  out[3 * out_step] = add(even_b, odd_b);
  out[4 * out_step] = sub(even_b, odd_b);
  out[5 * out_step] = g3;
}
HWY_INLINE void weight_line(const V* in, int step, V* out, int out_step) {  // G: 3 → 6
  const V w0 = in[0], w1 = in[step], w2 = in[2 * step];
  const V even_a = hn::Mul(set(1 / kNa), fma(kA2, w2, w0)), odd_a = hn::Mul(set(kA / kNa), w1);
  const V even_b = hn::Mul(set(1 / kNb), fma(kB2, w2, w0)), odd_b = hn::Mul(set(kB / kNb), w1);
  out[0] = hn::Mul(set(1 / (kA2 * kB2)), w0);
  out[out_step] = add(even_a, odd_a);
  out[2 * out_step] = sub(even_a, odd_a);
  out[3 * out_step] = add(even_b, odd_b);
  out[4 * out_step] = sub(even_b, odd_b);
  out[5 * out_step] = w2;
}
HWY_INLINE void weight_back_line(const V* in, int step, V* out, int out_step) {  // Gᵀ: 6 → 3
  const V even_a = hn::Mul(set(1 / kNa), add(in[step], in[2 * step])),
          odd_a = sub(in[step], in[2 * step]);
  const V even_b = hn::Mul(set(1 / kNb), add(in[3 * step], in[4 * step])),
          odd_b = sub(in[3 * step], in[4 * step]);
  out[0] = fma(1 / (kA2 * kB2), in[0], add(even_a, even_b));
  out[out_step] = fma(kA / kNa, odd_a, hn::Mul(set(kB / kNb), odd_b));
  out[2 * out_step] = fma(kA2, even_a, fma(kB2, even_b, in[5 * step]));
}

/// Where a tile lies.
struct Place {
  Place(const WinogradTiles& t, int64_t tile) : sample(tile / (t.rows * t.columns)) {
    top = tile / t.columns % t.rows * kWinogradTile - t.padding;
    left = tile % t.columns * kWinogradTile - t.padding;
  }
  int64_t sample, top, left;
};

/// Calls f(pointer to the block's first plane element, its `size`² vectors with zeros outside of
/// the picture) for every tile and block.
template <int kSize, class F> HWY_INLINE void for_tiles(const float* x, const WinogradTiles& t,
                                                        int64_t first, int64_t count, F f) {
  const int64_t channels = t.blocks * kLanes;
  for (int64_t i = 0; i < count; ++i) {
    const Place at(t, first + i);
    const int64_t r0 = std::max<int64_t>(0, -at.top),
                  r1 = std::min<int64_t>(kSize, t.height - at.top);
    const int64_t c0 = std::max<int64_t>(0, -at.left),
                  c1 = std::min<int64_t>(kSize, t.width - at.left);
    const bool inside = r0 == 0 && c0 == 0 && r1 == kSize && c1 == kSize;
    for (int64_t b = 0; b < t.blocks; ++b) {
      const float* from =
          x + (((at.sample * t.blocks + b) * t.height + at.top) * t.width + at.left) * kLanes;
      V d[kSize * kSize];
      if (inside) {
        for (int r = 0; r < kSize; ++r)
          for (int c = 0; c < kSize; ++c)
            d[r * kSize + c] = load(from + (r * t.width + c) * kLanes);
      } else {
        for (int r = 0; r < kSize; ++r)
          for (int c = 0; c < kSize; ++c)
            d[r * kSize + c] = r >= r0 && r < r1 && c >= c0 && c < c1
                                   ? load(from + (r * t.width + c) * kLanes)
                                   : hn::Zero(D());
      }
      f(i * channels + b * kLanes, d);
    }
  }
}

void input_dispatched(const float* x, const WinogradTiles& tiles, int64_t first, int64_t count,
                      float* planes, int64_t plane) {
  for_tiles<6>(x, tiles, first, count, [&](int64_t at, const V* d) HWY_ATTR {
    V rows[36], line[6];
    for (int c = 0; c < 6; ++c) input_line(d + c, 6, rows + c, 6);
    for (int r = 0; r < 6; ++r) {
      input_line(rows + 6 * r, 1, line, 1);
      for (int c = 0; c < 6; ++c) store(line[c], planes + (6 * r + c) * plane + at);
    }
  });
}

void gradient_dispatched(const float* g, const WinogradTiles& tiles, int64_t first, int64_t count,
                         float* planes, int64_t plane) {
  for_tiles<4>(g, tiles, first, count, [&](int64_t at, const V* d) HWY_ATTR {
    V rows[24], line[6];
    for (int c = 0; c < 4; ++c) gradient_line(d + c, 4, rows + c, 4);
    for (int r = 0; r < 6; ++r) {
      gradient_line(rows + 4 * r, 1, line, 1);
      for (int c = 0; c < 6; ++c) store(line[c], planes + (6 * r + c) * plane + at);
    }
  });
}

/// True if all numbers were finite whose products with 0 make the sum `zeros`.
HWY_INLINE bool all_zero(V zeros) { return hn::AllTrue(D(), hn::Eq(zeros, hn::Zero(D()))); }

bool output_dispatched(const float* planes, int64_t plane, const WinogradTiles& t, int64_t first,
                       int64_t count, const float* bias, float* y) {
  const int64_t channels = t.blocks * kLanes;
  V zeros = hn::Zero(D());
  for (int64_t i = 0; i < count; ++i) {
    const Place at(t, first + i);
    const int64_t r1 = std::min<int64_t>(4, t.height - at.top),
                  c1 = std::min<int64_t>(4, t.width - at.left);
    for (int64_t b = 0; b < t.blocks; ++b) {
      const float* from = planes + i * channels + b * kLanes;
      V rows[24], line[4], m[6];
      for (int c = 0; c < 6; ++c) {
        for (int r = 0; r < 6; ++r) m[r] = load(from + (6 * r + c) * plane);
        output_line(m, 1, rows + c, 6);
      }
      const V shift = bias != nullptr ? load(bias + b * kLanes) : hn::Zero(D());
      float* to =
          y + (((at.sample * t.blocks + b) * t.height + at.top) * t.width + at.left) * kLanes;
      for (int r = 0; r < r1; ++r) {
        output_line(rows + 6 * r, 1, line, 1);
        for (int c = 0; c < c1; ++c) {
          const V result = add(line[c], shift);
          zeros = fma(0, result, zeros);
          store(result, to + (r * t.width + c) * kLanes);
        }
      }
    }
  }
  return all_zero(zeros);
}

void weights_dispatched(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                        int64_t in, int64_t out, int64_t begin, int64_t end, float* u,
                        int64_t plane) {
  const hn::RebindToSigned<D> di;
  const auto lane = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(out_stride)));
  for (int64_t o = begin; o < end; o += kLanes) {
    // Panels are two vectors wide, unless the last one is alone.
    const int64_t panel = o / (2 * kLanes) * (2 * kLanes);
    const int64_t width = panel + 2 * kLanes <= out ? 2 * kLanes : kLanes;
    for (int64_t i = 0; i < in; ++i) {
      const float* from = w + o * out_stride + i * in_stride;
      V k[9], rows[18], line[6];
      for (int r = 0; r < 9; ++r) k[rotated ? 8 - r : r] = hn::GatherIndex(D(), from + r, lane);
      for (int c = 0; c < 3; ++c) weight_line(k + c, 3, rows + c, 3);
      float* to = u + panel * in + i * width + (o - panel);
      for (int r = 0; r < 6; ++r) {
        weight_line(rows + 3 * r, 1, line, 1);
        for (int c = 0; c < 6; ++c) store(line[c], to + (6 * r + c) * plane);
      }
    }
  }
}

bool weights_back_dispatched(const float* du, int64_t parts, int64_t part, int64_t plane,
                             int64_t in, int64_t out, int64_t begin, int64_t end, float* dw) {
  const hn::RebindToSigned<D> di;
  const auto lane = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(9 * in)));
  V zeros = hn::Zero(D());
  for (int64_t o = 0; o < out; o += kLanes)
    for (int64_t i = begin; i < end; ++i) {
      V rows[18], line[3], column[6];
      for (int c = 0; c < 6; ++c) {
        for (int r = 0; r < 6; ++r) {
          const float* from = du + (6 * r + c) * plane + i * out + o;
          column[r] = load(from);
          for (int64_t k = 1; k < parts; ++k) column[r] = add(column[r], load(from + k * part));
        }
        weight_back_line(column, 1, rows + c, 6);
      }
      for (int r = 0; r < 3; ++r) {
        weight_back_line(rows + 6 * r, 1, line, 1);
        for (int c = 0; c < 3; ++c) {
          zeros = fma(0, line[c], zeros);
          hn::ScatterIndex(line[c], D(), dw + (o * in + i) * 9 + 3 * r + c, lane);
        }
      }
    }
  return all_zero(zeros);
}

void direct_weights_dispatched(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                               int64_t in, int64_t begin, float* panel) {
  for (int64_t i = 0; i < in; ++i)
    for (int64_t k = 0; k < 9; ++k)
      for (int64_t o = 0; o < kLanes; ++o)
        panel[(i * 9 + k) * kLanes + o] =
            w[(begin + o) * out_stride + i * in_stride + (rotated ? 8 - k : k)];
}

/// One row of a tile by the definition: columns c0 … c1−1. kInside: all four, and no tap of theirs
/// lies outside of the picture to the left or right.
template <bool kInside>
HWY_INLINE void direct_row(const float* x, const WinogradTiles& from, const Place& at, int64_t row,
                           const float* panel, int64_t columns, V shift, V* sums) {
  for (int64_t c = 0; c < 4; ++c) sums[c] = shift;
  V s0 = shift, s1 = shift, s2 = shift, s3 = shift;
  for (int64_t i = 0; i < from.blocks * kLanes; ++i) {
    const float* picture =
        x + (at.sample * from.blocks + i / kLanes) * from.height * from.width * kLanes + i % kLanes;
    for (int64_t r = 0; r < 3; ++r) {
      const int64_t y = at.top + row + r;
      if (y < 0 || y >= from.height) continue;
      const float* line = picture + (y * from.width + at.left) * kLanes;
      for (int64_t s = 0; s < 3; ++s) {
        const V w = load(panel + (i * 9 + r * 3 + s) * kLanes);
        if constexpr (kInside) {
          s0 = hn::MulAdd(hn::Set(D(), line[s * kLanes]), w, s0);
          s1 = hn::MulAdd(hn::Set(D(), line[(s + 1) * kLanes]), w, s1);
          s2 = hn::MulAdd(hn::Set(D(), line[(s + 2) * kLanes]), w, s2);
          s3 = hn::MulAdd(hn::Set(D(), line[(s + 3) * kLanes]), w, s3);
        } else {
          for (int64_t c = 0; c < columns; ++c)
            if (at.left + c + s >= 0 && at.left + c + s < from.width)
              sums[c] = hn::MulAdd(hn::Set(D(), line[(c + s) * kLanes]), w, sums[c]);
        }
      }
    }
  }
  if constexpr (kInside) {
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
  }
}

/// Numbers that are not finite, times 0, are not 0.
HWY_INLINE hn::Mask<D> finite(V v) { return hn::Eq(hn::Mul(v, hn::Zero(D())), hn::Zero(D())); }

void direct_dispatched(const float* x, const WinogradTiles& from, int64_t from_first,
                       const float* panel, const WinogradTiles& to, int64_t to_first, int64_t count,
                       int64_t block, const float* bias, float* y) {
  const V shift = bias != nullptr ? load(bias + block * kLanes) : hn::Zero(D());
  for (int64_t i = 0; i < count; ++i) {
    const Place in(from, from_first + i), out(to, to_first + i);
    const int64_t rows = std::min<int64_t>(4, to.height - out.top),
                  columns = std::min<int64_t>(4, to.width - out.left);
    const bool inside = columns == 4 && in.left >= 0 && in.left + 6 <= from.width;
    float* tile =
        y +
        (((out.sample * to.blocks + block) * to.height + out.top) * to.width + out.left) * kLanes;
    for (int64_t r = 0; r < rows; ++r) {
      float* line = tile + r * to.width * kLanes;
      V zeros = hn::Zero(D()), sums[4];
      for (int64_t c = 0; c < columns; ++c) zeros = fma(0, load(line + c * kLanes), zeros);
      if (all_zero(zeros)) continue;
      inside ? direct_row<true>(x, from, in, r, panel, columns, shift, sums)
             : direct_row<false>(x, from, in, r, panel, columns, shift, sums);
      for (int64_t c = 0; c < columns; ++c) {
        const V was = load(line + c * kLanes);
        store(hn::IfThenElse(finite(was), was, sums[c]), line + c * kLanes);
      }
    }
  }
}

void direct_gradient_dispatched(const float* x, const WinogradTiles& from, const float* g,
                                const WinogradTiles& to, int64_t samples, int64_t begin,
                                int64_t end, float* dw) {
  const int64_t in = from.blocks * kLanes, out = to.blocks * kLanes;
  const hn::RebindToSigned<D> di;
  const auto lane = hn::Mul(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(9 * in)));
  for (int64_t o = 0; o < out; o += kLanes)
    for (int64_t i = begin; i < end; ++i)
      for (int64_t k = 0; k < 9; ++k) {
        float* place = dw + (o * in + i) * 9 + k;
        const V was = hn::GatherIndex(D(), place, lane);
        if (hn::AllTrue(D(), finite(was))) continue;
        const int64_t down = k / 3 - from.padding, right = k % 3 - from.padding;
        const int64_t q0 = std::max<int64_t>(0, -right),
                      q1 = std::min(to.width, from.width - right);
        V sum = hn::Zero(D());
        for (int64_t n = 0; n < samples; ++n)
          for (int64_t p = std::max<int64_t>(0, -down); p < std::min(to.height, from.height - down);
               ++p) {
            const float* a =
                x +
                (((n * from.blocks + i / kLanes) * from.height + p + down) * from.width + right) *
                    kLanes +
                i % kLanes;
            const float* b = g + ((n * to.blocks + o / kLanes) * to.height + p) * to.width * kLanes;
            V row = hn::Zero(D());
            for (int64_t q = q0; q < q1; ++q)
              row = hn::MulAdd(hn::Set(D(), a[q * kLanes]), load(b + q * kLanes), row);
            sum = add(sum, row);
          }
        hn::ScatterIndex(hn::IfThenElse(finite(was), was, sum), D(), place, lane);
      }
}

/// 8 rows × kVectors vectors of a product, all in registers. v(row, k): the number that multiplies
/// u(k); written to m or added to it.
template <int kVectors, bool kAdd>
HWY_INLINE void micro(const float* v, int64_t v_row, int64_t v_step, const float* u, int64_t u_step,
                      int64_t depth, float* m, int64_t m_row) {
  V acc[kWinogradRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kWinogradRows; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < kVectors; ++n)
      acc[r][n] = kAdd ? load(m + r * m_row + n * kLanes) : hn::Zero(D());
  for (int64_t k = 0; k < depth; ++k, v += v_step, u += u_step) {
    V b[kVectors];
#pragma GCC unroll 2
    for (int n = 0; n < kVectors; ++n) b[n] = load(u + n * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kWinogradRows; ++r) {
      const V a = hn::Set(D(), v[r * v_row]);
#pragma GCC unroll 2
      for (int n = 0; n < kVectors; ++n) acc[r][n] = hn::MulAdd(a, b[n], acc[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kWinogradRows; ++r)
#pragma GCC unroll 2
    for (int n = 0; n < kVectors; ++n) store(acc[r][n], m + r * m_row + n * kLanes);
}

void multiply_dispatched(const float* v, const float* u, float* m, int64_t rows, int64_t in,
                         int64_t out) {
  int64_t o = 0;
  for (; o + 2 * kLanes <= out; o += 2 * kLanes)
    for (int64_t t = 0; t < rows; t += kWinogradRows)
      micro<2, false>(v + t * in, in, 1, u + o * in, 2 * kLanes, in, m + t * out + o, out);
  if (o < out)
    for (int64_t t = 0; t < rows; t += kWinogradRows)
      micro<1, false>(v + t * in, in, 1, u + o * in, kLanes, in, m + t * out + o, out);
}

template <bool kAdd>
HWY_INLINE void accumulate(const float* v, const float* z, float* du, int64_t rows, int64_t in,
                           int64_t out, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; c += kWinogradRows) {
    int64_t o = 0;
    for (; o + 2 * kLanes <= out; o += 2 * kLanes)
      micro<2, kAdd>(v + c, 1, in, z + o, out, rows, du + c * out + o, out);
    if (o < out) micro<1, kAdd>(v + c, 1, in, z + o, out, rows, du + c * out + o, out);
  }
}
void accumulate_dispatched(const float* v, const float* z, float* du, int64_t rows, int64_t in,
                           int64_t out, int64_t begin, int64_t end, bool add) {
  add ? accumulate<true>(v, z, du, rows, in, out, begin, end)
      : accumulate<false>(v, z, du, rows, in, out, begin, end);
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(block_dispatched);
HWY_EXPORT(input_dispatched);
HWY_EXPORT(gradient_dispatched);
HWY_EXPORT(output_dispatched);
HWY_EXPORT(weights_dispatched);
HWY_EXPORT(weights_back_dispatched);
HWY_EXPORT(direct_weights_dispatched);
HWY_EXPORT(direct_dispatched);
HWY_EXPORT(direct_gradient_dispatched);
HWY_EXPORT(multiply_dispatched);
HWY_EXPORT(accumulate_dispatched);

int64_t winograd_block() { return HWY_DYNAMIC_DISPATCH(block_dispatched)(); }
void winograd_input(const float* x, const WinogradTiles& tiles, int64_t first, int64_t count,
                    float* planes, int64_t plane) {
  HWY_DYNAMIC_DISPATCH(input_dispatched)(x, tiles, first, count, planes, plane);
}
void winograd_gradient(const float* g, const WinogradTiles& tiles, int64_t first, int64_t count,
                       float* planes, int64_t plane) {
  HWY_DYNAMIC_DISPATCH(gradient_dispatched)(g, tiles, first, count, planes, plane);
}
bool winograd_output(const float* planes, int64_t plane, const WinogradTiles& tiles, int64_t first,
                     int64_t count, const float* bias, float* y) {
  return HWY_DYNAMIC_DISPATCH(output_dispatched)(planes, plane, tiles, first, count, bias, y);
}
void winograd_weights(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                      int64_t in, int64_t out, int64_t begin, int64_t end, float* u,
                      int64_t plane) {
  HWY_DYNAMIC_DISPATCH(weights_dispatched)(w, out_stride, in_stride, rotated, in, out, begin, end,
                                           u, plane);
}
bool winograd_weights_back(const float* du, int64_t parts, int64_t part, int64_t plane, int64_t in,
                           int64_t out, int64_t begin, int64_t end, float* dw) {
  return HWY_DYNAMIC_DISPATCH(weights_back_dispatched)(du, parts, part, plane, in, out, begin, end,
                                                       dw);
}
void winograd_direct_weights(const float* w, int64_t out_stride, int64_t in_stride, bool rotated,
                             int64_t in, int64_t begin, float* panel) {
  HWY_DYNAMIC_DISPATCH(direct_weights_dispatched)(w, out_stride, in_stride, rotated, in, begin,
                                                  panel);
}
void winograd_direct(const float* x, const WinogradTiles& from, int64_t from_first,
                     const float* panel, const WinogradTiles& to, int64_t to_first, int64_t count,
                     int64_t block, const float* bias, float* y) {
  HWY_DYNAMIC_DISPATCH(direct_dispatched)(x, from, from_first, panel, to, to_first, count, block,
                                          bias, y);
}
void winograd_direct_gradient(const float* x, const WinogradTiles& from, const float* g,
                              const WinogradTiles& to, int64_t samples, int64_t begin, int64_t end,
                              float* dw) {
  HWY_DYNAMIC_DISPATCH(direct_gradient_dispatched)(x, from, g, to, samples, begin, end, dw);
}
void winograd_multiply(const float* v, const float* u, float* m, int64_t rows, int64_t in,
                       int64_t out) {
  HWY_DYNAMIC_DISPATCH(multiply_dispatched)(v, u, m, rows, in, out);
}
void winograd_accumulate(const float* v, const float* z, float* du, int64_t rows, int64_t in,
                         int64_t out, int64_t begin, int64_t end, bool add) {
  HWY_DYNAMIC_DISPATCH(accumulate_dispatched)(v, z, du, rows, in, out, begin, end, add);
}
}  // namespace suanli::cpu
#endif
