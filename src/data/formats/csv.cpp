// SPDX-License-Identifier: Apache-2.0
#include "data/formats/csv.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/files/byte_source.h"
#include "base/text/text.h"
#include "base/text/utf8.h"
#include "base/text/visible.h"
#include "data/formats/number_format.h"

namespace suanli::data {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 30;
constexpr size_t kLinesLookedAt = 100;  // for the separator

/// Files of other kinds that people give as tables, by their first bytes.
struct Lookalike {
  std::string_view start;
  const char* what;
};
constexpr Lookalike kLookalikes[] = {
    {"PK\x03\x04", "an Excel workbook (.xlsx), or another zip archive"},
    {"\xD0\xCF\x11\xE0", "an Excel workbook (.xls)"},
    {"PAR1", "a Parquet file"},
    {"ARROW1", "a Feather file"},
    {"SQLite format 3", "an SQLite database"},
    {"\x89HDF", "an HDF5 file"},
    {"\x93NUMPY", "a NumPy array"},
    {"\x89PNG", "a PNG picture"},
    {"\xFF\xD8\xFF", "a JPEG picture"},
    {"%PDF", "a PDF"},
    {"<!DO", "a web page"},
    {"<htm", "a web page"},
    {"<?xml", "an XML file"},
    {"{\"", "a JSON file"},
    {"[{", "a JSON file"}};

std::string read_text(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    throw IoError({.argument = path,
                   .given = "a folder",
                   .expected = "a table",
                   .remedy = "Give a CSV file."});
  ByteSource source(path);
  std::string text;
  constexpr size_t kPiece = 1 << 20;
  for (size_t got = kPiece; got == kPiece;) {
    const size_t before = text.size();
    if (before > kMaxBytes)
      throw IoError({.argument = path,
                     .given = "a longer text",
                     .expected = str("at most ", kMaxBytes, " bytes"),
                     .remedy = "Split the table."});
    text.resize(before + kPiece);
    got = source.read(text.data() + before, kPiece);
    text.resize(before + got);
  }
  const std::string_view start(text.data(), std::min<size_t>(2, text.size()));
  if (start == "\xFF\xFE" || start == "\xFE\xFF")
    throw IoError({.argument = path + ": byte 0",
                   .given = "a text in UTF-16",
                   .expected = "UTF-8",
                   .remedy = "Save it as UTF-8."});
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  for (const Lookalike& l : kLookalikes)
    if (text.starts_with(l.start))
      throw IoError({.argument = path + ": byte 0",
                     .given = l.what,
                     .expected = "a table of text",
                     .remedy = "Save it as CSV (UTF-8)."});
  return text;
}

/// Bytes of the blank that begins (or, from the end, ends) `text`: also those of spreadsheets and
/// web pages.
size_t blank(std::string_view text, bool at_end) {
  for (std::string_view b : {" ", "\t", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x89", "\xE2\x80\x87",
                             "\xE2\x80\x8B", "\xE3\x80\x80", "\xEF\xBB\xBF"})
    if (at_end ? text.ends_with(b) : text.starts_with(b)) return b.size();
  return 0;
}

std::string trimmed(std::string cell) {
  auto ordinary = [](char c) { return c > ' ' && c <= '~'; };
  if (!cell.empty() && ordinary(cell.front()) && ordinary(cell.back())) return cell;
  for (size_t n = blank(cell, true); n > 0; n = blank(cell, true)) cell.resize(cell.size() - n);
  size_t begin = 0;
  for (size_t n = blank(cell, false); n > 0; n = blank(std::string_view(cell).substr(begin), false))
    begin += n;
  if (begin > 0) cell.erase(0, begin);
  return cell;
}

/// Cuts the text into records, one after the other.
class Reader {
 public:
  Reader(const std::string& path, const std::string& text, char separator)
      : path_(path), text_(text), separator_(separator) {}

