// softmax and log_softmax along one axis, the row kept in cache.
#include <cmath>

#include "backends/cpu/kernels.h"
#include "base/thread_pool.h"
#include "ops/op.h"

namespace suanli::cpu {

namespace {

template <class T, bool log_form> void row(const T* x, T* y, int64_t n, int64_t stride) {
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
  const int axis = static_cast<const AxisAttr*>(step.attr)->axis;
  const Shape& s = step.in[0].shape;
  int64_t outer = 1, n = s[axis], inner = 1;
  for (int i = 0; i < s.rank(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : s[i];
  return make_kernel([=](const void* const* in, void* const* out) {
    if (n == 0) return;
    parallel_chunks(outer * inner, std::max<int64_t>(1, 2048 / n), [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) {
        const int64_t at = i / inner * n * inner + i % inner;
        row<T, log_form>(static_cast<const T*>(in[0]) + at, static_cast<T*>(out[0]) + at, n, inner);
      }
    });
  });
}

template <bool log_form> std::unique_ptr<Kernel> softmax(const Step& s) {
  return s.in[0].dtype == DType::f32 ? make<float, log_form>(s) : s.in[0].dtype == DType::f64 ? make<double, log_form>(s) : nullptr;
}

const RegisterKernel register_softmax("softmax", softmax<false>);
const RegisterKernel register_log_softmax("log_softmax", softmax<true>);

}  // namespace

}  // namespace suanli::cpu
