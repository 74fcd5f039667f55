// SPDX-License-Identifier: Apache-2.0
// Confusions of a classifier: as a table, as a matrix in words, as a picture and as
// JSON.
#pragma once
#include <limits>
#include <string>
#include <vector>

#include "base/text/json.h"

namespace suanli::cli {

/// A confusion matrix with the names of its classes: rows are what a sample is, columns what it was
/// taken for.
struct Confusion {
  const std::vector<int64_t>& counts;
  const std::vector<std::string>& names;

  size_t classes() const { return names.size(); }
  int64_t at(size_t is, size_t taken) const { return counts[is * classes() + taken]; }
  int64_t samples_of(size_t is) const {
    int64_t n = 0;
    for (size_t c = 0; c < classes(); ++c) n += at(is, c);
    return n;
  }
  int64_t taken_for(size_t taken) const {
    int64_t n = 0;
    for (size_t c = 0; c < classes(); ++c) n += at(c, taken);
    return n;
  }
  static double share(int64_t part, int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole)
                     : std::numeric_limits<double>::quiet_NaN();
  }
  /// Recall and precision of a class.
  double recall(size_t c) const { return share(at(c, c), samples_of(c)); }
  double precision(size_t c) const { return share(at(c, c), taken_for(c)); }
  /// The class that `is` is most often taken for instead, or itself if never.
  size_t most_often_taken_for(size_t is) const {
    size_t most = is;
    int64_t count = 0;
    for (size_t c = 0; c < classes(); ++c)
      if (c != is && at(is, c) > count) {
        most = c;
        count = at(is, c);
      }
    return most;
  }
};

/// A line per class: samples, accuracy, precision, and what it is most often taken for.
std::string table_of_classes(const Confusion& m);
/// The matrix where a terminal has room for it, else "".
std::string in_words(const Confusion& m);
/// Writes the matrix as a PNG: names, counts, shares by color (of a class's samples, the square
/// root) and each class's accuracy; of many classes the colors alone. Throws IoError if the
/// file cannot be written.
void draw(const Confusion& m, const std::string& path);
Json to_json(const Confusion& m);

}  // namespace suanli::cli
