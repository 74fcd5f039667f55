// SPDX-License-Identifier: Apache-2.0
// A row is read from memory once and stays in the nearest cache for the passes after the first.
#include "backends/cpu/rowwise/softmax_simd.h"

#include <cmath>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/rowwise/softmax_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_math.h"
#include "backends/cpu/simd/simd_rows.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

/// The largest of a row. If a NaN is among them, some element: the row's exponentials then are NaN
/// where it stands, and so is their sum.
template <class T> T largest(const T* x, int64_t n) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kRowLanes<T>;
  RowVec<T> top[4] = {hn::Set(d, x[0]), hn::Set(d, x[0]), hn::Set(d, x[0]), hn::Set(d, x[0])};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) top[k] = hn::Max(top[k].v, hn::LoadU(d, x + i + k * lanes));
  for (; i < n; i += lanes) top[0] = hn::Max(top[0].v, load_row(x + i, n - i, x[0]).v);
  return hn::GetLane(
      hn::MaxOfLanes(d, hn::Max(hn::Max(top[0].v, top[1].v), hn::Max(top[2].v, top[3].v))));
}

/// Σ exp(x − shift) of a row; the terms are stored where y is given. The next row is asked for
/// meanwhile: memory would wait for the units, then they for it. It comes into L2 only where L1 has
/// a row of results to hold, too.
template <class T, bool kHasResults> double exponentials(const T* x, T shift, T* y, int64_t n) {
  const RowVec<T> s(static_cast<double>(shift));
  return sum_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
    __builtin_prefetch(x + n + i, 0, kHasResults ? 2 : 3);
    const auto e =
        exp_of_nonpositive(load_row(x + i, left, -std::numeric_limits<T>::infinity()) - s);
    if (y) store_row(e, y + i, left);
    return e;
  });
}

template <class T> void probabilities(const T* x, T* y, int64_t rows, int64_t n) {
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const RowVec<T> scale(
        static_cast<double>(static_cast<T>(1 / exponentials<T, true>(x, largest(x, n), y, n))));
    along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
      // where the next row's exponentials go: nothing else asks memory for anything here
      __builtin_prefetch(y + n + i, 1);
      store_row(load_row(y + i, left, T(0)) * scale, y + i, left);
    });
  }
}

template <class T> void log_probabilities(const T* x, T* y, int64_t rows, int64_t n) {
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const T top = largest(x, n);
    const RowVec<T> m(static_cast<double>(top)),
        log_total(std::log(exponentials<T, true>(x, top, nullptr, n)));
    along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
      store_row(load_row(x + i, left, T(0)) - m - log_total, y + i, left);
    });
  }
}

template <class T> void log_sums(const T* x, T* top, T* log_sum, int64_t rows, int64_t n) {
  for (int64_t row = 0; row < rows; ++row, x += n) {
    top[row] = largest(x, n);
    log_sum[row] = static_cast<T>(std::log(exponentials<T, false>(x, top[row], nullptr, n)));
  }
}

template <class T> void scaled(const T* x, const T* top, const T* log_sum, T scale, T* y,
                               int64_t rows, int64_t n) {
  const RowVec<T> factor(static_cast<double>(scale));
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const RowVec<T> m(static_cast<double>(top[row])), shift(static_cast<double>(log_sum[row]));
    along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
      store_row(exp_of_nonpositive(load_row(x + i, left, T(0)) - m - shift) * factor, y + i, left);
    });
  }
}

}  // namespace

void softmax_f32(const float* x, float* y, int64_t rows, int64_t n) {
  probabilities(x, y, rows, n);
}
void softmax_f64(const double* x, double* y, int64_t rows, int64_t n) {
  probabilities(x, y, rows, n);
}
void log_softmax_f32(const float* x, float* y, int64_t rows, int64_t n) {
  log_probabilities(x, y, rows, n);
}
void log_softmax_f64(const double* x, double* y, int64_t rows, int64_t n) {
  log_probabilities(x, y, rows, n);
}
void log_sum_exp_f32(const float* x, float* top, float* log_sum, int64_t rows, int64_t n) {
  log_sums(x, top, log_sum, rows, n);
}
void log_sum_exp_f64(const double* x, double* top, double* log_sum, int64_t rows, int64_t n) {
  log_sums(x, top, log_sum, rows, n);
}
void scaled_softmax_f32(const float* x, const float* top, const float* log_sum, float scale,
                        float* y, int64_t rows, int64_t n) {
  scaled(x, top, log_sum, scale, y, rows, n);
}
void scaled_softmax_f64(const double* x, const double* top, const double* log_sum, double scale,
                        double* y, int64_t rows, int64_t n) {
  scaled(x, top, log_sum, scale, y, rows, n);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(softmax_f32);
HWY_EXPORT(softmax_f64);
HWY_EXPORT(log_softmax_f32);
HWY_EXPORT(log_softmax_f64);
HWY_EXPORT(log_sum_exp_f32);
HWY_EXPORT(log_sum_exp_f64);
HWY_EXPORT(scaled_softmax_f32);
HWY_EXPORT(scaled_softmax_f64);

template <> void softmax_rows(const float* x, float* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(softmax_f32)(x, y, rows, n);
}
template <> void softmax_rows(const double* x, double* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(softmax_f64)(x, y, rows, n);
}
template <> void log_softmax_rows(const float* x, float* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(log_softmax_f32)(x, y, rows, n);
}
template <> void log_softmax_rows(const double* x, double* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(log_softmax_f64)(x, y, rows, n);
}
template <> void log_sum_exp_rows(const float* x, float* top, float* log_sum, int64_t rows,
                                  int64_t n) {
  HWY_DYNAMIC_DISPATCH(log_sum_exp_f32)(x, top, log_sum, rows, n);
}
template <> void log_sum_exp_rows(const double* x, double* top, double* log_sum, int64_t rows,
                                  int64_t n) {
  HWY_DYNAMIC_DISPATCH(log_sum_exp_f64)(x, top, log_sum, rows, n);
}
template <>
void scaled_softmax_rows(const float* x, const float* top, const float* log_sum, float scale,
                         float* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(scaled_softmax_f32)(x, top, log_sum, scale, y, rows, n);
}
template <>
void scaled_softmax_rows(const double* x, const double* top, const double* log_sum, double scale,
                         double* y, int64_t rows, int64_t n) {
  HWY_DYNAMIC_DISPATCH(scaled_softmax_f64)(x, top, log_sum, scale, y, rows, n);
}
}  // namespace suanli::cpu
#endif
