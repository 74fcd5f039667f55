// SPDX-License-Identifier: Apache-2.0
// cumsum, cumprod and sort: every line along the axis by itself.
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"

namespace suanli::cpu {

namespace {

/// The lines of a shape along one axis: element i of line l lies at start(l) + i·inner.
struct Lines {
  Lines(const Shape& shape, int axis) : n(shape[axis]) {
    for (int d = 0; d < axis; ++d) outer *= shape[d];
    for (int d = axis + 1; d < shape.rank(); ++d) inner *= shape[d];
  }
  int64_t start(int64_t line) const { return line / inner * inner * n + line % inner; }
  int64_t count() const { return n == 0 ? 0 : outer * inner; }
  /// The number of lines that are worth a thread.
  int64_t grain(int64_t bytes) const {
    return std::max<int64_t>(1, cpu_tuning().thread_copy_bytes / (bytes * std::max<int64_t>(1, n)));
  }
  int64_t n, outer = 1, inner = 1;
};

/// Floats accumulate in f64, integers in 64 bits that wrap around.
template <class T> using Total = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <class Combine>
std::unique_ptr<Kernel> scan_kernel(const Step& step, int first, Combine&& combine) {
  const Lines lines(step.in[0].shape, static_cast<const DimAttr*>(step.attr)->dim);
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto from) {
    using From = decltype(from);
    using To = std::conditional_t<std::is_floating_point_v<From>, From, int64_t>;
    kernel = make_kernel([=](const void* const* in, void* const* out) {
      const auto* x = static_cast<const From*>(in[0]);
      auto* y = static_cast<To*>(out[0]);
      parallel_chunks(lines.count(), lines.grain(sizeof(To)), [&](int64_t begin, int64_t end) {
        for (int64_t line = begin; line < end; ++line) {
          const int64_t start = lines.start(line);
          auto total = static_cast<Total<From>>(first);
          for (int64_t i = 0; i < lines.n; ++i) {
            total = combine(total, static_cast<Total<From>>(x[start + i * lines.inner]));
            y[start + i * lines.inner] = static_cast<To>(total);
          }
        }
      });
    });
  });
  return kernel;
}

const RegisterKernel register_cumsum(cumsum_op, [](const Step& step) {
  return scan_kernel(step, 0, [](auto a, auto b) { return a + b; });
});
const RegisterKernel register_cumprod(cumprod_op, [](const Step& step) {
  return scan_kernel(step, 1, [](auto a, auto b) { return a * b; });
});

/// a before b in rising order; NaN last.
template <class T> bool precedes(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
  else return a < b;
}

/// Sorts every line in the workspace, where its elements lie beside each other.
template <class T> class Sort final : public Kernel {
 public:
  explicit Sort(const Step& step)
      : lines_(step.in[0].shape, static_cast<const SortAttr*>(step.attr)->dim),
        descending_(static_cast<const SortAttr*>(step.attr)->descending) {
    workspace_bytes = lines_.count() * lines_.n * static_cast<int64_t>(sizeof(Entry));
  }
  void run(const void* const* in, void* const* out, void* workspace) override {
    const auto* x = static_cast<const T*>(in[0]);
    auto* y = static_cast<T*>(out[0]);
    auto* at = static_cast<int64_t*>(out[1]);
    parallel_chunks(lines_.count(), lines_.grain(64), [&](int64_t begin, int64_t end) {
      Entry* entries = static_cast<Entry*>(workspace) + begin * lines_.n;
      for (int64_t line = begin; line < end; ++line) {
        const int64_t start = lines_.start(line), step = lines_.inner;
        for (int64_t i = 0; i < lines_.n; ++i) entries[i] = {x[start + i * step], i};
        // Equal elements keep their order. std::stable_sort would allocate.
        std::sort(entries, entries + lines_.n, [&](const Entry& a, const Entry& b) {
          const T &first = descending_ ? b.value : a.value,
                  &second = descending_ ? a.value : b.value;
          return precedes(first, second) || (!precedes(second, first) && a.index < b.index);
        });
        for (int64_t i = 0; i < lines_.n; ++i) {
          y[start + i * step] = entries[i].value;
          at[start + i * step] = entries[i].index;
        }
      }
    });
  }

 private:
  struct Entry {
    T value;
    int64_t index;
  };
  Lines lines_;
  bool descending_;
};

const RegisterKernel register_sort(sort_op, [](const Step& step) {
  std::unique_ptr<Kernel> kernel;
  with_type(step.in[0].dtype, [&](auto t) { kernel = std::make_unique<Sort<decltype(t)>>(step); });
  return kernel;
});

}  // namespace

}  // namespace suanli::cpu
