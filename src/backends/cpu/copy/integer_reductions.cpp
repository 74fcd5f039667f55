// SPDX-License-Identifier: Apache-2.0
// Reductions of integers, and argmax and argmin. Those of floats: reduction_kernel.cpp.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "backends/cpu/fused/reduction_kernel.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"
#include "ops/schema/reductions.h"

namespace suanli::cpu {

namespace {

constexpr int kTile = CpuTuning::integer_tile;  // columns accumulated together

// The words of the texts.
template <class T> T maximum(T a, T b) { return std::max(a, b); }
template <class T> T minimum(T a, T b) { return std::min(a, b); }
template <class T> T abs(T x) { return x < 0 ? T(0) - x : x; }

/// The type of partial results of a T, and of the result: Wide wraps around in 64 bits.
template <ReductionResult, class T> struct Types {
  using Acc = T;
  using Out = T;
};
template <class T> struct Types<ReductionResult::Wide, T> {
  using Acc = uint64_t;
  using Out = int64_t;
};
template <class T> struct Types<ReductionResult::Flag, T> {
  using Acc = uint8_t;
  using Out = uint8_t;
};

/// A row of T.
#define REDUCTION(name, Result, Empty, identity, before_, combine, finish, gradient, ...)         \
  template <class T> struct name##_row {                                                          \
    static constexpr bool exists = ReductionResult::Result != ReductionResult::Real;              \
    using Element = T;                                                                            \
    using Acc = typename Types<ReductionResult::Result, T>::Acc;                                  \
    using Out = typename Types<ReductionResult::Result, T>::Out;                                  \
    static Acc start() {                                                                          \
      [[maybe_unused]] constexpr Acc zero = 0, one = 1, lowest = std::numeric_limits<Acc>::min(), \
                                     highest = std::numeric_limits<Acc>::max();                   \
      return identity;                                                                            \
    }                                                                                             \
    static Acc before(T x) {                                                                      \
      [[maybe_unused]] constexpr T zero = 0, one = 1;                                             \
      return static_cast<Acc>(before_);                                                           \
    }                                                                                             \
    static Acc join(Acc a, Acc b) { return static_cast<Acc>(combine); }                           \
    static Acc row(const T* x, int64_t n) {                                                       \
      Acc total = start();                                                                        \
      for (int64_t i = 0; i < n; ++i) total = join(total, before(x[i]));                          \
      return total;                                                                               \
    }                                                                                             \
  };
#include "ops/schema/reductions.def"

/// Neighboring axes of the same kind merged: sizes, strides (elements) and whether they are
/// reduced.
struct Walk {
  std::vector<int64_t> kept, kept_stride, reduced, reduced_stride;
  bool inner_reduced = true;  // the innermost axis
  int64_t inner = 1;
  int64_t outer_reduced = 1;  // product of `reduced`
};

Walk walk_of(const Shape& s, uint32_t axes) {
  std::vector<std::pair<int64_t, bool>> groups;  // outermost first
  for (int i = 0; i < s.rank(); ++i) {
    if (s[i] == 1) continue;
    const bool r = axes >> i & 1;
    if (!groups.empty() && groups.back().second == r) groups.back().first *= s[i];
    else groups.push_back({s[i], r});
  }
  Walk w;
  if (groups.empty()) return w;
  w.inner = groups.back().first;
  w.inner_reduced = groups.back().second;
  int64_t stride = w.inner;
  for (size_t g = groups.size() - 1; g-- > 0;) {
    auto [size, r] = groups[g];
    (r ? w.reduced : w.kept).push_back(size);
    (r ? w.reduced_stride : w.kept_stride).push_back(stride);
    if (r) w.outer_reduced *= size;
    stride *= size;
  }
  return w;
}

/// Offset of the i-th combination of some axes (innermost first in the vectors).
int64_t offset_of(int64_t i, const std::vector<int64_t>& sizes,
                  const std::vector<int64_t>& strides) {
  int64_t at = 0;
  for (size_t a = 0; a < sizes.size(); ++a) {
    at += i % sizes[a] * strides[a];
    i /= sizes[a];
  }
  return at;
}

/// True if everything becomes one number out of one contiguous run: then blocks are reduced in
/// parallel, and joined in order.
bool is_total(const Walk& w, int64_t n_out) {
  return w.inner_reduced && n_out == 1 && w.reduced.empty();
}

template <class R>
void reduce(const typename R::Element* x, typename R::Out* y, int64_t n_out, int64_t n_in,
            const Walk& w, const CpuTuning& tuning, void* workspace) {
  using T = typename R::Element;
  using A = typename R::Acc;
  using O = typename R::Out;
  if (n_out == 0) return;
  if (n_in == 0) {
    for (int64_t i = 0; i < n_out; ++i) y[i] = static_cast<O>(R::start());
    return;
  }
  const int64_t per_out = n_in / n_out, grain = tuning.thread_row_elements,
                block = tuning.integer_block;
  if (is_total(w, n_out)) {
    const int64_t blocks = (n_in + block - 1) / block;
    A* partial = static_cast<A*>(workspace);
    parallel_chunks(blocks, 1, [&](int64_t from, int64_t to) {
      for (int64_t b = from; b < to; ++b)
        partial[b] = R::row(x + b * block, std::min(block, n_in - b * block));
    });
    A total = R::start();
    for (int64_t b = 0; b < blocks; ++b) total = R::join(total, partial[b]);
    y[0] = static_cast<O>(total);
  } else if (w.inner_reduced) {
    parallel_chunks(n_out, std::max<int64_t>(1, grain / per_out), [&](int64_t from, int64_t to) {
      for (int64_t o = from; o < to; ++o) {
        const T* base = x + offset_of(o, w.kept, w.kept_stride);
        A total = R::start();
        for (int64_t r = 0; r < w.outer_reduced; ++r)
          total = R::join(total, R::row(base + offset_of(r, w.reduced, w.reduced_stride), w.inner));
        y[o] = static_cast<O>(total);
      }
    });
  } else {
    const int64_t tiles = (w.inner + kTile - 1) / kTile, outer = n_out / w.inner;
    parallel_chunks(outer * tiles,
                    std::max<int64_t>(1, grain / (per_out * std::min<int64_t>(kTile, w.inner))),
                    [&](int64_t from, int64_t to) {
                      for (int64_t t = from; t < to; ++t) {
                        const int64_t o = t / tiles, c = t % tiles * kTile,
                                      m = std::min<int64_t>(kTile, w.inner - c);
                        const T* base = x + offset_of(o, w.kept, w.kept_stride) + c;
                        A acc[kTile];
                        for (int64_t k = 0; k < m; ++k) acc[k] = R::start();
                        for (int64_t r = 0; r < w.outer_reduced; ++r) {
                          const T* row = base + offset_of(r, w.reduced, w.reduced_stride);
                          for (int64_t k = 0; k < m; ++k)
                            acc[k] = R::join(acc[k], R::before(row[k]));
                        }
                        for (int64_t k = 0; k < m; ++k)
                          y[o * w.inner + c + k] = static_cast<O>(acc[k]);
                      }
                    });
  }
}

template <class R> struct IntegerReduction : Kernel {
  IntegerReduction(Walk walk, int64_t n_out, int64_t n_in)
      : walk(std::move(walk)), n_out(n_out), n_in(n_in) {
    if (is_total(this->walk, n_out))
      workspace_bytes = (n_in + tuning->integer_block - 1) / tuning->integer_block *
                        static_cast<int64_t>(sizeof(typename R::Acc));
  }
  void run(const void* const* in, void* const* out, void* workspace) override {
    reduce<R>(static_cast<const typename R::Element*>(in[0]), static_cast<typename R::Out*>(out[0]),
              n_out, n_in, walk, *tuning, workspace);
  }
  Walk walk;
  int64_t n_out, n_in;
  const CpuTuning* tuning = &cpu_tuning();  // stays in memory
};

template <template <class> class Row, ReductionOp op>
std::unique_ptr<Kernel> make(const Step& step) {
  if (is_float(step.in[0].dtype)) return make_reduction(op, step);
  const Walk w = walk_of(step.in[0].shape, static_cast<const ReduceAttr*>(step.attr)->dim);
  const int64_t n_out = step.out[0].shape.numel(), n_in = step.in[0].shape.numel();
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    if constexpr (!std::is_floating_point_v<T> && Row<T>::exists)
      kernel = std::make_unique<IntegerReduction<Row<T>>>(w, n_out, n_in);
  });
  return kernel;
}
const RegisterKernel register_rows[] = {
#define REDUCTION(name, ...) {reduction_op(ReductionOp::name), make<name##_row, ReductionOp::name>},
#include "ops/schema/reductions.def"
};

