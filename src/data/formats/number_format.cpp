// SPDX-License-Identifier: Apache-2.0
#include "data/formats/number_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/text/text.h"

namespace suanli::data {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The meaning of one character of a cell, and its spelling in UTF-8.
struct Symbol {
  std::string_view spelling, meaning;
};
constexpr Symbol kSymbols[] = {
    // minus, hyphens
    {"\xE2\x88\x92", "-"},
    {"\xE2\x80\x90", "-"},
    {"\xE2\x80\x91", "-"},
    {"\xE2\x80\x92", "-"},
    // en dash, small, wide
    {"\xE2\x80\x93", "-"},
    {"\xEF\xB9\xA3", "-"},
    {"\xEF\xBC\x8D", "-"},
    // no-break, narrow, figure
    {"\xEF\xBC\x8B", "+"},
    {"\xC2\xA0", " "},
    {"\xE2\x80\xAF", " "},
    {"\xE2\x80\x87", " "},
    // thin, hair, wide blank
    {"\xE2\x80\x89", " "},
    {"\xE2\x80\x8A", " "},
    {"\xE3\x80\x80", " "},
    {"\t", " "},
    // apostrophes, wide percent
    {"\xE2\x80\x99", "'"},
    {"\xCA\xBC", "'"},
    {"\xEF\xBC\x85", "%"},
};
// Signs of money besides the block U+20A0 to U+20CF, then codes. Longer ones come before their
// beginnings.
constexpr std::string_view kUnits[] = {
    "US$",      "A$",           "C$",       "R$",  "$",   "%",        "\xE2\x80\xB0", "\xC2\xA3",
    "\xC2\xA5", "\xEF\xBF\xA5", "\xC2\xA2", "USD", "EUR", "GBP",      "CHF",          "JPY",
    "CNY",      "INR",          "CAD",      "AUD", "SEK", "NOK",      "DKK",          "PLN",
    "CZK",      "HUF",          "BRL",      "RUB", "kr",  "z\xC5\x82"};

bool is_currency_block(std::string_view s) {
  return s.size() >= 3 && s[0] == '\xE2' &&
         ((s[1] == '\x82' && s[2] >= '\xA0') || (s[1] == '\x83' && s[2] <= '\x8F'));
}
bool is_share(std::string_view unit) { return unit == "%" || unit == "\xE2\x80\xB0"; }

/// A cell in its parts. `mantissa` keeps its separators.
struct Parts {
  bool negative = false, brackets = false;
  std::string unit, mantissa, exponent;
};

/// Cuts a cell at its unit, signs and brackets. False for what cannot be a number.
class Cutter {
 public:
  explicit Cutter(std::string_view cell) : rest_(cell) {}

  bool cut(Parts& out) {
    blanks();
    out.brackets = take('(');
    blanks();
    if (!sign_and_unit(out)) return false;
    if (!mantissa(out.mantissa) || !exponent(out)) return false;
    blanks();
    if (out.unit.empty()) unit(out.unit);
    blanks();
    if (!signed_ && !out.brackets && next() == "-") {
      skip();
      out.negative = true;
    }
    blanks();
    if (out.brackets && !take(')')) return false;
    blanks();
    if (out.brackets && out.negative) return false;
    out.negative = out.negative || out.brackets;
    return rest_.empty();
  }

