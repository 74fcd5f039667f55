#include "data/encoding.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "base/did_you_mean.h"
#include "base/text.h"

namespace suanli::data {
namespace {

constexpr size_t kMostWords = 100;         // of a column of words; more are names or texts
constexpr size_t kMostWholeNumbers = 20;   // of a target that is still taken for classes
constexpr double kMostlyNumbers = 0.5;     // share from which on a column is one of numbers, and other cells are errors

int column_of(const Table& table, const std::string& name) {
  const int column = table.find(name);
  if (column >= 0) return column;
  const std::string near = did_you_mean(name, table.header);
  std::string names;
  for (const std::string& n : table.header) names += (names.empty() ? "" : ", ") + n;
  throw InputError(str(table.path, ": line 1, there is no column '", name, "'.", near.empty() ? "" : str(" Did you mean '", near, "'?"),
                       " There are ", names, "."));
}

struct Moments {
  double mean = 0, stddev = 1;
};
Moments moments_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  const double n = static_cast<double>(values.size()), mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (double v : values) squares += (v - mean) * (v - mean);
  return {mean, squares > 0 ? std::sqrt(squares / n) : 1};
}

/// Whether a column holds numbers. Throws for the odd cell that is none among many that are.
bool is_numeric(const Table& table, int column) {
  int64_t numbers = 0, words = 0, odd = -1;
  const std::vector<std::string>& cells = table.columns[static_cast<size_t>(column)];
  for (int64_t i = 0; i < table.rows(); ++i) {
    double v;
    const std::string& cell = cells[static_cast<size_t>(i)];
    if (is_missing(cell)) continue;
    if (is_number(cell, &v)) ++numbers;
    else if (words++ == 0) odd = i;
  }
  if (words == 0) return numbers > 0;
  const double share = static_cast<double>(numbers) / static_cast<double>(numbers + words);
  if (share < kMostlyNumbers) return false;
  throw InputError(str(table.at(odd, column), ": '", cells[static_cast<size_t>(odd)], "' is no number, ", numbers, " of ", numbers + words,
                       " cells are. Correct it, or leave it empty to say that it is missing."));
}

double number_at(const Table& table, int64_t row, int column) {
  double v = 0;
  const std::string& cell = table.columns[static_cast<size_t>(column)][static_cast<size_t>(row)];
  if (!is_number(cell, &v))
    throw InputError(str(table.at(row, column), ": '", cell, "' is no number, where training saw numbers. Correct it, or leave it empty."));
  return v;
}

void require_targets(const Table& table, int column) {
  const std::vector<std::string>& cells = table.columns[static_cast<size_t>(column)];
  for (int64_t i = 0; i < table.rows(); ++i)
    if (is_missing(cells[static_cast<size_t>(i)]))
      throw InputError(str(table.at(i, column), ": the target is missing. Fill it in, or remove the line."));
}

// ---- lines of text: words between tabs, \t \n \\ inside of them written as two characters ------------------------------------------

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
  for (const std::string& word : words) out += (&word == &words.front() ? "" : "\t") + escaped(word);
  return out + "\n";
}

std::vector<std::vector<std::string>> lines_of(const std::string& text) {
  std::vector<std::vector<std::string>> lines(1, std::vector<std::string>(1));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string& word = lines.back().back();
    if (text[i] == '\n') lines.emplace_back(1);
    else if (text[i] == '\t') lines.back().emplace_back();
    else if (text[i] == '\\' && i + 1 < text.size()) word += text[++i] == 't' ? '\t' : text[i] == 'n' ? '\n' : text[i];
    else word += text[i];
  }
  lines.pop_back();
  return lines;
}

}  // namespace

int64_t Encoding::width() const {
  int64_t sum = 0;
  for (const ColumnCode& c : columns) sum += c.width();
  return sum;
}

