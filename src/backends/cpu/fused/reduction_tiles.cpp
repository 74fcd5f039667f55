// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/reduction_tiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/fused/reduction_tiles.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
using F = hn::ScalableTag<float>;
using D = hn::ScalableTag<double>;
using Half = hn::Half<F>;

// The words of the texts for single numbers, beside those of Vec.
template <class T> HWY_INLINE T maximum(T a, T b) { return a > b || a != a ? a : b; }
template <class T> HWY_INLINE T minimum(T a, T b) { return a < b || a != a ? a : b; }
template <class T> HWY_INLINE T abs(T x) { return std::fabs(x); }
template <class T> HWY_INLINE T as_stored(T x) { return x; }

/// A row. V is a vector, or a number.
#define REDUCTION(name, Result, Empty, identity, before_, combine, finish_, gradient, ...) \
  struct name##_reduction {                                                                \
    static constexpr ReductionResult result = ReductionResult::Result;                     \
    static constexpr bool wide =                                                           \
        result == ReductionResult::Wide || result == ReductionResult::Real;                \
    static constexpr bool adds = std::string_view(#combine) == "a + b";                    \
    static double start() {                                                                \
      [[maybe_unused]] constexpr double zero = 0, one = 1,                                 \
                                        highest = std::numeric_limits<double>::infinity(), \
                                        lowest = -highest;                                 \
      return identity;                                                                     \
    }                                                                                      \
    template <class V> static HWY_INLINE V before(V x) {                                   \
      [[maybe_unused]] const V zero(0.0), one(1.0);                                        \
      return V(as_stored(before_));                                                        \
    }                                                                                      \
    template <class V> static HWY_INLINE V join(V a, V b) { return combine; }              \
    static double finished(double r) {                                                     \
      using std::sqrt;                                                                     \
      return finish_;                                                                      \
    }                                                                                      \
  };
#include "ops/schema/reductions.def"

/// acc[0 … lanes) takes in v.
template <class Op> HWY_INLINE void take_in(Vec<D> v, double* acc) {
  hn::StoreU(Op::join(Vec<D>(hn::LoadU(D(), acc)), v).v, D(), acc);
}
template <class Op> HWY_INLINE void take_in(Vec<F> v, double* acc) {
  take_in<Op>(Vec<D>(hn::PromoteTo(D(), hn::LowerHalf(Half(), v.v))), acc);
  take_in<Op>(Vec<D>(hn::PromoteTo(D(), hn::UpperHalf(Half(), v.v))), acc + hn::MaxLanes(D()));
}

/// f64 meets acc row by row; of f32 a block's rows are reduced first, so that the first and last of
/// them do not depend on how the caller cuts.
template <class Op, class T> HWY_INLINE void columns_of(const T* x, int64_t rows, int64_t columns,
                                                        double* acc) {
  using Tag = hn::ScalableTag<T>;
  constexpr Tag d;
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(Tag()));
  const int64_t step = sizeof(T) == 8 ? 1 : std::max<int64_t>(1, kReductionBlock / columns);
  for (int64_t r = 0; r < rows; r += std::min(step, rows - r)) {
    const int64_t n = std::min(step, rows - r);
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) {
      const T* from = x + r * columns + c;
      Vec<Tag> total = Op::before(Vec<Tag>(hn::LoadU(d, from)));
      for (int64_t k = 1; k < n; ++k)
        total = Op::join(total, Op::before(Vec<Tag>(hn::LoadU(d, from + k * columns))));
      take_in<Op>(total, acc + c);
    }
    for (; c < columns; ++c) {
      T total = Op::before(x[r * columns + c]);
      for (int64_t k = 1; k < n; ++k) total = Op::join(total, Op::before(x[(r + k) * columns + c]));
      acc[c] = Op::join(acc[c], static_cast<double>(total));
    }
  }
}

/// The lanes of a vector, by halves.
template <class Op, class Tag> HWY_INLINE double by_halves(Vec<Tag> v) {
  if constexpr (hn::MaxLanes(Tag()) == 1) {
    return static_cast<double>(hn::GetLane(v.v));
  } else {
    using H = hn::Half<Tag>;
    return by_halves<Op, H>(
        Op::join(Vec<H>(hn::LowerHalf(H(), v.v)), Vec<H>(hn::UpperHalf(H(), v.v))));
  }
}
template <class Op> HWY_INLINE double lanes_of(Vec<D> v) {
  if constexpr (Op::adds) return hn::GetLane(hn::SumOfLanes(D(), v.v));
  else return by_halves<Op, D>(v);
}
template <class Op> HWY_INLINE double lanes_of(Vec<F> v) {
  if constexpr (Op::wide)
    return Op::join(lanes_of<Op>(Vec<D>(hn::PromoteTo(D(), hn::LowerHalf(Half(), v.v)))),
                    lanes_of<Op>(Vec<D>(hn::PromoteTo(D(), hn::UpperHalf(Half(), v.v)))));
  else return by_halves<Op, F>(v);
}

