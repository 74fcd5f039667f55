// SPDX-License-Identifier: Apache-2.0
// Sets of dtypes.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "suanli/base.h"

namespace suanli {

/// A set of dtypes, as bits.
using DTypes = uint32_t;
constexpr DTypes dtypes_of(std::initializer_list<DType> list) {
  DTypes set = 0;
  for (DType d : list) set |= 1u << static_cast<int>(d);
  return set;
}
constexpr bool contains(DTypes set, DType d) { return set >> static_cast<int>(d) & 1; }
/// Dtypes of numbers: pointwise ops and cast take them all, converted on loading and storing.
inline constexpr DTypes kNumberDTypes =
    dtypes_of({DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
               DType::i8, DType::u64, DType::u32, DType::u16, DType::u8, DType::boolean});
/// Dtypes that every other op takes.
inline constexpr DTypes kComputedDTypes = kNumberDTypes & ~dtypes_of({DType::u64});
inline constexpr DTypes kFloatDTypes = dtypes_of({DType::f64, DType::f32, DType::f16, DType::bf16});
inline constexpr DTypes kHalfDTypes = dtypes_of({DType::f16, DType::bf16});
/// Dtypes of indices into an axis.
inline constexpr DTypes kIndexDTypes = dtypes_of({DType::i64});
/// Integers and bool.
inline constexpr DTypes kNotFloatDTypes = kNumberDTypes & ~kFloatDTypes;
inline constexpr DTypes kIntegralDTypes = kComputedDTypes & kNotFloatDTypes;
/// The dtype in which an op that has no kernel of dtype `d` computes it: f32 of f16 and bf16, i64
/// of integers (of u64 the bits).
constexpr DType wide_dtype(DType d) {
  switch (d) {
    case DType::f16:
    case DType::bf16: return DType::f32;
    case DType::i16:
    case DType::i8:
    case DType::u64:
    case DType::u32:
    case DType::u16: return DType::i64;
    default: return d;
  }
}
/// Enough for ops that move bytes.
inline constexpr DTypes kEveryDType = ~DTypes{0};
/// Strided copies move elements of at most 8 bytes.
inline constexpr DTypes kUpTo8Bytes = kEveryDType & ~dtypes_of({DType::c128});

}  // namespace suanli
