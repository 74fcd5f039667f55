#include "data/csv.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "data/byte_source.h"

namespace suanli::data {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

std::string read_text(const std::string& path) {
  ByteSource source(path);
  std::string text;
  constexpr size_t kPiece = 1 << 20;
  for (size_t got = kPiece; got == kPiece;) {
    const size_t before = text.size();
    if (before > kMostBytes) throw InputError(str(path, ": more than ", kMostBytes, " bytes of text. Split the table."));
    text.resize(before + kPiece);
    got = source.read(text.data() + before, kPiece);
    text.resize(before + got);
  }
  const std::string_view start(text.data(), std::min<size_t>(2, text.size()));
  if (start == "\xFF\xFE" || start == "\xFE\xFF") throw InputError(str(path, ": byte 0, the text is UTF-16. Save it as UTF-8."));
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

/// Length of the UTF-8 character at `at`, 0 if there is none.
size_t character(const std::string& text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k)
    if ((static_cast<unsigned char>(text[at + k]) & 0xC0) != 0x80) return 0;
  return length;
}

std::string trimmed(std::string cell) {
  while (!cell.empty() && (cell.back() == ' ' || cell.back() == '\t')) cell.pop_back();
  cell.erase(0, std::min(cell.find_first_not_of(" \t"), cell.size()));
  return cell;
}

/// Cuts the text into records, one after the other.
class Reader {
 public:
  Reader(const std::string& path, const std::string& text) : path_(path), text_(text) {
    const std::string first = text.substr(0, text.find('\n'));
    for (char candidate : {';', '\t'})
      if (std::count(first.begin(), first.end(), candidate) > std::count(first.begin(), first.end(), separator_)) separator_ = candidate;
  }

  /// False at the end. Empty lines are passed over.
  bool next(std::vector<std::string>& cells) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) end_line();
    if (at_ == text_.size()) return false;
    begin_ = line_;
    cells.clear();
    do cells.push_back(cell(cells.size()));
    while (at_ < text_.size() && text_[at_] == separator_ && ++at_);
    if (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r')
      throw InputError(str(where(cells.size() - 1), ": text behind a closing quote. Double the quotes inside of a cell."));
    return true;
  }
  int64_t line() const { return begin_; }

 private:
  std::string where(size_t column) const { return str(path_, ": line ", line_, ", cell ", column + 1); }

  void end_line() {
    if (text_[at_++] == '\n') ++line_;
  }

  void take(std::string& out, size_t column) {
    const size_t length = character(text_, at_);
    if (length == 0) throw InputError(str(where(column), ": bytes that are no UTF-8. Save the file as UTF-8."));
    if (text_[at_] == '\n') ++line_;
    out.append(text_, at_, length);
    at_ += length;
  }

  std::string cell(size_t column) {
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      const std::string start = where(column);
      for (++at_;; take(out, column)) {
        if (at_ == text_.size()) throw InputError(str(start, ": a quote that never closes. Close it."));
        if (text_[at_] != '"') continue;
        if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      ++at_;
      return out;
    }
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n' && text_[at_] != '\r') take(out, column);
    return trimmed(std::move(out));
  }

  const std::string& path_;
  const std::string& text_;
  char separator_ = ',';
  size_t at_ = 0;
  int64_t line_ = 1, begin_ = 1;
};

}  // namespace

int Table::find(std::string_view name) const {
  const auto at = std::find(header.begin(), header.end(), name);
  return at == header.end() ? -1 : static_cast<int>(at - header.begin());
}

std::string Table::at(int64_t row, int column) const {
  return str(path, ": line ", lines[static_cast<size_t>(row)], ", column '", header[static_cast<size_t>(column)], "'");
}

Table read_csv(const std::string& path) {
  const std::string text = read_text(path);
  Reader reader(path, text);
  Table table{.path = path, .header = {}, .columns = {}, .lines = {}};
  if (!reader.next(table.header)) throw InputError(str(path, ": byte 0, the file is empty. Give a table with a header line."));
  for (size_t c = 0; c < table.header.size(); ++c) {
    if (table.header[c].empty()) table.header[c] = str("column ", c + 1);  // as pandas writes its index
    for (size_t before = 0; before < c; ++before)
      if (table.header[before] == table.header[c])
        throw InputError(
            str(path, ": line 1, the columns ", before + 1, " and ", c + 1, " are both named '", table.header[c], "'. Rename one."));
  }
  table.columns.resize(table.header.size());
  for (std::vector<std::string> cells; reader.next(cells);) {
    if (cells.size() != table.header.size())
      throw InputError(str(path, ": line ", reader.line(), ", ", cells.size(), " cells, the header has ", table.header.size(),
                           ". Correct the line; a cell with a separator in it needs quotes."));
    for (size_t c = 0; c < cells.size(); ++c) table.columns[c].push_back(std::move(cells[c]));
    table.lines.push_back(reader.line());
  }
  if (table.lines.empty()) throw InputError(str(path, ": line 1, there is nothing below the header. Give a table with rows."));
  return table;
}

bool is_missing(const std::string& cell) {
  std::string lower = cell;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* word : {"", "na", "n/a", "nan", "null", "none", "?"})
    if (lower == word) return true;
  return false;
}

bool is_number(const std::string& cell, double* value) {
  const char *begin = cell.data(), *end = begin + cell.size();
  if (begin != end && *begin == '+') ++begin;
  const auto parsed = std::from_chars(begin, end, *value);
  return parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(*value);
}

}  // namespace suanli::data
