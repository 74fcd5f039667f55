// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm_simd.h"

#include <array>
#include <utility>

#include "backends/cpu/numerics.h"
#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/gemm/gemm_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_rows.h"
#include "backends/cpu/simd/simd_transpose.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

// 28 of 32 registers accumulate with AVX-512, 12 of 16 else: more than latency × ports asks for,
// and per multiply-add few enough loads.
constexpr int kVectors = Numerics::gemm_tile_vectors,
              kTileRows = numerics_of(kRowLanes<float>).gemm_tile_rows;
template <class T> constexpr int64_t kTileColumns = kVectors * kRowLanes<T>;

// ---- packing ------------------------------------------------------------------------------------

/// Where panel p of rows begins, and how many panels there are.
struct RowPanels {
  explicit RowPanels(int64_t rows)
      : count((rows + kTileRows - 1) / kTileRows), height(rows / count), higher(rows % count) {}
  int64_t begin(int64_t p) const { return p * height + std::min(p, higher); }
  int64_t count, height, higher;  // the first panels are higher by one
};

/// n elements by whole vectors of at most D's size, the last of which overlaps the one before.
template <class D, class T> HWY_INLINE void copy_row(D d, const T* from, T* to, int64_t n) {
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(D()));
  if constexpr (lanes == 1) {
    if (n > 0) *to = *from;
  } else {
    if (n < lanes) return copy_row(hn::Half<D>(), from, to, n);
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    if (i < n) hn::StoreU(hn::LoadU(d, from + n - lanes), d, to + n - lanes);
  }
}

/// One panel from rows or columns that lie side by side at each depth.
template <class T> HWY_INLINE void pack_copied(GemmOperand<T> x, int64_t valid, int64_t width,
                                               int64_t depth, T* to) {
  const hn::ScalableTag<T> d;
  const hn::Half<decltype(d)> half;
  constexpr int64_t lanes = kRowLanes<T>;
  const T* from = x.data;
  if (valid == 2 * lanes) {
    for (int64_t k = 0; k < depth; ++k, to += 2 * lanes, from += x.deep) {
      const auto low = hn::LoadU(d, from), high = hn::LoadU(d, from + lanes);
      hn::StoreU(low, d, to);
      hn::StoreU(high, d, to + lanes);
    }
  } else if (valid == width && valid < lanes && valid >= lanes / 2) {
    for (int64_t k = 0; k < depth; ++k, to += width, from += x.deep) {
      const auto low = hn::LoadU(half, from), high = hn::LoadU(half, from + width - lanes / 2);
      hn::StoreU(low, half, to);
      hn::StoreU(high, half, to + width - lanes / 2);
    }
  } else {
    for (int64_t k = 0; k < depth; ++k, to += width, from += x.deep) {
      copy_row(d, from, to, valid);
      std::fill(to + valid, to + width, T(0));
    }
  }
}

/// Depths that are copied at once: few enough that lines a power of two apart meet in a set of L1,
/// enough to turn to panels seldom.
constexpr int64_t kCopied = CpuTuning::gemm_copy_rows;

template <class T> void pack_rows(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) {
  const RowPanels panels(rows);
  const int64_t step = a.deep == 1 ? std::max<int64_t>(1, depth) : kCopied;
  for (int64_t k = 0; k < depth; k += step)
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t i = panels.begin(p), height = panels.begin(p + 1) - i,
                    n = std::min(step, depth - k);
      T* panel = to + i * depth + k * height;
      a.deep == 1 ? transpose_rows(a.at(i, k).data, a.along, rows - i, height, n, panel)
                  : pack_copied(a.at(i, k), height, height, n, panel);
    }
}

template <class T> int64_t packed_columns(int64_t columns) {
  return (columns + kRowLanes<T> - 1) / kRowLanes<T> * kRowLanes<T>;
}

template <class T> void pack_columns(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) {
  const int64_t step = b.deep == 1 ? std::max<int64_t>(1, depth) : kCopied;
  // one after the other: the panels of a strip meet in a set of L1
  constexpr int64_t strip = CpuTuning::gemm_strip_panels * kTileColumns<T>;
  for (int64_t s = 0; s < columns; s += strip)
    for (int64_t k = 0; k < depth; k += step)
      for (int64_t j = s; j < std::min(columns, s + strip); j += kTileColumns<T>) {
        const int64_t valid = std::min(kTileColumns<T>, columns - j),
                      width = packed_columns<T>(valid), n = std::min(step, depth - k);
        T* panel = to + j * depth + k * width;
        b.deep == 1 ? transpose_rows(b.at(j, k).data, b.along, valid, width, n, panel)
                    : pack_copied(b.at(j, k), valid, width, n, panel);
      }
}

