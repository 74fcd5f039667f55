// SPDX-License-Identifier: Apache-2.0
// 16-bit floats as bits: IEEE 754 binary16 and bfloat16, from and to float. Rounded to nearest,
// ties to even; NaN stays NaN.
#pragma once
#include <bit>
#include <cstdint>

namespace suanli {

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

}  // namespace suanli
