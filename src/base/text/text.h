// SPDX-License-Identifier: Apache-2.0
// str(a, b, …): joins strings, numbers and anything with a to_string(). Lighter to include than a
// formatting library, for error texts.
#pragma once
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "suanli/base.h"

namespace suanli {

inline void append(std::string& out, std::string_view s) { out += s; }
inline void append(std::string& out, const char* s) { out += s; }
inline void append(std::string& out, char c) { out += c; }
template <class T> requires std::is_arithmetic_v<T>
void append(std::string& out, T v) {
  if constexpr (std::is_same_v<T, bool>) {
    out += v ? "true" : "false";
  } else {
    char buffer[40];
    auto r = std::to_chars(buffer, buffer + sizeof buffer, v);
    out.append(buffer, r.ptr);
  }
}
template <class T>
requires(!std::is_arithmetic_v<T> && !std::is_convertible_v<const T&, std::string_view>)
void append(std::string& out, const T& v) {
  out += to_string(v);
}

template <class... A> std::string str(const A&... a) {
  std::string out;
  (append(out, a), ...);
  return out;
}

/// Converts A to Z to small letters; other characters stay. Unlike std::tolower it does not depend
/// on the locale.
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// "1.5 MiB", "12 B".
SUANLI_API std::string human_bytes(int64_t bytes);
/// 1024² · 400 of "400MiB" or "400M", 10⁹ · 2 of "2GB", 1000 of "1000" or "1000 B"; nothing where
/// it is no size of at least one byte.
SUANLI_API std::optional<int64_t> bytes_from(std::string_view text);
/// "1.5 GFLOP", "120 FLOP".
SUANLI_API std::string human_flops(int64_t flops);

}  // namespace suanli
