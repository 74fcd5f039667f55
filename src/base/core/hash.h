// SPDX-License-Identifier: Apache-2.0
// Hashes of tables that live in this process. Nothing stored depends on them.
#pragma once
#include <cstdint>

namespace suanli {

/// Takes one more word into a hash: multiplies by 2⁶⁴ divided by the golden ratio (Knuth, The Art
/// of Computer Programming, vol. 3, 6.4) and folds the upper half, which every bit reaches, down.
constexpr uint64_t mix_hash(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 32);
}

}  // namespace suanli
