// SPDX-License-Identifier: Apache-2.0
// Learns the encoding of a table: which columns are numbers, words or of no use, and the kind of
// the target.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <unordered_set>

#include "base/text/text.h"
#include "base/text/visible.h"
#include "data/datasets/encoding.h"

namespace suanli::data {
namespace {

constexpr size_t kMaxWords = 100;        // of a column of words; more are names or texts
constexpr size_t kMaxWholeNumbers = 20;  // of a target that is still taken for classes
constexpr size_t kMaxClasses = 10'000;
// share from which on a column is one of numbers, and other cells are errors
constexpr double kMostlyNumbers = 0.5;
// share of a target's numbers that are no accident among words
constexpr double kSomeNumbers = 0.1;
// share of rows from which on a target's word for "missing" is a class
constexpr double kNoAccident = 0.05;
constexpr int64_t kMinCounted = 10;   // rows of a table in which 1, 2, 3, … is a count of them

struct Moments {
  double mean = 0, stddev = 1;
};
/// Throws IoError where the numbers of a column are too large for their squares to be summed.
Moments moments_of(const std::vector<double>& values, const Table& table, const std::string& column,
                   const std::string& advice) {
  if (values.empty()) return {};
  const double n = static_cast<double>(values.size()),
               mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (double v : values) squares += (v - mean) * (v - mean);
  if (!std::isfinite(mean) || !std::isfinite(squares))
    throw IoError({.argument = str(table.path, ": column '", visible(column), "'"),
                   .given = "values too large for a mean and a deviation",
                   .remedy = str("Correct them", advice, ".")});
  // The rounding of a mean must not become the deviation of equal values.
  if (std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end())
    return {values.front(), 1};
  return {mean, squares > 0 ? std::sqrt(squares / n) : 1};
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string quoted_list(const std::vector<std::string>& names, size_t most) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < most; ++i)
    out += str(i > 0 ? ", '" : "'", visible(names[i]), "'");
  if (names.size() > most) out += str(", … (", names.size(), " in all)");
  return out;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Counts of a column's cells that are numbers, and the first cell that is none.
struct Count {
  int64_t numbers = 0, words = 0, odd = -1;
  double share() const {
    return static_cast<double>(numbers) /
           static_cast<double>(std::max<int64_t>(1, numbers + words));
  }
};

IoError odd_cell(const Table& table, int column, const NumberFormat& format, const Count& count,
                 std::string remedy) {
  const std::string& cell = table.at(column, count.odd).text;
  return IoError({.argument = table.where(count.odd, column),
                  .given = str("'", visible(cell), "'"),
                  .expected = str(expected_number(cell, format), ", as ", count.numbers, " of ",
                                  count.numbers + count.words, " cells are"),
                  .remedy = std::move(remedy)});
}

template <class Missing> Count count_numbers(const Table& table, int column,
                                             const NumberFormat& format, Missing&& missing) {
  Count count;
  for (int64_t i = 0; i < table.rows(); ++i) {
    double v = 0;
    const Cell& cell = table.at(column, i);
    if (missing(cell)) continue;
    if (read_number(cell.text, format, &v)) ++count.numbers;
    else if (count.words++ == 0) count.odd = i;
  }
  return count;
}

/// True if a column holds numbers. Throws for the odd cell that is none among many that are.
bool is_numeric(const Encoding& encoding, const Table& table, int column,
                const NumberFormat& format) {
  const Count count = count_numbers(table, column, format,
                                    [&](const Cell& c) { return encoding.is_missing(c.text); });
  if (count.words == 0) return count.numbers > 0;
  if (count.share() < kMostlyNumbers) return false;
  throw odd_cell(table, column, format, count,
                 "Correct it, or leave it empty to say that it is missing.");
}

/// Names that differ in case only, as one line per group.
void note_case_variants(const std::string& what, const std::vector<std::string>& names,
                        std::vector<std::string>& notes) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const std::string& name : names) groups[lower(name)].push_back(name);
  for (const auto& [key, group] : groups)
    if (group.size() > 1)
      notes.push_back(str(what, ": ", quoted_list(group, 10),
                          " differ in case only and count as different; are they one?"));
}

