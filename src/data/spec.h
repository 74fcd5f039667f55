// Where in "photos?size=96" the path ends.
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

}  // namespace suanli::data
