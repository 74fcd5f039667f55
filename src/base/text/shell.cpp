// SPDX-License-Identifier: Apache-2.0
#include "base/text/shell.h"

#include <algorithm>
#include <cstdio>

#include "base/text/utf8.h"
#include "base/text/visible.h"

namespace suanli {

namespace {

bool is_plain(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80 ||
         std::string_view("_@%+=:,./-").find(static_cast<char>(c)) != std::string_view::npos;
}

/// Bytes of the character at `at` that a terminal draws; 0 for control characters and for what is
/// no UTF-8.
size_t drawable(std::string_view word, size_t at) {
  const size_t bytes = utf8_bytes(word, at);
  return bytes > 0 && control_at(word, at) > 0 ? 0 : bytes;
}

/// The letters between quotes; `dollar`: as $'…' reads them.
std::string inside(std::string_view word, bool dollar) {
  std::string out;
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = drawable(word, at);
    if (bytes == 0) {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(word[at]));
      out += code;
    } else if (word[at] == '\'') {
      out += dollar ? "\\'" : "'\\''";
    } else if (dollar && word[at] == '\\') {
      out += "\\\\";
    } else {
      out += word.substr(at, bytes);
    }
    at += std::max<size_t>(1, bytes);
  }
  return out;
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  if (word.starts_with('-')) return shell_quoted("./" + std::string(word));
  bool plain = !word.empty() && word.front() != '=', drawn = true;  // zsh expands =command
  for (size_t at = 0, bytes = 0; at < word.size(); at += std::max<size_t>(1, bytes)) {
    bytes = drawable(word, at);
    drawn &= bytes > 0;
    plain &= bytes > 0 && is_plain(static_cast<unsigned char>(word[at]));
  }
  if (plain) return std::string(word);
  return drawn ? "'" + inside(word, false) + "'" : "$'" + inside(word, true) + "'";
}

}  // namespace suanli
