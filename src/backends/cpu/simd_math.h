// exp, log, sin … of Vec<D>, D of float or double. Highway's contrib/math does the main range of most; here are the special values
// it leaves open (it was written for finite arguments), the ranges it does not cover, and erf and pow, which it lacks.
#if defined(SUANLI_CPU_SIMD_MATH_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_SIMD_MATH_H_
#undef SUANLI_CPU_SIMD_MATH_H_
#else
#define SUANLI_CPU_SIMD_MATH_H_
#endif

#include <cmath>
#include <cstddef>
#include <utility>

#include "backends/cpu/simd.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {

template <class D> constexpr bool is_f32 = sizeof(hn::TFromD<D>) == 4;

/// c[0] + c[1] x + c[2] x² + …, by Horner's rule.
template <class D, size_t N> HWY_INLINE Vec<D> polynomial(Vec<D> x, const double (&c)[N]) {
  return [&]<size_t... I>(std::index_sequence<I...>) HWY_ATTR {
    Vec<D> sum(c[N - 1]);
    ((sum = multiply_add(sum, x, Vec<D>(c[N - 2 - I]))), ...);
    return sum;
  }(std::make_index_sequence<N - 1>());
}

/// f of every lane where m holds, y elsewhere. Out of line: it is the rare way, or one that libm alone does well enough.
template <class D> HWY_NOINLINE Vec<D> lane_by_lane(Mask<D> m, Vec<D> x, Vec<D> y, hn::TFromD<D> (*f)(hn::TFromD<D>)) {
  constexpr D d;
  alignas(64) hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(x.v, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return where(m, Vec<D>(hn::Load(d, lanes)), y);
}

/// x = n ln 2 + r with |r| ≤ ln 2/2, for f32: exp r, n, and 1.5·2²³ + n, which holds n in its lowest bits.
template <class D> struct ExpParts {
  Vec<D> exp_r, n, biased;
};
template <class D> HWY_INLINE ExpParts<D> exp_parts(Vec<D> x) {
  constexpr D d;
  // Adding 1.5·2²³ rounds to an integer. ln 2 in two parts. Own fit of (exp r − 1 − r)/r²; relative error of exp r 1.1e-8.
  constexpr double fit[] = {1, 1, 0.5, 0.166665768, 0.0416665544, 0.00836320297, 0.00139262135};
  const auto magic = hn::Set(d, 12582912.0f), biased = hn::MulAdd(x.v, hn::Set(d, 1.44269504f), magic), n = hn::Sub(biased, magic);
  const Vec<D> r(hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x.v)));
  return {polynomial(r, fit), n, biased};
}

template <class D> HWY_INLINE Vec<D> exp(Vec<D> x) {
  constexpr D d;
  // Beyond these bounds the exponent arithmetic inside wraps; at them the result is already 0 or infinite. NaN stays.
  Vec<D> low(is_f32<D> ? -104.0 : -750.0), high(is_f32<D> ? 89.0 : 710.0);
#if HWY_TARGET == HWY_AVX3
  if constexpr (is_f32<D>) {
    const Vec<D> clamped(hn::Vec<D>{_mm512_min_ps(high.v.raw, _mm512_max_ps(low.v.raw, x.v.raw))});  // the second one where one is NaN
    const ExpParts<D> p = exp_parts(clamped);
    return hn::Vec<D>{_mm512_scalef_ps(p.exp_r.v.raw, p.n.v.raw)};
  }
#endif
  Vec<D> clamped = where(x > high, high, where(x < low, low, x));
  return where(x != x, x, Vec<D>(hn::Exp(d, clamped.v)));
}

/// exp of x ≤ 0 or NaN, as softmax needs it: nothing can overflow, and what f32 would hold below 2⁻¹²⁵ is 0. Half of exp()'s time.
template <class D> HWY_INLINE Vec<D> exp_of_nonpositive(Vec<D> x) {
  if constexpr (is_f32<D>) {
    constexpr D d;
    constexpr hn::RebindToSigned<D> di;
    const ExpParts<D> p = exp_parts(x);
    const auto scaled = hn::Add(hn::BitCast(di, p.exp_r.v), hn::ShiftLeft<23>(hn::BitCast(di, p.biased.v)));  // n becomes an exponent
    return hn::IfThenZeroElse(hn::Lt(x.v, hn::Set(d, -86.6f)), hn::BitCast(d, scaled));
  } else {
    return exp(x);
  }
}

template <class D> HWY_INLINE Vec<D> log(Vec<D> x) {
  constexpr D d;
  Vec<D> y(hn::Log(d, x.v));
  y = where(x < infinity<D>(), y, x);  // ∞ and NaN
  y = where(x < Vec<D>(0.0), Vec<D>(std::numeric_limits<double>::quiet_NaN()), y);
  return where(x == Vec<D>(0.0), -infinity<D>(), y);
}

/// ln u · x/(u-1) with u = 1 + x rounded: the two rounding errors cancel (Kahan; HP-15C Advanced Functions Handbook, 1982).
template <class D> HWY_INLINE Vec<D> log1p(Vec<D> x) {
  Vec<D> one(1.0), u = one + x;
  Vec<D> y = log(u) * (x / (u - one));
  return where(u == one || x == infinity<D>(), x, y);
}

template <class D> HWY_INLINE Vec<D> tanh(Vec<D> x) {
  constexpr D d;
  return hn::Tanh(d, x.v);
}

