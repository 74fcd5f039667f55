// SPDX-License-Identifier: Apache-2.0
// A row is read from memory once and stays in the nearest cache for the passes after the first.
#include "backends/cpu/rowwise/layer_norm_simd.h"

#include <cmath>
#include <limits>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/rowwise/layer_norm_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

template <class T> struct Moments {
  T mean, scale;
};
/// The same in double and in units of the row's largest magnitude: for rows whose sums or squares T
/// does not hold.
template <class T> HWY_NOINLINE Moments<T> moments_in_units(const T* x, int64_t n, double eps) {
  double unit = 0, mean = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) unit = std::max(unit, std::fabs(static_cast<double>(x[i])));
  if (!(unit > 0) || std::isinf(unit)) unit = 1;
  const double count = static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) mean += static_cast<double>(x[i]) / unit / count;
  for (int64_t i = 0; i < n; ++i)
    squares +=
        (static_cast<double>(x[i]) / unit - mean) * (static_cast<double>(x[i]) / unit - mean);
  return {static_cast<T>(mean * unit),
          static_cast<T>(1 / unit / std::sqrt(squares / count + eps / unit / unit))};
}
template <class T> Moments<T> moments(const T* x, int64_t n, double eps) {
  const double count = static_cast<double>(n);
  const T mean = static_cast<T>(
      sum_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR { return load_row(x + i, left, T(0)); }) /
      count);
  const RowVec<T> m(static_cast<double>(mean));
  const double squares = sum_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
    const auto c = load_row(x + i, left, mean) - m;
    return c * c;
  });
  constexpr double least = sizeof(T) == 4 ? 1e-30 : 1e-280;  // smaller squares may have lost digits
  const double variance = squares / count + eps;
  if (HWY_UNLIKELY(!(variance >= least && variance <= std::numeric_limits<double>::max())))
    return moments_in_units(x, n, eps);
  return {mean, static_cast<T>(1 / std::sqrt(variance))};
}

template <class T> void forward_rows(const T* x, const T* w, const T* b, T* y, int64_t rows,
                                     int64_t n, double eps) {
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const auto [mean, scale] = moments(x, n, eps);
    const RowVec<T> m(static_cast<double>(mean)), s(static_cast<double>(scale));
    along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
      auto v = (load_row(x + i, left, T(0)) - m) * s * load_row(w + i, left, T(0));
      if (b) v = v + load_row(b + i, left, T(0));
      store_row(v, y + i, left);
    });
  }
}

/// dx = scale · (gw − mean(gw) − x̂ · mean(gw · x̂)) with gw = g · w and x̂ = (x − mean) · scale.
template <class T> void backward_rows(const T* g, const T* x, const T* w, T* dx, T* dw, T* db,
                                      int64_t rows, int64_t n, double eps) {
  for (int64_t row = 0; row < rows; ++row, g += n, x += n, dx += n) {
    const auto [mean, scale] = moments(x, n, eps);
    const RowVec<T> m(static_cast<double>(mean)), s(static_cast<double>(scale));
    auto hat = [&](int64_t i, int64_t left)
                   HWY_ATTR { return (load_row(x + i, left, T(0)) - m) * s; };
    auto weighted = [&](int64_t i, int64_t left) HWY_ATTR {
      return load_row(g + i, left, T(0)) * load_row(w + i, left, T(0));
    };
    const double count = static_cast<double>(n);
    const RowVec<T> along_one(sum_row<T>(n, weighted) / count);
    const RowVec<T> along_hat(
        sum_row<T>(
            n, [&](int64_t i, int64_t left) HWY_ATTR { return weighted(i, left) * hat(i, left); }) /
        count);
    along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
      const auto h = hat(i, left), gi = load_row(g + i, left, T(0));
      store_row((weighted(i, left) - along_one - h * along_hat) * s, dx + i, left);
      store_row(load_row(dw + i, left, T(0)) + gi * h, dw + i, left);
      store_row(load_row(db + i, left, T(0)) + gi, db + i, left);
    });
  }
}

}  // namespace

void layer_norm_f32(const float* x, const float* w, const float* b, float* y, int64_t rows,
                    int64_t n, double eps) {
  forward_rows(x, w, b, y, rows, n, eps);
}
void layer_norm_f64(const double* x, const double* w, const double* b, double* y, int64_t rows,
                    int64_t n, double eps) {
  forward_rows(x, w, b, y, rows, n, eps);
}
void layer_norm_grad_f32(const float* g, const float* x, const float* w, float* dx, float* dw,
                         float* db, int64_t rows, int64_t n, double eps) {
  backward_rows(g, x, w, dx, dw, db, rows, n, eps);
}
void layer_norm_grad_f64(const double* g, const double* x, const double* w, double* dx, double* dw,
                         double* db, int64_t rows, int64_t n, double eps) {
  backward_rows(g, x, w, dx, dw, db, rows, n, eps);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(layer_norm_f32);
HWY_EXPORT(layer_norm_f64);
HWY_EXPORT(layer_norm_grad_f32);
HWY_EXPORT(layer_norm_grad_f64);

template <> void layer_norm_rows(const float* x, const float* w, const float* b, float* y,
                                 int64_t rows, int64_t n, double eps) {
  HWY_DYNAMIC_DISPATCH(layer_norm_f32)(x, w, b, y, rows, n, eps);
}
template <> void layer_norm_rows(const double* x, const double* w, const double* b, double* y,
                                 int64_t rows, int64_t n, double eps) {
  HWY_DYNAMIC_DISPATCH(layer_norm_f64)(x, w, b, y, rows, n, eps);
}
template <>
void layer_norm_grad_rows(const float* g, const float* x, const float* w, float* dx, float* dw,
                          float* db, int64_t rows, int64_t n, double eps) {
  HWY_DYNAMIC_DISPATCH(layer_norm_grad_f32)(g, x, w, dx, dw, db, rows, n, eps);
}
template <>
void layer_norm_grad_rows(const double* g, const double* x, const double* w, double* dx, double* dw,
                          double* db, int64_t rows, int64_t n, double eps) {
  HWY_DYNAMIC_DISPATCH(layer_norm_grad_f64)(g, x, w, dx, dw, db, rows, n, eps);
}
}  // namespace suanli::cpu
#endif
