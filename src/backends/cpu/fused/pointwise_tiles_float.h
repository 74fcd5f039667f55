// SPDX-License-Identifier: Apache-2.0
// The tile functions of pointwise.def in SUANLI_TILE_TYPE, float or double, once per instruction
// set, and compiled_table(), which has them. The two sources that include it share nothing, so that
// they compile side by side.
#if defined(SUANLI_CPU_POINTWISE_TILES_FLOAT_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_POINTWISE_TILES_FLOAT_H_
#undef SUANLI_CPU_POINTWISE_TILES_FLOAT_H_
#else
#define SUANLI_CPU_POINTWISE_TILES_FLOAT_H_
#endif

#include <cstring>

#include "backends/cpu/fused/pointwise_tiles.h"
#include "backends/cpu/simd/simd_math.h"

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

template <class Expr, PointwiseClass cls, class T> constexpr TileFn value_of() {
  if constexpr (cls == PointwiseClass::Bits || cls == PointwiseClass::Integers) return nullptr;
  else return &tile<Expr, T>;
}
template <class Expr, class T> constexpr TileFn gradient_of() {
  if constexpr (Expr::text == "none") return nullptr;
  else return &tile<Expr, T>;
}

template <class T> constexpr detail::TileTable tiles = {{
#define UNARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class, T>(),
#define BINARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class, T>(),
#define TERNARY(name, Class, ...) value_of<name##_value, PointwiseClass::Class, T>(),
#include "ops/schema/pointwise.def"
                                                        },
                                                        {
#define UNARY(name, ...) {gradient_of<name##_gx, T>(), nullptr, nullptr},
#define BINARY(name, ...) {gradient_of<name##_gx, T>(), gradient_of<name##_gy, T>(), nullptr},
#define TERNARY(name, ...) \
  {gradient_of<name##_gx, T>(), gradient_of<name##_gy, T>(), gradient_of<name##_gz, T>()},
#include "ops/schema/pointwise.def"
                                                        }};

[[maybe_unused]] const detail::TileTable* table() { return &tiles<SUANLI_TILE_TYPE>; }

}  // namespace

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
namespace {

/// nullptr: not compiled for this architecture.
const detail::TileTable* compiled_table(Isa isa) {
#if HWY_TARGETS & HWY_AVX3
  if (isa == Isa::avx3) return N_AVX3::table();
#endif
#if HWY_TARGETS & HWY_AVX2
  if (isa == Isa::avx2) return N_AVX2::table();
#endif
#if HWY_TARGETS & HWY_SSE4
  if (isa == Isa::sse4) return N_SSE4::table();
#else
  if (isa == Isa::base) return HWY_STATIC_DISPATCH(table)();
#endif
  return nullptr;
}

}  // namespace
}  // namespace suanli::cpu
#endif
#endif
