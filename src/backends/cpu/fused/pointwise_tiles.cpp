// SPDX-License-Identifier: Apache-2.0
// The choice among the tile functions of pointwise.def.
#include "backends/cpu/fused/pointwise_tiles.h"

#include <atomic>
#include <string>

#include "base/system/environment.h"
#include "hwy/targets.h"

namespace suanli::cpu {
namespace {

/// nullptr: not compiled for this architecture.
const detail::TileTable* compiled_table(Isa isa, Compute compute) {
  return compute == Compute::f32 ? detail::tiles_f32(isa) : detail::tiles_f64(isa);
}

const detail::TileTable* table_for(int row, Compute compute, Isa isa) {
  return row >= 0 && row < pointwise_count && isa_available(isa) ? compiled_table(isa, compute)
                                                                 : nullptr;
}

}  // namespace

bool isa_available(Isa isa) {
  if (!compiled_table(isa, Compute::f32)) return false;
  const int64_t have = hwy::SupportedTargets();
  switch (isa) {
    case Isa::avx3: return have & HWY_AVX3;
    case Isa::avx2: return have & HWY_AVX2;
    case Isa::sse4: return have & HWY_SSE4;
    case Isa::base: return true;
  }
  return false;
}

int64_t chosen_target() {
  hwy::ChosenTarget& chosen = hwy::GetChosenTarget();
  // asks the CPU: some microseconds
  if (!chosen.IsInitialized()) chosen.Update(hwy::SupportedTargets());
  return static_cast<int64_t>(chosen.GetIndex());
}

Isa simd_isa() {
  static const Isa most = [] {
    const std::string word = environment_choice("SUANLI_ISA");
    return word == "sse4" ? Isa::sse4 : word == "avx2" ? Isa::avx2 : Isa::avx3;
  }();
  // the target, and in the lowest two bits what follows from it
  static std::atomic<int64_t> known{-1};
  const int64_t target = chosen_target(), before = known.load(std::memory_order_relaxed);
  if (before >= 0 && before >> 2 == target) return static_cast<Isa>(before & 3);
  Isa isa = most;
  while (isa != Isa::base && !isa_available(isa)) isa = static_cast<Isa>(static_cast<int>(isa) - 1);
  known.store(target << 2 | static_cast<int64_t>(isa), std::memory_order_relaxed);
  return isa;
}

const char* simd_target() {
  static constexpr const char* names[] = {"BASE", "SSE4", "AVX2", "AVX3"};
  return names[static_cast<int>(simd_isa())];
}

TileFn value_tile(int row, Compute compute, Isa isa) {
  const detail::TileTable* t = table_for(row, compute, isa);
  if (t && compute == Compute::i64) return detail::value_tile_i64(row);
  if (t && compute == Compute::u64) return detail::value_tile_u64(row);
  return t ? t->value[row] : nullptr;
}

TileFn gradient_tile(int row, int input, Compute compute, Isa isa) {
  const detail::TileTable* t = table_for(row, compute, isa);
  return t && compute <= Compute::f32 && input >= 0 && input < 3 ? t->gradient[row][input]
                                                                 : nullptr;
}

}  // namespace suanli::cpu
