// Floats of 16 bits as floats of 32 bits. Every value of the narrow formats is exact in the wide one.
#pragma once
#include <bit>
#include <cstdint>

namespace suanli {

/// bfloat16 is the upper half of an IEEE 754 binary32.
constexpr float float_from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// IEEE 754 binary16: 1 sign bit, 5 exponent bits with bias 15, 10 fraction bits. A NaN keeps its payload.
constexpr float float_from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, exponent = (bits >> 10) & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // zero or subnormal
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

}  // namespace suanli
