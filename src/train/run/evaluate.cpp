// SPDX-License-Identifier: Apache-2.0
// Measuring a model, and reading a trained one back from its run folder.
#include "train/run/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/text/text.h"
#include "suanli/loader.h"
#include "train/run/tta.h"
#include "train/settings/config.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/stored_run.h"

namespace suanli {

int64_t evaluation_batch(int64_t training_batch, const Shape& sample) {
  constexpr int64_t kUsual = 256, kMaxBytes = 256 << 20;
  return std::max(
      {int64_t{1}, training_batch,
       std::min(kUsual, kMaxBytes / std::max<int64_t>(1, sample.numel() * itemsize(f32)))});
}

EvaluatedBatch evaluated(const nn::AnyModule& model, const data::Batch& batch,
                         const EvaluateOptions& options) {
  const Tensor out = answers(model, batch.x, options.mean, options.stddev, options.tta);
  const bool numbers = is_float(batch.y.dtype());
  return {options.loss ? options.loss(out, batch.y) : cross_entropy(out, batch.y),
          numbers ? Tensor() : sum(argmax(out, -1) == batch.y),
          numbers               ? flatten(out)
          : options.classes > 0 ? out
                                : Tensor()};
}

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Adds a batch to confusion matrix and top-5 count. outputs [N, classes], targets [N].
void count_details(const Tensor& outputs, const Tensor& targets, int64_t classes,
                   Evaluation& result, int64_t& among_five) {
  const std::vector<float> out = cast(outputs, f32).to_vector<float>();
  const auto target = targets.data<int64_t>();
  for (size_t i = 0; i < target.size(); ++i) {
    const float* row = out.data() + static_cast<int64_t>(i) * classes;
    const int64_t right = target[i], taken = std::max_element(row, row + classes) - row;
    if (right < 0 || right >= classes)
      throw IoError({.op = "evaluate",
                     .argument = str("sample ", result.samples + static_cast<int64_t>(i)),
                     .given = str("class ", right),
                     .expected = str("one of ", classes, " classes")});
    ++result.confusion[static_cast<size_t>(right * classes + taken)];
    int64_t before = 0;  // how many come first; of equal outputs the lower class
    for (int64_t c = 0; c < classes; ++c)
      before += row[c] > row[right] || (row[c] == row[right] && c < right);
    among_five += before < 5;
  }
}

double balanced_accuracy(const std::vector<int64_t>& confusion, int64_t classes) {
  double sum = 0;
  int64_t occurring = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const int64_t* row = confusion.data() + c * classes;
    const int64_t samples = std::accumulate(row, row + classes, int64_t{0});
    if (samples == 0) continue;
    sum += static_cast<double>(row[c]) / static_cast<double>(samples);
    ++occurring;
  }
  return occurring > 0 ? sum / static_cast<double>(occurring) : kNaN;
}

std::vector<double> numbers_of(const Tensor& t) {
  if (t.dtype() == f64) return t.to_vector<double>();
  const std::vector<float> values = cast(t, f32).to_vector<float>();
  return {values.begin(), values.end()};
}

/// Errors of standardized answers, summed in f64. A target far from 0 has few digits left in f32,
/// its distance from the mean has them all.
class NumberErrors {
 public:
  void add(const Tensor& outputs, const Tensor& targets) {
    const std::vector<double> out = numbers_of(outputs), target = numbers_of(targets);
    // a model of the user's own, with a loss that knows better
    if (out.size() != target.size()) other_answers_ = true;
    if (other_answers_) return;
    for (size_t i = 0; i < out.size(); ++i) {
      const double error = out[i] - target[i];
      squares_ += error * error;
      absolute_ += std::abs(error);
      // sums of differences stay 0 where all targets are one number
      if (n_ == 0 && i == 0) first_ = target[i];
      const double difference = target[i] - first_;
      sum_ += difference;
      total_ += difference * difference;
    }
    n_ += static_cast<double>(out.size());
  }
  void write(const data::Info& info, Evaluation& to) const {
    to.rmse = to.mean_absolute_error = to.r2 = kNaN;
    if (info.task != data::Task::regression || other_answers_ || n_ == 0) return;
    to.rmse = std::sqrt(squares_ / n_) * info.target_stddev;
    to.mean_absolute_error = absolute_ / n_ * info.target_stddev;
    const double mean = sum_ / n_, variance = total_ / n_ - mean * mean;
    if (variance > 0) to.r2 = 1 - squares_ / n_ / variance;
  }

