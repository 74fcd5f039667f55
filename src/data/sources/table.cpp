// SPDX-License-Identifier: Apache-2.0
// Tables: a CSV file becomes rows of numbers, in memory, with the statistics of the training rows.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>

#include "base/text/split_list.h"
#include "base/text/text.h"
#include "base/text/visible.h"
#include "data/datasets/encoding.h"
#include "data/datasets/float_dataset.h"
#include "data/datasets/stratified_split.h"
#include "data/sources/sources.h"
#include "data/sources/spec.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

template <class T> std::vector<T> chosen(const std::vector<T>& all,
                                         const std::vector<int64_t>& rows) {
  std::vector<T> out;
  if (all.empty()) return out;
  for (int64_t row : rows) out.push_back(all[static_cast<size_t>(row)]);
  return out;
}

/// The indices of the rows that `cut` takes from `rows`, and of the rest.
std::vector<int64_t> cut_off(std::vector<int64_t>& rows, const std::vector<int32_t>& labels,
                             double fraction, uint64_t seed, Cut cut) {
  if (fraction <= 0) return {};
  auto [rest, share] =
      split_strata(chosen(labels, rows), static_cast<int64_t>(rows.size()), fraction, seed, cut);
  std::vector<int64_t> taken = chosen(rows, share);
  rows = chosen(rows, rest);
  return taken;
}

/// Without a header, a column's index is its name. If the target column is missing, the columns
/// behind it have moved up by one. Throws IoError if the number of columns fits neither case.
void place_columns(const Encoding& learned, Table& table, bool target_needed) {
  auto place = [](const std::string& name) {
    size_t n = 0;
    std::from_chars(name.data(), name.data() + name.size(), n);
    return n;
  };
  const size_t target = place(learned.target), columns = table.header.size();
  size_t trained = static_cast<size_t>(learned.table_columns);
  const bool known = trained > 0;
  if (!known) {  // a run of an older version: the last column that is used
    trained = target;
    for (const ColumnCode& c : learned.columns) trained = std::max(trained, place(c.name));
  }
  const bool without_target = columns + 1 == trained && !target_needed;
  if (known && columns != trained && !without_target)
    throw IoError(
        {.argument = table.path,
         .given = str(columns, " columns"),
         .expected = str(trained, ", as in training",
                         target_needed ? "" : str(", or ", trained - 1, " without the target")),
         .remedy = str("It has no header. The target is column ", target, ".")});
  if (!without_target || target < 1 || target > columns) return;
  for (size_t c = target - 1; c < columns; ++c) table.header[c] = str(c + 2);
}

/// Throws for settings that contradict `encoding`, which a training has fixed.
void require_as_trained(const Encoding& encoding, const std::string& path,
                        const TableSettings& settings) {
  auto refuse = [&](const char* setting, const std::string& given, const std::string& trained) {
    throw ArgumentError({.argument = str(path, ": ", setting),
                         .given = str("'", visible(given), "'"),
                         .expected = trained + ", as in training",
                         .remedy = "Leave the setting out."});
  };
  auto is_used = [&](const std::string& name) {
    return std::any_of(encoding.columns.begin(), encoding.columns.end(),
                       [&](const ColumnCode& c) { return c.name == name; });
  };
  const bool same_target = settings.target == encoding.target ||
                           (!encoding.header && settings.target == "column " + encoding.target);
  if (!settings.target.empty() && !same_target)
    refuse("target", settings.target, str("'", visible(encoding.target), "'"));
  const bool regression = encoding.task == Task::regression;
  if (settings.task != TaskAsked::by_column &&
      (settings.task == TaskAsked::regression) != regression)
    refuse("task", regression ? "classification" : "regression",
           regression ? "regression" : "classification");
  for (const std::string& name : settings.drop)
    if (is_used(name)) refuse("drop", name, "this column kept");
  for (const std::string& name : settings.keep)
    if (!is_used(name)) refuse("keep", name, "this column dropped");
  if (settings.missing && settings.missing != encoding.missing)
    refuse("missing", join_list(*settings.missing, ","),
           encoding.missing ? str("'", visible(join_list(*encoding.missing, ",")), "'")
                            : "the usual words");
}

/// Drops rows without a target, or throws IoError with the first of them.
void require_targets(const Encoding& encoding, Table& table, const TableSettings& settings,
                     bool trained, std::vector<std::string>& notes) {
  const std::vector<int64_t> rows = encoding.rows_without_target(table);
  if (rows.empty()) return;
  constexpr size_t kMaxNamed = 10;
  const int column = table.find(encoding.target);
  std::string lines, word;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i < kMaxNamed) lines += str(i > 0 ? ", " : "", table.lines[static_cast<size_t>(rows[i])]);
    if (word.empty()) word = table.at(column, rows[i]).text;
  }
  if (rows.size() > kMaxNamed) lines += ", …";
  const std::string share = str(rows.size(), " of ", table.rows(), " rows"),
                    places = str(" (line ", lines, ")"), name = visible(encoding.target);
  if (!settings.skip_missing_target)
    throw IoError(
        {.argument = table.where(rows.front(), column),
         .given = str("no target in ", share, places),
         .remedy = str("Fill it in, or leave such rows out: ?skip_missing_target=1.",
                       word.empty() || settings.missing || trained
                           ? ""
                           : str(" If '", visible(word),
                                 "' is a class: ?missing= takes empty cells alone for missing."))});
  if (static_cast<int64_t>(rows.size()) == table.rows())
    throw IoError({.argument = str(table.path, ": column '", name, "'"),
                   .given = str("no target in ", share, places),
                   .expected = "a row that has one"});
  table.remove(rows);
  notes.push_back(str("left out: ", share, " have no target in column '", name, "'", places));
}

