// SPDX-License-Identifier: Apache-2.0
// Kernels that move elements: full, arange, transpose, expand, slice, slice_update, concat.
#include <algorithm>
#include <vector>

#include "backends/cpu/fused/fused_kernel.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/simd/iteration.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {

namespace {

std::array<int64_t, 8> row_major(const Shape& s) {
  std::array<int64_t, 8> strides{};
  int64_t stride = 1;
  for (int i = s.rank(); i-- > 0; stride *= s[i]) strides[static_cast<size_t>(i)] = stride;
  return strides;
}

const RegisterKernel register_full(full_op, [](const Step& step) {
  const int64_t n = step.out[0].shape.numel();
  const DType from = step.in[0].dtype, to = step.out[0].dtype;
  std::unique_ptr<Kernel> kernel;
  with_number(to, [&](auto t) {
    using T = decltype(t);
    kernel = make_kernel(
        [=, grain = cpu_tuning().thread_copy_elements](const void* const* in, void* const* out) {
          const T v = to == DType::boolean ? static_cast<T>(read_real(in[0], from) != 0)
                                           : read_scalar<T>(in[0], from);
          T* y = static_cast<T*>(out[0]);
          parallel_chunks(n, grain, [&](int64_t a, int64_t b) { std::fill(y + a, y + b, v); });
        });
  });
  return kernel;
});

const RegisterKernel register_arange(arange_op, [](const Step& step) {
  const int64_t n = step.out[0].shape.numel();
  const DType from = step.in[0].dtype;
  std::unique_ptr<Kernel> kernel;
  with_type(step.out[0].dtype, [&](auto t) {
    using T = decltype(t);
    kernel = make_kernel([=](const void* const* in, void* const* out) {
      T* y = static_cast<T*>(out[0]);
      if constexpr (std::is_floating_point_v<T>) {
        const double start = read_real(in[0], from);
        for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(start + static_cast<double>(i));
      } else {
        const int64_t start = read_integer(in[0], from);
        for (int64_t i = 0; i < n; ++i)
          y[i] = static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i));
      }
    });
  });
  return kernel;
});

const RegisterKernel register_transpose(
    permute_op, [](const Step& step) -> std::unique_ptr<Kernel> {
      const auto& p = *static_cast<const PermuteAttr*>(step.attr);
      const auto strides = row_major(step.in[0].shape);
      std::array<int64_t, 8> moved{};
      for (int i = 0; i < step.out[0].shape.rank(); ++i)
        moved[static_cast<size_t>(i)] = strides[static_cast<size_t>(p.dims[i])];
      return make_strided_copy(step.out[0].dtype, step.out[0].shape, moved);
    });

const RegisterKernel register_expand(expand_op, [](const Step& step) -> std::unique_ptr<Kernel> {
  return make_strided_copy(step.out[0].dtype, step.out[0].shape,
                           broadcast_strides(step.in[0].shape, step.out[0].shape));
});

/// A slice along one axis: `outer` runs of `length` rows, `step` rows apart, each of `row` bytes.
struct SliceGeometry {
  int64_t outer, size, length, step, row, grain = cpu_tuning().thread_copy_bytes;
  DType start_dtype;
  SliceGeometry(const ValueDesc& whole, const NarrowAttr& a, DType start)
      : outer(1),
        size(whole.shape[a.dim]),
        length(a.length),
        step(a.step),
        row(itemsize(whole.dtype)),
        start_dtype(start) {
    for (int i = 0; i < a.dim; ++i) outer *= whole.shape[i];
    for (int i = a.dim + 1; i < whole.shape.rank(); ++i) row *= whole.shape[i];
  }
  /// A computed start is clamped so that nothing outside is touched.
  int64_t start(const void* p) const {
    return std::clamp<int64_t>(
        read_integer(p, start_dtype), 0,
        std::max<int64_t>(0, size - (length > 0 ? (length - 1) * step + 1 : 0)));
  }
  /// Calls f(offset in the whole, offset in the part, bytes) for every contiguous piece.
  template <class F> void pieces(int64_t from, F&& f) const {
    if (length == 0 || row == 0) return;
    parallel_chunks(outer, std::max<int64_t>(1, grain / (length * row)), [&](int64_t a, int64_t b) {
      for (int64_t o = a; o < b; ++o) {
        if (step == 1) f((o * size + from) * row, o * length * row, length * row);
        else
          for (int64_t i = 0; i < length; ++i)
            f((o * size + from + i * step) * row, (o * length + i) * row, row);
      }
    });
  }
};

const RegisterKernel register_slice(narrow_op, [](const Step& step) {
  const SliceGeometry g(step.in[0], *static_cast<const NarrowAttr*>(step.attr), step.in[1].dtype);
  return make_kernel([g](const void* const* in, void* const* out) {
    const char* x = static_cast<const char*>(in[0]);
    char* y = static_cast<char*>(out[0]);
    g.pieces(g.start(in[1]), [&](int64_t whole, int64_t part, int64_t bytes) {
      std::memcpy(y + part, x + whole, static_cast<size_t>(bytes));
    });
  });
});

const RegisterKernel register_slice_update(slice_update_op, [](const Step& step) {
  const SliceGeometry g(step.in[0], *static_cast<const NarrowAttr*>(step.attr), step.in[2].dtype);
  const int64_t bytes = step.out[0].shape.numel() * itemsize(step.out[0].dtype);
  return make_kernel([g, bytes](const void* const* in, void* const* out) {
    char* y = static_cast<char*>(out[0]);
    if (bytes && y != in[0]) std::memcpy(y, in[0], static_cast<size_t>(bytes));
    const char* update = static_cast<const char*>(in[1]);
    g.pieces(g.start(in[2]), [&](int64_t whole, int64_t part, int64_t n) {
      std::memcpy(y + whole, update + part, static_cast<size_t>(n));
    });
  });
});

const RegisterKernel register_concat(cat_op, [](const Step& step) {
  const int axis = static_cast<const DimAttr*>(step.attr)->dim;
  const Shape& s = step.out[0].shape;
  int64_t outer = 1, inner = itemsize(step.out[0].dtype);
  for (int i = 0; i < axis; ++i) outer *= s[i];
  for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
  std::vector<int64_t> widths;
  for (const auto& v : step.in) widths.push_back(v.shape[axis] * inner);
  const int64_t pitch = s[axis] * inner;
  return make_kernel([=](const void* const* in, void* const* out) {
    int64_t at = 0;
    for (size_t k = 0; k < widths.size(); at += widths[k], ++k)
      for (int64_t o = 0; o < outer && widths[k] > 0; ++o)
        std::memcpy(static_cast<char*>(out[0]) + o * pitch + at,
                    static_cast<const char*>(in[k]) + o * widths[k],
                    static_cast<size_t>(widths[k]));
  });
});

}  // namespace

}  // namespace suanli::cpu
