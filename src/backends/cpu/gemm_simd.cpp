#include "backends/cpu/gemm_simd.h"

#include <array>
#include <utility>

#include "backends/cpu/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/gemm_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

// 28 of 32 registers accumulate with AVX-512, 12 of 16 else: more than latency × ports asks for, and per multiply-add few enough loads.
constexpr int kVectors = 2, kTileRows = hn::MaxLanes(hn::ScalableTag<float>()) == 16 ? 14 : 6;
template <class T> constexpr int64_t kTileColumns = kVectors * kRowLanes<T>;

// ---- packing ---------------------------------------------------------------------------------------------------------------------

/// Where panel p of rows begins, and how many panels there are.
struct RowPanels {
  explicit RowPanels(int64_t all) : rows(all), count((all + kTileRows - 1) / kTileRows) {}
  int64_t begin(int64_t p) const { return rows * p / count; }
  int64_t rows, count;
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

/// As many elements as fit into 128 bits: so many depths are transposed at once.
template <class T> constexpr int64_t kGroup = 16 / static_cast<int64_t>(sizeof(T));

/// kGroup depths of the rows i, i + kGroup, i + 2 · kGroup, … as one vector; kClamped: of the last row where there are no more.
template <bool kClamped, class D, class T> HWY_INLINE hn::Vec<D> load_groups(D d, const T* x, int64_t along, int64_t i, int64_t last) {
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(D()));
  if constexpr (lanes == kGroup<T>) {
    return hn::LoadU(d, x + (kClamped ? std::min(i, last) : i) * along);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_groups<kClamped>(half, x, along, i + lanes / 2, last), load_groups<kClamped>(half, x, along, i, last));
  }
}

/// kGroup depths of a vector's worth of rows: those of depth k go to to[k * width …].
template <bool kClamped, class D>
HWY_INLINE void transpose(D d, const float* x, int64_t along, int64_t last, float* to, int64_t width) {
  const hn::RepartitionToWide<D> wide;  // pairs
  auto rows = [&](int64_t i) HWY_ATTR { return load_groups<kClamped>(d, x, along, i, last); };
  auto pairs = [&](auto v) HWY_ATTR { return hn::BitCast(wide, v); };
  auto store = [&](auto v, int64_t k) HWY_ATTR { hn::StoreU(hn::BitCast(d, v), d, to + k * width); };
  const auto r0 = rows(0), r1 = rows(1), r2 = rows(2), r3 = rows(3);
  const auto low01 = pairs(hn::InterleaveLower(d, r0, r1)), low23 = pairs(hn::InterleaveLower(d, r2, r3));
  const auto high01 = pairs(hn::InterleaveUpper(d, r0, r1)), high23 = pairs(hn::InterleaveUpper(d, r2, r3));
  store(hn::InterleaveLower(wide, low01, low23), 0);
  store(hn::InterleaveUpper(wide, low01, low23), 1);
  store(hn::InterleaveLower(wide, high01, high23), 2);
  store(hn::InterleaveUpper(wide, high01, high23), 3);
}
template <bool kClamped, class D>
HWY_INLINE void transpose(D d, const double* x, int64_t along, int64_t last, double* to, int64_t width) {
  const auto r0 = load_groups<kClamped>(d, x, along, 0, last), r1 = load_groups<kClamped>(d, x, along, 1, last);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + width);
}

/// One panel of `width` from `valid` rows or columns that are contiguous along the depth; what is missing repeats the last one. A panel
/// narrower than a vector is written beyond its end, where the next depth or panel follows.
template <class T> void pack_transposed(GemmOperand<T> x, int64_t valid, int64_t width, int64_t depth, T* to) {
  constexpr int64_t lanes = kRowLanes<T>, group = kGroup<T>;
  const hn::ScalableTag<T> d;
  auto band = [&](int64_t i, auto clamped) HWY_ATTR {  // of a vector's worth of rows
    const T* from = x.data + i * x.along;
    for (int64_t k = 0; k + group <= depth; k += group)
      transpose<decltype(clamped)::value>(d, from + k, x.along, valid - 1 - i, to + k * width + i, width);
  };
  for (int64_t i = 0; i < width; i += lanes) {
    const int64_t at = std::max<int64_t>(0, std::min(i, width - lanes));  // the last vector overlaps the one before
    at + lanes <= valid ? band(at, std::false_type()) : band(at, std::true_type());
  }
  for (int64_t k = depth / group * group; k < depth; ++k)
    for (int64_t i = 0; i < width; ++i) to[k * width + i] = x.data[std::min(i, valid - 1) * x.along + k];
}