/// Block by block, four vectors at a time, the rest of a row in a vector that is filled up; then
/// the lanes.
template <class Op, class T> HWY_INLINE double row_of(const T* x, int64_t n, double acc) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  const T start = static_cast<T>(Op::start());
  for (int64_t i = 0; i < n;) {
    const int64_t end = std::min(n, i + kReductionBlock);
    RowVec<T> total[4] = {hn::Set(d, start), hn::Set(d, start), hn::Set(d, start),
                          hn::Set(d, start)};
    for (; i + 4 * lanes <= end; i += 4 * lanes)
#pragma GCC unroll 4  // or the totals would lie in memory
      for (int k = 0; k < 4; ++k)
        total[k] = Op::join(total[k], Op::before(RowVec<T>(hn::LoadU(d, x + i + k * lanes))));
    for (; i + lanes <= end; i += lanes)
      total[0] = Op::join(total[0], Op::before(RowVec<T>(hn::LoadU(d, x + i))));
    if (i < end) {  // before() leaves an identity one
      total[1] = Op::join(total[1], Op::before(load_row(x + i, end - i, start)));
      i = end;
    }
    acc = Op::join(
        acc, lanes_of<Op>(Op::join(Op::join(total[0], total[1]), Op::join(total[2], total[3]))));
  }
  return acc;
}

HWY_INLINE void add_square(Vec<D> v, Vec<D>* sum) { sum[0] = multiply_add(v, v, sum[0]); }
HWY_INLINE void add_square(Vec<F> v, Vec<D>* sum) {
  add_square(Vec<D>(hn::PromoteTo(D(), hn::LowerHalf(Half(), v.v))), sum);
  add_square(Vec<D>(hn::PromoteTo(D(), hn::UpperHalf(Half(), v.v))), sum + 1);
}
template <class T> double squares(const T* x, int64_t n) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  const Vec<D> zero(0.0);
  Vec<D> sum[8] = {zero, zero, zero, zero, zero, zero, zero, zero};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
#pragma GCC unroll 4  // or the sums would lie in memory
    for (int k = 0; k < 4; ++k) add_square(RowVec<T>(hn::LoadU(d, x + i + k * lanes)), sum + 2 * k);
  for (; i < n; i += lanes) add_square(load_row(x + i, n - i, T(0)), sum);
  const Vec<D> total =
      ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  return hn::GetLane(hn::SumOfLanes(D(), total.v));
}

/// Short rows are stored in whole vectors: what is too much the next row writes over, but for the
/// last ones.
template <class T> void repeat(const T* from, int64_t rows, int64_t n, T* to) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  int64_t r = 0;
  for (; r < rows && (rows - r) * n >= n + lanes; ++r, to += n) {
    const auto v = hn::Set(d, from[r]);
    for (int64_t i = 0; i < n; i += lanes) hn::StoreU(v, d, to + i);
  }
  for (; r < rows; ++r) to = std::fill_n(to, n, from[r]);
}

template <class Op, class T> void rows_of(const T* x, int64_t rows, int64_t n, double* acc) {
  for (int64_t r = 0; r < rows; ++r) acc[r] = row_of<Op>(x + r * n, n, acc[r]);
}
template <class T> using Reduce = void (*)(const T* x, int64_t rows, int64_t n, double* acc);
template <class T> constexpr Reduce<T> columns[] = {
#define REDUCTION(name, ...) &columns_of<name##_reduction, T>,
#include "ops/schema/reductions.def"
};
template <class T> constexpr Reduce<T> rows[] = {
#define REDUCTION(name, ...) &rows_of<name##_reduction, T>,
#include "ops/schema/reductions.def"
};

}  // namespace

