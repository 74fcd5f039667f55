// SPDX-License-Identifier: Apache-2.0
// The tile functions of pointwise.def in f32 and f64, compiled once per instruction set, and the
// choice among them.
#include "backends/cpu/fused/pointwise_tiles.h"

#include <atomic>
#include <cstring>
#include <string>

#include "base/system/environment.h"
#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/fused/pointwise_tiles.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/simd/simd_math.h"

#ifndef SUANLI_CPU_TILE_TABLE
#define SUANLI_CPU_TILE_TABLE
namespace suanli::cpu {
struct TileTable {
  TileFn value[pointwise_count];
  TileFn gradient[pointwise_count][3];
};
}  // namespace suanli::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

#include "backends/cpu/fused/pointwise_expressions.h"

template <int kAt, bool kRead, class T> HWY_INLINE auto load(const T* const* in, size_t i) {
  using D = hn::ScalableTag<T>;
  if constexpr (kRead) return Vec<D>(hn::LoadU(D(), in[kAt] + i));
  else return Vec<D>(0.0);
}

template <class Expr, class T> HWY_INLINE auto apply(const T* const* in, size_t i) {
  using O = Operands<Expr>;
  return as_stored(Expr::template eval<Vec<hn::ScalableTag<T>>>(
      load<0, O::x>(in, i), load<1, O::y>(in, i), load<2, O::z>(in, i),
      load<O::out_at, O::out>(in, i), load<O::g_at, O::g>(in, i)));
}

template <class Expr, class T> void tile(const void* const* in, void* out, size_t n) {
  using O = Operands<Expr>;
  constexpr hn::ScalableTag<T> d;
  constexpr int kMax = 5;
  constexpr bool reads[kMax] = {O::x, O::y || (O::out && O::out_at == 1),
                                O::z || (O::out && O::out_at == 2) || (O::g && O::g_at == 2),
                                (O::out && O::out_at == 3) || (O::g && O::g_at == 3),
                                O::g && O::g_at == 4};
  const size_t step = hn::Lanes(d);
  const T* from[kMax] = {};  // a copy: the compiler need not reload it after every store
  for (int k = 0; k < kMax; ++k)
    if (reads[k]) from[k] = static_cast<const T*>(in[k]);
  T* to = static_cast<T*>(out);
  size_t i = 0;
  for (; i + step <= n; i += step) hn::StoreU(apply<Expr>(from, i).v, d, to + i);
  if (i == n) return;
  // The tail runs through whole vectors as well, so that an element's bits do not depend on its
  // place.
  alignas(64) T rest[kMax][hn::MaxLanes(d)] = {};
  alignas(64) T result[hn::MaxLanes(d)];
  for (int k = 0; k < kMax; ++k)
    if (reads[k]) {
      std::memcpy(rest[k], from[k] + i, (n - i) * sizeof(T));
      from[k] = rest[k];
    }
  hn::StoreU(apply<Expr>(from, 0).v, d, result);
  std::memcpy(to + i, result, (n - i) * sizeof(T));
}

template <class Expr, class T> constexpr TileFn gradient_of() {
  if constexpr (Expr::text == "none") return nullptr;
  else return &tile<Expr, T>;
}

template <class T> constexpr TileTable tiles = {{
#define UNARY(name, ...) &tile<name##_value, T>,
#define BINARY(name, ...) &tile<name##_value, T>,
#define TERNARY(name, ...) &tile<name##_value, T>,
#include "ops/schema/pointwise.def"
                                                },
                                                {
#define UNARY(name, ...) {gradient_of<name##_gx, T>(), nullptr, nullptr},
#define BINARY(name, ...) {gradient_of<name##_gx, T>(), gradient_of<name##_gy, T>(), nullptr},
#define TERNARY(name, ...) \
  {gradient_of<name##_gx, T>(), gradient_of<name##_gy, T>(), gradient_of<name##_gz, T>()},
#include "ops/schema/pointwise.def"
                                                }};

}  // namespace

const TileTable* table(Compute compute) {
  return compute == Compute::f32 ? &tiles<float> : &tiles<double>;
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
namespace {

/// nullptr: not compiled for this architecture.
const TileTable* compiled_table(Isa isa, Compute compute) {
#if HWY_TARGETS & HWY_AVX3
  if (isa == Isa::avx3) return N_AVX3::table(compute);
#endif
#if HWY_TARGETS & HWY_AVX2
  if (isa == Isa::avx2) return N_AVX2::table(compute);
#endif
#if HWY_TARGETS & HWY_SSE4
  if (isa == Isa::sse4) return N_SSE4::table(compute);
#else
  if (isa == Isa::base) return HWY_STATIC_DISPATCH(table)(compute);
#endif
  return nullptr;
}

const TileTable* table_for(int row, Compute compute, Isa isa) {
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
  const TileTable* t = table_for(row, compute, isa);
  if (t && compute == Compute::i64) return detail::value_tile_i64(row);
  return t ? t->value[row] : nullptr;
}

TileFn gradient_tile(int row, int input, Compute compute, Isa isa) {
  const TileTable* t = table_for(row, compute, isa);
  return t && compute != Compute::i64 && input >= 0 && input < 3 ? t->gradient[row][input]
                                                                 : nullptr;
}

}  // namespace suanli::cpu
#endif
