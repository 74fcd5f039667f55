// SPDX-License-Identifier: Apache-2.0
#include "data/datasets/encoding.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/text/did_you_mean.h"
#include "base/text/text.h"
#include "base/text/visible.h"
#include "data/datasets/unseen_words.h"

namespace suanli::data {
namespace {

// ---- lines of text: words between tabs, \t \n \\ inside of them written as two characters
// ------------------------------------------

std::string escaped(const std::string& word) {
  std::string out;
  for (char c : word) {
    if (c == '\t') out += "\\t";
    else if (c == '\n') out += "\\n";
    else if (c == '\\') out += "\\\\";
    else out += c;
  }
  return out;
}

std::string line_of(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words)
    out += (&word == &words.front() ? "" : "\t") + escaped(word);
  return out + "\n";
}

std::vector<std::vector<std::string>> lines_of(const std::string& text) {
  std::vector<std::vector<std::string>> lines(1, std::vector<std::string>(1));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string& word = lines.back().back();
    if (text[i] == '\n') lines.emplace_back(1);
    else if (text[i] == '\t') lines.back().emplace_back();
    else if (text[i] == '\\' && i + 1 < text.size())
      word += text[++i] == 't' ? '\t' : text[i] == 'n' ? '\n' : text[i];
    else word += text[i];
  }
  lines.pop_back();
  return lines;
}

constexpr const char* kCorrectCell = "Correct it, or leave it empty.";

}  // namespace

int column_of(const Table& table, const std::string& name) {
  const int column = table.find(name);
  if (column >= 0) return column;
  const std::string near = did_you_mean(name, table.header);
  std::string names;
  for (const std::string& n : table.header) names += (names.empty() ? "" : ", ") + visible(n);
  throw IoError({.argument = str(table.path, ": line 1"),
                 .given = str("no column '", visible(name), "'"),
                 .expected = "one of " + names,
                 .remedy = near.empty() ? "" : str("Did you mean '", visible(near), "'?")});
}

double number_at(const Table& table, int64_t row, int column, const NumberFormat& format,
                 const char* why) {
  double v = 0;
  const std::string& cell = table.at(column, row).text;
  if (!read_number(cell, format, &v))
    throw IoError({.argument = table.where(row, column),
                   .given = str("'", visible(cell), "'"),
                   .expected = expected_number(cell, format) + why,
                   .remedy = kCorrectCell});
  return v;
}

namespace {

/// (value - mean) / stddev of a cell. Throws IoError where a float cannot hold it.
float standardized(const Table& table, int64_t row, int column, const NumberFormat& format,
                   double mean, double stddev, const char* why) {
  const auto v = static_cast<float>((number_at(table, row, column, format, why) - mean) / stddev);
  if (!std::isfinite(v))
    throw IoError({.argument = table.where(row, column),
                   .given = str("'", visible(table.at(column, row).text), "'"),
                   .expected = "a number not too large beside those of training",
                   .remedy = kCorrectCell});
  return v;
}

}  // namespace

int64_t Encoding::width() const {
  int64_t sum = 0;
  for (const ColumnCode& c : columns) sum += c.width();
  return sum;
}

bool Encoding::is_missing(const std::string& cell) const {
  if (!missing) return data::is_missing(cell);
  return cell.empty() || std::find(missing->begin(), missing->end(), cell) != missing->end();
}

Encoding Encoding::for_table(const Table& table, std::optional<char> decimal) const {
  Encoding out = *this;
  const std::vector<ColumnFormat> formats = column_formats(table, decimal);
  auto adapt = [&](const std::string& name, NumberFormat& format) {
    const int c = table.find(name);
    if (c < 0) return;
    const ColumnFormat& own = formats[static_cast<size_t>(c)];
    format = format_like(own.evidence, format, own.format.decimal);
    if (decimal) format.decimal = *decimal;
  };
  adapt(target, out.target_format);
  for (ColumnCode& code : out.columns)
    if (code.numeric) adapt(code.name, code.format);
  return out;
}

std::vector<int64_t> Encoding::rows_without_target(const Table& table) const {
  const int column = column_of(table, target);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < table.rows(); ++i) {
    const std::string& cell = table.at(column, i).text;
    if (is_missing(cell) && std::find(classes.begin(), classes.end(), cell) == classes.end())
      rows.push_back(i);
  }
  return rows;
}

std::vector<float> Encoding::inputs(const Table& table, const std::vector<int64_t>& rows,
                                    std::vector<std::string>* notes) const {
  const int64_t all = width();
  std::vector<float> out(rows.size() * static_cast<size_t>(all), 0.0f);
  int64_t left = 0;
  for (const ColumnCode& code : columns) {
    const int column = column_of(table, code.name);
    UnseenWords unseen;
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string& cell = table.at(column, rows[i]).text;
      float* x = out.data() + static_cast<int64_t>(i) * all + left;
      if (!code.numeric) {
        const auto word = std::lower_bound(code.words.begin(), code.words.end(), cell);
        if (is_missing(cell)) continue;
        if (word != code.words.end() && *word == cell) x[word - code.words.begin()] = 1;
        else unseen.add(cell);
      } else if (!is_missing(cell)) {
        x[0] = standardized(table, rows[i], column, code.format, code.mean, code.stddev,
                            ", as in training");
      } else if (code.marks_missing) {
        x[1] = 1;
      }
    }
    left += code.width();
    if (notes) unseen.note(code.name, static_cast<int64_t>(rows.size()), *notes);
  }
  return out;
}