/// Notes that tell a user how unusual numbers are read, one per kind of writing.
class FormatNotes {
 public:
  void add(const Table& table, int column, const ColumnFormat& f, bool forced) {
    if (f.evidence.example.empty() && f.format.plain()) return;
    std::string how = f.format.decimal == ',' ? "a decimal comma" : "";
    auto also = [&](bool is, const std::string& what) {
      if (is) how += (how.empty() ? "" : ", ") + what;
    };
    const bool grouped =
        f.format.decimal == ',' ? f.evidence.open_point > 0 : f.evidence.open_comma > 0;
    also(f.evidence.grouped || grouped, "groups of thousands");
    also(!f.format.unit.empty(), "the unit " + f.format.unit);
    also(f.evidence.brackets, "brackets for minus");
    also(how.empty(), "other signs");
    Group& group = groups_[how];
    group.columns.push_back(table.header[static_cast<size_t>(column)]);
    const bool open = f.evidence.point == 0 && f.evidence.comma == 0 &&
                      f.evidence.open_point + f.evidence.open_comma > 0;
    group.open = group.open || (open && !forced);
    group.other = f.format.decimal == ',' ? "point" : "comma";
    for (int64_t i = 0; i < table.rows() && group.example.empty(); ++i) {
      const std::string& cell = table.at(column, i).text;
      double plain = 0, value = 0;
      if (read_number(cell, f.format, &value) && (!is_plain_number(cell, &plain) || plain != value))
        group.example = str("'", visible(cell), "' is ",
                            value == std::trunc(value) && std::abs(value) < 1e15
                                ? str(static_cast<int64_t>(value))
                                : str(value));
    }
  }
  void write_to(std::vector<std::string>& notes) const {
    for (const auto& [how, group] : groups_)
      if (!group.example.empty())
        notes.push_back(
            str(group.columns.size() > 1 ? "columns " : "column ", quoted_list(group.columns, 5),
                ": numbers with ", how, " (", group.example,
                group.open ? str("; decimal=", group.other, " reads it otherwise") : "", ")"));
  }

 private:
  struct Group {
    std::vector<std::string> columns;
    std::string example, other;
    bool open = false;
  };
  std::map<std::string, Group> groups_;
};

/// Names that people give to what only tells rows apart.
bool named_like_id(const std::string& name) {
  static const std::set<std::string> kNames = {
      "id", "index", "idx", "unnamed: 0", "rowid", "row_id",     "row",      "no",     "no.",
      "nr", "nr.",   "num", "#",          "key",   "row number", "rownames", "rownum", "serial"};
  const std::string small = lower(name);
  if (kNames.contains(small) || small.starts_with("column ")) return true;
  for (const char* ending : {"_id", " id", "-id"})
    if (small.ends_with(ending)) return true;
  return name.size() > 2 && (name.ends_with("Id") || name.ends_with("ID")) &&
         std::islower(static_cast<unsigned char>(name[name.size() - 3]));
}
/// Names of counts that say something.
bool named_like_time(const std::string& name) {
  static const std::set<std::string> kNames = {"t",    "time",  "year", "month",  "week",
                                               "day",  "date",  "hour", "minute", "second",
                                               "step", "epoch", "age"};
  return kNames.contains(lower(name));
}

/// A column of numbers only tells rows apart if it counts them as they stand, 0, 1, 2, … or 1, 2,
/// 3, …, or if it holds different whole numbers under a name for that. Under another name numbers
/// in another order are ranks or measurements.
bool numbers_the_rows(const std::string& name, std::vector<double> values, int64_t rows) {
  if (static_cast<int64_t>(values.size()) < rows || rows < kMinCounted || named_like_time(name))
    return false;
  bool counts = values.front() == 0 || values.front() == 1;
  for (size_t i = 1; i < values.size() && counts; ++i) counts = values[i] == values[i - 1] + 1;
  if (counts || !named_like_id(name)) return counts;
  std::sort(values.begin(), values.end());
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != std::floor(values[i]) || (i > 0 && values[i] == values[i - 1])) return false;
  return true;
}

/// Facts about a column, from all of its rows.
struct Judgment {
  bool numeric = false, counter = false;
  int64_t missing = 0;  // cells
  std::string reason;  // why it is left out; "" if it is used
};

