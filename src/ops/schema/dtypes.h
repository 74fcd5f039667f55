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
/// Dtypes that kernels compute in memory.
inline constexpr DTypes kComputedDTypes =
    dtypes_of({DType::f64, DType::f32, DType::i64, DType::i32, DType::u8, DType::boolean});
inline constexpr DTypes kFloatDTypes =
    kComputedDTypes & dtypes_of({DType::f64, DType::f32, DType::f16, DType::bf16});
/// Dtypes of indices into an axis.
inline constexpr DTypes kIndexDTypes = dtypes_of({DType::i64});
/// Integers and bool.
inline constexpr DTypes kNotFloatDTypes =
    dtypes_of({DType::i64, DType::i32, DType::i16, DType::i8, DType::u64, DType::u32, DType::u16,
               DType::u8, DType::boolean});
inline constexpr DTypes kIntegralDTypes = kComputedDTypes & kNotFloatDTypes;
/// Dtypes that pointwise kernels convert on loading and storing.
inline constexpr DTypes kPointwiseDTypes = kComputedDTypes | dtypes_of({DType::i16, DType::i8});
/// Dtypes that cast converts.
inline constexpr DTypes kConvertedDTypes = kPointwiseDTypes | dtypes_of({DType::f16, DType::bf16});
/// Enough for ops that move bytes.
inline constexpr DTypes kEveryDType = ~DTypes{0};
/// Strided copies move elements of at most 8 bytes.
inline constexpr DTypes kUpTo8Bytes = kEveryDType & ~dtypes_of({DType::c128});

}  // namespace suanli