// ---- products of packed operands ----------------------------------------------------------------

/// Tiles of c that are computed one after the other: each some rows by one or two vectors, of which
/// `columns` elements are there.
template <class T> struct TileTask {
  int64_t depth;
  const T* a;
  const T* b;
  int64_t b_row;
  T* pack_b;  // where the first tile packs b as it reads it, and all others find it; or null
  T* c;
  int64_t c_row, columns;
  bool add;
  const T* c_after;  // the tile after these
  int64_t lines = 1;  // that are fetched at every second depth
  int64_t count = 1, a_step = 0, b_step = 0, c_step = 0;  // from one to the next
};

/// Tiles that end within a vector.
template <class T> HWY_NOINLINE void store_part(const T* sums, int64_t row, int64_t rows,
                                                const TileTask<T>& t, T* c) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < t.columns; ++j) {
      T& to = c[i * t.c_row + j];
      to = t.add ? to + sums[i * row + j] : sums[i * row + j];
    }
}

/// kRows × (kCount vectors) of c, all in registers.
template <class T, int kRows, int kCount> using Sums = hn::Vec<hn::ScalableTag<T>>[kRows][kCount];

/// Adds one depth. `pack`: where b's row is copied to, or null.
template <class T, int kRows, int kCount> HWY_INLINE void multiply_add(
    const T* a, const T* b, T*& pack, Sums<T, kRows, kCount>& sum) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  hn::Vec<decltype(d)> right[kCount];
  HWY_UNROLL(2)
  for (int j = 0; j < kCount; ++j) right[j] = hn::LoadU(d, b + j * lanes);
  if (pack) {
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) hn::StoreU(right[j], d, pack + j * lanes);
    pack += kCount * lanes;
  }
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    const auto left = hn::Set(d, a[i]);
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
  }
}

template <class T, int kRows, int kCount> HWY_INLINE void store(const Sums<T, kRows, kCount>& sum,
                                                                bool add, T* c, int64_t c_row) {
  constexpr hn::ScalableTag<T> d;
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) {
      T* to = c + i * c_row + j * kRowLanes<T>;
      hn::StoreU(add ? hn::Add(hn::LoadU(d, to), sum[i][j]) : sum[i][j], d, to);
    }
  }
}

/// Several tiles in one call: what a call costs, some tens of cycles, is a percent or two of a
/// tile.
template <class T, int kRows, int kCount> void multiply_tiles(const TileTask<T>& t, Fetch& next) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t width = kCount * kRowLanes<T>, line = 64 / static_cast<int64_t>(sizeof(T));
  const int64_t depth = t.depth, c_row = t.c_row;
  int64_t b_row = t.b_row;
  const T *first_a = t.a, *first_b = t.b;
  T *c = t.c, *pack = t.pack_b;
  Fetch fetch = next;  // in registers
  for (int64_t left = t.count; left > 0; --left) {
    Sums<T, kRows, kCount> sum;
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) {
      HWY_UNROLL(2)
      for (int j = 0; j < kCount; ++j) sum[i][j] = hn::Zero(d);
    }
    const T *a = first_a, *b = first_b, *next_c = left > 1 ? c + t.c_step : t.c_after;
    auto advance = [&] {
      a += kRows;
      b += b_row;
    };
    // At every second depth some lines of what is needed afterward, first also a row of the next
    // tile's c. More than needed, and b's loads wait for those from memory.
    int64_t k = 0;
    for (const int64_t rows = std::min<int64_t>(2 * kRows, depth / 2 * 2); k < rows;
         k += 2, next_c += c_row) {
      __builtin_prefetch(next_c, 1, Fetch::kL1);
      if constexpr (width > line) __builtin_prefetch(next_c + line, 1, Fetch::kL1);
      multiply_add<T, kRows, kCount>(a, b, pack, sum);
      advance();
      for (int64_t i = 0; i < t.lines; ++i) fetch.step<Fetch::kL2>();
      multiply_add<T, kRows, kCount>(a, b, pack, sum);
      advance();
    }
    for (; k + 2 <= depth; k += 2) {
      for (int64_t i = 0; i < t.lines; ++i) fetch.step<Fetch::kL2>();
      multiply_add<T, kRows, kCount>(a, b, pack, sum);
      advance();
      multiply_add<T, kRows, kCount>(a, b, pack, sum);
      advance();
    }
    if (k < depth) multiply_add<T, kRows, kCount>(a, b, pack, sum);
    if (t.columns == width) {
      store<T, kRows, kCount>(sum, t.add, c, c_row);
    } else {
      alignas(64) T part[kRows * width];
      store<T, kRows, kCount>(sum, false, part, width);
      store_part(part, width, kRows, t, c);
    }
    if (pack) {
      first_b = t.pack_b;
      b_row = width;
      pack = nullptr;
    }
    first_a += t.a_step;
    first_b += t.b_step;
    c += t.c_step;
  }
  next = fetch;
}

