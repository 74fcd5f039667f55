// SPDX-License-Identifier: Apache-2.0
// exp, log, sin … of Vec<D>, D of float or double. Highway's contrib/math does the main range of
// most; here are the special values it leaves open (it was written for finite arguments), the
// ranges it does not cover, and erf and pow, which it lacks.
#if defined(SUANLI_CPU_SIMD_MATH_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_SIMD_MATH_H_
#undef SUANLI_CPU_SIMD_MATH_H_
#else
#define SUANLI_CPU_SIMD_MATH_H_
#endif

#include <cmath>
#include <cstddef>
#include <utility>

#include "backends/cpu/simd/simd.h"
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

/// f of every lane where m holds, y elsewhere. Out of line: it is the rare way, or one that libm
/// alone does well enough.
template <class D> HWY_NOINLINE Vec<D> lane_by_lane(Mask<D> m, Vec<D> x, Vec<D> y,
                                                    hn::TFromD<D> (*f)(hn::TFromD<D>)) {
  constexpr D d;
  alignas(64) hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(x.v, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return where(m, Vec<D>(hn::Load(d, lanes)), y);
}

/// x = n ln 2 + r with |r| ≤ ln 2/2, for f32: exp r, n, and 1.5·2²³ + 127 + n, whose lowest bits
/// are the exponent of 2ⁿ.
template <class D> struct ExpParts {
  Vec<D> exp_r, n, biased;
};
template <class D> HWY_INLINE ExpParts<D> exp_parts(Vec<D> x) {
  constexpr D d;
  // Adding 1.5·2²³ + 127 rounds to an integer. ln 2 in two parts. Own fit of (exp r − 1 − r)/r²;
  // relative error of exp r 1.1e-8.
  constexpr double fit[] = {1, 1, 0.5, 0.166665768, 0.0416665544, 0.00836320297, 0.00139262135};
  const auto magic = hn::Set(d, 12583039.0f),
             biased = hn::MulAdd(x.v, hn::Set(d, 1.44269504f), magic), n = hn::Sub(biased, magic);
  const Vec<D> r(hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f),
                               hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x.v)));
  return {polynomial(r, fit), n, biased};
}

template <class D> HWY_INLINE Vec<D> exp(Vec<D> x) {
  constexpr D d;
  // Beyond these bounds the exponent arithmetic inside wraps; at them the result is already 0 or
  // infinite. NaN stays.
  Vec<D> low(is_f32<D> ? -104.0 : -750.0), high(is_f32<D> ? 89.0 : 710.0);
#if HWY_TARGET == HWY_AVX3
  if constexpr (is_f32<D>) {
    // the second one where one is NaN
    const Vec<D> clamped(hn::Vec<D>{_mm512_min_ps(high.v.raw, _mm512_max_ps(low.v.raw, x.v.raw))});
    const ExpParts<D> p = exp_parts(clamped);
    return hn::Vec<D>{_mm512_scalef_ps(p.exp_r.v.raw, p.n.v.raw)};
  }
#endif
  Vec<D> clamped = where(x > high, high, where(x < low, low, x));
  return where(x != x, x, Vec<D>(hn::Exp(d, clamped.v)));
}

/// exp of x ≤ 0 or NaN, as softmax needs it: nothing can overflow, and what f32 would hold below
/// 2⁻¹²⁵ is 0. Half of exp()'s time.
template <class D> HWY_INLINE Vec<D> exp_of_nonpositive(Vec<D> x) {
  if constexpr (is_f32<D>) {
    constexpr D d;
    constexpr hn::RebindToSigned<D> di;
    const ExpParts<D> p = exp_parts(x);
    const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, p.biased.v)));  // 2ⁿ
    // A product, because no factor makes a number of a NaN. Adding n to the bits of exp r would do
    // so for some payloads.
    return hn::IfThenZeroElse(hn::Lt(x.v, hn::Set(d, -86.6f)), hn::Mul(p.exp_r.v, power));
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

/// ln u · x/(u-1) with u = 1 + x rounded: the two rounding errors cancel (Kahan; HP-15C Advanced
/// Functions Handbook, 1982).
template <class D> HWY_INLINE Vec<D> log1p(Vec<D> x) {
  Vec<D> one(1.0), u = one + x;
  Vec<D> y = log(u) * (x / (u - one));
  return where(u == one || x == infinity<D>(), x, y);
}

template <class D> HWY_INLINE Vec<D> sigmoid(Vec<D> x) {
  const Vec<D> one(1.0);
  return one / (one + exp(-x));
}

