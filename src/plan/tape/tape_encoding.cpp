// SPDX-License-Identifier: Apache-2.0
#include "plan/tape/tape_encoding.h"

#include <cstring>
#include "base/core/hash.h"

namespace suanli {

uint64_t hash_of(std::span<const uint32_t> words, uint64_t seed) {
  // Four independent chains: one would wait for its own multiplications, 6 cycles for 8 bytes.
  uint64_t h[4] = {mix_hash(seed, words.size()), 1, 2, 3};
  const uint32_t* at = words.data();
  size_t left = words.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t v[4];
    std::memcpy(v, at, sizeof v);
    for (int k = 0; k < 4; ++k) h[k] = mix_hash(h[k], v[k]);
  }
  for (; left > 0; ++at, --left) h[0] = mix_hash(h[0], *at);
  return mix_hash(mix_hash(h[0], h[1]), mix_hash(h[2], h[3]));
}

bool same_words(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

uint32_t* write_desc(uint32_t* to, DType dtype, const Shape& shape, uint32_t note) {
  *to++ = static_cast<uint32_t>(dtype) | static_cast<uint32_t>(shape.rank()) << 8 | note << 16;
  for (int64_t size : shape) {
    std::memcpy(to, &size, sizeof size);
    to += 2;
  }
  return to;
}

}  // namespace suanli
