// SPDX-License-Identifier: Apache-2.0
// Kernels of pointwise.def over contiguous arrays of one compute type: what the blocked executor
// (fused_kernel.h) runs on its tiles.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/schema/pointwise_math.h"

namespace suanli::cpu {

/// Compute types of tiles. f16 and bf16 compute in f32. Integers and bools of every width compute
/// in i64, but for u64, and wrap around there.
enum class Compute : uint8_t { f64, f32, i64, u64 };
constexpr size_t compute_size(Compute c) { return c == Compute::f32 ? 4 : 8; }

/// Contiguous arrays of the compute type, `out` possibly one of `in`; comparisons give 0 or 1 in
/// that type. An element's result depends neither on n nor on where in the array it stands.
using TileFn = void (*)(const void* const* in, void* out, size_t n);

/// The instruction sets that tiles exist for, on x86 in this order; `base` is what there is on
/// other machines.
enum class Isa : uint8_t { base, sse4, avx2, avx3 };
bool isa_available(Isa isa);
/// A number for the instruction set that Highway dispatches to. Tests restrict it.
int64_t chosen_target();
/// The best one available that is not above SUANLI_ISA.
Isa simd_isa();
const char* simd_target();  ///< "AVX3", "AVX2", "SSE4" or "BASE".

/// `row`: index in pointwise.def (see PointwiseOp). `in`: x[, y[, z]]. nullptr where the row's
/// class has no such type, or the instruction set is not available.
TileFn value_tile(int row, Compute compute, Isa isa = simd_isa());
/// The gradient of input `input`. `in`: x[, y[, z]], out, g; those that the text does not mention
/// are not read and may be null. nullptr also where the text is `none`, and for integers.
TileFn gradient_tile(int row, int input, Compute compute, Isa isa = simd_isa());

namespace detail {
/// The tile functions of one float type in one instruction set, by row.
struct TileTable {
  TileFn value[pointwise_count];
  TileFn gradient[pointwise_count][3];
};
/// nullptr: not compiled for this architecture.
const TileTable* tiles_f32(Isa isa);
const TileTable* tiles_f64(Isa isa);
TileFn value_tile_i64(int row);
TileFn value_tile_u64(int row);
}  // namespace detail

}  // namespace suanli::cpu
