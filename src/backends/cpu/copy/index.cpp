// SPDX-License-Identifier: Apache-2.0
// gather, scatter_add, embedding, one_hot. Indices come from data, so every one is checked.
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/text/text.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"
#include "ops/schema/ops.h"

namespace suanli::cpu {

namespace {

int64_t checked(const char* op, int64_t index, int64_t size, int64_t position) {
  if (index < 0 || index >= size)
    throw IoError({.op = op,
                   .argument = "index",
                   .given = str(index, " at position ", position),
                   .expected = size == 1 ? "0, for 1 entry"
                                         : str("0…", size - 1, ", for ", size, " entries")});
  return index;
}

/// Calls f(flat position in the index, flat position in x) for every element of the index, in
/// order.
template <class F> void along_axis(const char* op, const Shape& x, const Shape& index, int axis,
                                   const int64_t* at, F&& f) {
  int64_t stride[Shape::kMaxRank], s = 1;
  for (int d = x.rank(); d-- > 0; s *= x[d]) stride[d] = s;
  int64_t place[Shape::kMaxRank] = {};
  const int64_t n = index.numel();
  for (int64_t i = 0; i < n; ++i) {
    int64_t to = checked(op, at[i], x[axis], i) * stride[axis];
    for (int d = 0; d < index.rank(); ++d)
      if (d != axis) to += place[d] * stride[d];
    f(i, to);
    for (int d = index.rank(); d-- > 0;) {
      if (++place[d] < index[d]) break;
      place[d] = 0;
    }
  }
}

const RegisterKernel register_gather(gather_op, [](const Step& step) {
  const int axis = static_cast<const DimAttr*>(step.attr)->dim;
  const Shape x = step.in[0].shape, index = step.in[1].shape;
  const auto of = [&]<class T>(T) -> std::unique_ptr<Kernel> {
    return make_kernel([=](const void* const* in, void* const* out) {
      const T* from = static_cast<const T*>(in[0]);
      T* y = static_cast<T*>(out[0]);
      along_axis("gather", x, index, axis, static_cast<const int64_t*>(in[1]),
                 [&](int64_t i, int64_t at) { y[i] = from[at]; });
    });
  };
  switch (itemsize(step.in[0].dtype)) {  // only moved, never looked at
    case 1: return of(uint8_t{});
    case 2: return of(uint16_t{});
    case 4: return of(uint32_t{});
    default: return of(uint64_t{});
  }
});

/// Integers wrap around, as in every other op.
template <class T> T wrapping_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a + b;
  else return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

const RegisterKernel register_scatter_add(scatter_add_op, [](const Step& step) {
  const int axis = static_cast<const DimAttr*>(step.attr)->dim;
  const Shape x = step.in[0].shape, index = step.in[1].shape;
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    kernel = make_kernel([=](const void* const* in, void* const* out) {
      T* y = static_cast<T*>(out[0]);
      if (x.numel() && y != in[0])
        std::memcpy(y, in[0], static_cast<size_t>(x.numel()) * sizeof(T));
      const T* src = static_cast<const T*>(in[2]);
      along_axis("scatter_add", x, index, axis, static_cast<const int64_t*>(in[1]),
                 [&](int64_t i, int64_t at) { y[at] = wrapping_add(y[at], src[i]); });
    });
  });
  return kernel;
});

const RegisterKernel register_embedding(embedding_op, [](const Step& step) {
  const int64_t rows = step.in[0].shape[0],
                bytes = step.in[0].shape[1] * itemsize(step.in[0].dtype),
                n = step.in[1].shape.numel(),
                grain = cpu_tuning().thread_copy_bytes / std::max<int64_t>(1, bytes);
  return make_kernel([=](const void* const* in, void* const* out) {
    const auto* at = static_cast<const int64_t*>(in[1]);
    parallel_chunks(n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = checked("embedding", at[i], rows, i);
        if (bytes)
          std::memcpy(static_cast<char*>(out[0]) + i * bytes,
                      static_cast<const char*>(in[0]) + row * bytes, static_cast<size_t>(bytes));
      }
    });
  });
});

const RegisterKernel register_index_copy(index_copy_op, [](const Step& step) {
  const int64_t rows = step.in[0].shape[0],
                bytes = step.in[0].shape[1] * itemsize(step.in[0].dtype), n = step.in[1].shape[0];
  return make_kernel([=](const void* const* in, void* const* out) {
    const auto* at = static_cast<const int64_t*>(in[1]);
    auto* y = static_cast<char*>(out[0]);
    const auto* source = static_cast<const char*>(in[2]);
    if (rows && bytes && y != in[0]) std::memcpy(y, in[0], static_cast<size_t>(rows * bytes));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = checked("index_copy", at[i], rows, i);
      if (bytes) std::memcpy(y + row * bytes, source + i * bytes, static_cast<size_t>(bytes));
    }
  });
});

const RegisterKernel register_one_hot(one_hot_op, [](const Step& step) {
  const int64_t n = step.in[0].shape.numel(),
                classes = static_cast<const OneHotAttr*>(step.attr)->num_classes;
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto index) {
    with_type(step.out[0].dtype, [&](auto element) {
      using Index = decltype(index);
      using T = decltype(element);
      const int64_t grain = cpu_tuning().thread_copy_bytes / static_cast<int64_t>(sizeof(T)) /
                            std::max<int64_t>(1, classes);
      kernel = make_kernel([=](const void* const* in, void* const* out) {
        const auto* at = static_cast<const Index*>(in[0]);
        T* y = static_cast<T*>(out[0]);
        parallel_chunks(n, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
          std::fill(y + begin * classes, y + end * classes, T(0));
          for (int64_t i = begin; i < end; ++i)
            y[i * classes + checked("one_hot", static_cast<int64_t>(at[i]), classes, i)] = T(1);
        });
      });
    });
  });
  return kernel;
});

/// Every thread takes all rows of some columns: equal indices then add up in order however many
/// threads there are, and a word that is met more often than others leaves no thread idle.
const RegisterKernel register_embedding_grad(embedding_grad_op, [](const Step& step) {
  const int64_t rows = step.out[0].shape[0], columns = step.out[0].shape[1],
                n = step.in[1].shape.numel();
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    constexpr int64_t kLine = 64 / sizeof(T);  // no two threads write one cache line
    const int64_t lines = (columns + kLine - 1) / kLine;
    const int64_t grain = cpu_tuning().thread_copy_bytes / 64 / std::max<int64_t>(1, rows + n);
    kernel = make_kernel([=](const void* const* in, void* const* out) {
      const T* g = static_cast<const T*>(in[0]);
      const auto* at = static_cast<const int64_t*>(in[1]);
      T* y = static_cast<T*>(out[0]);
      parallel_chunks(lines, grain, [&](int64_t begin, int64_t end) {
        const int64_t first = begin * kLine, last = std::min(end * kLine, columns);
        for (int64_t row = 0; row < rows; ++row)
          std::fill(y + row * columns + first, y + row * columns + last, T(0));
        for (int64_t i = 0; i < n; ++i) {
          T* to = y + checked("embedding_grad", at[i], rows, i) * columns;
          const T* from = g + i * columns;
          for (int64_t k = first; k < last; ++k) to[k] = wrapping_add(to[k], from[k]);
        }
      });
    });
  });
  return kernel;
});

}  // namespace

}  // namespace suanli::cpu
