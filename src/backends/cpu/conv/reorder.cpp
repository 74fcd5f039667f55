// SPDX-License-Identifier: Apache-2.0
// Layout changes between [N, C, H, W] and blocks of channels [N, C/b, H, W, b]: transposes of [b,
// H·W].
#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Pixels transposed at once: with the block they fill a few lines of L1 on both sides.
constexpr int64_t kPixels = CpuTuning::relayout_pixels;

template <class T, int kBlock> void to_blocks(const T* from, T* to, int64_t pixels) {
  for (int64_t p = 0; p < pixels; p += kPixels)
    for (int64_t q = p; q < std::min(pixels, p + kPixels); ++q)
      for (int c = 0; c < kBlock; ++c) to[q * kBlock + c] = from[c * pixels + q];
}
template <class T, int kBlock> void from_blocks(const T* from, T* to, int64_t pixels) {
  for (int64_t p = 0; p < pixels; p += kPixels)
    for (int c = 0; c < kBlock; ++c)
      for (int64_t q = p; q < std::min(pixels, p + kPixels); ++q)
        to[c * pixels + q] = from[q * kBlock + c];
}

template <class T, int kBlock> std::unique_ptr<Kernel> make(const Shape& blocked, bool into) {
  const int64_t pixels = blocked[2] * blocked[3], groups = blocked[0] * blocked[1],
                grain =
                    cpu_tuning().thread_relayout_elements / std::max<int64_t>(1, pixels * kBlock);
  return make_kernel([=](const void* const* in, void* const* out) {
    parallel_chunks(groups, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        const T* from = static_cast<const T*>(in[0]) + g * pixels * kBlock;
        T* to = static_cast<T*>(out[0]) + g * pixels * kBlock;
        into ? to_blocks<T, kBlock>(from, to, pixels) : from_blocks<T, kBlock>(from, to, pixels);
      }
    });
  });
}

template <class T> std::unique_ptr<Kernel> make(const Shape& blocked, bool into) {
  switch (blocked[4]) {
    case 16: return make<T, 16>(blocked, into);
    case 8: return make<T, 8>(blocked, into);
    default: return nullptr;
  }
}

const RegisterKernel kernel(reorder_op, [](const Step& s) -> std::unique_ptr<Kernel> {
  const bool into = s.out[0].shape.rank() == 5;
  const Shape& blocked = into ? s.out[0].shape : s.in[0].shape;
  switch (itemsize(s.in[0].dtype)) {  // only moved, never looked at
    case 1: return make<uint8_t>(blocked, into);
    case 2: return make<uint16_t>(blocked, into);
    case 4: return make<uint32_t>(blocked, into);
    default: return make<uint64_t>(blocked, into);
  }
});

}  // namespace
}  // namespace suanli::cpu
