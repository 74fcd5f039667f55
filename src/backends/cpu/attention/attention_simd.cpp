// SPDX-License-Identifier: Apache-2.0
// Attention in tiles with a running maximum (Milakov & Gimelshein 2018; Dao et al. 2022). Scores
// are kept transposed, a row per key and a lane per query, so that maxima and sums over keys need
// no step across lanes.
#include "backends/cpu/attention/attention_simd.h"

#include <cmath>

#include "base/core/round_up.h"
#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/attention/attention_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_math.h"
#include "backends/cpu/simd/simd_rows.h"
#include "backends/cpu/simd/simd_transpose.h"

#ifndef SUANLI_CPU_ATTENTION_LAYOUT
#define SUANLI_CPU_ATTENTION_LAYOUT
namespace suanli::cpu {
namespace {
/// Packed rows are padded with zeros to whole vectors of every instruction set.
constexpr int64_t padded(int64_t n) { return round_up(n, 16); }
}  // namespace
}  // namespace suanli::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kBlock = kAttentionBlock;

/// Element (i, k) of a factor lies at data[i * row + k * column].
template <class T> struct Factor {
  const T* data;
  int64_t row, column;
};

/// kRows × kVectors vectors of c (+)= a · b; b's and c's rows are contiguous.
template <int kRows, int kVectors, class T>
HWY_INLINE void product_tile(int64_t depth, Factor<T> a, const T* b, int64_t b_row, T* c,
                             int64_t c_row, bool add) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  hn::Vec<decltype(d)> sum[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j)
      sum[i][j] = add ? hn::LoadU(d, c + i * c_row + j * lanes) : hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k, b += b_row) {
    hn::Vec<decltype(d)> right[kVectors];
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) right[j] = hn::LoadU(d, b + j * lanes);
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a.data[i * a.row + k * a.column]);
      HWY_UNROLL(2)
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, c + i * c_row + j * lanes);
  }
}

/// The part of a product that is wanted of some rows: columns from `column` on (a multiple of
/// kPart), summed over depths from … to−1.
struct Part {
  int64_t column, from, to;
};
/// A border that neither a band of rows nor a vector crosses.
constexpr int64_t kPart = Numerics::attention_part;
static_assert(kPart % kRowLanes<float> == 0 && kBlock % kPart == 0);

template <int kRows, class T>
void product_band(int64_t n, const Part& part, Factor<T> a, const T* b, int64_t b_row, T* c,
                  int64_t c_row, bool add) {
  constexpr int64_t lanes = kRowLanes<T>;
  const int64_t depth = part.to - part.from;
  a.data += part.from * a.column;
  b += part.from * b_row;
  int64_t j = part.column;
  for (; j + lanes < n; j += 2 * lanes)
    product_tile<kRows, 2>(depth, a, b + j, b_row, c + j, c_row, add);
  if (j < n) product_tile<kRows, 1>(depth, a, b + j, b_row, c + j, c_row, add);
}

/// c[m, n] (+)= a · b, computed in whole vectors: b and c have room for n rounded up. part_of(i,
/// rows) says what is wanted of rows i … i+rows−1. `apart`: row by row, for an infinite or NaN b.
/// Rows of one band also meet what only their neighbors see, with factors of 0.
template <class T, class F>
HWY_INLINE void product(int64_t m, int64_t n, Factor<T> a, const T* b, int64_t b_row, T* c,
                        int64_t c_row, bool add, F&& part_of, bool apart = false) {
  // 16 or 8 registers accumulate, enough for two units with a latency of four.
  constexpr int kRows = numerics_of(kRowLanes<float>).attention_rows;
  int64_t i = 0;
  auto band = [&](auto rows) HWY_ATTR {
    constexpr int r = decltype(rows)::value;
    product_band<r>(n, part_of(i, int64_t{r}), Factor<T>{a.data + i * a.row, a.row, a.column}, b,
                    b_row, c + i * c_row, c_row, add);
    i += r;
  };
  const int64_t together = apart ? 0 : m;
  while (i + kRows <= together) band(std::integral_constant<int, kRows>());
  if (together - i >= 4) band(std::integral_constant<int, 4>());
  if (together - i >= 2) band(std::integral_constant<int, 2>());
  while (i < m) band(std::integral_constant<int, 1>());
}