  /// False at the end. Empty lines are passed over.
  bool next(std::vector<Cell>& cells) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) end_line();
    if (at_ == text_.size()) return false;
    begin_ = line_;
    cells.clear();
    do cells.push_back(cell(cells.size()));
    while (at_ < text_.size() && text_[at_] == separator_ && ++at_);
    if (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r')
      throw IoError({.argument = where(cells.size() - 1),
                     .given = "text behind a closing quote",
                     .remedy = "Double the quotes inside of a cell."});
    return true;
  }
  int64_t line() const { return begin_; }
  void skip_line() { at_ = std::min(text_.find_first_of("\r\n", at_), text_.size()); }

 private:
  std::string where(size_t column) const {
    return str(path_, ": line ", line_, ", cell ", column + 1);
  }

  void end_line() {
    if (text_[at_] == '\n' || at_ + 1 == text_.size() || text_[at_ + 1] != '\n') ++line_;
    ++at_;
  }

  void take(std::string& out, size_t column) {
    const size_t length = utf8_bytes(text_, at_);
    if (length == 0)
      throw IoError({.argument = where(column),
                     .given = "bytes that are no UTF-8",
                     .remedy = "Save the file as UTF-8."});
    if (text_[at_] == '\n') ++line_;
    out.append(text_, at_, length);
    at_ += length;
  }

  /// Blanks that do not separate cells.
  size_t behind_blanks(size_t at) const {
    while (at < text_.size() && text_[at] != separator_ && (text_[at] == ' ' || text_[at] == '\t'))
      ++at;
    return at;
  }

  Cell cell(size_t column) {
    Cell out;
    if (const size_t quote = behind_blanks(at_); quote < text_.size() && text_[quote] == '"') {
      at_ = quote;
      out.quoted = true;
      const std::string start = where(column);
      for (++at_;; take(out.text, column)) {
        if (at_ == text_.size())
          throw IoError(
              {.argument = start, .given = "a quote that never closes", .remedy = "Close it."});
        if (text_[at_] != '"') continue;
        if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      at_ = behind_blanks(at_ + 1);
    } else {
      while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' &&
             text_[at_] != '\r')
        take(out.text, column);
    }
    out.text = trimmed(std::move(out.text));
    return out;
  }

  const std::string& path_;
  const std::string& text_;
  char separator_;
  size_t at_ = 0;
  int64_t line_ = 1, begin_ = 1;
};

/// The separator of a line `sep=;`, which spreadsheets write above the header; 0 if there is none.
char stated_separator(const std::string& text) {
  std::string line = text.substr(0, text.find_first_of("\r\n"));
  std::erase(line, '"');
  return line.size() == 5 && (line.starts_with("sep=") || line.starts_with("SEP=")) ? line[4]
                                                                                    : '\0';
}

/// The separator that cuts the first lines into equally many cells, more than one; else the most
/// frequent one of the first line. A comma comes last: it also stands inside of numbers.
char find_separator(const std::string& path, const std::string& text) {
  char best = ',';
  size_t most = 1;
  for (char separator : {';', '\t', '|', ','}) {
    Reader reader(path, text, separator);
    std::vector<Cell> cells;
    size_t first = 0, same = 0, lines = 0;
    try {
      for (; lines < kLinesLookedAt && reader.next(cells); ++lines) {
        if (lines == 0) first = cells.size();
        same += cells.size() == first;
      }
    } catch (const IoError&) {}  // said when the table is read
    if (first > 1 && lines > 0 && same == lines) return separator;
    if (first > most || (first == most && first > 1 && separator == ',')) {
      best = separator;
      most = first;
    }
  }
  return best;
}

/// A first line of values: all names are numbers (but not a count, as pandas names its columns), or
/// names are numbers above every column of numbers, and one of them has a fraction or some name
/// comes again below.
bool looks_like_values(const Table& t) {
  size_t numbers = 0;
  bool counting = true, fraction = false, above_numbers = true;
  double before = 0, v = 0, below = 0;
  for (size_t c = 0; c < t.header.size(); ++c) {
    const bool is = read_number(t.header[c], {}, &v);
    const bool numeric =
        !t.columns[c].empty() && read_number(t.columns[c].front().text, {}, &below);
    above_numbers = above_numbers && is == numeric;
    if (!is) continue;
    counting =
        counting && v == std::floor(v) && (numbers == 0 ? v == 0 || v == 1 : v == before + 1);
    fraction = fraction || v != std::floor(v);
    before = v;
    ++numbers;
  }
  if (numbers == 0 || counting) return false;
  if (numbers == t.header.size()) return true;
  if (!above_numbers || fraction) return above_numbers;
  for (size_t c = 0; c < t.header.size(); ++c) {
    const std::string& name = t.header[c];
    if (!name.empty() && std::any_of(t.columns[c].begin(), t.columns[c].end(),
                                     [&](const Cell& cell) { return cell.text == name; }))
      return true;
  }
  return false;
}

}  // namespace

