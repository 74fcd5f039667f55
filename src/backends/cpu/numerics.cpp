// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/numerics.h"

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/numerics.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

uint64_t hash_of_target() {
  constexpr uint64_t hash =
      numerics_hash(static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<float>())));
  return hash;
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {

HWY_EXPORT(hash_of_target);
uint64_t numerics_hash() { return HWY_DYNAMIC_DISPATCH(hash_of_target)(); }

}  // namespace suanli::cpu
#endif
