// SPDX-License-Identifier: Apache-2.0
// Suggestions for mistyped words: kinds of data, options, ops, verbs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "suanli/export.h"

namespace suanli {

/// The candidate nearest to `word`, or "" if none is near: at most one typing error per three
/// letters, in a word of two a swap alone, where a letter added, left out, changed or swapped with
/// its neighbor counts as one and case counts as none; a beginning of three letters or more also
/// counts as near. The first of equally near candidates wins.
SUANLI_API std::string did_you_mean(std::string_view word,
                                    const std::vector<std::string>& candidates);
/// `before`, the nearest candidate and `after`, to go into an error; "" if none is near.
SUANLI_API std::string suggestion(std::string_view word, const std::vector<std::string>& candidates,
                                  std::string_view before, std::string_view after);

}  // namespace suanli