/// The place of the first element that no other is better than; NaN is better than all numbers.
template <class Better> std::unique_ptr<Kernel> make_arg(const Step& step) {
  const int axis = static_cast<const DimAttr*>(step.attr)->dim;
  const Shape& s = step.in[0].shape;
  int64_t outer = 1, n = s[axis], inner = 1;
  for (int i = 0; i < s.rank(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : s[i];
  const int64_t grain =
      std::max<int64_t>(1, cpu_tuning().thread_row_elements / std::max<int64_t>(1, n));
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    kernel = make_kernel([=](const void* const* in, void* const* out) {
      const T* x = static_cast<const T*>(in[0]);
      auto* y = static_cast<int64_t*>(out[0]);
      parallel_chunks(outer * inner, grain, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
          const T* p = x + i / inner * n * inner + i % inner;
          int64_t best = 0;
          for (int64_t k = 1; k < n; ++k) {
            const T a = p[best * inner], b = p[k * inner];
            bool better = Better()(b, a);
            if constexpr (std::is_floating_point_v<T>)
              better = !std::isnan(a) && (better || std::isnan(b));
            if (better) best = k;
          }
          y[i] = best;
        }
      });
    });
  });
  return kernel;
}
const RegisterKernel register_argmax(argmax_op, make_arg<std::greater<>>);
const RegisterKernel register_argmin(argmin_op, make_arg<std::less<>>);

}  // namespace

}  // namespace suanli::cpu
