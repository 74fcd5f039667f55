// SPDX-License-Identifier: Apache-2.0
// Philox-4x32-10: random bits as a pure function of (seed, counter), so no result depends on who
// drew what before. Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC
// 2011), table 2 and section 3.3.
#pragma once
#include <array>
#include <cstdint>

namespace suanli {

/// Four independent 32-bit words. The seed is the key, the two counters are the 128-bit counter
/// (low words first, as in Random123). `counter_hi` separates streams: 0 belongs to a Generator's
/// draws, other users own a domain (see PhiloxDomain).
constexpr std::array<uint32_t, 4> philox(uint64_t seed, uint64_t counter_lo,
                                         uint64_t counter_hi = 0) {
  constexpr uint32_t kMul0 = 0xD2511F53u, kMul1 = 0xCD9E8D57u, kWeyl0 = 0x9E3779B9u,
                     kWeyl1 = 0xBB67AE85u;
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  uint32_t c0 = static_cast<uint32_t>(counter_lo), c1 = static_cast<uint32_t>(counter_lo >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_hi), c3 = static_cast<uint32_t>(counter_hi >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{kMul0} * c0, p1 = uint64_t{kMul1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return {c0, c1, c2, c3};
}

/// The user of a draw, as the top byte of counter_hi. Two users with one seed must never see the
/// same words.
enum class PhiloxDomain : uint8_t {
  generator = 0,
  epoch_order = 1,
  validation_split = 2,
  glyphs = 3,
  noise = 4,
  augmentation = 5,
  mixing = 6,
  first_flip = 7
};
constexpr uint64_t philox_stream(PhiloxDomain domain, uint64_t id) {
  return (uint64_t{static_cast<uint8_t>(domain)} << 56) | (id & 0x00FF'FFFF'FFFF'FFFFu);
}

/// Uniform in [0, 1) with 24 bits: every value is exact in f32, 1 is never reached.
constexpr float uniform01(uint32_t word) { return static_cast<float>(word >> 8) * 0x1.0p-24f; }
/// Uniform in [0, 1) with 53 bits.
constexpr double uniform01(uint32_t low, uint32_t high) {
  return static_cast<double>(((uint64_t{high} << 32) | low) >> 11) * 0x1.0p-53;
}

/// The words of one (seed, stream) read one after the other, from block `first_block`.
class PhiloxStream {
 public:
  constexpr PhiloxStream(uint64_t seed, uint64_t stream, uint64_t first_block = 0)
      : seed_(seed), stream_(stream), block_(first_block) {}

  constexpr uint32_t next_u32() {
    if (used_ == 4) {
      words_ = philox(seed_, block_++, stream_);
      used_ = 0;
    }
    return words_[used_++];
  }
  constexpr uint64_t next_u64() {
    const uint64_t low = next_u32();
    return low | (uint64_t{next_u32()} << 32);
  }
  constexpr double next_double() {
    const uint32_t low = next_u32();
    return uniform01(low, next_u32());
  }
  /// Uniform in [low, high).
  constexpr double between(double low, double high) { return low + (high - low) * next_double(); }

  /// Uniform in 0…n-1, without bias. n must be positive. Lemire, Fast random integer generation in
  /// an interval (2019): the high half of a product, redrawn for the few low halves that would make
  /// some results likelier.
  constexpr uint64_t below(uint64_t n) {
    if (n <= 0xFFFF'FFFFu) {
      const uint32_t n32 = static_cast<uint32_t>(n);
      uint64_t product = uint64_t{next_u32()} * n32;
      if (static_cast<uint32_t>(product) < n32) {
        const uint32_t threshold = static_cast<uint32_t>(-n32) % n32;
        while (static_cast<uint32_t>(product) < threshold) product = uint64_t{next_u32()} * n32;
      }
      return product >> 32;
    }
    // Such ranges are rare: mask and redraw, less than two draws on average, instead of 128-bit
    // products.
    uint64_t mask = n - 1;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    uint64_t word = next_u64() & mask;
    while (word >= n) word = next_u64() & mask;
    return word;
  }

 private:
  uint64_t seed_, stream_, block_;
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
};

}  // namespace suanli
