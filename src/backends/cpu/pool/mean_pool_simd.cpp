// SPDX-License-Identifier: Apache-2.0
// Sums of rows first, a vector of columns at a time, then sums along them. An element enters the
// sums of its own windows alone, so that an infinite one leaves the others as they are.
#include "backends/cpu/pool/mean_pool_simd.h"

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/pool/mean_pool_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

/// to[0 … n) += from[0 … n).
template <class T> HWY_INLINE void add(const T* from, T* to, int64_t n) {
  along_row<T>(n, [&](int64_t i, int64_t left) HWY_ATTR {
    store_row(load_row(to + i, left, T(0)) + load_row(from + i, left, T(0)), to + i, left);
  });
}

template <class T> void means(const T* x, const MeanWindows& w, T* y, int64_t planes, T* sums) {
  const auto at = [](const std::vector<int64_t>& v, int64_t i) {
    return v[static_cast<size_t>(i)];
  };
  std::fill_n(sums, w.padded, T(0));
  for (int64_t plane = 0; plane < planes; ++plane, x += w.height * w.width)
    for (int64_t i = 0; i < w.rows(); ++i, y += w.columns()) {
      const int64_t begin = at(w.row_begin, i), end = at(w.row_end, i);
      if (begin < end) std::copy_n(x + begin * w.width, w.width, sums + w.left);
      else std::fill_n(sums + w.left, w.width, T(0));  // padding only
      for (int64_t r = begin + 1; r < end; ++r) add(x + r * w.width, sums + w.left, w.width);
      if (w.kernel) {
        const RowVec<T> divisor(w.row_divisor[static_cast<size_t>(i)] * w.column_divisor[0]);
        along_row<T>(w.columns(), [&](int64_t j, int64_t left) HWY_ATTR {
          auto total = load_row(sums + j, left, T(0));
          for (int64_t k = 1; k < w.kernel; ++k) total = total + load_row(sums + j + k, left, T(0));
          store_row(total / divisor, y + j, left);
        });
        continue;
      }
      for (int64_t j = 0; j < w.columns(); ++j) {
        const T* from = sums + at(w.column_begin, j);
        T total = from[0];
        for (int64_t k = 1; k < at(w.column_length, j); ++k) total += from[k];
        y[j] = total / static_cast<T>(w.row_divisor[static_cast<size_t>(i)] *
                                      w.column_divisor[static_cast<size_t>(j)]);
      }
    }
}

template <class T> void gradients(const T* g, const MeanWindows& w, T* x, int64_t planes, T* sums) {
  const auto at = [](const std::vector<int64_t>& v, int64_t i) {
    return v[static_cast<size_t>(i)];
  };
  T* shares = sums + w.padded;
  for (int64_t plane = 0; plane < planes; ++plane, x += w.height * w.width) {
    std::fill_n(x, w.height * w.width, T(0));
    for (int64_t i = 0; i < w.rows(); ++i, g += w.columns()) {
      std::fill_n(sums, w.padded, T(0));
      if (w.kernel) {
        const RowVec<T> divisor(w.row_divisor[static_cast<size_t>(i)] * w.column_divisor[0]);
        along_row<T>(w.columns(), [&](int64_t j, int64_t left) HWY_ATTR {
          store_row(load_row(g + j, left, T(0)) / divisor, shares + j, left);
        });
        for (int64_t k = 0; k < w.kernel; ++k) add(shares, sums + k, w.columns());
      } else {
        for (int64_t j = 0; j < w.columns(); ++j) {
          const T share = g[j] / static_cast<T>(w.row_divisor[static_cast<size_t>(i)] *
                                                w.column_divisor[static_cast<size_t>(j)]);
          for (int64_t k = 0; k < at(w.column_length, j); ++k)
            sums[at(w.column_begin, j) + k] += share;
        }
      }
      for (int64_t r = at(w.row_begin, i); r < at(w.row_end, i); ++r)
        add(sums + w.left, x + r * w.width, w.width);
    }
  }
}

}  // namespace

void mean_pool_f32(const float* x, const MeanWindows& w, float* y, int64_t planes,
                   float* workspace) {
  means(x, w, y, planes, workspace);
}
void mean_pool_f64(const double* x, const MeanWindows& w, double* y, int64_t planes,
                   double* workspace) {
  means(x, w, y, planes, workspace);
}
void mean_pool_grad_f32(const float* g, const MeanWindows& w, float* x, int64_t planes,
                        float* workspace) {
  gradients(g, w, x, planes, workspace);
}
void mean_pool_grad_f64(const double* g, const MeanWindows& w, double* x, int64_t planes,
                        double* workspace) {
  gradients(g, w, x, planes, workspace);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(mean_pool_f32);
HWY_EXPORT(mean_pool_f64);
HWY_EXPORT(mean_pool_grad_f32);
HWY_EXPORT(mean_pool_grad_f64);

template <> void mean_pool(const float* x, const MeanWindows& w, float* y, int64_t planes,
                           float* workspace) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f32)(x, w, y, planes, workspace);
}
template <> void mean_pool(const double* x, const MeanWindows& w, double* y, int64_t planes,
                           double* workspace) {
  HWY_DYNAMIC_DISPATCH(mean_pool_f64)(x, w, y, planes, workspace);
}
template <> void mean_pool_grad(const float* g, const MeanWindows& w, float* x, int64_t planes,
                                float* workspace) {
  HWY_DYNAMIC_DISPATCH(mean_pool_grad_f32)(g, w, x, planes, workspace);
}
template <> void mean_pool_grad(const double* g, const MeanWindows& w, double* x, int64_t planes,
                                double* workspace) {
  HWY_DYNAMIC_DISPATCH(mean_pool_grad_f64)(g, w, x, planes, workspace);
}
}  // namespace suanli::cpu
#endif
