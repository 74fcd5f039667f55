// SPDX-License-Identifier: Apache-2.0
// IDX, the format of MNIST and its relatives: 0, 0, type, number of axes; big-endian u32 sizes;
// big-endian values, row-major.
#pragma once
#include <string>
#include <vector>

#include "suanli/base.h"

namespace suanli::data {

struct IdxArray {
  DType dtype = DType::u8;      ///< u8, i8, i16, i32, f32 or f64.
  std::vector<int64_t> sizes;   ///< One per axis, at most 8.
  std::vector<uint8_t> bytes;   ///< Values in this machine's byte order.
  int64_t header_bytes() const { return 4 + 4 * static_cast<int64_t>(sizes.size()); }
};

/// Reads an IDX file, plain or gzip. Throws IoError with path, position and advice: not IDX,
/// truncated, longer than it says, or claiming more than the file can hold (nothing is allocated on
/// the header's word alone).
IdxArray read_idx(const std::string& path);

}  // namespace suanli::data
