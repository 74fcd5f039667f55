// SPDX-License-Identifier: Apache-2.0
#include "train/settings/sample_notes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text/text.h"
#include "base/text/visible.h"

namespace suanli {

namespace {

constexpr size_t kMaxNames = 10;
// times as many samples in the largest class as in the smallest
constexpr int64_t kUneven = 10;
constexpr double kMuchDoubt = 0.1;     // an accuracy that may be off by so much tells little

std::string percent(double share) {
  const double rounded = std::round(share * 1000) / 10;
  return str(rounded, "%");
}

std::string name_of(const data::Info& info, size_t label) {
  return label < info.class_names.size() ? visible(info.class_names[label]) : std::to_string(label);
}

/// The names at these places, at most so many that a line stays readable.
std::string listed(const data::Info& info, const std::vector<size_t>& labels) {
  std::string out;
  for (size_t i = 0; i < std::min(labels.size(), kMaxNames); ++i)
    out += (i ? ", " : "") + name_of(info, labels[i]);
  return labels.size() > kMaxNames ? str(out, " and ", labels.size() - kMaxNames, " more") : out;
}

template <class F> std::vector<size_t> labels_where(const std::vector<int64_t>& counts, F&& f) {
  std::vector<size_t> out;
  for (size_t c = 0; c < counts.size(); ++c)
    if (f(c)) out.push_back(c);
  return out;
}

void note_imbalance(const data::Info& info, const std::vector<int64_t>& counts,
                    std::vector<std::string>& notes) {
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  const int64_t all = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  if (*least * kUneven > *most || all == 0) return;
  const auto rare = static_cast<size_t>(least - counts.begin()),
             common = static_cast<size_t>(most - counts.begin());
  notes.push_back(str("classes are uneven: '", name_of(info, common), "' has ", *most, " of ", all,
                      " training samples, '", name_of(info, rare), "' ", *least,
                      "; who always answers '", name_of(info, common), "' is right for ",
                      percent(static_cast<double>(*most) / static_cast<double>(all)),
                      ". sampler = balanced or class_weights = auto makes the rare ones count"));
}

}  // namespace

Baseline baseline_of(const data::Dataset& samples) {
  const std::vector<int64_t> counts = class_counts(samples);
  const auto most = std::max_element(counts.begin(), counts.end());
  return {most - counts.begin(),
          static_cast<double>(*most) / static_cast<double>(std::max<int64_t>(1, samples.size()))};
}

double uncertainty_of(double share, int64_t samples) {
  constexpr double z = 1.959963984540054;  // of 95% of a normal distribution
  const auto n = static_cast<double>(std::max<int64_t>(1, samples));
  return z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
}

void note_samples(const data::Splits& splits, std::vector<std::string>& notes) {
  const data::Info& info = splits.train->info();
  if (info.task != data::Task::classification) return;
  auto size = [](const auto& split) { return split ? split->size() : 0; };
  std::string sizes = str(size(splits.train), " train");
  if (size(splits.val) > 0) sizes += str(", ", size(splits.val), " val");
  if (size(splits.test) > 0) sizes += str(", ", size(splits.test), " test");
  std::vector<size_t> all(static_cast<size_t>(info.classes));
  std::iota(all.begin(), all.end(), size_t{0});
  notes.push_back(str(info.classes, " classes: ", listed(info, all), " (", sizes, ")"));

  const std::vector<int64_t> counts = class_counts(*splits.train);
  note_imbalance(info, counts, notes);
  if (const auto single = labels_where(counts, [&](size_t c) { return counts[c] == 1; });
      !single.empty())
    notes.push_back(str("classes with a single training sample: ", listed(info, single)));
  const auto& measured = size(splits.test) > 0 ? splits.test : splits.val;
  if (size(measured) == 0) return;
  const std::vector<int64_t> judged = class_counts(*measured);
  const char* name = measured == splits.test ? "test" : "validation";
  if (const auto absent =
          labels_where(counts, [&](size_t c) { return counts[c] > 0 && judged[c] == 0; });
      !absent.empty())
    notes.push_back(str("classes without a ", name, " sample: ", listed(info, absent)));
  if (const double doubt = uncertainty_of(0.5, size(measured)); doubt > kMuchDoubt)
    notes.push_back(str(size(measured), " ", name, " samples: an accuracy on them is known to ±",
                        std::round(100 * doubt), " points only"));
}

}  // namespace suanli
