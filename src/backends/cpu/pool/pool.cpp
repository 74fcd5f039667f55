// SPDX-License-Identifier: Apache-2.0
// Max pooling and its gradient, plane by plane, or by blocks of planes whose channels lie side by
// side.
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "backends/cpu/kernels.h"
#include "backends/cpu/pool/pool_simd.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"

namespace suanli::cpu {

namespace {

template <class T> void pool_plane(const T* x, T* y, int32_t* at, int64_t h, int64_t w, int64_t p,
                                   int64_t q, const PoolBlocks& s) {
  for (int64_t i = 0; i < p; ++i)
    for (int64_t j = 0; j < q; ++j) {
      const PoolSpan rows = s.vertical.span(i, h), columns = s.horizontal.span(j, w);
      int64_t best = rows.first(h) * w + columns.first(w);
      T m = rows.empty() || columns.empty() ? -std::numeric_limits<T>::infinity() : x[best];
      for (int64_t r = rows.begin; r < rows.end; r += s.vertical.dilation)
        for (int64_t c = columns.begin; c < columns.end; c += s.horizontal.dilation) {
          const T v = x[r * w + c];
          if (v > m || (std::isnan(v) && !std::isnan(m))) {
            m = v;
            best = r * w + c;
          }
        }
      y[i * q + j] = m;
      if (at) at[i * q + j] = static_cast<int32_t>(best);
    }
}

PoolBlocks blocks_of(const Shape& x, const Shape& y, const MaxPoolAttr& a) {
  const auto axis = [&](int i) {
    return PoolAxis{a.kernel_size[i], a.stride[i], a.padding[i], a.dilation[i]};
  };
  return {x[2], x[3], y[2], y[3], x.rank() == 5 ? x[4] : 1, axis(0), axis(1)};
}

/// Blocks of channels, [N, C/b, H, W, b]: f32 only.
std::unique_ptr<Kernel> make_pool_blocked(const Step& step) {
  const PoolBlocks s =
      blocks_of(step.in[0].shape, step.out[0].shape, *static_cast<const MaxPoolAttr*>(step.attr));
  const int64_t blocks = step.in[0].shape[0] * step.in[0].shape[1],
                from = s.height * s.width * s.block, to = s.rows * s.columns * s.block,
                grain = cpu_tuning().thread_pool_block_elements /
                        std::max<int64_t>(1, to * s.vertical.kernel);
  return make_kernel([=](const void* const* in, void* const* out) {
    parallel_chunks(blocks, std::max<int64_t>(1, grain), [&](int64_t b, int64_t e) {
      for (int64_t n = b; n < e; ++n)
        pool_block(static_cast<const float*>(in[0]) + n * from, s,
                   static_cast<float*>(out[0]) + n * to,
                   out[1] ? static_cast<int32_t*>(out[1]) + n * to : nullptr);
    });
  });
}
std::unique_ptr<Kernel> make_pool_grad_blocked(const Step& step) {
  const PoolBlocks s = blocks_of(step.out[0].shape, step.in[0].shape, {});
  const int64_t blocks = step.in[0].shape[0] * step.in[0].shape[1],
                from = s.rows * s.columns * s.block, to = s.height * s.width * s.block,
                grain = cpu_tuning().thread_pool_block_grad_elements / std::max<int64_t>(1, to);
  return make_kernel([=](const void* const* in, void* const* out) {
    parallel_chunks(blocks, std::max<int64_t>(1, grain), [&](int64_t b, int64_t e) {
      for (int64_t n = b; n < e; ++n)
        pool_block_grad(static_cast<const float*>(in[0]) + n * from,
                        static_cast<const int32_t*>(in[1]) + n * from, s,
                        static_cast<float*>(out[0]) + n * to);
    });
  });
}

template <class T> std::unique_ptr<Kernel> make_pool(const Step& step) {
  if (step.in[0].shape.rank() == 5) return make_pool_blocked(step);
  const Shape x = step.in[0].shape, y = step.out[0].shape;
  const PoolBlocks s = blocks_of(x, y, *static_cast<const MaxPoolAttr*>(step.attr));
  // of the windows, where all lie inside the plane and one gather reads them
  std::vector<int32_t> starts;
  if (std::is_same_v<T, float> && s.vertical.inside(y[2], x[2]) &&
      s.horizontal.inside(y[3], x[3]) && x[2] * x[3] <= std::numeric_limits<int32_t>::max())
    for (int64_t i = 0; i < y[2]; ++i)
      for (int64_t j = 0; j < y[3]; ++j)
        starts.push_back(
            static_cast<int32_t>(i * s.vertical.stride * x[3] + j * s.horizontal.stride));
  const int64_t grain =
      cpu_tuning().thread_pool_elements / std::max<int64_t>(1, y[2] * y[3] * s.vertical.kernel);
  return make_kernel([=](const void* const* in, void* const* out) {
    const int64_t planes = y[0] * y[1], from = x[2] * x[3], to = y[2] * y[3];
    parallel_chunks(planes, std::max<int64_t>(1, grain), [&](int64_t b, int64_t e) {
      for (int64_t n = b; n < e; ++n) {
        const T* plane = static_cast<const T*>(in[0]) + n * from;
        T* values = static_cast<T*>(out[0]) + n * to;
        int32_t* at = out[1] ? static_cast<int32_t*>(out[1]) + n * to : nullptr;
        if constexpr (std::is_same_v<T, float>)
          if (!starts.empty()) {
            if (pool_rows(plane, s, values, at)) continue;
            pool_windows(plane, starts.data(), to, s, values, at);
            continue;
          }
        pool_plane(plane, values, at, x[2], x[3], y[2], y[3], s);
      }
    });
  });
}

template <class T> std::unique_ptr<Kernel> make_pool_grad(const Step& step) {
  if (step.in[0].shape.rank() == 5) return make_pool_grad_blocked(step);
  const Shape g = step.in[0].shape, x = step.out[0].shape;
  const int64_t grain = cpu_tuning().thread_pool_grad_elements / std::max<int64_t>(1, x[2] * x[3]);
  return make_kernel([=](const void* const* in, void* const* out) {
    const int64_t planes = g[0] * g[1], n = g[2] * g[3], size = x[2] * x[3];
    parallel_chunks(planes, std::max<int64_t>(1, grain), [&](int64_t b, int64_t e) {
      for (int64_t p = b; p < e; ++p) {
        T* to = static_cast<T*>(out[0]) + p * size;
        std::fill(to, to + size, T(0));
        const T* from = static_cast<const T*>(in[0]) + p * n;
        const int32_t* at = static_cast<const int32_t*>(in[1]) + p * n;
        for (int64_t i = 0; i < n; ++i) to[at[i]] += from[i];
      }
    });
  });
}

/// True if 32 bits hold every place in a plane of blocks: the gradient scatters by them.
bool indexable(const Shape& x, int64_t block) { return x[2] * x[3] <= INT32_MAX / block; }

const RegisterBlocked blocked_pool(max_pool2d_op, [](const Step& s, int64_t block) {
  return s.in[0].dtype == DType::f32 && indexable(s.in[0].shape, block)
             ? BlockedOperands{1, 3, true}
             : BlockedOperands{};
});
const RegisterBlocked blocked_pool_grad(max_pool2d_grad_op, [](const Step& s, int64_t block) {
  return s.in[0].dtype == DType::f32 && indexable(s.out[0].shape, block)
             ? BlockedOperands{3, 1, true}
             : BlockedOperands{};
});
const RegisterKernel register_pool(max_pool2d_op, [](const Step& s) -> std::unique_ptr<Kernel> {
  return s.in[0].dtype == DType::f32   ? make_pool<float>(s)
         : s.in[0].dtype == DType::f64 ? make_pool<double>(s)
                                       : nullptr;
});
const RegisterKernel register_pool_grad(max_pool2d_grad_op,
                                        [](const Step& s) -> std::unique_ptr<Kernel> {
                                          return s.in[0].dtype == DType::f32
                                                     ? make_pool_grad<float>(s)
                                                 : s.in[0].dtype == DType::f64
                                                     ? make_pool_grad<double>(s)
                                                     : nullptr;
                                        });

}  // namespace

}  // namespace suanli::cpu