 private:
  /// The meaning of the next character; itself where no symbol stands for another.
  std::string_view next() {
    length_ = rest_.empty() ? 0 : 1;
    if (rest_.empty()) return {};
    for (const Symbol& s : kSymbols)
      if (rest_[0] == s.spelling[0] && rest_.starts_with(s.spelling)) {
        length_ = s.spelling.size();
        return s.meaning;
      }
    return rest_.substr(0, 1);
  }
  void skip() { rest_.remove_prefix(length_); }
  bool take(char c) {
    if (next() != std::string_view(&c, 1)) return false;
    skip();
    return true;
  }
  void blanks() {
    while (next() == " ") skip();
  }
  bool sign(Parts& out) {
    const std::string_view c = next();
    if (c != "-" && c != "+") return true;
    if (signed_) return false;
    signed_ = true;
    out.negative = c == "-";
    skip();
    blanks();
    return true;
  }
  bool sign_and_unit(Parts& out) {
    if (!sign(out)) return false;
    unit(out.unit);
    blanks();
    return sign(out);
  }
  void unit(std::string& out) {
    if (next() == "%") {
      out = "%";
      return skip();
    }
    size_t length = is_currency_block(rest_) ? 3 : 0;
    for (std::string_view u : kUnits)
      if (length == 0 && rest_.starts_with(u)) length = u.size();
    out = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }
  /// Digits with separators; a blank belongs to them only between two digits.
  bool mantissa(std::string& out) {
    bool digits = false;
    for (std::string_view c = next(); !c.empty(); c = next()) {
      if (is_digit(c[0])) digits = true;
      else if (c == " " || c == "'") {
        const std::string_view before = rest_;
        skip();
        const std::string_view after = next();
        const bool between =
            !out.empty() && is_digit(out.back()) && !after.empty() && is_digit(after[0]);
        if (!between) rest_ = before;
        if (!between) break;
        out += c[0];
        continue;
      } else if (c != "." && c != ",") {
        break;
      }
      out += c[0];
      skip();
    }
    return digits;
  }
  bool exponent(Parts& out) {
    if (rest_.empty() || std::any_of(std::begin(kUnits), std::end(kUnits),
                                     [&](std::string_view u) { return rest_.starts_with(u); }))
      return true;
    const bool fortran = rest_[0] == 'd' || rest_[0] == 'D';
    if (rest_[0] != 'e' && rest_[0] != 'E' && !fortran) return true;
    rest_.remove_prefix(1);
    const std::string_view c = next();
    const bool has_sign = c == "-" || c == "+";
    if (has_sign) skip();
    if (c == "-") out.exponent = "-";
    const size_t sign_length = out.exponent.size();
    while (!rest_.empty() && is_digit(rest_[0])) {
      out.exponent += rest_[0];
      rest_.remove_prefix(1);
    }
    // Part numbers such as 1D2 are no numbers: Fortran writes a separator or a sign.
    return out.exponent.size() > sign_length &&
           (!fortran || has_sign || out.mantissa.find_first_of(".,") != std::string::npos);
  }

