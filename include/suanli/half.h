// SPDX-License-Identifier: Apache-2.0
// 16-bit floats: IEEE 754 binary16 and bfloat16. Numbers are rounded once, to nearest, ties to
// even; too large ones become infinite; NaN stays NaN.
#pragma once
#include <bit>
#include <cstdint>
#include <type_traits>

namespace suanli {

namespace detail {

inline float float_from_f16(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, exponent = h >> 10 & 31,
                 fraction = h & 1023;
  if (exponent == 0) {  // 0 and subnormals: multiples of 2⁻²⁴
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

inline uint16_t f16_from_float(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), sign = bits >> 16 & 0x8000,
                 magnitude = bits & 0x7fffffff;
  uint32_t h;
  if (magnitude > 0x7f800000) h = 0x7e00 | (magnitude >> 13 & 1023);  // NaN, quiet
  else if (magnitude >= 0x477ff000) h = 0x7c00;  // from 65520 on the nearest is ∞
  else if (magnitude < 0x38800000)  // below 2⁻¹⁴: adding ½ rounds to multiples of 2⁻²⁴
    h = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
        std::bit_cast<uint32_t>(0.5f);
  else h = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  return static_cast<uint16_t>(sign | h);
}

inline float float_from_bf16(uint16_t h) {
  return std::bit_cast<float>(static_cast<uint32_t>(h) << 16);
}

inline uint16_t bf16_from_float(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Rounded to odd: of the two floats around an x between them, the one whose last bit is set. A
/// later rounding to fewer bits then gives the rounding of x itself (Boldo & Melquiond 2008).
inline float rounded_to_odd(float x) { return x; }
inline float rounded_to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const double back = static_cast<double>(nearest), size = back < 0 ? -back : back;
  const uint32_t bits = std::bit_cast<uint32_t>(nearest),
                 toward_x = size < (x < 0 ? -x : x) ? 1u : ~0u;
  return std::bit_cast<float>(back == x || x != x || (bits & 1) ? bits : bits + toward_x);
}
template <class T> requires std::is_integral_v<T>
float rounded_to_odd(T x) {
  if constexpr (sizeof(T) < 8) {
    return rounded_to_odd(static_cast<double>(x));
  } else {
    const bool negative = x < 0;
    const uint64_t bits = static_cast<uint64_t>(x), magnitude = negative ? 0 - bits : bits;
    double exact = static_cast<double>(magnitude);
    if (magnitude >> 53 != 0)
      exact =
          static_cast<double>(magnitude >> 11 | static_cast<uint64_t>((magnitude & 2047) != 0)) *
          2048;
    return rounded_to_odd(negative ? -exact : exact);
  }
}

}  // namespace detail

/// The C++ type of f16.
struct float16 {
  uint16_t bits = 0;
  float16() = default;
  template <class T> requires std::is_arithmetic_v<T>
  float16(T x) : bits(detail::f16_from_float(detail::rounded_to_odd(x))) {}
  operator float() const { return detail::float_from_f16(bits); }
};

/// The C++ type of bf16.
struct bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  template <class T> requires std::is_arithmetic_v<T>
  bfloat16(T x) : bits(detail::bf16_from_float(detail::rounded_to_odd(x))) {}
  operator float() const { return detail::float_from_bf16(bits); }
};

namespace detail {
template <class T> inline constexpr bool is_half =
    std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
}  // namespace detail

}  // namespace suanli
