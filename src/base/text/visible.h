// SPDX-License-Identifier: Apache-2.0
// Control characters of names and cells, written so that a reader sees them: a terminal would obey
// them, and a NUL would end a message.
#pragma once
#include <string>
#include <string_view>

namespace suanli {

/// Bytes of the control character at `at`, U+0080 to U+009F included; 0 where there is none.
inline size_t control_at(std::string_view text, size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const auto next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) : 0;
  if (byte == 0xC2 && next >= 0x80 && next <= 0x9F) return 2;
  return byte < 0x20 || byte == 0x7F ? 1 : 0;
}

/// "\x1b" of the byte 27.
inline std::string byte_code(char c) {
  constexpr const char* kHex = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
}

/// `text` with every control character as its code, on one line.
inline std::string visible(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t control = control_at(text, at);
    if (control > 0) {
      at += control - 1;
      out += byte_code(text[at]);
    } else out += text[at];
  }
  return out;
}

}  // namespace suanli
