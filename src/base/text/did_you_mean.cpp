// SPDX-License-Identifier: Apache-2.0
#include "base/text/did_you_mean.h"

#include <algorithm>

#include "base/text/text.h"

namespace suanli {
namespace {

std::string lower(std::string_view word) {
  std::string out(word);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// Optimal string alignment distance: Levenshtein's, with the swap of two neighbors as one error.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  // the work grows with the square; nobody mistypes a word that long
  if (word.empty() || word.size() > 100) return "";
  const std::string typed = lower(word);
  const std::string* best = nullptr;
  size_t best_distance = typed.size() / 3 + 1;
  for (const std::string& candidate : candidates) {
    const std::string known = lower(candidate);
    size_t d = distance(typed, known);
    // "fash" means "fashion-mnist": better than a near miss, worse than one slip of the finger.
    if (d > 1 && typed.size() >= 3 && known.starts_with(typed)) d = 1;
    // "rl"
    if (d == 1 && typed.size() == 2 && known.size() == 2 && typed[0] == known[1] &&
        typed[1] == known[0])
      d = 0;
    if (d < best_distance) {
      best = &candidate;
      best_distance = d;
    }
  }
  return best ? *best : "";
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates,
                       std::string_view before, std::string_view after) {
  const std::string near = did_you_mean(word, candidates);
  return near.empty() ? near : str(before, near, after);
}

}  // namespace suanli