/// True if all n elements (whole vectors) are finite.
template <class T> bool all_finite(const T* x, int64_t n) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  auto zero = hn::Zero(d);
  for (int64_t i = 0; i < n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    zero = hn::Add(zero, hn::Sub(v, v));  // ∞ − ∞ is NaN
  }
  return hn::AllTrue(d, hn::Eq(zero, zero));
}

/// Rows side by side, times `factor`, zeros behind each.
template <class T> void pack_rows(const T* from, int64_t row, int64_t rows, int64_t size,
                                  double factor, T* to) {
  const RowVec<T> f(factor);
  for (int64_t i = 0; i < rows; ++i, from += row, to += padded(size)) {
    along_row<T>(size, [&](int64_t k, int64_t left) HWY_ATTR {
      store_row(load_row(from + k, left, T(0)) * f, to + k, left);
    });
    std::fill(to + size, to + padded(size), T(0));
  }
}
template <class T> void unpack_rows(const T* from, int64_t rows, int64_t size, T* to, int64_t row) {
  for (int64_t i = 0; i < rows; ++i) std::copy_n(from + i * padded(size), size, to + i * row);
}

/// A tile of scores: keys key … key+rows−1 (rows) by queries query … query+columns−1 (lanes). Where
/// some queries do not see all of its keys, only what is seen is computed, up to whole vectors.
struct Tile {
  int64_t key, rows, query, columns;
  int64_t seen;  // keys that the very first query sees

  /// The first of its queries that sees its key j, as a position in the tile.
  int64_t first_query(int64_t j) const {
    return std::clamp<int64_t>(key + j - query - seen + 1, 0, columns);
  }
  /// Keys of the tile that its query i sees.
  int64_t keys_of(int64_t i) const { return std::clamp<int64_t>(query + i + seen - key, 0, rows); }
  /// Where scores of key j begin to be computed: where those of its band do.
  int64_t begin(int64_t j) const { return first_query(j / kPart * kPart) / kPart * kPart; }

  /// Rows of keys by columns of queries, summed over the head's size.
  auto scores(int64_t size) const {
    return [this, size](int64_t j, int64_t) { return Part{begin(j), 0, size}; };
  }
  /// Rows of keys, summed over queries.
  auto over_queries() const {
    return [this](int64_t j, int64_t) { return Part{0, first_query(j), columns}; };
  }
  /// Rows of queries, summed over keys.
  auto over_keys() const {
    return [this](int64_t i, int64_t n) { return Part{0, 0, keys_of(i + n - 1)}; };
  }
  /// True if the mask hides a key from a query.
  bool hides() const { return keys_of(0) < rows; }
  /// Writes `value` where something was computed of what is hidden.
  template <class T> void hide(T* scores, T value) const {
    for (int64_t j = rows; j-- > 0;) {
      const int64_t n = first_query(j);
      if (n == 0) return;
      std::fill_n(scores + j * kBlock, n, value);
    }
  }
};

/// Takes places from a workspace, one after the other.
template <class T> struct Workspace {
  T* next;
  T* take(int64_t n) {
    T* at = next;
    next += padded(n);
    return at;
  }
};

/// Four vectors of queries are worked on together: a step of one waits for its last, four keep the
/// units busy.
constexpr int kVectors = 4;
template <class T> constexpr int64_t kLanes = kVectors * kRowLanes<T>;