std::vector<int32_t> Encoding::labels(const Table& table) const {
  const int column = column_of(table, target);
  std::map<std::string, int32_t> places;
  for (size_t i = 0; i < classes.size(); ++i) places.emplace(classes[i], static_cast<int32_t>(i));
  // A class's own name goes before another spelling of an earlier one.
  for (size_t i = 0; i < classes.size(); ++i)
    for (const NumberFormat& format : {NumberFormat{}, target_format})
      places.emplace(canonical_name(classes[i], format), static_cast<int32_t>(i));
  std::vector<int32_t> out;
  for (int64_t i = 0; i < table.rows(); ++i) {
    const std::string& cell = table.at(column, i).text;
    auto place = places.find(cell);
    if (place == places.end()) place = places.find(canonical_name(cell, target_format));
    if (place == places.end())
      throw IoError({.argument = table.where(i, column),
                     .given = str("the class '", visible(cell), "'"),
                     .expected = str("one of the ", classes.size(), " classes of training")});
    out.push_back(place->second);
  }
  return out;
}

std::vector<float> Encoding::values(const Table& table) const {
  const int column = column_of(table, target);
  std::vector<float> out;
  for (int64_t i = 0; i < table.rows(); ++i)
    out.push_back(
        standardized(table, i, column, target_format, target_mean, target_stddev, kForRegression));
  return out;
}

std::string to_text(const Encoding& e) {
  std::vector<std::string> first = {"target", e.target,
                                    e.task == Task::regression ? "regression" : "classification",
                                    str(e.target_mean), str(e.target_stddev)};
  // Formats and lines are written where they say something.
  if (const std::string format = to_text(e.target_format); !format.empty()) first.push_back(format);
  std::string out = line_of(first);
  std::vector<std::string> classes = {"classes"};
  classes.insert(classes.end(), e.classes.begin(), e.classes.end());
  out += line_of(classes);
  if (!e.header) {
    std::vector<std::string> header = {"header", "no"};
    if (e.table_columns > 0) header.push_back(str(e.table_columns));
    out += line_of(header);
  }
  if (e.missing) {
    std::vector<std::string> words = {"missing"};
    words.insert(words.end(), e.missing->begin(), e.missing->end());
    out += line_of(words);
  }
  for (const ColumnCode& c : e.columns) {
    std::vector<std::string> line =
        c.numeric ? std::vector<std::string>{"numbers", c.name, str(c.mean), str(c.stddev),
                                             c.marks_missing ? "1" : "0"}
                  : std::vector<std::string>{"words", c.name};
    if (const std::string format = to_text(c.format); c.numeric && !format.empty())
      line.push_back(format);
    line.insert(line.end(), c.words.begin(), c.words.end());
    out += line_of(line);
  }
  return out;
}

Encoding encoding_from_text(const std::string& text) {
  Encoding e;
  auto damaged = [] {
    return IoError({.argument = "encoding",
                    .given = "a damaged description of a table",
                    .remedy = "Train again."});
  };
  auto number = [&](const std::string& word) {
    double v = 0;
    if (!is_plain_number(word, &v)) throw damaged();
    return v;
  };
  auto format = [](const std::vector<std::string>& line) {
    return line.size() == 6 ? number_format_from_text(line[5]) : NumberFormat{};
  };
  for (const std::vector<std::string>& line : lines_of(text)) {
    const bool sized = line.size() == 5 || line.size() == 6;
    if (line[0] == "target" && sized) {
      e.target = line[1];
      e.task = line[2] == "regression" ? Task::regression : Task::classification;
      e.target_mean = number(line[3]);
      e.target_stddev = number(line[4]);
      e.target_format = format(line);
    } else if (line[0] == "classes") {
      e.classes.assign(line.begin() + 1, line.end());
    } else if (line[0] == "header" && (line.size() == 2 || line.size() == 3)) {
      e.header = line[1] != "no";
      if (line.size() == 3)
        e.table_columns = static_cast<int64_t>(std::clamp(number(line[2]), 0.0, 1e9));
    } else if (line[0] == "missing") {
      e.missing.emplace(line.begin() + 1, line.end());
    } else if (line[0] == "numbers" && sized) {
      e.columns.push_back({.name = line[1],
                           .mean = number(line[2]),
                           .stddev = number(line[3]),
                           .marks_missing = line[4] == "1",
                           .words = {},
                           .format = format(line)});
    } else if (line[0] == "words" && line.size() > 2) {
      e.columns.push_back(
          {.name = line[1], .numeric = false, .words = {line.begin() + 2, line.end()}});
    } else {
      throw damaged();
    }
  }
  if (e.target.empty() || e.columns.empty()) throw damaged();
  return e;
}

}  // namespace suanli::data
