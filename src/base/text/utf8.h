// SPDX-License-Identifier: Apache-2.0
// Characters of UTF-8.
#pragma once
#include <string_view>

namespace suanli {

/// Bytes of the character at `at`, which is below the size; 0 where there is none: a byte that
/// begins no character, one whose other bytes are missing, an overlong form, a surrogate, or a
/// character above U+10FFFF (the Unicode Standard, table 3-7).
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
  const unsigned char second = bytes > 2 ? byte(at + 1) : 0x80;
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return bytes;
}

/// True if the whole text consists of characters of UTF-8.
inline bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = utf8_bytes(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

}  // namespace suanli
