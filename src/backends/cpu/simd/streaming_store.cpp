// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/streaming_store.h"

#include <algorithm>
#include <cstring>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/simd/streaming_store.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

void stream(const uint8_t* from, uint8_t* to, int64_t bytes) {
  const hn::ScalableTag<uint8_t> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t head = std::min(
      bytes, static_cast<int64_t>(-reinterpret_cast<uintptr_t>(to) % static_cast<uintptr_t>(step)));
  std::memcpy(to, from, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + step <= bytes; i += step) hn::Stream(hn::LoadU(d, from + i), d, to + i);
  std::memcpy(to + i, from + i, static_cast<size_t>(bytes - i));
}

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(stream);

bool past_caches(const std::vector<ValueDesc>& in, const std::vector<ValueDesc>& out) {
  int64_t bytes = 0;
  for (const auto* values : {&in, &out})
    for (const ValueDesc& v : *values) bytes += bytes_of(v);
  return bytes > cpu_tuning().last_cache_bytes;
}

void copy_past_caches(const void* from, void* to, int64_t bytes) {
  HWY_DYNAMIC_DISPATCH(stream)(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), bytes);
}
void finish_past_caches() { hwy::FlushStream(); }

}  // namespace suanli::cpu
#endif