template <class T> using MultiplyTiles = void (*)(const TileTask<T>&, Fetch&);
template <class T, int kCount> constexpr std::array<MultiplyTiles<T>, kTileRows> tiles_of() {
  return []<int... kRows>(std::integer_sequence<int, kRows...>) {
    return std::array<MultiplyTiles<T>, kTileRows>{multiply_tiles<T, kRows + 1, kCount>...};
  }(std::make_integer_sequence<int, kTileRows>());
}
template <class T> constexpr std::array<MultiplyTiles<T>, kTileRows> tiles[2] = {tiles_of<T, 1>(),
                                                                                 tiles_of<T, 2>()};

template <class T> void multiply(const GemmBlock<T>& m, Fetches& fetches) {
  constexpr int64_t size = sizeof(T), width = kTileColumns<T>;
  const RowPanels panels(m.rows);
  // A panel of b that comes from memory is fetched while all rows are multiplied by the one before:
  // the fewer rows, the more lines at a time.
  const int64_t panel_lines = 2 * width * size / 64,
                lines = m.far_b ? (panel_lines + panels.count - 1) / panels.count : 1;
  auto columns_at = [&](int64_t j) { return std::min(width, m.columns - j); };
  auto b_at = [&](int64_t j) { return m.b_row ? m.b + j : m.b + j * m.depth; };
  auto c_at = [&](int64_t p, int64_t j) { return m.c + panels.begin(p) * m.c_row + j; };
  auto fetch_b = [&](int64_t j) {
    if (j >= m.columns) return;
    fetches.first(m.b_row
                      ? Fetch(b_at(j), m.depth, columns_at(j) * size, m.b_row * size)
                      : Fetch(b_at(j), 1, packed_columns<T>(columns_at(j)) * m.depth * size, 0));
  };
  /// The tile at panel p and column j.
  auto task_at = [&](int64_t p, int64_t j, const T* c_after) {
    const int64_t packed = packed_columns<T>(columns_at(j));
    TileTask<T> task{.depth = m.depth,
                     .a = m.a + panels.begin(p) * m.depth,
                     .b = b_at(j),
                     .b_row = m.b_row ? m.b_row : packed,
                     .pack_b = nullptr,
                     .c = c_at(p, j),
                     .c_row = m.c_row,
                     .columns = columns_at(j),
                     .add = m.add,
                     .c_after = c_after,
                     .lines = lines};
    if (m.pack_b && p == 0) task.pack_b = m.pack_b + j * m.depth;
    if (m.pack_b && p > 0) {
      task.b = m.pack_b + j * m.depth;
      task.b_row = packed;
    }
    return task;
  };
  auto run = [&](const TileTask<T>& task, int64_t height) {
    tiles<T>[task.columns > kRowLanes<T>][static_cast<size_t>(height - 1)](task, fetches.next());
  };
  if (m.columns * m.depth * size <= m.near_bytes) {  // all of b is near: c is written row by row
    const int64_t whole = m.columns / width;
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t height = panels.begin(p + 1) - panels.begin(p);
      const T* const after = p + 1 < panels.count ? c_at(p + 1, 0) : m.c;
      const bool packs = m.pack_b && p == 0;  // tile by tile, each its own columns
      for (int64_t i = 0, count = packs ? 1 : whole; i < whole; i += count) {
        const int64_t j = i * width, next_j = (i + count) * width;
        TileTask<T> task = task_at(p, j, next_j < m.columns ? c_at(p, next_j) : after);
        task.count = count;
        task.b_step = task.b_row == m.b_row ? width : width * m.depth;
        task.c_step = width;
        run(task, height);
      }
      if (whole * width < m.columns) run(task_at(p, whole * width, after), height);
    }
    return;
  }
  for (int64_t j = 0; j < m.columns; j += width) {  // a panel of b stays near
    if (m.far_b) fetch_b(j + width);
    const T* const after = j + width < m.columns ? c_at(0, j + width) : m.c;
    for (const auto& [from, to] :
         {std::pair(int64_t{0}, panels.higher), std::pair(panels.higher, panels.count)}) {
      if (from == to) continue;
      const int64_t height = panels.begin(from + 1) - panels.begin(from);
      TileTask<T> task = task_at(from, j, to < panels.count ? c_at(to, j) : after);
      task.count = to - from;
      task.a_step = height * m.depth;
      task.c_step = height * m.c_row;
      run(task, height);
    }
  }
}