/// Takes more scores of kLanes queries in, those of t's keys; the queries begin at position i of t.
/// They become exp(score − top), top and total follow, and what was summed before is to be
/// multiplied by `factor`. A NaN may pass `top` by, not the sum.
template <class T> void online_softmax(const Tile& t, int64_t i, T* scores, T* top, T* total,
                                       T* factor) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  using V = RowVec<T>;
  V m[kVectors] = {V(0.0), V(0.0), V(0.0), V(0.0)},
    sum[kVectors] = {V(0.0), V(0.0), V(0.0), V(0.0)};
  // Keys that every query sees come first; of the others the vectors in front are left out.
  const int64_t all = std::clamp<int64_t>(t.keys_of(i / kPart * kPart), 0, t.rows);
  auto rows = [&](auto&& f) HWY_ATTR {
    for (int64_t j = 0; j < all; ++j)
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k) f(j, k);
    for (int64_t j = all; j < t.rows; ++j) {
      const int64_t begin = t.begin(j) - i;
#pragma GCC unroll 4
      for (int k = 0; k < kVectors; ++k)
        if (k * lanes >= begin) f(j, k);
    }
  };
  for (int k = 0; k < kVectors; ++k) m[k] = hn::Load(d, top + k * lanes);
  rows([&](int64_t j, int k)
           HWY_ATTR { m[k] = hn::Max(m[k].v, hn::Load(d, scores + j * kBlock + k * lanes)); });
  rows([&](int64_t j, int k) HWY_ATTR {
    T* at = scores + j * kBlock + k * lanes;
    const V p = exp_of_nonpositive(V(hn::Load(d, at)) - m[k]);
    hn::Store(p.v, d, at);
    sum[k] = sum[k] + p;
  });
  for (int k = 0; k < kVectors; ++k) {
    const V f = exp_of_nonpositive(V(hn::Load(d, top + k * lanes)) - m[k]);
    hn::Store(f.v, d, factor + k * lanes);
    hn::Store(m[k].v, d, top + k * lanes);
    hn::Store((V(hn::Load(d, total + k * lanes)) * f + sum[k]).v, d, total + k * lanes);
  }
}

template <class T>
void forward(const AttentionHead<T>& h, int64_t first, int64_t last, T* y, int64_t y_row,
             const AttentionSums<T>& sums, void* workspace) {
  constexpr int64_t lanes = kRowLanes<T>;
  constexpr hn::ScalableTag<T> d;
  using V = RowVec<T>;
  const int64_t size = h.size, row = padded(size);
  Workspace<T> w{static_cast<T*>(workspace)};
  // Every key is read once per block of queries: it is taken from where it lies, and only a tile
  // of values is packed (they are read in whole vectors).
  const bool once = h.queries <= kBlock;
  T *k = w.take(once ? 0 : h.keys * row), *v = w.take((once ? kBlock : h.keys) * row),
    *q = w.take(kBlock * row), *q_columns = w.take(size * kBlock),
    *scores = w.take(kBlock * kBlock), *sum = w.take(kBlock * row), *top = w.take(kBlock),
    *total = w.take(kBlock), *factor = w.take(kBlock);
  const int64_t needed =
      std::min(h.keys, attention_tiles(last - 1, h.queries, h.keys, h.seen) * kBlock);
  if (!once) {
    pack_rows(h.k, h.kv_row, needed, size, 1, k);
    pack_rows(h.v, h.kv_row, needed, size, 1, v);
  }
  for (int64_t block = first; block < last; ++block) {
    Tile t{0, 0, block * kBlock, std::min(kBlock, h.queries - block * kBlock), h.seen};
    pack_rows(h.q + t.query * h.q_row, h.q_row, t.columns, size, h.scale, q);
    transpose_rows(q, row, t.columns, kBlock, size, q_columns);
    std::fill_n(top, kBlock, -std::numeric_limits<T>::infinity());
    std::fill_n(total, kBlock, T(0));
    const int64_t tiles = attention_tiles(block, h.queries, h.keys, h.seen),
                  end = (t.columns + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      t.key = tile * kBlock;
      t.rows = std::min(kBlock, h.keys - t.key);
      if (once) pack_rows(h.v + t.key * h.kv_row, h.kv_row, t.rows, size, 1, v);
      const Factor<T> k_tile = once ? Factor<T>{h.k + t.key * h.kv_row, h.kv_row, 1}
                                    : Factor<T>{k + t.key * row, row, 1};
      product(t.rows, end, k_tile, q_columns, kBlock, scores, kBlock, false, t.scores(size));
      t.hide(scores, -std::numeric_limits<T>::infinity());
      for (int64_t i = 0; i < end; i += kLanes<T>)
        online_softmax(t, i, scores + i, top + i, total + i, factor + i);
      if (tile > 0)
        for (int64_t i = 0; i < t.columns; ++i) {
          const V f(static_cast<double>(factor[i]));
          for (int64_t c = 0; c < row; c += lanes)
            hn::Store((V(hn::Load(d, sum + i * row + c)) * f).v, d, sum + i * row + c);
        }
      const T* v_tile = once ? v : v + t.key * row;
      product(t.columns, size, Factor<T>{scores, 1, kBlock}, v_tile, row, sum, row, tile > 0,
              t.over_keys(), t.hides() && !all_finite(v_tile, t.rows * row));
    }
    for (int64_t i = 0; i < t.columns; ++i) {
      const V f(1 / static_cast<double>(total[i]));
      T* to = y + (t.query + i) * y_row;
      along_row<T>(size, [&](int64_t c, int64_t left) HWY_ATTR {
        store_row(V(hn::Load(d, sum + i * row + c)) * f, to + c, left);
      });
      sums.top[t.query + i] = top[i];
      sums.log_sum[t.query + i] = std::log(total[i]);
    }
  }
}