void columns_f32(ReductionOp op, const float* x, int64_t rows, int64_t n, double* acc) {
  columns<float>[static_cast<int>(op)](x, rows, n, acc);
}
void columns_f64(ReductionOp op, const double* x, int64_t rows, int64_t n, double* acc) {
  columns<double>[static_cast<int>(op)](x, rows, n, acc);
}
void rows_f32(ReductionOp op, const float* x, int64_t count, int64_t n, double* acc) {
  rows<float>[static_cast<int>(op)](x, count, n, acc);
}
void rows_f64(ReductionOp op, const double* x, int64_t count, int64_t n, double* acc) {
  rows<double>[static_cast<int>(op)](x, count, n, acc);
}
double squares_f32(const float* x, int64_t n) { return squares(x, n); }
double squares_f64(const double* x, int64_t n) { return squares(x, n); }
void repeat_32(const float* from, int64_t rows, int64_t n, float* to) { repeat(from, rows, n, to); }
void repeat_64(const double* from, int64_t rows, int64_t n, double* to) {
  repeat(from, rows, n, to);
}
double start(ReductionOp op) {
  constexpr double (*of[])() = {
#define REDUCTION(name, ...) &name##_reduction::start,
#include "ops/schema/reductions.def"
  };
  return of[static_cast<int>(op)]();
}
double joined(ReductionOp op, double a, double b) {
  constexpr double (*of[])(double, double) = {
#define REDUCTION(name, ...) &name##_reduction::join<double>,
#include "ops/schema/reductions.def"
  };
  return of[static_cast<int>(op)](a, b);
}
template <class Op, class T> void finish_as(const double* partial, int64_t n, void* to) {
  std::transform(partial, partial + n, static_cast<T*>(to),
                 [](double r) { return static_cast<T>(Op::finished(r)); });
}
template <class Op> void finish_row(const double* partial, int64_t n, DType dtype, void* to) {
  if constexpr (Op::result == ReductionResult::Flag) {
    std::transform(partial, partial + n, static_cast<uint8_t*>(to),
                   [](double r) { return static_cast<uint8_t>(Op::finished(r) != 0); });
  } else {
    switch (dtype) {
      case DType::f32: return finish_as<Op, float>(partial, n, to);
      case DType::f16: return finish_as<Op, float16>(partial, n, to);
      case DType::bf16: return finish_as<Op, bfloat16>(partial, n, to);
      default: return finish_as<Op, double>(partial, n, to);
    }
  }
}
void finished(ReductionOp op, const double* partial, int64_t n, DType dtype, void* to) {
  constexpr void (*of[])(const double*, int64_t, DType, void*) = {
#define REDUCTION(name, ...) &finish_row<name##_reduction>,
#include "ops/schema/reductions.def"
  };
  of[static_cast<int>(op)](partial, n, dtype, to);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(columns_f32);
HWY_EXPORT(columns_f64);
HWY_EXPORT(rows_f32);
HWY_EXPORT(rows_f64);
HWY_EXPORT(squares_f32);
HWY_EXPORT(squares_f64);
HWY_EXPORT(repeat_32);
HWY_EXPORT(repeat_64);
void reduce_columns(ReductionOp op, const float* x, int64_t rows, int64_t columns, double* acc) {
  HWY_DYNAMIC_DISPATCH(columns_f32)(op, x, rows, columns, acc);
}
void reduce_columns(ReductionOp op, const double* x, int64_t rows, int64_t columns, double* acc) {
  HWY_DYNAMIC_DISPATCH(columns_f64)(op, x, rows, columns, acc);
}
void reduce_rows(ReductionOp op, const float* x, int64_t rows, int64_t n, double* acc) {
  HWY_DYNAMIC_DISPATCH(rows_f32)(op, x, rows, n, acc);
}
void reduce_rows(ReductionOp op, const double* x, int64_t rows, int64_t n, double* acc) {
  HWY_DYNAMIC_DISPATCH(rows_f64)(op, x, rows, n, acc);
}
double sum_of_squares(const float* x, int64_t n) { return HWY_DYNAMIC_DISPATCH(squares_f32)(x, n); }
double sum_of_squares(const double* x, int64_t n) {
  return HWY_DYNAMIC_DISPATCH(squares_f64)(x, n);
}
void repeat_rows(const float* from, int64_t rows, int64_t n, float* to) {
  HWY_DYNAMIC_DISPATCH(repeat_32)(from, rows, n, to);
}
void repeat_rows(const double* from, int64_t rows, int64_t n, double* to) {
  HWY_DYNAMIC_DISPATCH(repeat_64)(from, rows, n, to);
}
double start_of(ReductionOp op) { return HWY_STATIC_DISPATCH(start)(op); }
double join(ReductionOp op, double a, double b) { return HWY_STATIC_DISPATCH(joined)(op, a, b); }
void finish(ReductionOp op, const double* partial, int64_t n, DType dtype, void* to) {
  HWY_STATIC_DISPATCH(finished)(op, partial, n, dtype, to);
}
}  // namespace suanli::cpu
#endif