template <class D> HWY_INLINE Vec<D> tanh(Vec<D> x) {
  constexpr D d;
  return hn::Tanh(d, x.v);
}

// Highway's reduction by π holds up to about 39000 and is cut there; larger arguments, rare in
// practice, go to libm.
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

// Coefficients of erf, own fits: Chebyshev interpolation in 60-digit arithmetic (mpmath), truncated
// where its error leaves the type's last bit. small: erf(x)/x - 1 in x² on [0, 1]. large:
// ln(exp(x²) erfc x) on [1, end], in u ∈ [-1, 1].
template <class T> struct ErfFit;
template <> struct ErfFit<float> {  // relative error 1.4e-9 and 5.8e-10
  static constexpr double end = 4;  // from there on erfc < 2⁻²⁵
  static constexpr double small[] = {0.128379166,   -0.376126267,    0.112835947,  -0.026854212,
                                     0.00518908742, -0.000801686429, 7.87587506e-5};
  static constexpr double large[] = {-1.55681527,    -0.529021011,    0.126239167,
                                     -0.036647578,   0.0109618492,    -0.00319030541,
                                     0.000880397082, -0.000227499504, 4.19584001e-5};
};
template <> struct ErfFit<double> {  // relative error 8.2e-18 and 4.9e-17
  static constexpr double end = 6;  // from there on erfc < 2⁻⁵⁴
  static constexpr double small[] = {
      0.12837916709551257,    -0.3761263890318354,   0.11283791670945006,
      -0.02686617064323777,   0.0052239776071164227, -0.00085483259753896921,
      0.00012055294904839708, -1.492473690741966e-5, 1.6447424703317362e-6,
      -1.6208483801871706e-7, 1.3720064546777686e-8, -7.7958988270021422e-10};
  static constexpr double large[] = {
      -1.862437402148174,      -0.66524897091297721,   0.20779340786114011,
      -0.081650909717812208,   0.034128411075984803,   -0.014384548330034056,
      0.0059537045467073006,   -0.0023739972871857784, 0.00089357590221676497,
      -0.00030781949005153524, 9.0904817077207625e-5,  -1.8474935013349413e-5,
      -1.4917592686842429e-6,  4.5674822828739303e-6,  -3.3879906511036271e-6,
      1.9142474972678929e-6,   -9.6783116394371178e-7, 3.9018039170275553e-7,
      -7.6441133156681796e-8,  2.0037511430812822e-8,  -3.7630401073729453e-8,
      4.2399982430926151e-9,   1.8019347257583865e-8,  -7.1596774245395752e-9};
};

