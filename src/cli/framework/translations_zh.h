// SPDX-License-Identifier: Apache-2.0
// Translates help texts to Chinese and wraps lines.
#pragma once
#include <string>

namespace suanli::cli {

/// Returns the Chinese translation of `english` if the user's locale begins with zh and the table
/// has the text. Otherwise returns `english`. The locale is the first of LC_ALL, LC_MESSAGES and
/// LANG that is set.
const char* in_users_language(const char* english);

/// Breaks `text` into lines of at most `width` columns. All lines except the first are indented by
/// `indent` spaces. Lines break at spaces or between Chinese characters. A Chinese character is two
/// columns wide.
std::string wrapped(const std::string& text, size_t indent, size_t width);

}  // namespace suanli::cli