  std::string_view rest_;
  size_t length_ = 0;
  bool signed_ = false;
};

/// The mantissa with '.' as decimal separator and without groups; "" where `decimal` does not suit
/// it.
std::string interpreted(std::string_view mantissa, char decimal) {
  const size_t end = std::min(mantissa.find(decimal), mantissa.size());
  const std::string_view whole = mantissa.substr(0, end),
                         fraction = mantissa.substr(std::min(end + 1, mantissa.size()));
  if (!std::all_of(fraction.begin(), fraction.end(), is_digit)) return "";
  std::string out;
  std::vector<size_t> groups(1);
  char separator = 0;
  for (char c : whole) {
    if (is_digit(c)) {
      out += c;
      ++groups.back();
      continue;
    }
    if (separator != 0 && c != separator) return "";
    separator = c;
    groups.push_back(0);
  }
  if (groups.size() > 1) {
    // Groups of three, or as in India of two but for the last.
    const size_t middle = groups.size() > 2 ? groups[1] : 3;
    const bool first_fits = groups[0] >= 1 && groups[0] <= middle && whole[0] != '0';
    bool rest_fits = groups.back() == 3 && (middle == 2 || middle == 3);
    for (size_t i = 1; i + 1 < groups.size(); ++i) rest_fits = rest_fits && groups[i] == middle;
    if (!first_fits || !rest_fits) return "";
  }
  if (out.empty() && fraction.empty()) return "";
  return end == mantissa.size() ? out : out + "." + std::string(fraction);
}

/// True if a plain number may also be one with thousands, such as 1.234.
bool is_group_of_three(std::string_view cell) {
  cell.remove_prefix(std::min(cell.find_first_not_of("+-"), cell.size()));
  const size_t point = cell.find('.');
  return point >= 1 && point <= 3 && cell.size() == point + 4 && cell[0] != '0' &&
         std::all_of(cell.begin() + static_cast<std::ptrdiff_t>(point) + 1, cell.end(), is_digit);
}

/// from_chars, but 0 and infinity for what is too small and too large.
bool parse(const std::string& text, double* value) {
  const char *begin = text.data(), *end = begin + text.size();
  const auto parsed = std::from_chars(begin, end, *value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) return false;
  if (parsed.ec != std::errc::result_out_of_range) return true;
  // The place of the first digit that counts, plus the exponent, says on which side of the range
  // the number lies.
  const size_t e = std::min(text.find_first_of("eE"), text.size()),
               point = std::min(text.find('.'), e);
  const size_t first = text.find_first_of("123456789");
  double exponent = 0;
  if (e < text.size()) {
    int64_t n = 0;
    const char* from = begin + e + 1 + (text[e + 1] == '+');
    const auto whole = std::from_chars(from, end, n);
    exponent = whole.ec == std::errc() ? static_cast<double>(n) : text[e + 1] == '-' ? -1e18 : 1e18;
  }
  const double place = static_cast<double>(point) - static_cast<double>(first);
  *value = place + exponent < 0 ? 0 : std::numeric_limits<double>::infinity();
  if (text[0] == '-') *value = -*value;
  return true;
}

enum class Refusal : uint8_t { none, word, infinite, too_large, unit, separator };

Refusal read(std::string_view cell, const NumberFormat& format, double* value) {
  Parts parts;
  *value = 0;
  if (!Cutter(cell).cut(parts)) {
    if (cell.starts_with('+')) cell.remove_prefix(1);
    const auto parsed = std::from_chars(cell.data(), cell.data() + cell.size(), *value);
    return parsed.ptr == cell.data() + cell.size() && !std::isfinite(*value) ? Refusal::infinite
                                                                             : Refusal::word;
  }
  const std::string digits = interpreted(parts.mantissa, format.decimal);
  if (digits.empty())
    return interpreted(parts.mantissa, format.decimal == '.' ? ',' : '.').empty()
               ? Refusal::word
               : Refusal::separator;
  if (!parse((parts.negative ? "-" : "") + digits +
                 (parts.exponent.empty() ? "" : "e" + parts.exponent),
             value))
    return Refusal::word;
  if (!std::isfinite(*value)) return Refusal::too_large;
  const bool bare = parts.unit.empty() && (!is_share(format.unit) || *value == 0);
  return parts.unit == format.unit || bare ? Refusal::none : Refusal::unit;
}

}  // namespace

bool is_plain_number(std::string_view text, double* value) {
  const char *begin = text.data(), *end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  if (begin == end || (*begin != '-' && *begin != '.' && !is_digit(*begin)) ||
      (begin != text.data() && *begin == '-'))
    return false;
  const auto parsed = std::from_chars(begin, end, *value);
  if (parsed.ec == std::errc() && parsed.ptr == end) return std::isfinite(*value);
  return text.find_first_not_of("0123456789.eEdD+-") == std::string_view::npos &&
         read(text, {}, value) == Refusal::none;
}

bool read_number(std::string_view cell, const NumberFormat& format, double* value) {
  if (format.plain()) {
    // Most cells of most tables: nothing to take apart.
    const auto parsed = std::from_chars(cell.data(), cell.data() + cell.size(), *value);
    if (parsed.ec == std::errc() && parsed.ptr == cell.data() + cell.size() &&
        std::isfinite(*value))
      return true;
  }
  return read(cell, format, value) == Refusal::none;
}

std::string expected_number(std::string_view cell, const NumberFormat& format) {
  double value = 0;
  switch (read(cell, format, &value)) {
    case Refusal::infinite: return "a finite number";
    case Refusal::too_large: return "a number that is not too large for f64";
    case Refusal::unit:
      return format.unit.empty() ? "a number without a unit"
                                 : str("a number with the unit ", format.unit);
    case Refusal::separator:
      return str("a number with a decimal ", format.decimal == ',' ? "comma" : "point");
    default: return "a number";
  }
}