// Highway's reduction by π holds up to about 39000 and is cut there; larger arguments, rare in practice, go to libm.
template <class D> HWY_INLINE Vec<D> sin(Vec<D> x) {
  constexpr D d;
  Vec<D> y(hn::Sin(d, x.v));
  Mask<D> large = abs(x) > Vec<D>(39000.0);
  return HWY_LIKELY(hn::AllFalse(d, large.m)) ? y : lane_by_lane(large, x, y, std::sin);
}
template <class D> HWY_INLINE Vec<D> cos(Vec<D> x) {
  constexpr D d;
  Vec<D> y(hn::Cos(d, x.v));
  Mask<D> large = abs(x) > Vec<D>(39000.0);
  return HWY_LIKELY(hn::AllFalse(d, large.m)) ? y : lane_by_lane(large, x, y, std::cos);
}

// Coefficients of erf, own fits: Chebyshev interpolation in 60-digit arithmetic (mpmath), truncated where its error leaves the
// type's last bit. small: erf(x)/x - 1 in x² on [0, 1]. large: ln(exp(x²) erfc x) on [1, end], in u ∈ [-1, 1].
template <class T> struct ErfFit;
template <> struct ErfFit<float> {  // relative error 1.4e-9 and 5.8e-10
  static constexpr double end = 4;  // from there on erfc < 2⁻²⁵
  static constexpr double small[] = {0.128379166, -0.376126267, 0.112835947, -0.026854212, 0.00518908742, -0.000801686429, 7.87587506e-5};
  static constexpr double large[] = {-1.55681527,    -0.529021011,   0.126239167,     -0.036647578, 0.0109618492,
                                     -0.00319030541, 0.000880397082, -0.000227499504, 4.19584001e-5};
};
template <> struct ErfFit<double> {  // relative error 8.2e-18 and 4.9e-17
  static constexpr double end = 6;  // from there on erfc < 2⁻⁵⁴
  static constexpr double small[] = {0.12837916709551257,   -0.3761263890318354,     0.11283791670945006,    -0.02686617064323777,
                                     0.0052239776071164227, -0.00085483259753896921, 0.00012055294904839708, -1.492473690741966e-5,
                                     1.6447424703317362e-6, -1.6208483801871706e-7,  1.3720064546777686e-8,  -7.7958988270021422e-10};
  static constexpr double large[] = {-1.862437402148174,     -0.66524897091297721,    0.20779340786114011,    -0.081650909717812208,
                                     0.034128411075984803,   -0.014384548330034056,   0.0059537045467073006,  -0.0023739972871857784,
                                     0.00089357590221676497, -0.00030781949005153524, 9.0904817077207625e-5,  -1.8474935013349413e-5,
                                     -1.4917592686842429e-6, 4.5674822828739303e-6,   -3.3879906511036271e-6, 1.9142474972678929e-6,
                                     -9.6783116394371178e-7, 3.9018039170275553e-7,   -7.6441133156681796e-8, 2.0037511430812822e-8,
                                     -3.7630401073729453e-8, 4.2399982430926151e-9,   1.8019347257583865e-8,  -7.1596774245395752e-9};
};

template <class D> HWY_INLINE Vec<D> erf(Vec<D> x) {
  using Fit = ErfFit<hn::TFromD<D>>;
  Vec<D> one(1.0), a = abs(x);
  Vec<D> small = multiply_add(x, polynomial(x * x, Fit::small), x);
  Vec<D> end(Fit::end), z = where(a > end, end, a);
  Vec<D> u = multiply_add(z, Vec<D>(2 / (Fit::end - 1)), Vec<D>(-(Fit::end + 1) / (Fit::end - 1)));
  Vec<D> large = one - exp(multiply_add(-z, z, polynomial(u, Fit::large)));
  return where(a < one, small, Vec<D>(hn::CopySign(large.v, x.v)));
}

/// exp(y ln x) in double, of floats: the error of ln x, blown up by y ln x ≤ 104, stays far below a float's last bit.
template <class H> HWY_INLINE hn::Vec<H> pow_in_double(hn::Vec<H> x, hn::Vec<H> y) {
  using Wide = hn::Rebind<double, H>;
  constexpr Wide d;
  return hn::DemoteTo(H(), exp(Vec<Wide>(hn::PromoteTo(d, y)) * log(Vec<Wide>(hn::PromoteTo(d, x)))).v);
}

template <class D> HWY_INLINE Vec<D> pow(Vec<D> x, Vec<D> y) {
  constexpr D d;
  if constexpr (is_f32<D>) {
    using H = hn::Half<D>;
    Vec<D> zero(0.0), one(1.0), half(0.5), a = abs(x);
    Vec<D> r(hn::Combine(d, pow_in_double<H>(hn::UpperHalf(H(), a.v), hn::UpperHalf(H(), y.v)),
                         pow_in_double<H>(hn::LowerHalf(H(), a.v), hn::LowerHalf(H(), y.v))));
    // Special cases as in C11, F.10.4.4.
    r = where(a == one, one, r);  // y = ±∞
    r = where(y != y, y, r);
    Vec<D> halves = y * half;
    Mask<D> odd = floor(y) == y && floor(halves) != halves;
    Vec<D> signed_r(hn::Xor(r.v, hn::And(x.v, hn::SignBit(d))));
    r = where(odd, signed_r, r);
    r = where(x < zero && a < infinity<D>() && floor(y) != y, Vec<D>(std::numeric_limits<double>::quiet_NaN()), r);
    return where(y == zero || x == one, one, r);
  } else {
    // ln x would need 11 bits more than a double has to keep 1 ulp; libm carries them, a vector version is not worth its length.
    alignas(64) double base[hn::MaxLanes(d)], exponent[hn::MaxLanes(d)];
    hn::Store(x.v, d, base);
    hn::Store(y.v, d, exponent);
    for (size_t i = 0; i < hn::Lanes(d); ++i) base[i] = std::pow(base[i], exponent[i]);
    return hn::Load(d, base);
  }
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
