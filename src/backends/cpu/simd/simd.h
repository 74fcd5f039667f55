// SPDX-License-Identifier: Apache-2.0
// One SIMD register as a number: the type that pointwise.def is compiled for on the CPU. The
// functions beyond arithmetic are in simd_math.h. Compiled once per instruction set, so the include
// guard follows Highway's toggle and nothing here may be used outside the HWY_NAMESPACE that it was
// compiled for.
#if defined(SUANLI_CPU_SIMD_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_SIMD_H_
#undef SUANLI_CPU_SIMD_H_
#else
#define SUANLI_CPU_SIMD_H_
#endif

#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D> struct Mask {
  hn::Mask<D> m;
};

template <class D> struct Vec {
  using T = hn::TFromD<D>;
  hn::Vec<D> v;
  HWY_INLINE Vec(hn::Vec<D> raw) : v(raw) {}
  HWY_INLINE explicit Vec(double c) : v(hn::Set(D(), static_cast<T>(c))) {}
};

template <class V> struct Literal {
  HWY_INLINE V operator()(double c) const { return V(c); }
};

template <class D> HWY_INLINE Vec<D> operator+(Vec<D> a, Vec<D> b) { return hn::Add(a.v, b.v); }
template <class D> HWY_INLINE Vec<D> operator-(Vec<D> a, Vec<D> b) { return hn::Sub(a.v, b.v); }
template <class D> HWY_INLINE Vec<D> operator*(Vec<D> a, Vec<D> b) { return hn::Mul(a.v, b.v); }
template <class D> HWY_INLINE Vec<D> operator/(Vec<D> a, Vec<D> b) { return hn::Div(a.v, b.v); }
template <class D> HWY_INLINE Vec<D> operator-(Vec<D> a) { return hn::Neg(a.v); }

template <class D> HWY_INLINE Mask<D> operator<(Vec<D> a, Vec<D> b) { return {hn::Lt(a.v, b.v)}; }
template <class D> HWY_INLINE Mask<D> operator<=(Vec<D> a, Vec<D> b) { return {hn::Le(a.v, b.v)}; }
template <class D> HWY_INLINE Mask<D> operator>(Vec<D> a, Vec<D> b) { return {hn::Gt(a.v, b.v)}; }
template <class D> HWY_INLINE Mask<D> operator>=(Vec<D> a, Vec<D> b) { return {hn::Ge(a.v, b.v)}; }
template <class D> HWY_INLINE Mask<D> operator==(Vec<D> a, Vec<D> b) { return {hn::Eq(a.v, b.v)}; }
// Not Highway's Ne: with AVX2 and AVX3 that is false where an operand is NaN.
template <class D> HWY_INLINE Mask<D> operator!=(Vec<D> a, Vec<D> b) {
  return {hn::Not(hn::Eq(a.v, b.v))};
}
template <class D> HWY_INLINE Mask<D> operator||(Mask<D> a, Mask<D> b) {
  return {hn::Or(a.m, b.m)};
}
template <class D> HWY_INLINE Mask<D> operator&&(Mask<D> a, Mask<D> b) {
  return {hn::And(a.m, b.m)};
}
template <class D> HWY_INLINE Vec<D> where(Mask<D> m, Vec<D> a, Vec<D> b) {
  return hn::IfThenElse(m.m, a.v, b.v);
}

/// The stored form of a value: a vector as it is, a mask as 0 or 1.
template <class D> HWY_INLINE Vec<D> as_stored(Vec<D> a) { return a; }
template <class D> HWY_INLINE Vec<D> as_stored(Mask<D> m) {
  return where(m, Vec<D>(1.0), Vec<D>(0.0));
}

template <class D> HWY_INLINE Vec<D> infinity() {
  return Vec<D>(std::numeric_limits<double>::infinity());
}

template <class D> HWY_INLINE Vec<D> abs(Vec<D> x) { return hn::Abs(x.v); }
template <class D> HWY_INLINE Vec<D> sqrt(Vec<D> x) { return hn::Sqrt(x.v); }
template <class D> HWY_INLINE Vec<D> floor(Vec<D> x) { return hn::Floor(x.v); }
template <class D> HWY_INLINE Vec<D> ceil(Vec<D> x) { return hn::Ceil(x.v); }
template <class D> HWY_INLINE Vec<D> trunc(Vec<D> x) { return hn::Trunc(x.v); }
template <class D> HWY_INLINE Vec<D> rint(Vec<D> x) { return hn::Round(x.v); }
/// a·b + c, rounded once where the machine can. The texts never fuse by themselves.
template <class D> HWY_INLINE Vec<D> multiply_add(Vec<D> a, Vec<D> b, Vec<D> c) {
  return hn::MulAdd(a.v, b.v, c.v);
}

// Highway's Max and Min leave open what NaN gives; a NaN in either operand must come through.
template <class D> HWY_INLINE Vec<D> maximum(Vec<D> a, Vec<D> b) {
  return where(a > b || a != a, a, b);
}
template <class D> HWY_INLINE Vec<D> minimum(Vec<D> a, Vec<D> b) {
  return where(a < b || a != a, a, b);
}
template <class D> HWY_INLINE Vec<D> sign(Vec<D> x) {  // the last x is ±0 or NaN
  return where(x > Vec<D>(0.0), Vec<D>(1.0), where(x < Vec<D>(0.0), Vec<D>(-1.0), x));
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
