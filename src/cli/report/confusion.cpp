// SPDX-License-Identifier: Apache-2.0
#include "cli/report/confusion.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/text/visible.h"
#include "cli/framework/console.h"
#include "cli/report/canvas.h"

namespace suanli::cli {

namespace {

/// As many columns as a terminal shows; larger matrices go to a picture.
constexpr size_t kMaxColumns = 20;

constexpr const char* kAxes = "rows: true class, columns: predicted";

/// White to green for what was found, to red for what was taken for something else.
Color color_of(double share, bool right) {
  const auto s = static_cast<float>(std::sqrt(share));  // few mistakes show too
  const Color full = right ? Color{0.13f, 0.49f, 0.29f} : Color{0.75f, 0.22f, 0.17f};
  return {1 + s * (full.red - 1), 1 + s * (full.green - 1), 1 + s * (full.blue - 1)};
}

std::vector<std::string> shown_names(const Confusion& m) {
  std::vector<std::string> names;
  for (const std::string& name : m.names) names.push_back(visible(name));
  return names;
}

}  // namespace

std::string table_of_classes(const Confusion& m) {
  const std::vector<std::string> names = shown_names(m);
  const size_t width = widest(names, 5, 28);
  std::string out = fmt::format("\n{}  {:>8}  {:>8}  {:>9}  {}\n", padded("class", width),
                                "samples", "accuracy", "precision", "most often taken for");
  for (size_t c = 0; c < m.classes(); ++c) {
    const size_t other = m.most_often_taken_for(c);
    out += fmt::format("{}  {:>8}  {:>8}  {:>9}  {}\n", padded(names[c], width), m.samples_of(c),
                       percent(m.recall(c)), percent(m.precision(c)),
                       other == c ? "-" : fmt::format("{} ({})", names[other], m.at(c, other)));
  }
  return out;
}

std::string in_words(const Confusion& m) {
  if (m.classes() > kMaxColumns) return "";
  const std::vector<std::string> names = shown_names(m);
  const size_t room = is_terminal(STDOUT_FILENO) ? static_cast<size_t>(terminal_width()) : 100;
  const int64_t largest = *std::max_element(m.counts.begin(), m.counts.end());
  const size_t least_cell = std::max<size_t>(4, std::to_string(largest).size() + 1),
               longest = widest(names, 1, 100);
  size_t width = widest(names, 5, 20);
  // Columns have names where these fit; else the numbers that stand before the rows' names.
  const bool named =
      longest <= 12 && width + 3 + m.classes() * std::max(least_cell, longest + 2) <= room;
  const size_t cell = named ? std::max(least_cell, longest + 2) : least_cell;
  while (width > 5 && width + 3 + m.classes() * cell > room) --width;
  if (width + 3 + m.classes() * cell > room) return "";
  auto right_aligned = [&](const std::string& text) {
    return std::string(cell - std::min(cell, columns_of(text)), ' ') + text;
  };
  std::string out = fmt::format("\nconfusion ({})\n{}", kAxes, padded("", width + 3));
  for (size_t c = 0; c < m.classes(); ++c)
    out += right_aligned(named ? names[c] : std::to_string(c));
  out += "\n";
  for (size_t r = 0; r < m.classes(); ++r) {
    out += padded(fmt::format("{:>2} {}", r, names[r]), width + 3);
    for (size_t c = 0; c < m.classes(); ++c)
      out += right_aligned(m.at(r, c) ? std::to_string(m.at(r, c)) : "·");
    out += "\n";
  }
  return out;
}

void draw(const Confusion& m, const std::string& path) {
  constexpr Color kInk{0.15f, 0.15f, 0.15f}, kPale{1, 1, 1}, kLine{0.85f, 0.85f, 0.85f};
  constexpr int64_t kMargin = 16;
  const auto n = static_cast<int64_t>(m.classes());
  const int64_t cell = std::clamp<int64_t>(640 / n, 4, 64), dot = cell >= 40 ? 2 : 1,
                line = Canvas::text_height(dot), gap = 4 * dot;
  const bool labeled = cell >= Canvas::text_height(1) + 3;
  const std::string title = fmt::format("{}; right: accuracy", kAxes);
  std::vector<std::string> names, found;
  int64_t longest = 0, right = 0;
  for (size_t c = 0; c < m.classes() && labeled; ++c) {
    names.push_back(drawn_name(c, m.names[c]));
    found.push_back(percent(m.recall(c)));
    longest = std::max(longest, Canvas::text_width(names.back(), dot) + gap);
    right = std::max(right, Canvas::text_width(found.back(), dot) + gap);
  }
  const int64_t left = kMargin + longest, top = kMargin + (labeled ? line + 2 * gap + longest : 0);
  const int64_t width =
      std::max(left + n * cell + right, labeled ? kMargin + Canvas::text_width(title, dot) : 0) +
      kMargin;
  Canvas canvas(top + n * cell + kMargin, width);
  auto middle = [&](int64_t y, int64_t x, int64_t height, int64_t breadth, const std::string& words,
                    Color color) {
    if (Canvas::text_width(words, dot) < breadth)
      canvas.text(y + (height - line) / 2, x + (breadth - Canvas::text_width(words, dot)) / 2,
                  words, dot, color);
  };
  if (labeled) canvas.text(kMargin, kMargin, title, dot, kInk);
  canvas.fill(top, left, n * cell, n * cell, kLine);
  for (int64_t r = 0; r < n; ++r) {
    const int64_t y = top + r * cell;
    if (labeled) {
      canvas.text(y + (cell - line) / 2, kMargin, names[static_cast<size_t>(r)], dot, kInk);
      canvas.text_upward(top - gap, left + r * cell + (cell - line) / 2,
                         names[static_cast<size_t>(r)], dot, kInk);
      canvas.text(y + (cell - line) / 2, left + n * cell + gap, found[static_cast<size_t>(r)], dot,
                  kInk);
    }
    for (int64_t c = 0; c < n; ++c) {
      const auto is = static_cast<size_t>(r), taken = static_cast<size_t>(c);
      const double share =
          Confusion::share(m.at(is, taken), std::max<int64_t>(1, m.samples_of(is)));
      const int64_t edge = labeled ? 1 : 0;
      canvas.fill(y + edge, left + c * cell + edge, cell - edge, cell - edge,
                  color_of(share, r == c));
      if (labeled && m.at(is, taken) > 0)
        middle(y, left + c * cell, cell, cell, std::to_string(m.at(is, taken)),
               share > 0.3 ? kPale : kInk);
    }
  }
  canvas.write(path);
}

Json to_json(const Confusion& m) {
  Json::Array classes, rows;
  for (size_t c = 0; c < m.classes(); ++c) {
    classes.push_back(Json::Object{{"class", m.names[c]},
                                   {"samples", m.samples_of(c)},
                                   {"accuracy", m.recall(c)},
                                   {"precision", m.precision(c)}});
    Json::Array row;
    for (size_t k = 0; k < m.classes(); ++k) row.emplace_back(m.at(c, k));
    rows.push_back(std::move(row));
  }
  Json out = Json::Object();
  return out.set("classes", classes).set("confusion", rows);
}

}  // namespace suanli::cli
