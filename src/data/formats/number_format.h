// SPDX-License-Identifier: Apache-2.0
// Numbers as people and spreadsheets write them: decimal commas, thousands separators, currencies,
// percent.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suanli::data {

/// The format of a column's numbers. The default is that of programming languages.
struct NumberFormat {
  char decimal = '.';     ///< '.' or ','. The other one separates thousands.
  std::string unit = {};  ///< "%", "$", "EUR", …; "" for bare numbers.
  /// No cell showed the separator: another table's columns decide theirs.
  bool any_decimal = false;

  bool plain() const { return decimal == '.' && unit.empty(); }
  bool operator==(const NumberFormat&) const = default;
};

/// A finite number in plain notation. Too small ones are 0, as strtod has it; Fortran's 1.0D+02 is
/// 100.
bool is_plain_number(std::string_view text, double* value);

/// A cell as a number in `format`. Accepts blanks, groups of thousands, (12) and 12- for -12, and
/// every Unicode minus.
bool read_number(std::string_view cell, const NumberFormat& format, double* value);
/// The number that read_number() expects where it refused `cell`: "a number", "a finite number", …
std::string expected_number(std::string_view cell, const NumberFormat& format);

/// Evidence on the number format of one column, from its cells.
struct FormatEvidence {
  /// Cells that can be read with this decimal separator only.
  int64_t point = 0, comma = 0;
  int64_t open_point = 0, open_comma = 0;  ///< 1.234 and 1,234: three digits behind one separator.
  /// Some cell surely has thousands separators; some is in brackets.
  bool grouped = false, brackets = false;
  std::string unit = {};  ///< The most frequent one.
  std::string example = {};  ///< A cell that is not plain; "" if all are.

  bool shows_separators() const { return point + comma + open_point + open_comma > 0; }
};
FormatEvidence format_evidence(const std::vector<std::string_view>& cells);

/// The format of a column. `comma_usual` decides what cells like 1,234 leave open; 1.234 is only a
/// thousand where the column or (`points_group`) the rest of its table has decimal commas.
NumberFormat format_from(const FormatEvidence& evidence, bool comma_usual, bool points_group);
/// The format of a column in another table than the one that `learned` comes from: its own decimal
/// separator where its cells show it, and the one that suits its table, `usual`, where neither
/// table's cells do. The unit stays, since it scales the numbers; money may come without.
NumberFormat format_like(const FormatEvidence& evidence, const NumberFormat& learned, char usual);

/// "decimal=, unit=%" or "decimal=any" and back, for what a run stores; "" for plain ones.
std::string to_text(const NumberFormat& format);
NumberFormat number_format_from_text(std::string_view text);

/// One text for all spellings of a number, "1" for 1.0; `cell` itself for other cells.
std::string canonical_name(const std::string& cell, const NumberFormat& format);

}  // namespace suanli::data
