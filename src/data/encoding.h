// How the cells of a table become numbers: learned on the training rows, kept with the model, applied to any table with these columns.
#pragma once
#include <string>
#include <vector>

#include "data/csv.h"
#include "suanli/data.h"

namespace suanli::data {

/// One column of the table. Numbers: (value - mean) / stddev, 0 for a missing one; where some were missing in training, another value
/// says so. Words: 1 at the place of the word, all 0 for a missing word or one that training did not see.
struct ColumnCode {
  std::string name;
  bool numeric = true;
  double mean = 0, stddev = 1;
  bool marks_missing = false;
  std::vector<std::string> words;

  int64_t width() const { return numeric ? (marks_missing ? 2 : 1) : static_cast<int64_t>(words.size()); }
};

struct Encoding {
  Task task = Task::classification;
  std::string target;
  double target_mean = 0, target_stddev = 1;  // of regression: the model learns (value - mean) / stddev
  std::vector<std::string> classes;           // of classification
  std::vector<ColumnCode> columns;

  int64_t width() const;
  /// Values of the rows, [rows, width()]. Throws InputError for a column that is missing and a cell that is no number where numbers are.
  std::vector<float> inputs(const Table& table, const std::vector<int64_t>& rows) const;
  /// Places among `classes`. Throws InputError for a missing cell or a class that training did not see.
  std::vector<int32_t> labels(const Table& table) const;
  /// Standardised.
  std::vector<float> values(const Table& table) const;
};

enum class TaskAsked : uint8_t { by_column, classification, regression };

/// What the target column says: numbers with fractions or more than 20 different ones are a regression. Throws InputError for a target
/// that is missing in a row or has one class only.
Encoding encode_target(const Table& table, const std::string& target, TaskAsked task, std::vector<std::string>& notes);
/// Learns every other column from `rows`. Columns of one value, or of more than 100 different words, are left out and noted.
void learn_columns(Encoding& encoding, const Table& table, const std::vector<int64_t>& rows, std::vector<std::string>& notes);

/// One line per column, and back: what Info::encoding and OpenOptions::encoding hold.
std::string to_text(const Encoding& encoding);
Encoding encoding_from_text(const std::string& text);

}  // namespace suanli::data
