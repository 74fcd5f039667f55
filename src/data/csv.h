// Tables as text: CSV as RFC 4180 has it, also with ; or tabs between the cells.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "suanli/export.h"

namespace suanli::data {

struct Table {
  std::string path;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> columns;  ///< [column][row], blanks around unquoted cells taken off.
  std::vector<int64_t> lines;                     ///< Of each row the line of the file that it begins on, counted from 1.

  int64_t rows() const { return static_cast<int64_t>(lines.size()); }
  /// Place of a column; -1 if there is none.
  int find(std::string_view name) const;
  /// "path: line 17, column 'age'": how an error text about a cell begins.
  std::string at(int64_t row, int column) const;
};

/// Reads a file with a header line, plain, .gz or .xz, UTF-8. Throws InputError naming path, line and column: no header, a name twice,
/// another number of cells than the header has, an open quote, bytes that are no UTF-8 (or UTF-16), no rows.
Table read_csv(const std::string& path);

/// A cell that holds nothing: empty, NA, N/A, NaN, null, None or ?, in either case.
bool is_missing(const std::string& cell);
/// Whether a cell is a finite number, and which.
bool is_number(const std::string& cell, double* value);

}  // namespace suanli::data
