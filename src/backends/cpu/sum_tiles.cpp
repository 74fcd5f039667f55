#include "backends/cpu/sum_tiles.h"

#include <algorithm>

#include "base/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/sum_tiles.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using F = hn::ScalableTag<float>;
using D = hn::ScalableTag<double>;
using Half = hn::Half<F>;
constexpr int64_t kF = static_cast<int64_t>(hn::MaxLanes(F())), kD = static_cast<int64_t>(hn::MaxLanes(D()));

/// acc[0 … lanes) += v
HWY_INLINE void add_to(hn::Vec<F> v, double* acc) {
  hn::StoreU(hn::Add(hn::LoadU(D(), acc), hn::PromoteTo(D(), hn::LowerHalf(Half(), v))), D(), acc);
  hn::StoreU(hn::Add(hn::LoadU(D(), acc + kD), hn::PromoteTo(D(), hn::UpperHalf(Half(), v))), D(), acc + kD);
}
HWY_INLINE void add_to(hn::Vec<D> v, double* acc) { hn::StoreU(hn::Add(hn::LoadU(D(), acc), v), D(), acc); }

/// Rows that are added up before they meet acc: a block's, so that its first and last row do not depend on how the caller cuts.
template <class T> int64_t rows_of_block(int64_t columns) { return sizeof(T) == 8 ? INT64_MAX : std::max<int64_t>(1, kSumBlock / columns); }

template <class Tag> HWY_INLINE void columns_of(Tag d, const hn::TFromD<Tag>* x, int64_t rows, int64_t columns, double* acc) {
  using T = hn::TFromD<Tag>;
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(Tag()));
  const int64_t step = rows_of_block<T>(columns);
  for (int64_t r = 0; r < rows; r += std::min(step, rows - r)) {
    const int64_t n = std::min(step, rows - r);
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) {
      const T* from = x + r * columns + c;
      auto total = hn::LoadU(d, from);
      for (int64_t k = 1; k < n; ++k) total = hn::Add(total, hn::LoadU(d, from + k * columns));
      add_to(total, acc + c);
    }
    for (; c < columns; ++c) {
      T total = x[r * columns + c];
      for (int64_t k = 1; k < n; ++k) total += x[(r + k) * columns + c];
      acc[c] += static_cast<double>(total);
    }
  }
}

/// The lanes of four vectors, added up in order.
template <class Tag> HWY_INLINE double row_of(Tag d, const hn::TFromD<Tag>* x, int64_t n) {
  using T = hn::TFromD<Tag>;
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(Tag()));
  double total = 0;
  for (int64_t at = 0; at < n; at += kSumBlock) {
    const int64_t end = std::min(n, at + kSumBlock);
    auto a = hn::Zero(d), b = a;
    int64_t i = at;
    for (; i + 2 * lanes <= end; i += 2 * lanes) a = hn::Add(a, hn::LoadU(d, x + i)), b = hn::Add(b, hn::LoadU(d, x + i + lanes));
    HWY_ALIGN T parts[lanes];
    hn::Store(hn::Add(a, b), d, parts);
    T block = 0;
    for (; i < end; ++i) block += x[i];
    double sum = static_cast<double>(block);
    for (T p : parts) sum += static_cast<double>(p);
    total += sum;
  }
  return total;
}

void columns_f32(const float* x, int64_t rows, int64_t columns, double* acc) { columns_of(F(), x, rows, columns, acc); }
void columns_f64(const double* x, int64_t rows, int64_t columns, double* acc) { columns_of(D(), x, rows, columns, acc); }
double row_f32(const float* x, int64_t n) { return row_of(F(), x, n); }
double row_f64(const double* x, int64_t n) { return row_of(D(), x, n); }

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(columns_f32);
HWY_EXPORT(columns_f64);
HWY_EXPORT(row_f32);
HWY_EXPORT(row_f64);
void add_columns(const float* x, int64_t rows, int64_t columns, double* acc) { HWY_DYNAMIC_DISPATCH(columns_f32)(x, rows, columns, acc); }
void add_columns(const double* x, int64_t rows, int64_t columns, double* acc) { HWY_DYNAMIC_DISPATCH(columns_f64)(x, rows, columns, acc); }
double add_row(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(row_f32)(x, n); }
double add_row(const double* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(row_f64)(x, n); }
}  // namespace suanli::cpu
#endif