#if HWY_TARGET == HWY_AVX3
// erf(x) of floats in polynomials of degree 4, one for each eighth of [0, 4); two registers hold
// the coefficients of one power. Own fits, Chebyshev interpolation in 40-digit arithmetic (mpmath),
// errors up to 7e-9; what rounding the first coefficient costs is given back at the other end. The
// first four are of erf(x)/x − 1, so that small x keep their digits. From 4 on erf rounds to 1, as
// the last polynomial's end does. Error 1.0 units in the last place, with half of the instructions
// that erf() below takes.
alignas(64) constexpr float kErfTable[5][32] = {
    {0.128379166f, 0.122529633f, 0.10530556f,  0.0776450858f, 0.520499885f, 0.623240888f,
     0.711155653f, 0.784075081f, 0.842700779f, 0.888388216f,  0.92290014f,  0.948170066f,
     0.966105163f, 0.978443742f, 0.986671686f, 0.99199003f,   0.995322287f, 0.997345984f,
     0.998537302f, 0.999217033f, 0.999593019f, 0.999794602f,  0.999899387f, 0.999952137f,
     0.999977887f, 0.999990106f, 0.999995708f, 0.999998212f,  0.999999285f, 0.999999702f,
     0.999999881f, 0.99999994f},
    {2.51298129e-08f, -0.0116442852f,  -0.0226455946f,  -0.0324306116f,  0.109847836f,
     0.0954375491f,   0.0803665444f,   0.0655933097f,   0.0518886447f,   0.039784424f,
     0.0295652468f,   0.0212950483f,   0.0148662962f,   0.0100590177f,   0.006596833f,
     0.00419322029f,  0.00258331303f,  0.0015425547f,   0.000892742886f, 0.000500816503f,
     0.000272298581f, 0.000143495854f, 7.32687113e-05f, 3.62821593e-05f, 1.74270899e-05f,
     8.09115045e-06f, 3.63667641e-06f, 1.56646263e-06f, 6.46906585e-07f, 2.79788026e-07f,
     1.15622186e-07f, 5.95513825e-08f},
    {-0.00587716373f,  -0.00571384653f,  -0.00524083665f,  -0.00450892048f,  -0.0068656588f,
     -0.00745697552f,  -0.00753578171f,  -0.00717589911f,  -0.00648765126f,  -0.0055959993f,
     -0.00462052366f,  -0.00366064906f,  -0.00278765336f,  -0.00204319856f,  -0.00144285324f,
     -0.000982492114f, -0.000645532331f, -0.000409471104f, -0.000250864337f, -0.000148500374f,
     -8.49623757e-05f, -4.69952029e-05f, -2.51367474e-05f, -1.30041135e-05f, -6.50795891e-06f,
     -3.15114312e-06f, -1.47641936e-06f, -6.69455801e-07f, -2.93799701e-07f, -1.24807201e-07f,
     -5.13244558e-08f, -2.04333315e-08f},
    {4.7760193e-07f,   0.00010988937f,  0.000207231016f, 0.00028251257f,  -0.000285679445f,
     -0.000106214662f, 5.62939822e-05f, 0.000186102843f, 0.000274740276f, 0.000321076746f,
     0.000329977949f,  0.000310125906f, 0.000271663914f, 0.000224203788f, 0.000175505804f,
     0.000130897999f,  9.33139527e-05f, 6.37301346e-05f, 4.17729643e-05f, 2.63145084e-05f,
     1.59484935e-05f,  9.30792612e-06f, 5.23493645e-06f, 2.83895588e-06f, 1.48530933e-06f,
     7.50024697e-07f,  3.65676868e-07f, 1.72196266e-07f, 7.83389069e-08f, 3.4440319e-08f,
     1.46348507e-08f,  6.01209837e-09f},
    {2.71340305e-05f,  2.41717298e-05f,  1.87352052e-05f,  1.16929332e-05f,  4.4498338e-05f,
     4.03875201e-05f,  3.23590284e-05f,  2.21993159e-05f,  1.17214122e-05f,  2.41422322e-06f,
     -4.76602236e-06f, -9.44334715e-06f, -1.1736307e-05f,  -1.20941659e-05f, -1.11148665e-05f,
     -9.39147776e-06f, -7.41186841e-06f, -5.51499033e-06f, -3.89229581e-06f, -2.61645391e-06f,
     -1.68022007e-06f, -1.03308878e-06f, -6.09224514e-07f, -3.45046431e-07f, -1.87895083e-07f,
     -9.84650796e-08f, -4.96939343e-08f, -2.41686724e-08f, -1.13334933e-08f, -5.12668796e-09f,
     -2.23792651e-09f, -9.43066736e-10f}};
HWY_INLINE hn::Vec<hn::ScalableTag<float>> erf_by_table(hn::Vec<hn::ScalableTag<float>> x) {
  // the second one where it is NaN
  const __m512 z = _mm512_min_ps(_mm512_set1_ps(3.99999976f), _mm512_abs_ps(x.raw));
  const __m512 eighths = _mm512_mul_ps(z, _mm512_set1_ps(8));
  const __m512i i = _mm512_cvttps_epi32(eighths);
  const __m512 f = _mm512_reduce_ps(eighths, _MM_FROUND_TO_ZERO);
  auto coefficient = [&](int k) HWY_ATTR {
    return _mm512_permutex2var_ps(_mm512_load_ps(kErfTable[k]), i,
                                  _mm512_load_ps(kErfTable[k] + 16));
  };
  __m512 p = coefficient(4);
  for (int k = 3; k >= 0; --k) p = _mm512_fmadd_ps(p, f, coefficient(k));
  const __mmask16 small = _mm512_cmp_ps_mask(z, _mm512_set1_ps(0.5f), _CMP_LT_OQ);
  p = _mm512_mask_fmadd_ps(p, small, z, z);
  return hn::CopySign(hn::Vec<hn::ScalableTag<float>>{p}, x);
}
#endif

template <class D> HWY_INLINE Vec<D> erf(Vec<D> x) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (is_f32<D>) return erf_by_table(x.v);
#endif
  using Fit = ErfFit<hn::TFromD<D>>;
  Vec<D> one(1.0), a = abs(x);
  Vec<D> small = multiply_add(x, polynomial(x * x, Fit::small), x);
  Vec<D> end(Fit::end), z = where(a > end, end, a);
  Vec<D> u = multiply_add(z, Vec<D>(2 / (Fit::end - 1)), Vec<D>(-(Fit::end + 1) / (Fit::end - 1)));
  Vec<D> large = one - exp(multiply_add(-z, z, polynomial(u, Fit::large)));
  return where(a < one, small, Vec<D>(hn::CopySign(large.v, x.v)));
}

