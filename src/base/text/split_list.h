// SPDX-License-Identifier: Apache-2.0
// Lists in one text, such as "crop=4,flip".
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace suanli {

/// The parts between the commas: of "" one empty part, as of "a," a second.
inline std::vector<std::string> split_list(std::string_view text, char separator = ',') {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// The opposite: "a, b, c".
template <class Range> std::string join_list(const Range& parts, std::string_view between = ", ") {
  std::string out;
  bool first = true;
  for (const auto& part : parts) {
    if (!first) out += between;
    out += part;
    first = false;
  }
  return out;
}

}  // namespace suanli