std::vector<float> Encoding::inputs(const Table& table, const std::vector<int64_t>& rows) const {
  const int64_t all = width();
  std::vector<float> out(rows.size() * static_cast<size_t>(all), 0.0f);
  int64_t left = 0;
  for (const ColumnCode& code : columns) {
    const int column = column_of(table, code.name);
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string& cell = table.columns[static_cast<size_t>(column)][static_cast<size_t>(rows[i])];
      float* x = out.data() + static_cast<int64_t>(i) * all + left;
      if (!code.numeric) {
        const auto word = std::lower_bound(code.words.begin(), code.words.end(), cell);
        if (word != code.words.end() && *word == cell && !is_missing(cell)) x[word - code.words.begin()] = 1;
      } else if (!is_missing(cell)) {
        x[0] = static_cast<float>((number_at(table, rows[i], column) - code.mean) / code.stddev);
      } else if (code.marks_missing) {
        x[1] = 1;
      }
    }
    left += code.width();
  }
  return out;
}

std::vector<int32_t> Encoding::labels(const Table& table) const {
  const int column = column_of(table, target);
  require_targets(table, column);
  std::vector<int32_t> out;
  for (int64_t i = 0; i < table.rows(); ++i) {
    const std::string& cell = table.columns[static_cast<size_t>(column)][static_cast<size_t>(i)];
    const auto at = std::find(classes.begin(), classes.end(), cell);
    if (at == classes.end())
      throw InputError(str(table.at(i, column), ": the class '", cell, "' was not among those trained (", classes.size(), " classes)."));
    out.push_back(static_cast<int32_t>(at - classes.begin()));
  }
  return out;
}

std::vector<float> Encoding::values(const Table& table) const {
  const int column = column_of(table, target);
  require_targets(table, column);
  std::vector<float> out;
  for (int64_t i = 0; i < table.rows(); ++i) out.push_back(static_cast<float>((number_at(table, i, column) - target_mean) / target_stddev));
  return out;
}