Judgment judge(const Encoding& encoding, const Table& table, int column,
               const NumberFormat& format) {
  Judgment j;
  j.numeric = is_numeric(encoding, table, column, format);
  std::unordered_set<std::string_view> words;
  std::vector<double> numbers;
  for (int64_t i = 0; i < table.rows(); ++i) {
    const std::string& cell = table.at(column, i).text;
    if (encoding.is_missing(cell)) ++j.missing;
    else if (j.numeric) numbers.push_back(number_at(table, i, column, format));
    else words.insert(cell);
  }
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  const bool one_value = j.numeric ? *least == *most : words.size() == 1;
  // beside missing cells it tells rows apart
  if (one_value && j.missing == 0) j.reason = "one value only";
  else if (!j.numeric && words.empty()) j.reason = "no values";
  else if (words.size() > kMaxWords)
    j.reason = str(words.size(), " different words, names rather than categories");
  else
    j.counter = j.numeric && numbers_the_rows(table.header[static_cast<size_t>(column)],
                                              std::move(numbers), table.rows());
  return j;
}

/// The cells of a target, each kind counted.
struct TargetCells {
  std::map<std::string, std::map<std::string, int64_t>> classes;  // canonical name → spellings
  std::set<double> numbers;
  bool whole = true;
};

}  // namespace

std::vector<ColumnFormat> column_formats(const Table& table, std::optional<char> decimal) {
  std::vector<ColumnFormat> out(table.header.size());
  int64_t comma_columns = 0, point_columns = 0;
  for (size_t c = 0; c < out.size(); ++c) {
    std::vector<std::string_view> cells(table.columns[c].size());
    for (size_t i = 0; i < cells.size(); ++i) cells[i] = table.columns[c][i].text;
    out[c].evidence = format_evidence(cells);
    comma_columns += out[c].evidence.comma > out[c].evidence.point;
    point_columns += out[c].evidence.point > out[c].evidence.comma;
  }
  const bool comma_usual =
      comma_columns != point_columns ? comma_columns > point_columns : table.separator == ';';
  for (ColumnFormat& f : out) {
    f.format = format_from(f.evidence, comma_usual, comma_columns > point_columns);
    if (decimal) f.format.decimal = *decimal;
    f.format.any_decimal = !decimal && !f.evidence.shows_separators();
  }
  return out;
}

