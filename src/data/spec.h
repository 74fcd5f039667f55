// Where in "photos?size=96" the path ends, and more settings behind it.
#pragma once
#include <algorithm>
#include <filesystem>
#include <string>

namespace suanli::data {

/// Length of the path at the beginning of `place`: all of it if that exists, else up to the first `?` in front of which something exists,
/// else up to the first `?`.
inline size_t path_length(const std::string& place) {
  std::error_code error;
  if (std::filesystem::exists(place, error)) return place.size();
  const size_t first = place.find('?');
  for (size_t at = first; at != std::string::npos; at = place.find('?', at + 1))
    if (std::filesystem::exists(place.substr(0, at), error)) return at;
  return std::min(first, place.size());
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
