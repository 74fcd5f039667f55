// SPDX-License-Identifier: Apache-2.0
// Turns the cells of a table into numbers. An encoding is learned on the training rows, kept with
// the model, and applied to any table with these columns.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/formats/csv.h"
#include "data/formats/number_format.h"
#include "suanli/dataset.h"

namespace suanli::data {

enum class TaskAsked : uint8_t { by_column, classification, regression };

/// Settings that the specification of a table may have.
struct TableSettings {
  std::string target = {};
  TaskAsked task = TaskAsked::by_column;
  int test = 20;                                          ///< Percent of the rows that test.
  std::vector<std::string> drop = {};                     ///< Columns that are left out.
  /// Columns that are used though they number the rows.
  std::vector<std::string> keep = {};
  /// Words for "missing" besides the empty cell; null: the usual ones.
  std::optional<std::vector<std::string>> missing = {};
  /// The kind of every column; null: as its cells look.
  std::optional<char> decimal = {};
  std::optional<bool> header = {};                        ///< As read_csv() has it.
  /// Leaves rows without target out instead of throwing.
  bool skip_missing_target = false;
};

/// One column of the table. Numbers: (value - mean) / stddev, 0 for a missing one; where some were
/// missing in training, another value says so. Words: 1 at the place of the word, all 0 for a
/// missing word or one that training did not see.
struct ColumnCode {
  std::string name;
  bool numeric = true;
  double mean = 0, stddev = 1;
  bool marks_missing = false;
  std::vector<std::string> words;
  NumberFormat format = {};

  int64_t width() const {
    return numeric ? (marks_missing ? 2 : 1) : static_cast<int64_t>(words.size());
  }
};

struct Encoding {
  Task task = Task::classification;
  std::string target;
  // of regression: the model learns (value - mean) / stddev
  double target_mean = 0, target_stddev = 1;
  NumberFormat target_format = {};
  std::vector<std::string> classes;           // of classification
  std::vector<ColumnCode> columns;
  std::optional<std::vector<std::string>> missing = {};  // as TableSettings
  bool header = true;
  // of a table without header, the target and unused ones included; 0: not known
  int64_t table_columns = 0;

  int64_t width() const;
  /// This encoding for the number formats of another table. `decimal` as TableSettings has it.
  Encoding for_table(const Table& table, std::optional<char> decimal) const;
  bool is_missing(const std::string& cell) const;
  /// Rising places of the rows whose target says nothing. A class that is called None, or like
  /// another missing word, says something.
  std::vector<int64_t> rows_without_target(const Table& table) const;
  /// Values of the rows, [rows, width()]. Throws IoError for a column that is missing and a cell
  /// that is no number where numbers are. Words that training never saw join `notes`, counted by
  /// column.
  std::vector<float> inputs(const Table& table, const std::vector<int64_t>& rows,
                            std::vector<std::string>* notes = nullptr) const;
  /// Places among `classes`. Throws IoError for a class that training did not see.
  std::vector<int32_t> labels(const Table& table) const;
  /// Standardized.
  std::vector<float> values(const Table& table) const;
};

/// A column's cells and what they show.
struct ColumnFormat {
  FormatEvidence evidence;
  NumberFormat format;
};
/// The format of each column. Where a column leaves open what its commas and points mean, the other
/// columns and the separator of cells decide.
std::vector<ColumnFormat> column_formats(const Table& table, std::optional<char> decimal);

/// The task that the target column suggests: numbers with fractions or more than 20 different ones
/// are a regression. Throws IoError for a target that has one class only, for numbers with some
/// words among them, and for words of which nearly every row has its own.
Encoding encode_target(const Table& table, const std::vector<ColumnFormat>& formats,
                       const TableSettings& settings, std::vector<std::string>& notes);
/// Learns every other column from `rows`. The choice of columns depends on all rows of the table:
/// those of one value without a missing cell, of more than 100 different words, and those that
/// number the rows are left out and noted.
void learn_columns(Encoding& encoding, const Table& table, const std::vector<ColumnFormat>& formats,
                   const TableSettings& settings, const std::vector<int64_t>& rows,
                   std::vector<std::string>& notes);

/// The place of a column. Throws IoError with the nearest name.
int column_of(const Table& table, const std::string& name);
/// The number in a cell. Throws IoError; `why` follows what it expects: ", as in training".
double number_at(const Table& table, int64_t row, int column, const NumberFormat& format,
                 const char* why = "");
/// Why the target of a regression must be a number, for number_at().
inline constexpr const char* kForRegression = ", as a regression needs";

/// One line per column, and back: what Info::encoding and OpenOptions::encoding hold.
std::string to_text(const Encoding& encoding);
SUANLI_API Encoding encoding_from_text(const std::string& text);

}  // namespace suanli::data