 private:
  double squares_ = 0, absolute_ = 0, first_ = 0, sum_ = 0, total_ = 0, n_ = 0;
  bool other_answers_ = false;
};

}  // namespace

Evaluation evaluate(const nn::AnyModule& model, std::shared_ptr<const data::Dataset> dataset,
                    const EvaluateOptions& options) {
  const Session::Use use(options.session);
  const InferenceMode inference;
  const data::Info& info = dataset->info();
  require_views(options.tta, info.task, info.input_shape);
  const bool classes = info.task == data::Task::classification;
  data::Loader loader(dataset, {.batch_size = options.batch_size,
                                .threads = static_cast<int>(options.loader_threads)});
  Evaluation result;
  NumberErrors errors;
  double loss_sum = 0;
  int64_t right = 0, among_five = 0;
  result.confusion.resize(static_cast<size_t>(options.classes * options.classes));
  loader.start(0);
  data::Batch batch;
  while (!(options.should_stop && options.should_stop()) && loader.next(batch)) {
    const auto [loss, hits, out] = evaluated(model, batch, options);
    const int64_t n = batch.y.numel();
    loss_sum += static_cast<double>(loss.item()) * static_cast<double>(n);
    if (classes) right += hits.item<int64_t>();
    else errors.add(out, batch.y);
    const bool per_class =
        // a model of one's own may differ
        classes && options.classes > 0 && out.rank() == 2 && out.size(1) == options.classes;
    if (per_class) count_details(out, batch.y, options.classes, result, among_five);
    result.samples += n;
  }
  errors.write(info, result);
  if (result.samples > 0) {
    result.loss = loss_sum / static_cast<double>(result.samples);
    result.accuracy =
        classes ? static_cast<double>(right) / static_cast<double>(result.samples) : kNaN;
    result.top5 = static_cast<double>(among_five) / static_cast<double>(result.samples);
  }
  result.balanced_accuracy = classes ? balanced_accuracy(result.confusion, options.classes) : kNaN;
  return result;
}

Tensor TrainedModel::predict(const Tensor& x) const {
  const bool elsewhere = Session::current() != session;
  const Session::Use use(session);
  const InferenceMode inference;
  require_views(tta, task, input_shape);
  Tensor out = answers(model, x, config.mean, config.stddev, tta);
  if (task == data::Task::regression) out = cast(flatten(out), f64) * target_stddev + target_mean;
  else out = output == models::Output::logits ? softmax(out) : exp(out);
  if (elsewhere) flush();  // at the end of `use` an error could not be thrown
  return out;
}

namespace {
TrainedModel read_run(const std::string& run, nn::AnyModule* own) {
  const StoredRun stored = read_stored_run(run);
  const DataRecord& data = stored.data;
  TrainedModel trained;
  trained.config = stored.config;
  trained.input_shape = data.input_shape;
  trained.class_names = data.class_names;
  trained.kind = data.kind;
  trained.task = data.task;
  trained.target_mean = data.target_mean;
  trained.target_stddev = data.target_stddev;
  trained.encoding = data.encoding;
  trained.epoch = stored.epoch;
  trained.step = stored.step;
  trained.finished = stored.finished;
  if (!trained.config.tta.empty()) trained.tta = tta_from_text(trained.config.tta);
  if (own) {
    trained.model = std::move(*own);
  } else {
    const models::Entry& entry = zoo_entry_of_run(trained.config, run);
    trained.output = entry.output;
    trained.loss = loss_for(data.task, &entry);
    const std::string& stem = trained.config.stem;
    trained.model = models::make(
        entry.name,
        {.input_shape = data.input_shape,
         .classes = outputs_of(data.task, data.class_names.size()),
         .stem = stem.empty() ? models::Stem::automatic : models::stem_from_text(stem)});
  }
  if (!trained.loss) trained.loss = loss_for(data.task, nullptr);
  load_weights(trained.model, stored.weights, stored.file);
  return trained;
}
}  // namespace

TrainedModel load_run(const std::string& run) { return read_run(run, nullptr); }
TrainedModel load_run(const std::string& run, nn::AnyModule model) {
  if (!model)
    throw StateError({.op = "load_run",
                      .argument = "model",
                      .given = "an empty module",
                      .expected = "one that takes the weights"});
  return read_run(run, &model);
}

}  // namespace suanli