FormatEvidence format_evidence(const std::vector<std::string_view>& cells) {
  FormatEvidence out;
  std::map<std::string, int64_t> units;
  int64_t bare = 0;
  for (std::string_view cell : cells) {
    double value = 0;
    const bool has_point = cell.find('.') != std::string_view::npos;
    Parts parts;
    if (cell.find(',') == std::string_view::npos && is_plain_number(cell, &value)) {
      ++bare;  // most cells of most tables: nothing to take apart
      if (has_point) ++(is_group_of_three(cell) ? out.open_point : out.point);
      continue;
    }
    if (!Cutter(cell).cut(parts)) continue;
    const std::string by_point = interpreted(parts.mantissa, '.'),
                      by_comma = interpreted(parts.mantissa, ',');
    if (by_point.empty() && by_comma.empty()) continue;
    if (by_comma.empty()) ++out.point;
    else if (by_point.empty()) ++out.comma;
    else if (by_point != by_comma) ++(has_point ? out.open_point : out.open_comma);
    const size_t mark = parts.mantissa.find_first_of(".,");
    out.grouped = out.grouped || parts.mantissa.find_first_of(" '") != std::string::npos ||
                  mark != parts.mantissa.find_last_of(".,");
    out.brackets = out.brackets || parts.brackets;
    ++(parts.unit.empty() ? bare : units[parts.unit]);
    if (out.example.empty() && !is_plain_number(cell, &value)) out.example = cell;
  }
  int64_t most = 0;
  for (const auto& [unit, count] : units)
    if (count > most) {
      most = count;
      out.unit = unit;
    }
  // A few per cents among bare numbers are no column of per cents; bare sums among those of money
  // are money.
  if (is_share(out.unit) && most < bare) out.unit.clear();
  return out;
}

NumberFormat format_from(const FormatEvidence& e, bool comma_usual, bool points_group) {
  NumberFormat format{.unit = e.unit};
  if (e.point != e.comma) format.decimal = e.comma > e.point ? ',' : '.';
  else if (e.open_comma > 0) format.decimal = comma_usual ? ',' : '.';
  else if (e.open_point > 0) format.decimal = points_group ? ',' : '.';
  return format;
}

NumberFormat format_like(const FormatEvidence& e, const NumberFormat& learned, char usual) {
  NumberFormat format = learned;
  if (learned.any_decimal) format.decimal = usual;
  if (e.point != e.comma) format.decimal = e.comma > e.point ? ',' : '.';
  if (format.unit.empty() && !is_share(e.unit)) format.unit = e.unit;
  return format;
}

std::string to_text(const NumberFormat& format) {
  if (format.plain() && !format.any_decimal) return "";
  return str("decimal=", format.any_decimal ? "any" : std::string(1, format.decimal),
             format.unit.empty() ? "" : " unit=" + format.unit);
}

NumberFormat number_format_from_text(std::string_view text) {
  NumberFormat format;
  constexpr std::string_view kDecimal = "decimal=", kUnit = " unit=";
  if (!text.starts_with(kDecimal) || text.size() == kDecimal.size()) return format;
  format.decimal = text[kDecimal.size()] == ',' ? ',' : '.';
  format.any_decimal = text.substr(kDecimal.size()).starts_with("any");
  if (const size_t at = text.find(kUnit); at != std::string_view::npos)
    format.unit = text.substr(at + kUnit.size());
  return format;
}

std::string canonical_name(const std::string& cell, const NumberFormat& format) {
  double value = 0;
  constexpr double kExact = 9007199254740992;  // 2^53: larger whole numbers may be rounded
  if (!read_number(cell, format, &value) || std::abs(value) >= kExact) return cell;
  if (value == std::trunc(value)) return str(static_cast<int64_t>(value));
  return str(value);
}

}  // namespace suanli::data
