// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/narrow_floats.h"

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/fused/narrow_floats.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using I = hn::RebindToSigned<F>;
using U = hn::RebindToUnsigned<F>;
using Short = hn::Rebind<uint16_t, F>;
using FloatVec = hn::Vec<F>;
using IntVec = hn::Vec<I>;

HWY_INLINE IntVec set(uint32_t bits) { return hn::Set(I(), static_cast<int32_t>(bits)); }
/// Zeros come in from the left.
template <int kBits> HWY_INLINE IntVec shifted_right(IntVec v) {
  return hn::BitCast(I(), hn::ShiftRight<kBits>(hn::BitCast(U(), v)));
}

// The steps of detail::float_from_f16() and the others, for a vector.
HWY_INLINE FloatVec widened(IntVec h, float16) {
  const IntVec magnitude = hn::And(h, set(0x7fff)),
               sign = hn::ShiftLeft<16>(hn::And(h, set(0x8000)));
  const IntVec above = hn::IfThenElseZero(hn::Gt(magnitude, set(0x7bff)), set(112u << 23));
  const IntVec normal = hn::Add(hn::Add(hn::ShiftLeft<13>(magnitude), set(112u << 23)), above);
  const FloatVec small = hn::Mul(hn::ConvertTo(F(), magnitude), hn::Set(F(), 0x1p-24f));
  const IntVec wide =
      hn::IfThenElse(hn::Lt(magnitude, set(0x400)), hn::BitCast(I(), small), normal);
  return hn::BitCast(F(), hn::Or(wide, sign));
}
HWY_INLINE FloatVec widened(IntVec h, bfloat16) { return hn::BitCast(F(), hn::ShiftLeft<16>(h)); }

HWY_INLINE IntVec narrowed(FloatVec x, float16) {
  const IntVec bits = hn::BitCast(I(), x), sign = hn::And(shifted_right<16>(bits), set(0x8000)),
               magnitude = hn::And(bits, set(0x7fffffff)),
               odd = hn::And(shifted_right<13>(magnitude), set(1));
  const IntVec normal =
      shifted_right<13>(hn::Add(hn::Sub(magnitude, set(0x38000000 - 0xfff)), odd));
  const IntVec small = hn::Sub(
      hn::BitCast(I(), hn::Add(hn::BitCast(F(), magnitude), hn::Set(F(), 0.5f))), set(0x3f000000));
  const IntVec nan = hn::Or(set(0x7e00), hn::And(shifted_right<13>(magnitude), set(1023)));
  IntVec h = hn::IfThenElse(hn::Lt(magnitude, set(0x38800000)), small, normal);
  h = hn::IfThenElse(hn::Gt(magnitude, set(0x477fefff)), set(0x7c00), h);
  h = hn::IfThenElse(hn::Gt(magnitude, set(0x7f800000)), nan, h);
  return hn::Or(h, sign);
}
HWY_INLINE IntVec narrowed(FloatVec x, bfloat16) {
  const IntVec bits = hn::BitCast(I(), x), high = shifted_right<16>(bits),
               rounded =
                   shifted_right<16>(hn::Add(hn::Add(bits, set(0x7fff)), hn::And(high, set(1))));
  const auto nan = hn::Gt(hn::And(bits, set(0x7fffffff)), set(0x7f800000));
  return hn::IfThenElse(nan, hn::Or(high, set(0x40)), rounded);
}

template <class T> void widen(const T* in, float* out, size_t n) {
  const auto* words = reinterpret_cast<const uint16_t*>(in);
  constexpr size_t lanes = hn::MaxLanes(F());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(widened(hn::PromoteTo(I(), hn::LoadU(Short(), words + i)), T()), F(), out + i);
  for (; i < n; ++i) out[i] = in[i];
}
template <class T> void narrow(const float* in, T* out, size_t n) {
  auto* words = reinterpret_cast<uint16_t*>(out);
  constexpr size_t lanes = hn::MaxLanes(F());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const IntVec h = narrowed(hn::LoadU(F(), in + i), T());
    hn::StoreU(hn::DemoteTo(Short(), h), Short(), words + i);
  }
  for (; i < n; ++i) out[i] = in[i];
}

}  // namespace

void widen_f16(const float16* in, float* out, size_t n) { widen(in, out, n); }
void widen_bf16(const bfloat16* in, float* out, size_t n) { widen(in, out, n); }
void narrow_f16(const float* in, float16* out, size_t n) { narrow(in, out, n); }
void narrow_bf16(const float* in, bfloat16* out, size_t n) { narrow(in, out, n); }

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(widen_f16);
HWY_EXPORT(widen_bf16);
HWY_EXPORT(narrow_f16);
HWY_EXPORT(narrow_bf16);
void widen(const float16* in, float* out, size_t n) { HWY_DYNAMIC_DISPATCH(widen_f16)(in, out, n); }
void widen(const bfloat16* in, float* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(widen_bf16)(in, out, n);
}
void narrow(const float* in, float16* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(narrow_f16)(in, out, n);
}
void narrow(const float* in, bfloat16* out, size_t n) {
  HWY_DYNAMIC_DISPATCH(narrow_bf16)(in, out, n);
}
}  // namespace suanli::cpu
#endif
