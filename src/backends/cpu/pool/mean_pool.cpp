// SPDX-License-Identifier: Apache-2.0
// Mean pooling and its gradient, plane by plane.
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/pool/mean_pool_simd.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"

namespace suanli::cpu {

namespace {

/// `x` and `y`: the planes and their means.
MeanWindows windows_of(const Shape& x, const Shape& y, const MeanPoolAttr& a) {
  MeanWindows w{x[2], x[3], 0, x[3], 0, {}, {}, {}, {}, {}, {}};
  if (x[0] * x[1] == 0) return w;  // no plane, though a mean may have any size
  for (int64_t i = 0; i < y[2]; ++i) {
    const Window rows = window_of(a, 0, i, x[2]);
    w.row_begin.push_back(std::max<int64_t>(0, rows.begin));
    w.row_end.push_back(std::min(x[2], rows.end));
    w.row_divisor.push_back(static_cast<double>(rows.divisor));
  }
  w.left = a.padding[1];
  for (int64_t j = 0; j < y[3]; ++j) {
    const Window columns = window_of(a, 1, j, x[3]);
    w.column_begin.push_back(columns.begin + w.left);
    w.column_length.push_back(columns.end - columns.begin);
    w.column_divisor.push_back(static_cast<double>(columns.divisor));
    w.padded = std::max(w.padded, columns.end + w.left);
  }
  w.padded = std::max(w.padded, x[3] + w.left);
  const auto equal = [](const auto& values) {
    return std::all_of(values.begin(), values.end(), [&](auto v) { return v == values[0]; });
  };
  if (a.kernel[1] > 0 && a.stride[1] == 1 && equal(w.column_length) && equal(w.column_divisor))
    w.kernel = a.kernel[1];
  return w;
}

/// `planes`: the operand with the planes' shape; `means`: the one with the means'.
template <class T, class F> std::unique_ptr<Kernel> make(const Step& step, const Shape& planes,
                                                         const Shape& means, F pool) {
  struct MeanPool final : Kernel {
    MeanPool(MeanWindows windows, int64_t count, int64_t work, int64_t from, int64_t to, F pool)
        : w(std::move(windows)), count(count), from(from), to(to), pool(pool) {
      const CpuTuning& tuning = cpu_tuning();
      lanes = std::max<int64_t>(
          1, std::min<int64_t>({count, pool_threads(), work / tuning.thread_mean_elements}));
      pieces = lanes == 1 ? 1 : std::min(count, tuning.pieces_per_thread * lanes);
      lane_bytes = round_up(w.workspace() * static_cast<int64_t>(sizeof(T)), 64);
      workspace_bytes = lanes * lane_bytes;
    }
    void run(const void* const* in, void* const* out, void* workspace) override {
      if (count == 0) return;
      parallel_for_stealing(pieces, static_cast<int>(lanes), [&](int lane, WorkQueue& left) {
        T* mine = reinterpret_cast<T*>(static_cast<char*>(workspace) + lane * lane_bytes);
        for (int64_t piece; (piece = left.next()) >= 0;) {
          const int64_t begin = count * piece / pieces, end = count * (piece + 1) / pieces;
          pool(static_cast<const T*>(in[0]) + begin * from, w, static_cast<T*>(out[0]) + begin * to,
               end - begin, mine);
        }
      });
    }
    MeanWindows w;
    int64_t count, from, to, lanes, pieces, lane_bytes;
    F pool;
  };
  const int64_t size = planes[2] * planes[3];
  const Shape &in = step.in[0].shape, &out = step.out[0].shape;
  return std::make_unique<MeanPool>(
      windows_of(planes, means, *static_cast<const MeanPoolAttr*>(step.attr)),
      planes[0] * planes[1], planes[0] * planes[1] * size, in[2] * in[3], out[2] * out[3], pool);
}

const RegisterKernel register_mean_pool(mean_pool2d_op,
                                        [](const Step& s) -> std::unique_ptr<Kernel> {
                                          const Shape &x = s.in[0].shape, &y = s.out[0].shape;
                                          if (s.in[0].dtype == DType::f32)
                                            return make<float>(s, x, y, mean_pool<float>);
                                          return s.in[0].dtype == DType::f64
                                                     ? make<double>(s, x, y, mean_pool<double>)
                                                     : nullptr;
                                        });
const RegisterKernel register_mean_pool_grad(
    mean_pool2d_grad_op, [](const Step& s) -> std::unique_ptr<Kernel> {
      const Shape &g = s.in[0].shape, &x = s.out[0].shape;
      if (s.in[0].dtype == DType::f32) return make<float>(s, x, g, mean_pool_grad<float>);
      return s.in[0].dtype == DType::f64 ? make<double>(s, x, g, mean_pool_grad<double>) : nullptr;
    });

}  // namespace

}  // namespace suanli::cpu
