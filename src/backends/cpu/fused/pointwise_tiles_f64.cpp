// SPDX-License-Identifier: Apache-2.0
// The tile functions of pointwise.def in f64.
#include "base/system/simd_targets.h"
#define SUANLI_TILE_TYPE double
#define HWY_TARGET_INCLUDE "backends/cpu/fused/pointwise_tiles_f64.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/fused/pointwise_tiles_float.h"

#if HWY_ONCE
namespace suanli::cpu {
const detail::TileTable* detail::tiles_f64(Isa isa) { return compiled_table(isa); }
}  // namespace suanli::cpu
#endif
