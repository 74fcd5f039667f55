// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4): what published files are recognized by.
#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace suanli::cli {

class Sha256 {
 public:
  void add(const void* data, size_t bytes);
  /// 64 hexadecimal digits of all that was added. To be called once.
  std::string digest();

 private:
  void block(const uint8_t* at);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> rest_{};
  uint64_t bytes_ = 0;
};

}  // namespace suanli::cli
