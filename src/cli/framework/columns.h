// SPDX-License-Identifier: Apache-2.0
// Counts the columns that a text takes on a terminal.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace suanli::cli {

/// One character of UTF-8: its bytes and its columns on a terminal, 0, 1 or 2. A byte that begins
/// no character is one column wide.
struct Character {
  size_t bytes, columns;
};
Character character_at(std::string_view text, size_t at);

/// Columns of `text`: letters of East Asia and emoji take two, combining marks none.
size_t columns_of(std::string_view text);
/// The beginning of `text` that fits into `columns`.
std::string cut_to(std::string_view text, size_t columns);
/// `text` filled up or cut to `columns`.
std::string padded(std::string_view text, size_t columns);
/// Columns of the widest of `texts`, within least … most.
size_t widest(const std::vector<std::string>& texts, size_t least, size_t most);

}  // namespace suanli::cli
