// SPDX-License-Identifier: Apache-2.0
// Tables as text: CSV as RFC 4180 has it, also with ; | or tabs between the cells.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "suanli/export.h"

namespace suanli::data {

struct Cell {
  std::string text;     ///< Without blanks around it.
  bool quoted = false;  ///< Such a word is meant literally.
};

struct Table {
  std::string path;
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> columns;  ///< [column][row]
  /// The line of the file on which each row begins, counted from 1.
  std::vector<int64_t> lines;
  char separator = ',';

  int64_t rows() const { return static_cast<int64_t>(lines.size()); }
  const Cell& at(int column, int64_t row) const {
    return columns[static_cast<size_t>(column)][static_cast<size_t>(row)];
  }
  /// Place of a column; -1 if there is none.
  int find(std::string_view name) const;
  /// "path: line 17, column 'age'": the argument of an error about a cell.
  std::string where(int64_t row, int column) const;
  /// Takes the rows out whose places `rows`, rising, names.
  void remove(const std::vector<int64_t>& rows);
};

/// Reads a table, plain, .gz or .xz, UTF-8. The separator is the one that cuts the first lines into
/// equally many cells; a first line `sep=;` names it. `header` says whether the first line holds
/// names; without it they are 1, 2, … Where nothing is said, a first line that looks like values is
/// refused. Throws IoError naming path, line and column: a folder or another kind of file, a
/// name twice, another number of cells than the header has, an open quote, bytes that are no UTF-8
/// (or UTF-16), no rows.
Table read_csv(const std::string& path, std::optional<bool> header = {});

/// A cell that holds nothing: empty, or one of the words that pandas takes for missing, or None or
/// ?, in either case.
bool is_missing(const std::string& cell);

}  // namespace suanli::data