// ---- dot products -------------------------------------------------------------------------------

/// A block of depth: where a tile's sums wait, and rows of the longer operand that are fetched
/// meanwhile, as far as this block goes.
template <class T> struct DotBlock {
  T* sums;
  bool first, last;  // of the blocks
  const T* next[2];
};

/// kLonger × kShorter elements of c, each summed in the lanes of a vector. kBlocks: depth comes in
/// blocks, else in one.
template <class T, int kLonger, int kShorter, bool kBlocks>
HWY_INLINE void dot_tile(int64_t depth, GemmOperand<T> longer, GemmOperand<T> shorter, T* c,
                         int64_t c_longer, int64_t c_shorter, bool add,
                         [[maybe_unused]] const DotBlock<T>& block) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  hn::Vec<decltype(d)> sum[kLonger][kShorter];
  const bool first = !kBlocks || block.first, last = !kBlocks || block.last;
  const T *x[kLonger], *y[kShorter];
  HWY_UNROLL(4)
  for (int i = 0; i < kLonger; ++i) x[i] = longer.data + i * longer.along;
  HWY_UNROLL(4)
  for (int j = 0; j < kShorter; ++j) y[j] = shorter.data + j * shorter.along;
  HWY_UNROLL(4)
  for (int i = 0; i < kLonger; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kShorter; ++j)
      sum[i][j] = first ? hn::Zero(d) : hn::Load(d, block.sums + (i * kShorter + j) * lanes);
  }
  auto multiply_add = [&](auto load) HWY_ATTR {
    hn::Vec<decltype(d)> left[kLonger];
    HWY_UNROLL(4)
    for (int i = 0; i < kLonger; ++i) left[i] = load(x[i]);
    HWY_UNROLL(4)
    for (int j = 0; j < kShorter; ++j) {
      const auto right = load(y[j]);
      HWY_UNROLL(4)
      for (int i = 0; i < kLonger; ++i) sum[i][j] = hn::MulAdd(left[i], right, sum[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + lanes <= depth; k += lanes) {
    if constexpr (kBlocks) {
      __builtin_prefetch(block.next[0] + k, 0, Fetch::kL2);
      __builtin_prefetch(block.next[1] + k, 0, Fetch::kL2);
    }
    multiply_add([&](const T* row) HWY_ATTR { return hn::LoadU(d, row + k); });
  }
  if (k < depth)
    multiply_add([&](const T* row) HWY_ATTR { return load_row(row + k, depth - k, T(0)).v; });
  HWY_UNROLL(4)
  for (int i = 0; i < kLonger; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kShorter; ++j) {
      if (!last) {
        hn::Store(sum[i][j], d, block.sums + (i * kShorter + j) * lanes);
        continue;
      }
      const T total = hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
      T& to = c[i * c_longer + j * c_shorter];
      to = add ? to + total : total;
    }
  }
}

/// Calls f(first, count) for the fours of [begin, end) and for what is left; count is a constant.
template <class F> HWY_INLINE void by_fours(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + 4 <= end; i += 4) f(i, std::integral_constant<int, 4>());
  if (end - i == 3) f(i, std::integral_constant<int, 3>());
  if (end - i == 2) f(i, std::integral_constant<int, 2>());
  if (end - i == 1) f(i, std::integral_constant<int, 1>());
}

/// The operands by the lengths of their sides of c.
template <class T> struct DotOperands {
  explicit DotOperands(const GemmDot<T>& m)
      : by_rows(m.rows > m.columns),
        longer(by_rows ? m.a : m.b),
        shorter(by_rows ? m.b : m.a),
        count(std::max(m.rows, m.columns)),
        shorter_count(std::min(m.rows, m.columns)) {}
  bool by_rows;
  GemmOperand<T> longer, shorter;
  int64_t count, shorter_count;
};

