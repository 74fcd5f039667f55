// SPDX-License-Identifier: Apache-2.0
// Values too large for a cache. Results that no cache holds are written past them, since an
// ordinary store reads a line before it writes it, and the line would be gone anyway when somebody
// comes for it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/cpu/tuning.h"
#include "runtime/step.h"

namespace suanli::cpu {

/// True if a kernel reads and writes more than the last cache holds. Called while it is prepared.
bool past_caches(const std::vector<ValueDesc>& in, const std::vector<ValueDesc>& out);

/// As memcpy; others see it after finish_past_caches() on the same thread.
void copy_past_caches(const void* from, void* to, int64_t bytes);
void finish_past_caches();

/// Rows begin … end−1 of n elements each, written past the caches where `streamed` says so:
/// compute(first, count, to) puts some rows to `to`, which is their place in y or a near one, from
/// where they are copied. Rows that no near cache takes go straight to y.
template <class T, class F> void write_rows(int64_t begin, int64_t end, int64_t n, T* y,
                                            bool streamed, F&& compute) {
  constexpr int64_t kNear = CpuTuning::rows_buffer_bytes / static_cast<int64_t>(sizeof(T));
  if (!streamed || n > kNear) return compute(begin, end - begin, y + begin * n);
  alignas(64) T near[kNear];
  const int64_t step = std::max<int64_t>(1, kNear / 4 / std::max<int64_t>(1, n));
  for (int64_t row = begin; row < end; row += step) {
    const int64_t count = std::min(step, end - row);
    compute(row, count, near);
    copy_past_caches(near, y + row * n, count * n * static_cast<int64_t>(sizeof(T)));
  }
  finish_past_caches();
}

}  // namespace suanli::cpu