Encoding encode_target(const Table& table, const std::string& target, TaskAsked task, std::vector<std::string>& notes) {
  const int column = column_of(table, target);
  require_targets(table, column);
  std::vector<std::string> different = table.columns[static_cast<size_t>(column)];
  std::sort(different.begin(), different.end());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  std::vector<double> numbers;
  for (const std::string& cell : different)
    if (double v; is_number(cell, &v)) numbers.push_back(v);
  const bool all_numbers = numbers.size() == different.size();
  const bool whole = std::all_of(numbers.begin(), numbers.end(), [](double v) { return v == std::floor(v); });
  Encoding encoding;
  encoding.target = target;
  if (task == TaskAsked::by_column) {
    const bool many = numbers.size() > kMostWholeNumbers || !whole;
    encoding.task = all_numbers && many ? Task::regression : Task::classification;
    notes.push_back(encoding.task == Task::regression
                        ? str("regression: the target '", target, "' holds numbers (task=classification takes them for classes)")
                        : str("classification: the target '", target, "' holds ", different.size(),
                              all_numbers ? " different whole numbers (task=regression takes them for numbers)" : " different words"));
  } else {
    encoding.task = task == TaskAsked::regression ? Task::regression : Task::classification;
  }
  if (encoding.task == Task::regression) {
    for (int64_t i = 0; i < table.rows(); ++i) number_at(table, i, column);
    return encoding;
  }
  if (different.size() < 2)
    throw InputError(
        str(table.path, ": the target '", target, "' holds one class only, '", different[0], "'; at least two are needed to tell apart."));
  if (different.size() > 10'000)
    throw InputError(str(table.path, ": the target '", target, "' holds ", different.size(),
                         " different words, too many for classes. Give another target."));
  if (all_numbers)
    std::sort(different.begin(), different.end(), [](const std::string& a, const std::string& b) {
      double x = 0, y = 0;
      is_number(a, &x), is_number(b, &y);
      return x < y;
    });
  encoding.classes = std::move(different);
  return encoding;
}

void learn_columns(Encoding& encoding, const Table& table, const std::vector<int64_t>& rows, std::vector<std::string>& notes) {
  if (encoding.task == Task::regression) {
    std::vector<double> targets;
    for (int64_t row : rows) targets.push_back(number_at(table, row, column_of(table, encoding.target)));
    const Moments m = moments_of(targets);
    encoding.target_mean = m.mean, encoding.target_stddev = m.stddev;
  }
  for (int c = 0; c < static_cast<int>(table.header.size()); ++c) {
    ColumnCode code{.name = table.header[static_cast<size_t>(c)], .words = {}};
    if (code.name == encoding.target) continue;
    code.numeric = is_numeric(table, c);
    std::vector<double> numbers;
    std::map<std::string, int64_t> words;
    int64_t missing = 0;
    for (int64_t row : rows) {
      const std::string& cell = table.columns[static_cast<size_t>(c)][static_cast<size_t>(row)];
      if (is_missing(cell)) ++missing;
      else if (code.numeric) numbers.push_back(number_at(table, row, c));
      else ++words[cell];
    }
    const bool constant = code.numeric ? numbers.empty() || *std::min_element(numbers.begin(), numbers.end()) ==
                                                                *std::max_element(numbers.begin(), numbers.end())
                                       : words.size() < 2;
    if (constant || words.size() > kMostWords) {
      notes.push_back(constant
                          ? str("column '", code.name, "' left out: one value only")
                          : str("column '", code.name, "' left out: ", words.size(), " different words, names rather than categories"));
      continue;
    }
    if (missing > 0)
      notes.push_back(str("column '", code.name, "': ", missing, " of ", rows.size(), " cells are missing; ",
                          code.numeric ? "the mean stands for them, and an input says so" : "they belong to no category"));
    if (code.numeric) {
      const Moments m = moments_of(numbers);
      code.mean = m.mean, code.stddev = m.stddev;
      code.marks_missing = missing > 0;
    } else {
      for (const auto& [word, count] : words) code.words.push_back(word);
      notes.push_back(str("column '", code.name, "': ", code.words.size(), " categories, an input each"));
    }
    encoding.columns.push_back(std::move(code));
  }
  if (encoding.columns.empty())
    throw InputError(str(table.path, ": no column besides the target says anything. Give a table with more columns."));
}

std::string to_text(const Encoding& e) {
  std::string out =
      line_of({"target", e.target, e.task == Task::regression ? "regression" : "classification", str(e.target_mean), str(e.target_stddev)});
  std::vector<std::string> classes = {"classes"};
  classes.insert(classes.end(), e.classes.begin(), e.classes.end());
  out += line_of(classes);
  for (const ColumnCode& c : e.columns) {
    std::vector<std::string> line =
        c.numeric ? std::vector<std::string>{"numbers", c.name, str(c.mean), str(c.stddev), c.marks_missing ? "1" : "0"}
                  : std::vector<std::string>{"words", c.name};
    line.insert(line.end(), c.words.begin(), c.words.end());
    out += line_of(line);
  }
  return out;
}

Encoding encoding_from_text(const std::string& text) {
  Encoding e;
  auto damaged = [] { return InputError("the encoding of the table is damaged. Train again."); };
  auto number = [&](const std::string& word) {
    double v = 0;
    if (!is_number(word, &v)) throw damaged();
    return v;
  };
  for (const std::vector<std::string>& line : lines_of(text)) {
    if (line[0] == "target" && line.size() == 5) {
      e.target = line[1];
      e.task = line[2] == "regression" ? Task::regression : Task::classification;
      e.target_mean = number(line[3]), e.target_stddev = number(line[4]);
    } else if (line[0] == "classes") {
      e.classes.assign(line.begin() + 1, line.end());
    } else if (line[0] == "numbers" && line.size() == 5) {
      e.columns.push_back(
          {.name = line[1], .mean = number(line[2]), .stddev = number(line[3]), .marks_missing = line[4] == "1", .words = {}});
    } else if (line[0] == "words" && line.size() > 2) {
      e.columns.push_back({.name = line[1], .numeric = false, .words = {line.begin() + 2, line.end()}});
    } else {
      throw damaged();
    }
  }
  if (e.target.empty() || e.columns.empty()) throw damaged();
  return e;
}

}  // namespace suanli::data
