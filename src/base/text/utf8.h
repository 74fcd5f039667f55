// SPDX-License-Identifier: Apache-2.0
// Characters of UTF-8.
#pragma once
#include <string_view>

namespace suanli {

/// Bytes of the character at `at`; 0 where there is none: a byte that begins no character, or one
/// whose other bytes are missing. Overlong forms of two bytes are none either.
inline size_t utf8_bytes(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first >= 0xF5) return 0;
  size_t bytes = 2;
  if (first >= 0xE0) bytes = first < 0xF0 ? 3 : 4;
  if (at + bytes > text.size()) return 0;
  for (size_t i = 1; i < bytes; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  return bytes;
}

inline bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = utf8_bytes(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

}  // namespace suanli