Encoding encode_target(const Table& table, const std::vector<ColumnFormat>& formats,
                       const TableSettings& settings, std::vector<std::string>& notes) {
  const std::string& target = settings.target;
  const int column = column_of(table, target);
  Encoding encoding;
  encoding.target = target;
  encoding.missing = settings.missing;
  encoding.target_format = formats[static_cast<size_t>(column)].format;
  const NumberFormat& format = encoding.target_format;
  auto refuse_target = [&](std::string given, std::string expected = "") {
    throw IoError({.argument = str(table.path, ": target '", visible(target), "'"),
                   .given = std::move(given),
                   .expected = std::move(expected),
                   .remedy = "Give another target.",
                   .settings = {"target"}});
  };

  // A word for "missing" in quotes, or that many rows have, is a class among words.
  std::map<std::string, int64_t> missing_words;
  for (int64_t i = 0; i < table.rows(); ++i)
    if (const Cell& cell = table.at(column, i);
        !cell.text.empty() && !cell.quoted && encoding.is_missing(cell.text))
      ++missing_words[cell.text];
  auto is_class_word = [&](const Cell& cell) {
    if (cell.text.empty() || settings.missing) return false;
    if (cell.quoted) return true;
    const auto found = missing_words.find(cell.text);
    if (found == missing_words.end() || lower(cell.text).find("nan") != std::string::npos)
      return false;
    return found->second > 1 &&
           static_cast<double>(found->second) >= kNoAccident * static_cast<double>(table.rows());
  };
  Count count = count_numbers(table, column, format,
                              [&](const Cell& c) { return encoding.is_missing(c.text); });
  const bool words = count.share() < kMostlyNumbers;
  TargetCells cells;
  for (int64_t i = 0; i < table.rows(); ++i) {
    const Cell& cell = table.at(column, i);
    if (encoding.is_missing(cell.text) && !(words && is_class_word(cell))) continue;
    ++cells.classes[words ? cell.text : canonical_name(cell.text, format)][cell.text];
    double v = 0;
    if (!read_number(cell.text, format, &v)) continue;
    cells.numbers.insert(v);
    cells.whole = cells.whole && v == std::floor(v);
  }
  if (cells.classes.empty()) refuse_target(str("missing in all ", table.rows(), " rows"));
  const bool many_numbers = cells.numbers.size() > kMaxWholeNumbers || !cells.whole;
  if (settings.task == TaskAsked::by_column) {
    const bool meant =
        words ? cells.numbers.size() > kMaxWholeNumbers && count.share() >= kSomeNumbers
              : many_numbers;
    if (count.words > 0 && meant)
      throw odd_cell(table, column, format, count,
                     "Correct it, or name such words by missing=WORD and leave the rows "
                     "out by skip_missing_target=1. Or say "
                     "task=classification to take all for classes.");
    encoding.task = count.words == 0 && many_numbers ? Task::regression : Task::classification;
    notes.push_back(
        encoding.task == Task::regression
            ? str("regression: the target '", visible(target),
                  "' holds numbers (task=classification takes them for classes)")
            : str("classification: the target '", visible(target), "' holds ", cells.classes.size(),
                  count.words == 0
                      ? " different whole numbers (task=regression takes them for numbers)"
                      : " different words"));
  } else {
    encoding.task =
        settings.task == TaskAsked::regression ? Task::regression : Task::classification;
  }
  FormatNotes written;
  if (!words)
    written.add(table, column, formats[static_cast<size_t>(column)], settings.decimal.has_value());
  written.write_to(notes);
  if (encoding.task == Task::regression) {
    if (count.words > 0)
      throw odd_cell(
          table, column, format, count,
          "A regression needs numbers: correct it, leave it empty, or say task=classification.");
    return encoding;
  }

  // by the caller
  const bool missing_is_said =
      !settings.skip_missing_target && count.numbers + count.words < table.rows();
  if (cells.classes.size() < 2 && !missing_is_said)
    refuse_target(
        str("one class only, '", visible(cells.classes.begin()->second.begin()->first), "'"),
        "at least two to tell apart");
  const bool own = settings.task == TaskAsked::by_column &&
                   cells.classes.size() > kMaxWholeNumbers &&
                   2 * static_cast<int64_t>(cells.classes.size()) > table.rows();
  if (own || cells.classes.size() > kMaxClasses)
    refuse_target(str(cells.classes.size(), " different words in ", table.rows(), " rows"),
                  "classes rather than names or texts");
  // The shortest spelling names a class.
  std::vector<std::pair<double, std::string>> named;
  for (const auto& [key, spellings] : cells.classes) {
    const auto shortest = std::min_element(
        spellings.begin(), spellings.end(),
        [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
    double v = 0;
    read_number(shortest->first, format, &v);
    named.emplace_back(count.words == 0 ? v : 0, shortest->first);
    if (spellings.size() < 2) continue;
    std::vector<std::string> all;
    for (const auto& [spelling, rows] : spellings) all.push_back(spelling);
    notes.push_back(str("the target '", visible(target), "': ", quoted_list(all, 5),
                        " are one class, '", visible(shortest->first), "'"));
  }
  std::sort(named.begin(), named.end());
  for (auto& [value, name] : named) encoding.classes.push_back(std::move(name));
  for (const auto& [word, rows] : missing_words)
    if (contains(encoding.classes, word))
      notes.push_back(str("the target '", visible(target), "': '", visible(word), "' (", rows,
                          " of ", table.rows(), " rows) is a class; missing=", visible(word),
                          " takes it for a missing one"));
  if (count.words > 0)
    note_case_variants(str("the target '", visible(target), "'"), encoding.classes, notes);
  return encoding;
}

void learn_columns(Encoding& encoding, const Table& table, const std::vector<ColumnFormat>& formats,
                   const TableSettings& settings, const std::vector<int64_t>& rows,
                   std::vector<std::string>& notes) {
  if (encoding.task == Task::regression) {
    std::vector<double> targets;
    const int column = column_of(table, encoding.target);
    for (int64_t row : rows)
      targets.push_back(number_at(table, row, column, encoding.target_format, kForRegression));
    const Moments m = moments_of(targets, table, encoding.target, ", or give another target");
    encoding.target_mean = m.mean;
    encoding.target_stddev = m.stddev;
  }
  for (const auto& [setting, list] :
       {std::pair("drop", &settings.drop), std::pair("keep", &settings.keep)})
    for (const std::string& name : *list)
      if (column_of(table, name); name == encoding.target)
        throw ArgumentError({.argument = str(table.path, ": ", setting),
                             .given = str("'", visible(name), "', the target"),
                             .expected = "another column"});
  const auto columns = static_cast<int>(table.header.size());
  std::vector<Judgment> judged(static_cast<size_t>(columns));
  bool without_counters = false;  // something is left when columns that number the rows go
  for (int c = 0; c < columns; ++c) {
    const std::string& name = table.header[static_cast<size_t>(c)];
    if (name == encoding.target || contains(settings.drop, name)) continue;
    Judgment& j = judged[static_cast<size_t>(c)];
    j = judge(encoding, table, c, formats[static_cast<size_t>(c)].format);
    j.counter = j.counter && !contains(settings.keep, name);
    without_counters = without_counters || (j.reason.empty() && !j.counter);
  }
  if (!settings.drop.empty())
    notes.push_back(str("left out as asked: ", quoted_list(settings.drop, 10)));

  FormatNotes written;
  std::string reasons;
  auto leave_out = [&](const std::string& name, const std::string& reason) {
    notes.push_back(str("column '", visible(name), "' left out: ", reason));
    reasons += str(reasons.empty() ? "" : "; ", "'", visible(name), "': ", reason);
  };
  for (int c = 0; c < columns; ++c) {
    const Judgment& j = judged[static_cast<size_t>(c)];
    const ColumnFormat& f = formats[static_cast<size_t>(c)];
    ColumnCode code{.name = table.header[static_cast<size_t>(c)],
                    .numeric = j.numeric,
                    .words = {},
                    .format = j.numeric ? f.format : NumberFormat{}};
    if (code.name == encoding.target || contains(settings.drop, code.name)) continue;
    if (!j.reason.empty()) {
      leave_out(code.name, j.missing > 0 ? str(j.reason, ", ", j.missing, " of ", table.rows(),
                                               " cells are missing")
                                         : j.reason);
      continue;
    }
    if (j.counter && without_counters) {
      leave_out(code.name, str("it numbers the rows (keep=", visible(code.name), " uses it)"));
      continue;
    }
    std::vector<double> numbers;
    std::set<std::string> words;
    int64_t missing = 0;
    for (int64_t row : rows) {
      const std::string& cell = table.at(c, row).text;
      if (encoding.is_missing(cell)) ++missing;
      else if (code.numeric) numbers.push_back(number_at(table, row, c, code.format));
      else words.insert(cell);
    }
    if (!code.numeric && words.empty()) {
      leave_out(code.name, str("no values in the training rows, ", missing, " of ", rows.size(),
                               " cells are missing"));
      continue;
    }
    if (code.numeric) written.add(table, c, f, settings.decimal.has_value());
    if (missing > 0)
      notes.push_back(str("column '", visible(code.name), "': ", missing, " of ", rows.size(),
                          " cells are missing; ",
                          code.numeric ? "the mean stands for them, and an input says so"
                                       : "they belong to no category"));
    if (code.numeric) {
      const Moments m = moments_of(numbers, table, code.name,
                                   ", or leave the column out: drop=" + visible(code.name));
      code.mean = m.mean;
      code.stddev = m.stddev;
      code.marks_missing = missing > 0;
    } else {
      code.words.assign(words.begin(), words.end());
      notes.push_back(
          str("column '", visible(code.name), "': ", code.words.size(),
              code.words.size() == 1 ? " category, an input" : " categories, an input each"));
      note_case_variants(str("column '", visible(code.name), "'"), code.words, notes);
    }
    encoding.columns.push_back(std::move(code));
  }
  written.write_to(notes);
  if (encoding.columns.empty())
    throw IoError({.argument = table.path,
                   .given = str("no column to learn from besides the target",
                                reasons.empty() ? "" : str(" (", reasons, ")")),
                   .remedy = "Give a table with more columns."});
}

}  // namespace suanli::data