/// A spec that opens the same table.
std::string source_of(const std::string& path, const Encoding& encoding,
                      const TableSettings& settings) {
  std::string out =
      str("csv:", path, "?target=", escaped_setting(encoding.target),
          "&task=", encoding.task == Task::regression ? "regression" : "classification",
          "&test=", settings.test);
  auto list = [&](const char* key, const std::vector<std::string>& words) {
    out += str("&", key, "=");
    for (const std::string& word : words)
      out += (&word == &words.front() ? "" : ",") + escaped_setting(word);
  };
  if (!settings.drop.empty()) list("drop", settings.drop);
  if (!settings.keep.empty()) list("keep", settings.keep);
  if (settings.missing) list("missing", *settings.missing);
  if (settings.decimal) out += settings.decimal == ',' ? "&decimal=comma" : "&decimal=point";
  if (settings.header) out += *settings.header ? "&header=yes" : "&header=no";
  if (settings.skip_missing_target) out += "&skip_missing_target=1";
  return out;
}

}  // namespace

Tensor read_table(const std::string& path, const std::string& encoding,
                  std::vector<std::string>* notes) {
  Encoding learned = encoding_from_text(encoding);
  Table table = read_csv(path, learned.header);
  if (!learned.header) place_columns(learned, table, false);
  learned = learned.for_table(table, {});
  std::vector<int64_t> rows(static_cast<size_t>(table.rows()));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return tensor<float>(learned.inputs(table, rows, notes), {table.rows(), learned.width()});
}

bool looks_like_csv(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  fs::path name = fs::path(path).filename();
  if (name.extension() == ".gz" || name.extension() == ".xz") name = name.stem();
  return name.extension() == ".csv" || name.extension() == ".tsv";
}

Source open_csv(const std::string& path, const TableSettings& settings,
                const OpenOptions& options) {
  Source source;
  const bool trained = !options.encoding.empty();
  if (trained && !options.encoding.starts_with("target\t"))
    throw IoError(
        {.argument = path, .given = "a table", .expected = "arrays, as the model was trained on"});
  Encoding encoding = trained ? encoding_from_text(options.encoding) : Encoding{};
  if (trained) require_as_trained(encoding, path, settings);
  Table table = read_csv(path, trained && !settings.header ? encoding.header : settings.header);
  if (!trained && settings.target.empty()) {
    std::string names;
    for (const std::string& name : table.header)
      names += (names.empty() ? "" : ", ") + visible(name);
    throw IoError({.argument = path,
                   .given = "no target",
                   .expected = "one of the columns " + names,
                   .remedy = "Say which column is to be learned: ?target=COLUMN behind the path.",
                   .settings = {"target"}});
  }
  std::vector<ColumnFormat> formats;
  if (trained) {
    if (!encoding.header && settings.header != true) place_columns(encoding, table, true);
    encoding = encoding.for_table(table, settings.decimal);
  } else {
    formats = column_formats(table, settings.decimal);
    encoding = encode_target(table, formats, settings, source.notes);
    encoding.header = settings.header != false;
    if (!encoding.header) encoding.table_columns = static_cast<int64_t>(table.header.size());
  }
  require_targets(encoding, table, settings, trained, source.notes);
  const bool regression = encoding.task == Task::regression;
  const std::vector<int32_t> labels = regression ? std::vector<int32_t>() : encoding.labels(table);

  std::vector<int64_t> train(static_cast<size_t>(table.rows())), val_rows, test_rows;
  std::iota(train.begin(), train.end(), int64_t{0});
  if (!trained) {
    test_rows = cut_off(train, labels, settings.test / 100.0, options.seed, Cut::test);
    val_rows = cut_off(train, labels, options.val_fraction, options.seed, Cut::validation);
    learn_columns(encoding, table, formats, settings, train, source.notes);
  }
  const std::vector<float> values = regression ? encoding.values(table) : std::vector<float>();

  Info info{.kind = "csv",
            .source = source_of(path, encoding, settings),
            .input_shape = {encoding.width()},
            .classes = static_cast<int>(encoding.classes.size()),
            .class_names = encoding.classes,
            .task = encoding.task,
            .target_mean = encoding.target_mean,
            .target_stddev = encoding.target_stddev,
            .encoding = to_text(encoding)};
  auto part = [&](const std::vector<int64_t>& rows) -> std::shared_ptr<const Dataset> {
    if (rows.empty()) return nullptr;
    return std::make_shared<NumberSet>(
        info, encoding.inputs(table, rows, trained ? &source.notes : nullptr), chosen(labels, rows),
        chosen(values, rows));
  };
  source.train = part(train);
  source.val = part(val_rows);
  source.test = part(test_rows);
  source.strata = chosen(labels, train);
  return source;
}

}  // namespace suanli::data