template <class T> void backward(const AttentionHead<T>& h, const AttentionGradient<T>& gradient,
                                 void* workspace) {
  constexpr int64_t lanes = kRowLanes<T>;
  constexpr hn::ScalableTag<T> d;
  using V = RowVec<T>;
  const int64_t size = h.size, row = padded(size), keys = h.keys;
  Workspace<T> w{static_cast<T*>(workspace)};
  T *k = w.take(keys * row), *v = w.take(keys * row), *dk = w.take(keys * row),
    *dv = w.take(keys * row), *q = w.take(kBlock * row), *g = w.take(kBlock * row),
    *dq = w.take(kBlock * row), *q_columns = w.take(size * kBlock),
    *g_columns = w.take(size * kBlock), *p = w.take(kBlock * kBlock), *ds = w.take(kBlock * kBlock),
    *top = w.take(kBlock), *log_sum = w.take(kBlock), *along = w.take(kBlock);
  pack_rows(h.k, h.kv_row, keys, size, 1, k);
  pack_rows(h.v, h.kv_row, keys, size, 1, v);
  std::fill_n(dk, keys * row, T(0));
  std::fill_n(dv, keys * row, T(0));
  for (int64_t block = 0; block * kBlock < h.queries; ++block) {
    Tile t{0, 0, block * kBlock, std::min(kBlock, h.queries - block * kBlock), h.seen};
    const T* y = gradient.y + t.query * gradient.y_row;
    pack_rows(h.q + t.query * h.q_row, h.q_row, t.columns, size, h.scale, q);
    pack_rows(gradient.g + t.query * gradient.y_row, gradient.y_row, t.columns, size, 1, g);
    transpose_rows(q, row, t.columns, kBlock, size, q_columns);
    transpose_rows(g, row, t.columns, kBlock, size, g_columns);
    for (int64_t i = 0; i < kBlock; ++i) {
      top[i] = i < t.columns ? gradient.sums.top[t.query + i] : T(0);
      log_sum[i] = i < t.columns ? gradient.sums.log_sum[t.query + i] : T(0);
      along[i] = i < t.columns ? static_cast<T>(sum_row<T>(
                                     size,
                                     [&](int64_t c, int64_t left) HWY_ATTR {
                                       return V(hn::Load(d, g + i * row + c)) *
                                              load_row(y + i * gradient.y_row + c, left, T(0));
                                     }))
                               : T(0);
    }
    const bool wild_q = !all_finite(q, t.columns * row), wild_g = !all_finite(g, t.columns * row);
    const int64_t tiles = attention_tiles(block, h.queries, keys, h.seen),
                  end = (t.columns + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      t.key = tile * kBlock;
      t.rows = std::min(kBlock, keys - t.key);
      const T *k_tile = k + t.key * row, *v_tile = v + t.key * row;
      product(t.rows, end, Factor<T>{k_tile, row, 1}, q_columns, kBlock, p, kBlock, false,
              t.scores(size));
      product(t.rows, end, Factor<T>{v_tile, row, 1}, g_columns, kBlock, ds, kBlock, false,
              t.scores(size));
      for (int64_t j = 0; j < t.rows; ++j)
        for (int64_t i = t.begin(j); i < end; i += lanes) {
          const int64_t at = j * kBlock + i;
          const V e = exp_of_nonpositive(V(hn::Load(d, p + at)) - V(hn::Load(d, top + i)) -
                                         V(hn::Load(d, log_sum + i)));
          hn::Store(e.v, d, p + at);
          hn::Store((e * (V(hn::Load(d, ds + at)) - V(hn::Load(d, along + i)))).v, d, ds + at);
        }
      t.hide(p, T(0));
      t.hide(ds, T(0));
      const bool hides = t.hides();
      product(t.rows, size, Factor<T>{p, kBlock, 1}, g, row, dv + t.key * row, row, true,
              t.over_queries(), hides && wild_g);
      product(t.rows, size, Factor<T>{ds, kBlock, 1}, q, row, dk + t.key * row, row, true,
              t.over_queries(),
              hides && wild_q);  // q carries the scale
      product(t.columns, size, Factor<T>{ds, 1, kBlock}, k_tile, row, dq, row, tile > 0,
              t.over_keys(), hides && !all_finite(k_tile, t.rows * row));
    }
    pack_rows(dq, row, t.columns, size, h.scale, dq);
    unpack_rows(dq, t.columns, size, gradient.dq + t.query * h.q_row, h.q_row);
  }
  unpack_rows(dk, keys, size, gradient.dk, h.kv_row);
  unpack_rows(dv, keys, size, gradient.dv, h.kv_row);
}

}  // namespace

