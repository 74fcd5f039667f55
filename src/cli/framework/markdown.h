// SPDX-License-Identifier: Apache-2.0
// The command line as a page of Markdown.
#pragma once
#include <string>

namespace suanli::cli {

/// All verbs with their arguments, options, defaults and examples, in English.
std::string markdown_page();

}  // namespace suanli::cli
