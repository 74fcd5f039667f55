// SPDX-License-Identifier: Apache-2.0
// Layer normalization and its gradient.
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/rowwise/layer_norm_simd.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"

namespace suanli::cpu {

namespace {

template <class T> std::unique_ptr<Kernel> make_forward(const Step& step) {
  const double eps = static_cast<const NormAttr*>(step.attr)->eps;
  const int64_t n = step.in[1].shape.numel(), rows = n == 0 ? 0 : step.in[0].shape.numel() / n;
  const bool bias = step.in.size() == 3, large = past_caches(step.in, step.out);
  const int64_t grain =
      std::max<int64_t>(1, cpu_tuning().thread_row_elements / std::max<int64_t>(1, n));
  return make_kernel([=](const void* const* in, void* const* out) {
    const T *x = static_cast<const T*>(in[0]), *w = static_cast<const T*>(in[1]),
            *b = bias ? static_cast<const T*>(in[2]) : nullptr;
    T* y = static_cast<T*>(out[0]);
    parallel_chunks(rows, grain, [&](int64_t begin, int64_t end) {
      write_rows(begin, end, n, y, large && x != y, [&](int64_t row, int64_t count, T* to) {
        layer_norm_rows(x + row * n, w, b, to, count, n, eps);
      });
    });
  });
}

/// The gradients of weight and bias are summed in chunks of rows, whose number follows from the
/// shape alone, and the chunks in order.
template <class T> struct Gradient final : Kernel {
  Gradient(int64_t rows, int64_t n, double eps, bool large)
      : rows(rows), n(n), eps(eps), large(large) {
    constexpr int64_t kMinRows = Numerics::layer_norm_rows,
                      kMaxChunks = Numerics::layer_norm_chunks;
    chunk = std::max(kMinRows, (rows + kMaxChunks - 1) / kMaxChunks);
    chunks = (rows + chunk - 1) / chunk;
    workspace_bytes = chunks * 2 * n * static_cast<int64_t>(sizeof(T));
  }
  void run(const void* const* in, void* const* out, void* workspace) override {
    const T *g = static_cast<const T*>(in[0]), *x = static_cast<const T*>(in[1]),
            *w = static_cast<const T*>(in[2]);
    T *dx = static_cast<T*>(out[0]), *partial = static_cast<T*>(workspace);
    parallel_chunks(chunks, std::max<int64_t>(1, grain / std::max<int64_t>(1, n * chunk)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t c = begin; c < end; ++c) {
                        const int64_t first = c * chunk, count = std::min(chunk, rows - first);
                        T* sums = partial + c * 2 * n;
                        std::fill_n(sums, 2 * n, T(0));
                        write_rows(first, first + count, n, dx, large && g != dx && x != dx,
                                   [&](int64_t row, int64_t some, T* to) {
                                     layer_norm_grad_rows(g + row * n, x + row * n, w, to, sums,
                                                          sums + n, some, n, eps);
                                   });
                      }
                    });
    parallel_chunks(2 * n, std::max<int64_t>(1, grain / std::max<int64_t>(1, chunks)),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t k = begin; k < end; ++k) {
                        double total = 0;
                        for (int64_t c = 0; c < chunks; ++c)
                          total += static_cast<double>(partial[c * 2 * n + k]);
                        static_cast<T*>(out[k < n ? 1 : 2])[k < n ? k : k - n] =
                            static_cast<T>(total);
                      }
                    });
  }
  int64_t rows, n, chunk, chunks, grain = cpu_tuning().thread_row_elements;
  double eps;
  bool large;
};

template <class T> std::unique_ptr<Kernel> make_gradient(const Step& step) {
  const int64_t n = step.in[2].shape.numel();
  return std::make_unique<Gradient<T>>(n == 0 ? 0 : step.in[0].shape.numel() / n, n,
                                       static_cast<const NormAttr*>(step.attr)->eps,
                                       past_caches(step.in, step.out));
}

const RegisterKernel register_layer_norm(layer_norm_op,
                                         [](const Step& s) -> std::unique_ptr<Kernel> {
                                           return s.in[0].dtype == DType::f32
                                                      ? make_forward<float>(s)
                                                  : s.in[0].dtype == DType::f64
                                                      ? make_forward<double>(s)
                                                      : nullptr;
                                         });
const RegisterKernel register_gradient(layer_norm_grad_op,
                                       [](const Step& s) -> std::unique_ptr<Kernel> {
                                         return s.in[0].dtype == DType::f32
                                                    ? make_gradient<float>(s)
                                                : s.in[0].dtype == DType::f64
                                                    ? make_gradient<double>(s)
                                                    : nullptr;
                                       });

}  // namespace

}  // namespace suanli::cpu
