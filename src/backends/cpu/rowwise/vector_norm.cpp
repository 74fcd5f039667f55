// SPDX-License-Identifier: Apache-2.0
// The 2-norm of all elements: squares are added in f64, in blocks, and the blocks in order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/fused/reduction_tiles.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {

namespace {

constexpr int64_t kBlock = Numerics::norm_block;

/// In units of the largest magnitude, for f64 whose squares, of which the sum is given, over- or
/// underflow.
double norm_in_units(const double* x, int64_t n, double squares) {
  double unit = 0, total = 0;
  for (int64_t i = 0; i < n; ++i) unit = std::max(unit, std::fabs(x[i]));  // a NaN is added below
  if (unit == 0 && squares == 0) return 0;  // zeros alone; with a NaN, `squares` is one
  if (!(unit > 0) || std::isinf(unit)) unit = 1;
  for (int64_t i = 0; i < n; ++i) total += x[i] / unit * (x[i] / unit);
  return std::sqrt(total) * unit;
}

template <class T> struct VectorNorm final : Kernel {
  explicit VectorNorm(int64_t n) : n(n), blocks((n + kBlock - 1) / kBlock) {
    workspace_bytes = blocks * 8;
  }
  void run(const void* const* in, void* const* out, void* workspace) override {
    const T* x = static_cast<const T*>(in[0]);
    double* partial = static_cast<double*>(workspace);
    parallel_chunks(blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        partial[b] = sum_of_squares(x + b * kBlock, std::min(kBlock, n - b * kBlock));
    });
    double total = 0;
    for (int64_t b = 0; b < blocks; ++b) total += partial[b];
    double norm = std::sqrt(total);
    if constexpr (sizeof(T) == 8)
      if (!(total >= 1e-280 && total <= std::numeric_limits<double>::max()))
        norm = norm_in_units(x, n, total);
    *static_cast<double*>(out[0]) = norm;
  }
  int64_t n, blocks;
};

const RegisterKernel register_vector_norm(vector_norm_op,
                                          [](const Step& s) -> std::unique_ptr<Kernel> {
                                            const int64_t n = s.in[0].shape.numel();
                                            if (s.in[0].dtype == DType::f32)
                                              return std::make_unique<VectorNorm<float>>(n);
                                            return s.in[0].dtype == DType::f64
                                                       ? std::make_unique<VectorNorm<double>>(n)
                                                       : nullptr;
                                          });

}  // namespace

}  // namespace suanli::cpu