/// One panel from rows or columns that lie side by side at each depth.
template <class T> HWY_INLINE void pack_copied(GemmOperand<T> x, int64_t valid, int64_t width, int64_t depth, T* to) {
  for (int64_t k = 0; k < depth; ++k, to += width) {
    copy_row(hn::ScalableTag<T>(), x.data + k * x.deep, to, valid);
    std::fill(to + valid, to + width, T(0));
  }
}

/// Depths that are copied at once: few enough that lines a power of two apart meet in a set of L1, enough to turn to panels seldom.
constexpr int64_t kCopied = 8;

template <class T> void pack_rows(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) {
  const RowPanels panels(rows);
  const int64_t step = a.deep == 1 ? std::max<int64_t>(1, depth) : kCopied;
  for (int64_t k = 0; k < depth; k += step)
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t i = panels.begin(p), height = panels.begin(p + 1) - i, n = std::min(step, depth - k);
      T* panel = to + i * depth + k * height;
      a.deep == 1 ? pack_transposed(a.at(i, k), rows - i, height, n, panel) : pack_copied(a.at(i, k), height, height, n, panel);
    }
}

template <class T> int64_t packed_columns(int64_t columns) { return (columns + kRowLanes<T> - 1) / kRowLanes<T> * kRowLanes<T>; }

template <class T> void pack_columns(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) {
  const int64_t step = b.deep == 1 ? std::max<int64_t>(1, depth) : kCopied;
  constexpr int64_t strip = 8 * kTileColumns<T>;  // one after the other: the panels of a strip meet in a set of L1
  for (int64_t s = 0; s < columns; s += strip)
    for (int64_t k = 0; k < depth; k += step)
      for (int64_t j = s; j < std::min(columns, s + strip); j += kTileColumns<T>) {
        const int64_t valid = std::min(kTileColumns<T>, columns - j), width = packed_columns<T>(valid), n = std::min(step, depth - k);
        T* panel = to + j * depth + k * width;
        b.deep == 1 ? pack_transposed(b.at(j, k), valid, width, n, panel) : pack_copied(b.at(j, k), valid, width, n, panel);
      }
}

// ---- products of packed operands -------------------------------------------------------------------------------------------------

/// Fetches a region of memory line by line: rows of `bytes` that lie `row` bytes apart. One line at a time, so that the loads of a product
/// need not wait for it.
template <int kLevel> class Fetch {
 public:
  Fetch() = default;
  Fetch(const void* data, int64_t rows, int64_t bytes, int64_t row) : rows_(bytes > 0 ? rows : 0) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
    at_ = begin / kLine * kLine;
    lines_ = left_ = static_cast<int64_t>((begin + static_cast<uintptr_t>(bytes) - 1) / kLine - begin / kLine) + 1;
    skip_ = static_cast<uintptr_t>(row - lines_ * static_cast<int64_t>(kLine));
  }
  HWY_INLINE void step() {
    if (rows_ <= 0) return;
    __builtin_prefetch(reinterpret_cast<const void*>(at_), 0, kLevel);
    at_ += kLine;
    if (--left_ == 0) left_ = lines_, at_ += skip_, --rows_;
  }

 private:
  static constexpr uintptr_t kLine = 64;
  uintptr_t at_ = 0, skip_ = 0;
  int64_t lines_ = 0, left_ = 0, rows_ = 0;
};
using FetchL1 = Fetch<3>;
using FetchL2 = Fetch<2>;