int Table::find(std::string_view name) const {
  const auto at = std::find(header.begin(), header.end(), name);
  return at == header.end() ? -1 : static_cast<int>(at - header.begin());
}

std::string Table::where(int64_t row, int column) const {
  return str(path, ": line ", lines[static_cast<size_t>(row)], ", column '",
             visible(header[static_cast<size_t>(column)]), "'");
}

void Table::remove(const std::vector<int64_t>& rows) {
  std::vector<bool> out(lines.size());
  for (int64_t row : rows) out[static_cast<size_t>(row)] = true;
  auto thin = [&](auto& list) {
    size_t kept = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      if (out[i]) continue;
      if (kept != i) list[kept] = std::move(list[i]);
      ++kept;
    }
    list.resize(kept);
  };
  for (auto& column : columns) thin(column);
  thin(lines);
}

Table read_csv(const std::string& path, std::optional<bool> header) {
  const std::string text = read_text(path);
  const char stated = stated_separator(text);
  Table table{.path = path, .header = {}, .columns = {}, .lines = {}};
  table.separator = stated ? stated : find_separator(path, text);
  Reader reader(path, text, table.separator);
  if (stated) reader.skip_line();
  std::vector<Cell> cells;
  if (!reader.next(cells))
    throw IoError({.argument = path + ": byte 0",
                   .given = "the file is empty",
                   .remedy = "Give a table with a header line."});
  const bool values_first = header == false;
  const int64_t first_line = reader.line();
  table.columns.resize(cells.size());
  auto add = [&] {
    for (size_t c = 0; c < cells.size(); ++c) table.columns[c].push_back(std::move(cells[c]));
    table.lines.push_back(reader.line());
  };
  for (size_t c = 0; c < cells.size(); ++c)
    table.header.push_back(values_first ? str(c + 1) : cells[c].text);
  if (values_first) add();
  while (reader.next(cells)) {
    if (cells.size() != table.header.size())
      throw IoError({.argument = str(path, ": line ", reader.line()),
                     .given = str(cells.size(), " cells"),
                     .expected = str(table.header.size(), ", as in the first line"),
                     .remedy = "Correct the line. A cell with a separator in it needs quotes."});
    add();
  }
  if (!header && looks_like_values(table))
    throw IoError(
        {.argument = str(path, ": line ", first_line),
         .given = str("what looks like values (", visible(table.header.front()), ", …)"),
         .expected = "the names of the columns",
         .remedy = str("Write ?header=no if there are no names: the columns then are 1 to ",
                       table.header.size(), ". Write ?header=yes if these are the names.")});
  for (size_t c = 0; c < table.header.size(); ++c) {
    // as pandas writes its index
    if (table.header[c].empty()) table.header[c] = str("column ", c + 1);
    for (size_t before = 0; before < c; ++before)
      if (table.header[before] == table.header[c])
        throw IoError({.argument = str(path, ": line ", first_line),
                       .given = str("'", visible(table.header[c]), "' as the name of columns ",
                                    before + 1, " and ", c + 1),
                       .expected = "a name for each",
                       .remedy = "Rename one."});
  }
  if (table.lines.empty())
    throw IoError({.argument = path + ": line 1",
                   .given = "nothing below the header",
                   .remedy = "Give a table with rows."});
  return table;
}

bool is_missing(const std::string& cell) {
  constexpr size_t kLongest = 9;
  if (cell.size() > kLongest) return false;
  std::string lower = cell;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* word : {"", "na", "n/a", "nan", "null", "none", "?", "<na>", "#n/a", "#na",
                           "#n/a n/a", "-nan", "nat", "1.#qnan", "-1.#ind"})
    if (lower == word) return true;
  return false;
}

}  // namespace suanli::data