void attention_forward_f32(const AttentionHead<float>& h, int64_t first, int64_t last, float* y,
                           int64_t y_row, const AttentionSums<float>& sums, void* w) {
  forward(h, first, last, y, y_row, sums, w);
}
void attention_forward_f64(const AttentionHead<double>& h, int64_t first, int64_t last, double* y,
                           int64_t y_row, const AttentionSums<double>& sums, void* w) {
  forward(h, first, last, y, y_row, sums, w);
}
void attention_backward_f32(const AttentionHead<float>& h, const AttentionGradient<float>& g,
                            void* w) {
  backward(h, g, w);
}
void attention_backward_f64(const AttentionHead<double>& h, const AttentionGradient<double>& g,
                            void* w) {
  backward(h, g, w);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(attention_forward_f32);
HWY_EXPORT(attention_forward_f64);
HWY_EXPORT(attention_backward_f32);
HWY_EXPORT(attention_backward_f64);

template <>
void attention_forward(const AttentionHead<float>& h, int64_t first, int64_t last, float* y,
                       int64_t y_row, const AttentionSums<float>& sums, void* w) {
  HWY_DYNAMIC_DISPATCH(attention_forward_f32)(h, first, last, y, y_row, sums, w);
}
template <>
void attention_forward(const AttentionHead<double>& h, int64_t first, int64_t last, double* y,
                       int64_t y_row, const AttentionSums<double>& sums, void* w) {
  HWY_DYNAMIC_DISPATCH(attention_forward_f64)(h, first, last, y, y_row, sums, w);
}
template <> void attention_backward(const AttentionHead<float>& h,
                                    const AttentionGradient<float>& g, void* w) {
  HWY_DYNAMIC_DISPATCH(attention_backward_f32)(h, g, w);
}
template <> void attention_backward(const AttentionHead<double>& h,
                                    const AttentionGradient<double>& g, void* w) {
  HWY_DYNAMIC_DISPATCH(attention_backward_f64)(h, g, w);
}

int64_t attention_forward_workspace(int64_t queries, int64_t keys, int64_t size) {
  return (queries <= kAttentionBlock ? kAttentionBlock : 2 * keys) * padded(size) +
         2 * kAttentionBlock * padded(size) + padded(size) * kAttentionBlock +
         kAttentionBlock * kAttentionBlock + 3 * kAttentionBlock;
}
int64_t attention_backward_workspace(int64_t keys, int64_t size) {
  return 4 * keys * padded(size) + 3 * kAttentionBlock * padded(size) +
         2 * padded(size) * kAttentionBlock + 2 * kAttentionBlock * kAttentionBlock +
         3 * kAttentionBlock;
}
}  // namespace suanli::cpu
#endif
