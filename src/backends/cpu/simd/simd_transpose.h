// SPDX-License-Identifier: Apache-2.0
// Turning rows into columns, some of them at a time in registers. Compiled once per instruction
// set, as simd.h.
#if defined(SUANLI_CPU_SIMD_TRANSPOSE_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_SIMD_TRANSPOSE_H_
#undef SUANLI_CPU_SIMD_TRANSPOSE_H_
#else
#define SUANLI_CPU_SIMD_TRANSPOSE_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>

#include "backends/cpu/simd/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {

/// As many elements as fit into 128 bits: so many depths are transposed at once.
template <class T> constexpr int64_t kGroup = 16 / static_cast<int64_t>(sizeof(T));

/// Where each kGroup-th of a vector's worth of rows begins.
template <class T> using Bases =
    std::array<const T*, static_cast<size_t>(kRowLanes<T> / kGroup<T>)>;

/// kGroup depths of every kGroup-th row as one vector, `offset` elements behind the bases.
template <class D, class T> HWY_INLINE hn::Vec<D> load_groups(D d, const T* const* bases,
                                                              int64_t offset) {
  constexpr int64_t lanes = static_cast<int64_t>(hn::MaxLanes(D()));
  if constexpr (lanes == kGroup<T>) {
    return hn::LoadU(d, *bases + offset);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_groups(half, bases + lanes / 2 / kGroup<T>, offset),
                       load_groups(half, bases, offset));
  }
}

/// kGroup depths of a vector's worth of rows: those of depth k go to to[k * width …].
HWY_INLINE void transpose(const Bases<float>& x, int64_t k, int64_t along, float* to,
                          int64_t width) {
  const hn::ScalableTag<float> d;
  const hn::RepartitionToWide<decltype(d)> wide;  // pairs
  auto pairs = [&](auto v) HWY_ATTR { return hn::BitCast(wide, v); };
  auto store = [&](auto v, float* row) HWY_ATTR { hn::StoreU(hn::BitCast(d, v), d, row); };
  const auto r0 = load_groups(d, x.data(), k), r1 = load_groups(d, x.data(), k + along),
             r2 = load_groups(d, x.data(), k + 2 * along),
             r3 = load_groups(d, x.data(), k + 3 * along);
  const auto low01 = pairs(hn::InterleaveLower(d, r0, r1)),
             low23 = pairs(hn::InterleaveLower(d, r2, r3));
  const auto high01 = pairs(hn::InterleaveUpper(d, r0, r1)),
             high23 = pairs(hn::InterleaveUpper(d, r2, r3));
  store(hn::InterleaveLower(wide, low01, low23), to);
  store(hn::InterleaveUpper(wide, low01, low23), to + width);
  store(hn::InterleaveLower(wide, high01, high23), to + 2 * width);
  store(hn::InterleaveUpper(wide, high01, high23), to + 3 * width);
}
HWY_INLINE void transpose(const Bases<double>& x, int64_t k, int64_t along, double* to,
                          int64_t width) {
  const hn::ScalableTag<double> d;
  const auto r0 = load_groups(d, x.data(), k), r1 = load_groups(d, x.data(), k + along);
  hn::StoreU(hn::InterleaveLower(d, r0, r1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, to + width);
}

/// Element k < depth of row i < width, which lies at x[i * along + k], goes to to[k * pitch + i].
/// `valid` rows are there; what is missing may be any of them. Where width is less than a vector,
/// some of what lies behind is written over.
template <class T> void transpose_rows(const T* x, int64_t along, int64_t valid, int64_t width,
                                       int64_t depth, T* to, int64_t pitch) {
  constexpr int64_t lanes = kRowLanes<T>, group = kGroup<T>;
  for (int64_t i = 0; i < width; i += lanes) {
    // the last vector overlaps the one before
    const int64_t begin = std::max<int64_t>(0, std::min(i, width - lanes));
    const int64_t whole = begin + std::min(lanes, (valid - begin) / group * group),
                  end = std::min(begin + lanes, width);
    int64_t transposed = 0;
    if (whole > begin) {  // groups that are not whole are filled with the last one
      Bases<T> bases;
      for (size_t g = 0; g < bases.size(); ++g)
        bases[g] = x + std::min(begin + static_cast<int64_t>(g) * group, whole - group) * along;
      for (; transposed + group <= depth; transposed += group)
        transpose(bases, transposed, along, to + transposed * pitch + begin, pitch);
      if (transposed < depth && depth >= group) {  // the last depths overlap those before
        transpose(bases, depth - group, along, to + (depth - group) * pitch + begin, pitch);
        transposed = depth;
      }
    }
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + std::min(row, valid - 1) * along;
      // a group's last rows repeat others
      const bool filled = row < whole || (row >= valid && whole > begin);
      for (int64_t k = filled ? transposed : 0; k < depth; ++k) to[k * pitch + row] = from[k];
    }
  }
}
template <class T> void transpose_rows(const T* x, int64_t along, int64_t valid, int64_t width,
                                       int64_t depth, T* to) {
  transpose_rows(x, along, valid, width, depth, to, width);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
