// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax along one axis, and cross_entropy with its gradient.
#include <cmath>

#include "backends/cpu/kernels.h"
#include "backends/cpu/rowwise/softmax_simd.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/text/text.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {

namespace {

/// Rows of n elements that are worth a thread.
int64_t grain_of(int64_t n) {
  return std::max<int64_t>(1, cpu_tuning().thread_softmax_elements / std::max<int64_t>(1, n));
}

/// A row whose elements lie `stride` apart.
template <class T, bool log_form> void strided_row(const T* x, T* y, int64_t n, int64_t stride) {
  T m = x[0];
  for (int64_t i = 1; i < n; ++i) {
    const T v = x[i * stride];
    if (v > m || std::isnan(v)) m = v;
  }
  T total = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T e = std::exp(x[i * stride] - m);
    total += e;
    if (!log_form) y[i * stride] = e;
  }
  if (log_form) {
    const T shift = std::log(total);
    for (int64_t i = 0; i < n; ++i) y[i * stride] = x[i * stride] - m - shift;
  } else {
    const T scale = 1 / total;
    for (int64_t i = 0; i < n; ++i) y[i * stride] *= scale;
  }
}

template <class T, bool log_form> std::unique_ptr<Kernel> make(const Step& step) {
  const int axis = static_cast<const DimAttr*>(step.attr)->dim;
  const Shape& s = step.in[0].shape;
  int64_t outer = 1, n = s[axis], inner = 1;
  for (int i = 0; i < s.rank(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : s[i];
  const bool large = past_caches(step.in, step.out);
  const int64_t grain = grain_of(n);
  return make_kernel([=](const void* const* in, void* const* out) {
    if (n == 0) return;
    const T* x = static_cast<const T*>(in[0]);
    T* y = static_cast<T*>(out[0]);
    parallel_chunks(outer * inner, grain, [&](int64_t a, int64_t b) {
      if (inner == 1) {
        write_rows(a, b, n, y, large && x != y, [&](int64_t row, int64_t count, T* to) {
          (log_form ? log_softmax_rows<T> : softmax_rows<T>)(x + row * n, to, count, n);
        });
        return;
      }
      for (int64_t i = a; i < b; ++i) {
        const int64_t at = i / inner * n * inner + i % inner;
        strided_row<T, log_form>(x + at, y + at, n, inner);
      }
    });
  });
}

template <bool log_form> std::unique_ptr<Kernel> softmax(const Step& s) {
  return s.in[0].dtype == DType::f32   ? make<float, log_form>(s)
         : s.in[0].dtype == DType::f64 ? make<double, log_form>(s)
                                       : nullptr;
}

const RegisterKernel register_softmax(softmax_op, softmax<false>);
const RegisterKernel register_log_softmax(log_softmax_op, softmax<true>);

/// Throws for a target out of range. Returns how many count.
int64_t check_targets(const char* op, const int64_t* target, int64_t rows, int64_t classes,
                      int64_t ignored) {
  int64_t counted = 0;
  for (int64_t i = 0; i < rows; ++i) {
    if (target[i] == ignored) continue;
    if (target[i] < 0 || target[i] >= classes)
      throw IoError({.op = op,
                     .argument = "target",
                     .given = str(target[i], " at position ", i),
                     .expected = str("0…", classes - 1, ", for ", classes, " classes")});
    ++counted;
  }
  return counted;
}
int64_t ignored_of(const Step& step) {
  return static_cast<const IgnoreAttr*>(step.attr)->ignore_index;
}

/// In: x [N, C], target [N]. Out: the loss, and the largest element m and ln Σ exp(x − m) of every
/// row.
template <class T> std::unique_ptr<Kernel> make_cross_entropy(const Step& step) {
  const int64_t rows = step.in[0].shape[0], n = step.in[0].shape[1], grain = grain_of(n),
                ignored = ignored_of(step);
  return make_kernel([=](const void* const* in, void* const* out) {
    const T* x = static_cast<const T*>(in[0]);
    const auto* target = static_cast<const int64_t*>(in[1]);
    T *top = static_cast<T*>(out[1]), *log_sum = top + rows;
    const int64_t counted = check_targets("cross_entropy", target, rows, n, ignored);
    parallel_chunks(rows, grain, [&](int64_t a, int64_t b) {
      log_sum_exp_rows(x + a * n, top + a, log_sum + a, b - a, n);
    });
    double total = 0;
    for (int64_t i = 0; i < rows; ++i)
      if (target[i] != ignored)
        total += static_cast<double>(log_sum[i]) -
                 (static_cast<double>(x[i * n + target[i]]) - static_cast<double>(top[i]));
    *static_cast<T*>(out[0]) = static_cast<T>(total / static_cast<double>(counted));
  });
}

/// In: g [], x [N, C], target [N], m and ln Σ exp(x − m) of every row [2, N]. Out: (softmax(x) −
/// one_hot(target)) · g/n, in one pass over x; 0 for rows that do not count.
template <class T> std::unique_ptr<Kernel> make_cross_entropy_grad(const Step& step) {
  const int64_t rows = step.in[1].shape[0], n = step.in[1].shape[1], grain = grain_of(n),
                ignored = ignored_of(step);
  const bool large = past_caches(step.in, step.out);
  return make_kernel([=](const void* const* in, void* const* out) {
    const T *x = static_cast<const T*>(in[1]), *top = static_cast<const T*>(in[3]),
            *log_sum = top + rows;
    const auto* target = static_cast<const int64_t*>(in[2]);
    T* dx = static_cast<T*>(out[0]);
    const int64_t counted = check_targets("cross_entropy_grad", target, rows, n, ignored);
    const T scale = *static_cast<const T*>(in[0]) / static_cast<T>(counted);
    parallel_chunks(rows, grain, [&](int64_t a, int64_t b) {
      write_rows(a, b, n, dx, large && x != dx, [&](int64_t row, int64_t count, T* to) {
        scaled_softmax_rows(x + row * n, top + row, log_sum + row, scale, to, count, n);
        for (int64_t i = 0; i < count; ++i) {
          if (target[row + i] != ignored) to[i * n + target[row + i]] -= scale;
          else std::fill_n(to + i * n, n, T(0));
        }
      });
    });
  });
}

/// In: x [N, C], target [N]. Out: the mean of −x[n, target[n]] over the rows that count.
template <class T> std::unique_ptr<Kernel> make_nll(const Step& step) {
  const int64_t rows = step.in[0].shape[0], n = step.in[0].shape[1], ignored = ignored_of(step);
  return make_kernel([=](const void* const* in, void* const* out) {
    const T* x = static_cast<const T*>(in[0]);
    const auto* target = static_cast<const int64_t*>(in[1]);
    const int64_t counted = check_targets("nll_loss", target, rows, n, ignored);
    double total = 0;
    for (int64_t i = 0; i < rows; ++i)
      if (target[i] != ignored) total -= static_cast<double>(x[i * n + target[i]]);
    *static_cast<T*>(out[0]) = static_cast<T>(total / static_cast<double>(counted));
  });
}
/// In: g [], target [N]. Out: −g/n at the target of each of the n rows that count, else 0.
template <class T> std::unique_ptr<Kernel> make_nll_grad(const Step& step) {
  const int64_t rows = step.out[0].shape[0], n = step.out[0].shape[1], ignored = ignored_of(step);
  return make_kernel([=](const void* const* in, void* const* out) {
    const auto* target = static_cast<const int64_t*>(in[1]);
    T* dx = static_cast<T*>(out[0]);
    const int64_t counted = check_targets("nll_loss", target, rows, n, ignored);
    const T share = -*static_cast<const T*>(in[0]) / static_cast<T>(counted);
    std::fill_n(dx, rows * n, T(0));
    for (int64_t i = 0; i < rows; ++i)
      if (target[i] != ignored) dx[i * n + target[i]] = share;
  });
}
const RegisterKernel register_nll(nll_rows_op, [](const Step& s) -> std::unique_ptr<Kernel> {
  if (s.in[0].dtype == DType::f32) return make_nll<float>(s);
  return s.in[0].dtype == DType::f64 ? make_nll<double>(s) : nullptr;
});
const RegisterKernel register_nll_grad(nll_rows_grad_op,
                                       [](const Step& s) -> std::unique_ptr<Kernel> {
                                         if (s.in[0].dtype == DType::f32)
                                           return make_nll_grad<float>(s);
                                         return s.in[0].dtype == DType::f64
                                                    ? make_nll_grad<double>(s)
                                                    : nullptr;
                                       });

const RegisterKernel register_cross_entropy(cross_entropy_rows_op,
                                            [](const Step& s) -> std::unique_ptr<Kernel> {
                                              return s.in[0].dtype == DType::f32
                                                         ? make_cross_entropy<float>(s)
                                                     : s.in[0].dtype == DType::f64
                                                         ? make_cross_entropy<double>(s)
                                                         : nullptr;
                                            });
const RegisterKernel register_cross_entropy_grad(cross_entropy_grad_op,
                                                 [](const Step& s) -> std::unique_ptr<Kernel> {
                                                   return s.in[1].dtype == DType::f32
                                                              ? make_cross_entropy_grad<float>(s)
                                                          : s.in[1].dtype == DType::f64
                                                              ? make_cross_entropy_grad<double>(s)
                                                              : nullptr;
                                                 });

}  // namespace

}  // namespace suanli::cpu
