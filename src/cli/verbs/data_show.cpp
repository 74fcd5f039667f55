// SPDX-License-Identifier: Apache-2.0
// suanli data show: what a data set holds, before anything is trained on it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <unordered_map>

#include "base/text/json.h"
#include "base/text/text.h"
#include "base/text/visible.h"
#include "cli/framework/console.h"
#include "cli/report/canvas.h"
#include "cli/verbs/data_verbs.h"
#include "data/datasets/encoding.h"
#include "data/sources/spec.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::cli {

namespace {

struct Part {
  const char* name;
  std::shared_ptr<const data::Dataset> samples;
  std::vector<int64_t> count;                   // per class; of a regression none
  std::vector<double> targets;                  // of a regression, in their own unit
  std::vector<double> sum, squares;             // per channel
  std::vector<std::vector<int64_t>> pictures;   // per class, the first few
  int64_t repeated = 0;                         // samples that equal an earlier one of this part
  // samples that equal one of an earlier part, by its name
  std::map<std::string, int64_t> also_in;
};

constexpr size_t kSheetColumns = 10;

uint64_t hash_of(const std::vector<float>& x) {
  // FNV-1a over the values as 16-bit steps: pictures hold 8 bits
  uint64_t hash = 0xCBF29CE484222325u;
  for (float v : x)
    hash = (hash ^ static_cast<uint64_t>(std::lround(static_cast<double>(v) * 65535))) *
           0x100000001B3u;
  return hash;
}

/// Reads every sample once.
void look_through(Part& part, std::unordered_map<uint64_t, const char*>& seen) {
  const data::Info& info = part.samples->info();
  const int64_t values = info.input_shape.numel();
  const int64_t channels = info.input_shape.rank() == 3 ? info.input_shape[0] : 1;
  part.count.resize(static_cast<size_t>(info.classes));
  part.pictures.resize(static_cast<size_t>(info.classes));
  part.sum.resize(static_cast<size_t>(channels));

  part.squares.resize(static_cast<size_t>(channels));
  std::vector<float> x(static_cast<size_t>(values));
  for (int64_t i = 0; i < part.samples->size(); ++i) {
    if (info.task == data::Task::regression) {
      float target = 0;
      part.samples->read_value(i, x.data(), &target);
      part.targets.push_back(static_cast<double>(target) * info.target_stddev + info.target_mean);
    } else {
      int64_t y = 0;
      part.samples->read(i, x.data(), &y);
      const auto label = static_cast<size_t>(y);
      ++part.count[label];
      if (part.pictures[label].size() < kSheetColumns) part.pictures[label].push_back(i);
    }
    for (int64_t k = 0; k < values; ++k) {
      const auto c = static_cast<size_t>(k * channels / values);
      const double v = double{x[static_cast<size_t>(k)]};
      part.sum[c] += v;
      part.squares[c] += v * v;
    }
    const auto [before, fresh] = seen.try_emplace(hash_of(x), part.name);
    if (fresh) continue;
    if (before->second == part.name) ++part.repeated;
    else ++part.also_in[before->second];
  }
}

double mean_of(const Part& p, size_t channel) {
  const double n = static_cast<double>(p.samples->size() * p.samples->info().input_shape.numel()) /
                   static_cast<double>(p.sum.size());
  return p.sum[channel] / n;
}
double deviation_of(const Part& p, size_t channel) {
  const double n = static_cast<double>(p.samples->size() * p.samples->info().input_shape.numel()) /
                   static_cast<double>(p.sum.size());
  const double mean = p.sum[channel] / n;
  return std::sqrt(std::max(0.0, p.squares[channel] / n - mean * mean));
}

/// "smallest 240×180, median 240×240, largest 320×240", width×height, by area.
std::string picture_sizes(const data::Dataset& samples) {
  if (samples.info().input_shape.rank() != 3) return "";
  std::vector<std::array<int64_t, 3>> sizes;
  for (int64_t i = 0; i < samples.size(); ++i) {
    const Shape s = samples.picture_size(i);
    sizes.push_back({s.numel(), s[0], s[1]});
  }
  std::sort(sizes.begin(), sizes.end());
  auto text = [](const std::array<int64_t, 3>& s) { return fmt::format("{}×{}", s[2], s[1]); };
  if (sizes.front() == sizes.back()) return "all " + text(sizes.front());
  return fmt::format("smallest {}, median {}, largest {}", text(sizes.front()),
                     text(sizes[sizes.size() / 2]), text(sizes.back()));
}

/// The first pictures of each class, one row per class, as the first epoch of a training would see
/// them.
void write_sheet(const std::string& path, const Part& part, const data::Augment& augment) {
  const Shape& s = part.samples->info().input_shape;
  if (s.rank() != 3 || (s[0] != 1 && s[0] != 3) ||
      part.samples->info().task == data::Task::regression)
    throw IoError({.argument = part.samples->info().source,
                   .given = str("samples of shape ", s),
                   .expected = "pictures with classes"});
  constexpr size_t kMaxRows = 50;
  constexpr int64_t kGap = 2, kMargin = 10;  // between pictures; around a name
  const std::vector<std::string>& names = part.samples->info().class_names;
  const size_t rows = std::min(kMaxRows, part.pictures.size());
  const int64_t dot = s[1] >= 64 ? 2 : 1, letters = Canvas::text_height(dot);
  int64_t left = kGap;
  for (size_t row = 0; row < rows && s[1] >= letters; ++row)
    left = std::max(left, Canvas::text_width(drawn_name(row, names[row]), dot) + 2 * kMargin);
  Canvas sheet(static_cast<int64_t>(rows) * (s[1] + kGap) + kGap,
               left + static_cast<int64_t>(kSheetColumns) * (s[2] + kGap));
  std::vector<int64_t> all;  // in one list, so that each is seen in a way of its own
  std::vector<std::pair<int64_t, int64_t>> places;
  for (size_t row = 0; row < rows; ++row) {
    const int64_t top = kGap + static_cast<int64_t>(row) * (s[1] + kGap);
    if (left > kGap)
      sheet.text(top + (s[1] - letters) / 2, kMargin, drawn_name(row, names[row]), dot, {0, 0, 0});
    int64_t x = left;
    for (int64_t picture : part.pictures[row]) {
      all.push_back(picture);
      places.emplace_back(top, x);
      x += s[2] + kGap;
    }
  }
  data::Loader loader(data::subset(part.samples, all),
                      {.batch_size = kSheetColumns, .threads = 0, .augment = augment});
  size_t drawn = 0;
  for (auto& [x, y] : loader)
    for (int64_t i = 0; i < x.size(0); ++i, ++drawn)
      sheet.picture(places[drawn].first, places[drawn].second,
                    x.data<float>().data() + i * s.numel(), s[0], s[1], s[2]);
  sheet.write(path);
}

std::string bar(int64_t count, int64_t most) {
  constexpr int64_t kCells = 24;
  std::string out;
  for (int64_t i = 0; i < count * kCells / std::max<int64_t>(1, most); ++i) out += "█";
  return out;
}

std::vector<std::string> visible_all(std::vector<std::string> names) {
  for (std::string& name : names) name = visible(name);
  return names;
}

std::vector<std::string> first_of(std::vector<std::string> words, size_t most) {
  if (words.size() <= most) return words;
  words.resize(most);
  words.emplace_back("…");
  return words;
}

/// Describes how each column of a table is used, one line each.
std::string table_columns(const data::Encoding& encoding) {
  std::vector<std::string> names;
  for (const data::ColumnCode& c : encoding.columns) names.push_back(visible(c.name));
  const size_t width = widest(names, 6, 28);
  std::string out = "\n" + padded("column", width) + "\n";
  for (size_t i = 0; i < names.size(); ++i) {
    const data::ColumnCode& c = encoding.columns[i];
    out += padded(names[i], width);
    if (c.numeric)
      out += fmt::format("  numbers, mean {:.6g}, deviation {:.6g}{}\n", c.mean, c.stddev,
                         c.marks_missing ? ", some missing" : "");
    else
      out += fmt::format("  {}: {}\n",
                         counted(static_cast<int64_t>(c.words.size()), "category", "categories"),
                         fmt::join(first_of(visible_all(c.words), 8), ", "));
  }
  return out;
}

/// Statistics of the numbers that a regression learns.
struct Range {
  double mean = 0, deviation = 0, least = 0, most = 0;
};
Range range_of(const std::vector<double>& values) {
  Range r{.least = values.front(), .most = values.front()};
  const auto n = static_cast<double>(values.size());
  for (double v : values) {
    r.mean += v / n;
    r.least = std::min(r.least, v);
    r.most = std::max(r.most, v);
  }
  for (double v : values) r.deviation += (v - r.mean) * (v - r.mean) / n;
  r.deviation = std::sqrt(r.deviation);
  return r;
}

std::string report(const std::vector<Part>& parts, const data::Splits& splits) {
  const data::Info& info = splits.train->info();
  const bool regression = info.task == data::Task::regression, table = info.kind == "csv";
  std::string out = fmt::format(
      "{}\nsamples {} {}, kind {}\n", info.source, to_string(info.input_shape),
      regression ? "with a number to learn" : fmt::format("of {} classes", info.classes),
      info.kind);
  for (const std::string& note : splits.notes) out += "note    " + note + "\n";
  for (const Part& p : parts) {
    out += fmt::format("\n{:<6} {}", p.name, counted(p.samples->size(), "sample"));
    const std::string sizes = picture_sizes(*p.samples);
    if (!sizes.empty()) out += ", pictures " + sizes;
    out += "\n";
    if (regression) {
      const Range r = range_of(p.targets);
      out += fmt::format("       target mean {:.6g}, deviation {:.6g}, from {:.6g} to {:.6g}\n",
                         r.mean, r.deviation, r.least, r.most);
    }
    // Those of a table's columns are listed below; its inputs are standardized.
    if (!table) {
      out += "       mean";
      for (size_t c = 0; c < p.sum.size(); ++c) out += fmt::format(" {:.4f}", mean_of(p, c));
      out += ", deviation";
      for (size_t c = 0; c < p.sum.size(); ++c) out += fmt::format(" {:.4f}", deviation_of(p, c));
      out += "\n";
    }
    if (p.repeated > 0)
      out += fmt::format("       {} {} an earlier one of {}\n", counted(p.repeated, "sample"),
                         p.repeated == 1 ? "equals" : "equal", p.name);
    for (const auto& [other, count] : p.also_in)
      out += fmt::format("       {} {} also in {}\n", counted(count, "sample"),
                         count == 1 ? "is" : "are", other);
  }
  if (table) out += table_columns(data::encoding_from_text(info.encoding));
  if (regression) return out;
  const Part& train = parts.front();
  const int64_t most = *std::max_element(train.count.begin(), train.count.end());
  const std::vector<std::string> names = visible_all(info.class_names);
  const size_t width = widest(names, 5, 28);
  out += "\n" + padded("class", width);
  for (const Part& p : parts) out += fmt::format("  {:>7}", p.name);
  out += "\n";
  for (size_t c = 0; c < train.count.size(); ++c) {
    out += padded(names[c], width);
    for (const Part& p : parts) out += fmt::format("  {:>7}", p.count[c]);
    out += "  " + bar(train.count[c], most) + "\n";
  }
  return out;
}

Json json_of(const std::vector<Part>& parts, const data::Splits& splits) {
  const data::Info& info = splits.train->info();
  Json out = Json::Object{{"data", info.source}, {"kind", info.kind}};
  out.set("input_shape", Json::Array(info.input_shape.begin(), info.input_shape.end()));
  out.set("class_names", Json::Array(info.class_names.begin(), info.class_names.end()));
  out.set("notes", Json::Array(splits.notes.begin(), splits.notes.end()));
  for (const Part& p : parts) {
    Json::Array mean, deviation;
    for (size_t c = 0; c < p.sum.size(); ++c) {
      mean.emplace_back(mean_of(p, c));
      deviation.emplace_back(deviation_of(p, c));
    }
    Json part = Json::Object{{"samples", p.samples->size()}, {"repeated", p.repeated}};
    part.set("mean", mean).set("stddev", deviation);
    if (info.task == data::Task::regression) {
      const Range r = range_of(p.targets);
      part.set("target",
               Json::Object{
                   {"mean", r.mean}, {"stddev", r.deviation}, {"min", r.least}, {"max", r.most}});
    } else {
      part.set("per_class", Json::Array(p.count.begin(), p.count.end()));
    }
    Json also = Json::Object();
    for (const auto& [other, count] : p.also_in) also.set(other, count);
    out.set(p.name, part.set("also_in", also));
  }
  if (info.kind == "csv") {
    Json::Array columns;
    for (const data::ColumnCode& c : data::encoding_from_text(info.encoding).columns) {
      Json column = Json::Object{{"name", c.name}};
      if (c.numeric) column.set("mean", c.mean).set("stddev", c.stddev);
      else column.set("categories", Json::Array(c.words.begin(), c.words.end()));
      columns.push_back(std::move(column));
    }
    out.set("columns", columns);
  }
  return out.set("version", version());
}

}  // namespace

int run_data_show(const Arguments& args) {
  // As it lies there: nothing is split off, and broken files are counted, not refused.
  std::string source = args.positional(1, "glyphs");
  if (args.positionals().size() > 2) refuse_word(find_verb("data"), args.positional(2));
  if (args.has("--target"))
    source = data::with_setting(source, "target=" + data::escaped_setting(args.text("--target")));
  OpenView view(args.has("--quiet"));
  const data::Splits splits = data::open(source, {.val_fraction = 0, .skip_bad = true});
  view.close();
  std::vector<Part> parts;
  for (auto& [name, samples] :
       {std::pair{"train", splits.train}, {"val", splits.val}, {"test", splits.test}})
    if (samples) parts.push_back({.name = name, .samples = samples});
  std::unordered_map<uint64_t, const char*> seen;
  for (Part& part : parts) look_through(part, seen);
  if (args.has("--sheet"))
    write_sheet(args.text("--sheet"), parts.front(),
                data::augment_from_text(args.text("--augment", "none")));
  print_result(args.has("--json") ? json_of(parts, splits).dump() + "\n" : report(parts, splits));
  return 0;
}

}  // namespace suanli::cli
