// SPDX-License-Identifier: Apache-2.0
// Where in "photos?size=96" the path ends, and more settings behind it.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>

namespace suanli::data {

/// Length of the path at the beginning of `place`: all of it if that exists, else up to the last
/// `?` in front of which something exists, else up to the first `?`.
inline size_t path_length(const std::string& place) {
  std::error_code error;
  if (std::filesystem::exists(place, error)) return place.size();
  for (size_t at = place.rfind('?'); at != std::string::npos && at > 0;
       at = place.rfind('?', at - 1))
    if (std::filesystem::exists(place.substr(0, at), error)) return at;
  return std::min(place.find('?'), place.size());
}

/// `value` for a spec: % and what separates settings and words of a list, as %XX.
inline std::string escaped_setting(const std::string& value) {
  std::string out;
  for (char c : value) {
    constexpr const char* kHex = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || c == '&' || c == ',' || byte < 0x20)
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    else out += c;
  }
  return out;
}

/// The value that was written with %XX for some characters. A % before anything else stands for
/// itself.
inline std::string unescaped_setting(const std::string& value) {
  auto digit = [&](size_t at) {
    const char c = at < value.size() ? value[at] : ' ';
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const bool escape = value[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0;
    out += escape ? static_cast<char>(digit(i + 1) * 16 + digit(i + 2)) : value[i];
    if (escape) i += 2;
  }
  return out;
}

/// `spec` with one more setting, key=value.
inline std::string with_setting(const std::string& spec, const std::string& setting) {
  std::error_code error;
  const size_t colon = spec.find(':');
  const bool kind_first = !std::filesystem::exists(spec, error) && colon < spec.find('?');
  const std::string place = kind_first ? spec.substr(colon + 1) : spec;
  return spec + (path_length(place) == place.size() ? "?" : "&") + setting;
}

}  // namespace suanli::data