/// exp(y ln x) in double, of floats: the error of ln x, blown up by y ln x ≤ 104, stays far below a
/// float's last bit.
template <class H> HWY_INLINE hn::Vec<H> pow_in_double(hn::Vec<H> x, hn::Vec<H> y) {
  using Wide = hn::Rebind<double, H>;
  constexpr Wide d;
  return hn::DemoteTo(H(),
                      exp(Vec<Wide>(hn::PromoteTo(d, y)) * log(Vec<Wide>(hn::PromoteTo(d, x)))).v);
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
    r = where(x < zero && a < infinity<D>() && floor(y) != y,
              Vec<D>(std::numeric_limits<double>::quiet_NaN()), r);
    return where(y == zero || x == one, one, r);
  } else {
    // ln x would need 11 bits more than a double has to keep 1 ulp; libm carries them, a vector
    // version is not worth its length.
    alignas(64) double base[hn::MaxLanes(d)], exponent[hn::MaxLanes(d)];
    hn::Store(x.v, d, base);
    hn::Store(y.v, d, exponent);
    for (size_t i = 0; i < hn::Lanes(d); ++i) base[i] = std::pow(base[i], exponent[i]);
    return hn::Load(d, base);
  }
}

/// f of every pair of lanes.
template <class D> HWY_NOINLINE Vec<D> lane_by_lane(Vec<D> x, Vec<D> y,
                                                    hn::TFromD<D> (*f)(hn::TFromD<D>,
                                                                       hn::TFromD<D>)) {
  constexpr D d;
  alignas(64) hn::TFromD<D> a[hn::MaxLanes(d)], b[hn::MaxLanes(d)];
  hn::Store(x.v, d, a);
  hn::Store(y.v, d, b);
  for (size_t i = 0; i < hn::Lanes(d); ++i) a[i] = f(a[i], b[i]);
  return hn::Load(d, a);
}

// The other functions: floats in double, whose errors are far below a float's last bit, so that
// short formulas do; doubles in libm. Below a bound the formulas cancel and a series stands in.
template <class Formula, class D> HWY_NOINLINE Vec<D> in_double(Vec<D> x) {
  using H = hn::Half<D>;
  using Wide = hn::Rebind<double, H>;
  constexpr Wide d;
  return hn::Combine(
      D(), hn::DemoteTo(H(), Formula::of(Vec<Wide>(hn::PromoteTo(d, hn::UpperHalf(H(), x.v)))).v),
      hn::DemoteTo(H(), Formula::of(Vec<Wide>(hn::PromoteTo(d, hn::LowerHalf(H(), x.v)))).v));
}
template <class D> HWY_INLINE Vec<D> with_sign(Vec<D> magnitude, Vec<D> sign) {
  return hn::CopySign(magnitude.v, sign.v);
}
/// x·(1 + c₀x² + c₁x⁴ + …).
template <class D, size_t N> HWY_INLINE Vec<D> odd_series(Vec<D> x, const double (&c)[N]) {
  const Vec<D> square = x * x;
  return x * (Vec<D>(1.0) + square * polynomial(square, c));
}

/// NAME of floats by NAME_in_double, of doubles by libm.
#define SUANLI_IN_DOUBLE(name)                                            \
  template <class D> HWY_INLINE Vec<D> name(Vec<D> x) {                   \
    if constexpr (is_f32<D>) return in_double<name##_in_double>(x);       \
    else return lane_by_lane(Mask<D>{hn::Eq(x.v, x.v)}, x, x, std::name); \
  }

struct log2_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    return log(x) * Vec<D>(1.44269504088896340736);
  }
};
SUANLI_IN_DOUBLE(log2)

struct log10_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    return log(x) * Vec<D>(0.43429448190325182765);
  }
};
SUANLI_IN_DOUBLE(log10)

struct exp2_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    return exp(x * Vec<D>(0.69314718055994530942));
  }
};
SUANLI_IN_DOUBLE(exp2)

struct expm1_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    constexpr double series[] = {1, 1 / 2.0, 1 / 6.0, 1 / 24.0};
    return where(abs(x) < Vec<D>(1e-3), x * polynomial(x, series), exp(x) - Vec<D>(1.0));
  }
};
SUANLI_IN_DOUBLE(expm1)

struct sinh_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    constexpr double series[] = {1 / 6.0, 1 / 120.0};
    const Vec<D> e = exp(x), y = Vec<D>(0.5) * (e - Vec<D>(1.0) / e);
    return where(abs(x) < Vec<D>(1e-2), odd_series(x, series), y);
  }
};
SUANLI_IN_DOUBLE(sinh)

