#include "backends/cpu/reduction_tiles.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/reduction_tiles.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
using F = hn::ScalableTag<float>;
using D = hn::ScalableTag<double>;
using Half = hn::Half<F>;

struct Sum {
  static double start() { return 0; }
  template <class T> static HWY_INLINE T join(T a, T b) { return a + b; }
  template <class Tag> static HWY_INLINE Vec<Tag> join(Vec<Tag> a, Vec<Tag> b) { return a + b; }
};
struct Max {
  static double start() { return -std::numeric_limits<double>::infinity(); }
  template <class T> static HWY_INLINE T join(T a, T b) { return a > b || a != a ? a : b; }
  template <class Tag> static HWY_INLINE Vec<Tag> join(Vec<Tag> a, Vec<Tag> b) { return maximum(a, b); }
};

/// acc[0 … lanes) takes in v.
template <class Op> HWY_INLINE void take_in(Vec<D> v, double* acc) { hn::StoreU(Op::join(Vec<D>(hn::LoadU(D(), acc)), v).v, D(), acc); }
template <class Op> HWY_INLINE void take_in(Vec<F> v, double* acc) {
  take_in<Op>(Vec<D>(hn::PromoteTo(D(), hn::LowerHalf(Half(), v.v))), acc);
  take_in<Op>(Vec<D>(hn::PromoteTo(D(), hn::UpperHalf(Half(), v.v))), acc + hn::MaxLanes(D()));
}

/// Rows that are reduced before they meet acc: a block's, so that its first and last row do not depend on how the caller cuts.
template <class T> int64_t rows_of_block(int64_t columns) {
  return sizeof(T) == 8 ? INT64_MAX : std::max<int64_t>(1, kReductionBlock / columns);
}

template <class Op, class T> HWY_INLINE void columns_of(const T* x, int64_t rows, int64_t columns, double* acc) {
  using Tag = hn::ScalableTag<T>;
  constexpr Tag d;
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(Tag()));
  const int64_t step = rows_of_block<T>(columns);
  for (int64_t r = 0; r < rows; r += std::min(step, rows - r)) {
    const int64_t n = std::min(step, rows - r);
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) {
      const T* from = x + r * columns + c;
      Vec<Tag> total = hn::LoadU(d, from);
      for (int64_t k = 1; k < n; ++k) total = Op::join(total, Vec<Tag>(hn::LoadU(d, from + k * columns)));
      take_in<Op>(total, acc + c);
    }
    for (; c < columns; ++c) {
      T total = x[r * columns + c];
      for (int64_t k = 1; k < n; ++k) total = Op::join(total, x[(r + k) * columns + c]);
      acc[c] = Op::join(acc[c], static_cast<double>(total));
    }
  }
}

/// Block by block: what is left of whole vectors, then the lanes of two vectors, in order.
template <class Op, class T> HWY_INLINE double row_of(const T* x, int64_t n, double acc) {
  using Tag = hn::ScalableTag<T>;
  constexpr Tag d;
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(Tag()));
  for (int64_t at = 0; at < n; at += kReductionBlock) {
    const int64_t end = std::min(n, at + kReductionBlock);
    int64_t i = at;
    T rest = static_cast<T>(Op::start());
    double block = 0;
    if (at + 2 * lanes <= end) {
      Vec<Tag> a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + lanes);
      for (i += 2 * lanes; i + 2 * lanes <= end; i += 2 * lanes)
        a = Op::join(a, Vec<Tag>(hn::LoadU(d, x + i))), b = Op::join(b, Vec<Tag>(hn::LoadU(d, x + i + lanes)));
      HWY_ALIGN T parts[lanes];
      hn::Store(Op::join(a, b).v, d, parts);
      for (; i < end; ++i) rest = Op::join(rest, x[i]);
      block = static_cast<double>(rest);
      for (T p : parts) block = Op::join(block, static_cast<double>(p));
    } else {
      for (; i < end; ++i) rest = Op::join(rest, x[i]);
      block = static_cast<double>(rest);
    }
    acc = Op::join(acc, block);
  }
  return acc;
}

template <class T> void columns(Reduction kind, const T* x, int64_t rows, int64_t columns, double* acc) {
  if (kind == Reduction::sum) columns_of<Sum>(x, rows, columns, acc);
  else columns_of<Max>(x, rows, columns, acc);
}
template <class T> void rows(Reduction kind, const T* x, int64_t rows, int64_t n, double* acc) {
  if (kind == Reduction::sum)
    for (int64_t r = 0; r < rows; ++r) acc[r] = row_of<Sum>(x + r * n, n, acc[r]);
  else
    for (int64_t r = 0; r < rows; ++r) acc[r] = row_of<Max>(x + r * n, n, acc[r]);
}

}  // namespace

void columns_f32(Reduction k, const float* x, int64_t rows, int64_t n, double* acc) { columns(k, x, rows, n, acc); }
void columns_f64(Reduction k, const double* x, int64_t rows, int64_t n, double* acc) { columns(k, x, rows, n, acc); }
void rows_f32(Reduction k, const float* x, int64_t count, int64_t n, double* acc) { rows(k, x, count, n, acc); }
void rows_f64(Reduction k, const double* x, int64_t count, int64_t n, double* acc) { rows(k, x, count, n, acc); }
double start(Reduction kind) { return kind == Reduction::sum ? Sum::start() : Max::start(); }
double joined(Reduction kind, double a, double b) { return kind == Reduction::sum ? Sum::join(a, b) : Max::join(a, b); }

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(columns_f32);
HWY_EXPORT(columns_f64);
HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_f64);
void reduce_columns(Reduction kind, const float* x, int64_t rows, int64_t columns, double* acc) {
  HWY_DYNAMIC_DISPATCH(columns_f32)(kind, x, rows, columns, acc);
}
void reduce_columns(Reduction kind, const double* x, int64_t rows, int64_t columns, double* acc) {
  HWY_DYNAMIC_DISPATCH(columns_f64)(kind, x, rows, columns, acc);
}
void reduce_rows(Reduction kind, const float* x, int64_t rows, int64_t n, double* acc) {
  HWY_DYNAMIC_DISPATCH(rows_f32)(kind, x, rows, n, acc);
}
void reduce_rows(Reduction kind, const double* x, int64_t rows, int64_t n, double* acc) {
  HWY_DYNAMIC_DISPATCH(rows_f64)(kind, x, rows, n, acc);
}
double start_of(Reduction kind) { return HWY_STATIC_DISPATCH(start)(kind); }
double join(Reduction kind, double a, double b) { return HWY_STATIC_DISPATCH(joined)(kind, a, b); }
}  // namespace suanli::cpu
#endif
