// Tables: a CSV file becomes rows of numbers, in memory, with the statistics of the training rows.
#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/text.h"
#include "data/encoding.h"
#include "data/number_set.h"
#include "data/sources.h"
#include "data/strata.h"

namespace suanli::data {
namespace {

namespace fs = std::filesystem;

template <class T> std::vector<T> chosen(const std::vector<T>& all, const std::vector<int64_t>& rows) {
  std::vector<T> out;
  if (all.empty()) return out;
  for (int64_t row : rows) out.push_back(all[static_cast<size_t>(row)]);
  return out;
}

/// Places of the rows `cut` takes from `rows`, and of those it leaves.
std::vector<int64_t> cut_off(std::vector<int64_t>& rows, const std::vector<int32_t>& labels, double fraction, uint64_t seed, Cut cut) {
  if (fraction <= 0) return {};
  auto [rest, share] = split_strata(chosen(labels, rows), static_cast<int64_t>(rows.size()), fraction, seed, cut);
  std::vector<int64_t> taken = chosen(rows, share);
  rows = chosen(rows, rest);
  return taken;
}

}  // namespace

Tensor read_table(const std::string& path, const std::string& encoding) {
  const Table table = read_csv(path);
  const Encoding learned = encoding_from_text(encoding);
  std::vector<int64_t> rows(static_cast<size_t>(table.rows()));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  if (rows.empty()) throw InputError(str(path, ": has a header line and no rows"));
  return tensor<float>(learned.inputs(table, rows), {table.rows(), learned.width()});
}

bool looks_like_csv(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  fs::path name = fs::path(path).filename();
  if (name.extension() == ".gz" || name.extension() == ".xz") name = name.stem();
  return name.extension() == ".csv" || name.extension() == ".tsv";
}

Source open_csv(const std::string& path, const std::string& target, TaskAsked task, int test, const OpenOptions& options) {
  const Table table = read_csv(path);
  Source source;
  const bool trained = !options.encoding.empty();
  if (!trained && target.empty()) {
    std::string names;
    for (const std::string& name : table.header) names += (names.empty() ? "" : ", ") + name;
    throw InputError(str(path, ": which column is to be learned? Write csv:", path, "?target=COLUMN, one of ", names, "."));
  }
  Encoding encoding = trained ? encoding_from_text(options.encoding) : encode_target(table, target, task, source.notes);
  const bool regression = encoding.task == Task::regression;
  const std::vector<int32_t> labels = regression ? std::vector<int32_t>() : encoding.labels(table);

  std::vector<int64_t> train(static_cast<size_t>(table.rows())), val_rows, test_rows;
  std::iota(train.begin(), train.end(), int64_t{0});
  if (!trained) {
    test_rows = cut_off(train, labels, test / 100.0, options.seed, Cut::test);
    val_rows = cut_off(train, labels, options.val_fraction, options.seed, Cut::validation);
    learn_columns(encoding, table, train, source.notes);
  }
  const std::vector<float> values = regression ? encoding.values(table) : std::vector<float>();

  Info info{
      .kind = "csv",
      .source = str("csv:", path, "?target=", encoding.target, "&task=", regression ? "regression" : "classification", "&test=", test),
      .input_shape = {encoding.width()},
      .classes = static_cast<int>(encoding.classes.size()),
      .class_names = encoding.classes,
      .task = encoding.task,
      .target_mean = encoding.target_mean,
      .target_stddev = encoding.target_stddev,
      .encoding = to_text(encoding)};
  auto part = [&](const std::vector<int64_t>& rows) -> std::shared_ptr<const Dataset> {
    if (rows.empty()) return nullptr;
    return std::make_shared<NumberSet>(info, encoding.inputs(table, rows), chosen(labels, rows), chosen(values, rows));
  };
  source.train = part(train), source.val = part(val_rows), source.test = part(test_rows);
  source.strata = chosen(labels, train);
  return source;
}

}  // namespace suanli::data