/// kRows × (kCount vectors) of c, all in registers. `next_c`: the tile after this one.
template <class T, int kRows, int kCount>
void tile(int64_t depth, const T* a, const T* b, int64_t b_row, T* c, int64_t c_row, int64_t columns, bool add, FetchL1 next_c,
          FetchL2& next) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  hn::Vec<decltype(d)> sum[kRows][kCount];
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) sum[i][j] = hn::Zero(d);
  }
  FetchL2 fetch = next;
  for (int64_t k = 0; k < depth; ++k, a += kRows, b += b_row) {
    if (k % 2 == 0) next_c.step();
    else fetch.step();
    hn::Vec<decltype(d)> right[kCount];
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) right[j] = hn::LoadU(d, b + j * lanes);
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a[i]);
      HWY_UNROLL(2)
      for (int j = 0; j < kCount; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
    }
  }
  next = fetch;
  if (columns == kCount * lanes && !add) {
    HWY_UNROLL(14)
    for (int i = 0; i < kRows; ++i) {
      HWY_UNROLL(2)
      for (int j = 0; j < kCount; ++j) hn::StoreU(sum[i][j], d, c + i * c_row + j * lanes);
    }
    return;
  }
  HWY_UNROLL(14)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kCount; ++j) {
      T* to = c + i * c_row + j * lanes;
      const int64_t left = columns - j * lanes;
      RowVec<T> v = sum[i][j];
      if (add) v = v + load_row(to, left, T(0));
      store_row(v, to, left);
    }
  }
}

template <class T> using Tile = void (*)(int64_t, const T*, const T*, int64_t, T*, int64_t, int64_t, bool, FetchL1, FetchL2&);
template <class T, int kCount> constexpr std::array<Tile<T>, kTileRows> tiles_of() {
  return []<int... kRows>(std::integer_sequence<int, kRows...>) {
    return std::array<Tile<T>, kTileRows>{tile<T, kRows + 1, kCount>...};
  }(std::make_integer_sequence<int, kTileRows>());
}

template <class T> void multiply(const GemmBlock<T>& m) {
  static constexpr std::array<std::array<Tile<T>, kTileRows>, 2> tiles = {tiles_of<T, 1>(), tiles_of<T, 2>()};
  constexpr int64_t size = sizeof(T);
  FetchL2 next = m.next.deep == 1 ? FetchL2(m.next.data, m.next_along, m.next_deep * size, m.next.along * size)
                                  : FetchL2(m.next.data, m.next_deep, m.next_along * size, m.next.deep * size);
  const RowPanels panels(m.rows);
  for (int64_t j = 0; j < m.columns; j += kTileColumns<T>) {
    const int64_t columns = std::min(kTileColumns<T>, m.columns - j), width = packed_columns<T>(columns);
    const T* b = m.b_row ? m.b + j : m.b + j * m.depth;
    const auto& of_rows = tiles[columns > kRowLanes<T>];
    for (int64_t p = 0; p < panels.count; ++p) {
      const int64_t i = panels.begin(p), end = panels.begin(p + 1), height = end - i;
      const FetchL1 next_c = p + 1 < panels.count ? FetchL1(m.c + end * m.c_row + j, kTileRows, columns * size, m.c_row * size)
                             : j + columns < m.columns
                                 ? FetchL1(m.c + j + columns, kTileRows, std::min(columns, m.columns - j - columns) * size, m.c_row * size)
                                 : FetchL1();
      of_rows[static_cast<size_t>(height - 1)](m.depth, m.a + i * m.depth, b, m.b_row ? m.b_row : width, m.c + i * m.c_row + j, m.c_row,
                                               columns, m.add, next_c, next);
    }
  }
}

// ---- dot products ----------------------------------------------------------------------------------------------------------------

/// kRows × kColumns elements of c, each summed in the lanes of a vector.
template <class T, int kRows, int kColumns>
HWY_INLINE void dot_tile(int64_t depth, GemmOperand<T> a, GemmOperand<T> b, T* c, int64_t c_row, bool add) {
  constexpr hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> sum[kRows][kColumns];
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kColumns; ++j) sum[i][j] = hn::Zero(d);
  }
  along_row<T>(depth, [&](int64_t k, int64_t left) HWY_ATTR {
    hn::Vec<decltype(d)> x[kRows];
    HWY_UNROLL(4)
    for (int i = 0; i < kRows; ++i) x[i] = load_row(a.data + i * a.along + k, left, T(0)).v;
    HWY_UNROLL(4)
    for (int j = 0; j < kColumns; ++j) {
      const auto y = load_row(b.data + j * b.along + k, left, T(0)).v;
      HWY_UNROLL(4)
      for (int i = 0; i < kRows; ++i) sum[i][j] = hn::MulAdd(x[i], y, sum[i][j]);
    }
  });
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kColumns; ++j) {
      const T total = hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
      c[i * c_row + j] = add ? c[i * c_row + j] + total : total;
    }
  }
}

