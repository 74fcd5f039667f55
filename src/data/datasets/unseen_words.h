// SPDX-License-Identifier: Apache-2.0
// Cells of a table that hold words which training never saw: counted, so that an answer to a guess
// is not taken for one to a value.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/text/text.h"
#include "base/text/visible.h"

namespace suanli::data {

/// Counts those of one column.
class UnseenWords {
 public:
  void add(const std::string& word) {
    if (cells_++ == 0) first_ = word;
  }
  /// Adds a line, if there are any.
  void note(const std::string& column, int64_t rows, std::vector<std::string>& notes) const {
    if (cells_ > 0)
      notes.push_back(str("column '", visible(column), "': ", cells_, " of ", rows,
                          " cells hold words that training never saw, such as '", visible(first_),
                          "'; they count as missing"));
  }

 private:
  int64_t cells_ = 0;
  std::string first_;
};

}  // namespace suanli::data
