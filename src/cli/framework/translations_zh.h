// SPDX-License-Identifier: Apache-2.0
// Help texts in the user's language.
#pragma once
#include <string>

namespace suanli::cli {

/// `english` in Chinese if LC_ALL, LC_MESSAGES or LANG (the first that is set) begins with zh and
/// the table knows it; else itself.
const char* in_users_language(const char* english);

/// `text` in lines of at most `width` columns, each but the first after `indent` blanks. Breaks at
/// blanks, and anywhere between Chinese characters, which are two columns wide.
std::string wrapped(const std::string& text, size_t indent, size_t width);

}  // namespace suanli::cli