template <class T, int kRows>
HWY_INLINE void dot_rows(int64_t columns, int64_t depth, GemmOperand<T> a, GemmOperand<T> b, T* c, int64_t c_row, bool add) {
  int64_t j = 0;
  for (; j + 4 <= columns; j += 4) dot_tile<T, kRows, 4>(depth, a, b.at(j, 0), c + j, c_row, add);
  for (; j < columns; ++j) dot_tile<T, kRows, 1>(depth, a, b.at(j, 0), c + j, c_row, add);
}

template <class T>
void dot(int64_t rows, int64_t columns, int64_t depth, GemmOperand<T> a, GemmOperand<T> b, T* c, int64_t c_row, bool add) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) dot_rows<T, 4>(columns, depth, a.at(i, 0), b, c + i * c_row, c_row, add);
  for (; i < rows; ++i) dot_rows<T, 1>(columns, depth, a.at(i, 0), b, c + i * c_row, c_row, add);
}

}  // namespace

#define SUANLI_GEMM_TYPE(T, name)                                                                                                 \
  GemmTile gemm_tile_##name() { return {kTileRows, kTileColumns<T>, kRowLanes<T>}; }                                              \
  void gemm_pack_rows_##name(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) { pack_rows(a, rows, depth, to); }             \
  void gemm_pack_columns_##name(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) { pack_columns(b, columns, depth, to); } \
  void gemm_multiply_##name(const GemmBlock<T>& block) { multiply(block); }                                                       \
  void gemm_dot_##name(int64_t m, int64_t n, int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c, int64_t c_row, bool add) {      \
    dot(m, n, k, a, b, c, c_row, add);                                                                                            \
  }
SUANLI_GEMM_TYPE(float, f32)
SUANLI_GEMM_TYPE(double, f64)
#undef SUANLI_GEMM_TYPE

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {

#define SUANLI_GEMM_TYPE(T, name)                                                                                     \
  HWY_EXPORT(gemm_tile_##name);                                                                                       \
  HWY_EXPORT(gemm_pack_rows_##name);                                                                                  \
  HWY_EXPORT(gemm_pack_columns_##name);                                                                               \
  HWY_EXPORT(gemm_multiply_##name);                                                                                   \
  HWY_EXPORT(gemm_dot_##name);                                                                                        \
  template <> GemmTile gemm_tile<T>() { return HWY_DYNAMIC_DISPATCH(gemm_tile_##name)(); }                            \
  template <> void gemm_pack_rows(GemmOperand<T> a, int64_t rows, int64_t depth, T* to) {                             \
    HWY_DYNAMIC_DISPATCH(gemm_pack_rows_##name)(a, rows, depth, to);                                                  \
  }                                                                                                                   \
  template <> void gemm_pack_columns(GemmOperand<T> b, int64_t columns, int64_t depth, T* to) {                       \
    HWY_DYNAMIC_DISPATCH(gemm_pack_columns_##name)(b, columns, depth, to);                                            \
  }                                                                                                                   \
  template <> void gemm_multiply(const GemmBlock<T>& block) { HWY_DYNAMIC_DISPATCH(gemm_multiply_##name)(block); }    \
  template <>                                                                                                         \
  void gemm_dot(int64_t m, int64_t n, int64_t k, GemmOperand<T> a, GemmOperand<T> b, T* c, int64_t c_row, bool add) { \
    HWY_DYNAMIC_DISPATCH(gemm_dot_##name)(m, n, k, a, b, c, c_row, add);                                              \
  }
SUANLI_GEMM_TYPE(float, f32)
SUANLI_GEMM_TYPE(double, f64)
#undef SUANLI_GEMM_TYPE

}  // namespace suanli::cpu
#endif