struct cosh_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    const Vec<D> e = exp(abs(x));
    return Vec<D>(0.5) * (e + Vec<D>(1.0) / e);
  }
};
SUANLI_IN_DOUBLE(cosh)

struct asinh_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    constexpr double series[] = {-1 / 6.0, 3 / 40.0, -15 / 336.0};
    const Vec<D> a = abs(x), y = log(a + sqrt(a * a + Vec<D>(1.0)));
    return where(a < Vec<D>(1e-2), odd_series(x, series), with_sign(y, x));
  }
};
SUANLI_IN_DOUBLE(asinh)

struct acosh_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    const Vec<D> one(1.0), nan(std::numeric_limits<double>::quiet_NaN());
    return where(x < one, nan, log(x + sqrt(x * x - one)));
  }
};
SUANLI_IN_DOUBLE(acosh)

struct atanh_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    constexpr double series[] = {1 / 3.0, 1 / 5.0, 1 / 7.0};
    const Vec<D> one(1.0), y = Vec<D>(0.5) * log((one + x) / (one - x));
    return where(abs(x) < Vec<D>(1e-2), odd_series(x, series), y);
  }
};
SUANLI_IN_DOUBLE(atanh)

struct asin_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) { return hn::Asin(D(), x.v); }
};
SUANLI_IN_DOUBLE(asin)

struct acos_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) { return hn::Acos(D(), x.v); }
};
SUANLI_IN_DOUBLE(acos)

struct atan_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) { return hn::Atan(D(), x.v); }
};
SUANLI_IN_DOUBLE(atan)

struct tan_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    return where(x == Vec<D>(0.0), x, sin(x) / cos(x));
  }
};
SUANLI_IN_DOUBLE(tan)

#undef SUANLI_IN_DOUBLE

/// Between 1 and 6 by the fit of ln(exp(x²) erfc x). Beyond, few floats are not yet 0.
struct erfc_in_double {
  template <class D> static HWY_INLINE Vec<D> of(Vec<D> x) {
    using Fit = ErfFit<double>;
    const Vec<D> one(1.0), a = abs(x), end(Fit::end), z = where(a > end, end, a);
    const Vec<D> u =
        multiply_add(z, Vec<D>(2 / (Fit::end - 1)), Vec<D>(-(Fit::end + 1) / (Fit::end - 1)));
    const Vec<D> tail = exp(polynomial(u, Fit::large) - z * z);
    return where(a < one, one - multiply_add(x, polynomial(x * x, Fit::small), x),
                 where(x < Vec<D>(0.0), Vec<D>(2.0) - tail, tail));
  }
};
template <class D> HWY_INLINE Vec<D> erfc(Vec<D> x) {
  if constexpr (is_f32<D>) {
    constexpr D d;
    const Vec<D> y = in_double<erfc_in_double>(x);
    const Mask<D> large = x > Vec<D>(6.0) || x != x;
    return HWY_LIKELY(hn::AllFalse(d, large.m)) ? y : lane_by_lane(large, x, y, std::erfc);
  } else {
    return lane_by_lane(Mask<D>{hn::Eq(x.v, x.v)}, x, x, std::erfc);
  }
}

template <class D> HWY_INLINE Vec<D> atan2(Vec<D> y, Vec<D> x) {
  return lane_by_lane(y, x, std::atan2);
}

/// x − q·y with q = trunc(x/y) is exact where q is: the rounding of x/y can only take q one too
/// far, which the sign of the difference shows.
template <class D> HWY_INLINE Vec<D> fmod(Vec<D> x, Vec<D> y) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3  // q·y is not rounded
  constexpr D d;
  const Vec<D> q = trunc(x / y), r(hn::NegMulAdd(q.v, y.v, x.v)), least(is_f32<D> ? 1e-30 : 1e-290),
               most(is_f32<D> ? 0x1p23 : 0x1p52);
  const Vec<D> back = r + with_sign(y, x);
  const Vec<D> exact =
      where((r < Vec<D>(0.0) && x > Vec<D>(0.0)) || (r > Vec<D>(0.0) && x < Vec<D>(0.0)), back, r);
  const Mask<D> near = abs(q) < most && abs(y) > least && abs(y) < Vec<D>(1.0) / least;
  if (HWY_LIKELY(hn::AllTrue(d, near.m))) return with_sign(exact, x);
#endif
  return lane_by_lane(x, y, std::fmod);
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
