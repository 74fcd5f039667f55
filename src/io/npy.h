// SPDX-License-Identifier: Apache-2.0
// Arrays of NumPy's .npy format, versions 1 to 3 (NEP 1).
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "suanli/base.h"

namespace suanli::data {

struct NpyArray {
  /// An integer or float dtype, or boolean.
  DType dtype = DType::u8;
  Shape shape;
  std::vector<uint8_t> bytes;  ///< Row-major, in this machine's byte order, whatever the file has.
  double at(int64_t i) const;  ///< Value i of them as a number.
};

/// Values of f16, u16, u32 and u64 as f32, i32, i64 and i64. Throws IoError for a u64 that i64 does
/// not hold; `place` names the array.
void widen(NpyArray& array, const std::string& place);

/// read(out, count) gives the next `count` bytes, exactly, or throws; `size` of them there are;
/// here() names the place reached, "x.npy: byte 12". Throws IoError: no .npy, objects and other
/// types that are no numbers, another number of bytes than the header announces.
NpyArray read_npy(uint64_t size, const std::function<void(void*, size_t)>& read,
                  const std::function<std::string()>& here);

}  // namespace suanli::data