/// Rows [begin, end) of the longer operand at one block of depth. They come from memory once, four
/// at a time, while the next four are fetched.
template <class T, bool kBlocks> void dot_block(const GemmDot<T>& m, const DotOperands<T>& x,
                                                int64_t begin, int64_t end, int64_t k,
                                                int64_t depth) {
  const int64_t c_longer = x.by_rows ? m.c_row : 1, c_shorter = x.by_rows ? 1 : m.c_row;
  DotBlock<T> block{m.sums, k == 0, k + depth == m.depth, {}};
  by_fours(begin, end, [&](int64_t i, auto longer) HWY_ATTR {
    const bool more = i + 4 < end;
    by_fours(0, x.shorter_count, [&](int64_t j, auto shorter) HWY_ATTR {
      constexpr int kLonger = decltype(longer)::value, kShorter = decltype(shorter)::value;
      if constexpr (kBlocks)
        for (int64_t n = 0; n < 2; ++n) {  // four rows in the time of two tiles or more
          const int64_t row = x.shorter_count > 12 ? j / 4 : std::min<int64_t>(3, j / 2 + n),
                        next = std::min((more ? i + 4 : begin) + row, end - 1);
          block.next[n] = x.longer.at(next, more ? k : k + depth).data;
        }
      dot_tile<T, kLonger, kShorter, kBlocks>(depth, x.longer.at(i, k), x.shorter.at(j, k),
                                              m.c + i * c_longer + j * c_shorter, c_longer,
                                              c_shorter, m.add, block);
      if constexpr (kBlocks) block.sums += kLonger * kShorter * kRowLanes<T>;
    });
  });
}

template <class T> void dot(const GemmDot<T>& m) {
  const DotOperands<T> x(m);
  if (!m.sums) return dot_block<T, false>(m, x, 0, x.count, 0, m.depth);
  for (int64_t begin = 0; begin < x.count; begin += kGemmDotStrip)
    for (int64_t k = 0; k < m.depth; k += kGemmDotDepth)
      dot_block<T, true>(m, x, begin, std::min(x.count, begin + kGemmDotStrip), k,
                         std::min(kGemmDotDepth, m.depth - k));
}

}  // namespace

#define SUANLI_GEMM_TYPE(T, name)                                                          \
  GemmTile gemm_tile_##name() { return {kTileRows, kTileColumns<T>, kRowLanes<T>}; }       \
  void gemm_pack_rows_##name(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) {       \
    pack_rows(a, rows, depth, to);                                                         \
  }                                                                                        \
  void gemm_pack_columns_##name(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) { \
    pack_columns(b, columns, depth, to);                                                   \
  }                                                                                        \
  void gemm_multiply_##name(const GemmBlock<T>& block, Fetches& fetches) {                 \
    multiply(block, fetches);                                                              \
  }                                                                                        \
  void gemm_dot_##name(const GemmDot<T>& product) { dot(product); }
SUANLI_GEMM_TYPE(float, f32)
SUANLI_GEMM_TYPE(double, f64)
#undef SUANLI_GEMM_TYPE

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {

#define SUANLI_GEMM_TYPE(T, name)                                                               \
  HWY_EXPORT(gemm_tile_##name);                                                                 \
  HWY_EXPORT(gemm_pack_rows_##name);                                                            \
  HWY_EXPORT(gemm_pack_columns_##name);                                                         \
  HWY_EXPORT(gemm_multiply_##name);                                                             \
  HWY_EXPORT(gemm_dot_##name);                                                                  \
  template <> GemmTile gemm_tile<T>() { return HWY_DYNAMIC_DISPATCH(gemm_tile_##name)(); }      \
  template <> void gemm_pack_rows(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) {       \
    HWY_DYNAMIC_DISPATCH(gemm_pack_rows_##name)(a, rows, depth, to);                            \
  }                                                                                             \
  template <> void gemm_pack_columns(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) { \
    HWY_DYNAMIC_DISPATCH(gemm_pack_columns_##name)(b, columns, depth, to);                      \
  }                                                                                             \
  template <> void gemm_multiply(const GemmBlock<T>& block, Fetches& fetches) {                 \
    HWY_DYNAMIC_DISPATCH(gemm_multiply_##name)(block, fetches);                                 \
  }                                                                                             \
  template <> void gemm_dot(const GemmDot<T>& product) {                                        \
    HWY_DYNAMIC_DISPATCH(gemm_dot_##name)(product);                                             \
  }
SUANLI_GEMM_TYPE(float, f32)
SUANLI_GEMM_TYPE(double, f64)
#undef SUANLI_GEMM_TYPE

}  // namespace suanli::cpu
#endif
