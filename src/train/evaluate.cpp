// Measuring a model, and reading a trained one back from its run folder.
#include "train/evaluate.h"

#include <algorithm>
#include <limits>

#include "base/file.h"
#include "base/text.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/data_record.h"
#include "train/run_folder.h"
#include "train/tta.h"

namespace suanli {

EvaluatedBatch evaluated(nn::AnyModule& model, const data::Batch& batch, const EvaluateOptions& options) {
  const Tensor out = answers(model, batch.x, options.mean, options.stddev, options.tta);
  return {options.loss ? options.loss(out, batch.y) : cross_entropy(out, batch.y),
          is_float(batch.y.dtype()) ? Tensor() : sum(argmax(out) == batch.y), options.classes > 0 ? out : Tensor()};
}

namespace {
/// Adds a batch to confusion matrix and top-5 count. outputs [N, classes], targets [N].
void count_details(const Tensor& outputs, const Tensor& targets, int64_t classes, Evaluation& result, int64_t& among_five) {
  const std::vector<float> out = cast(outputs, f32).to_vector<float>();
  const auto target = targets.data<int64_t>();
  for (size_t i = 0; i < target.size(); ++i) {
    const float* row = out.data() + static_cast<int64_t>(i) * classes;
    const int64_t right = target[i], taken = std::max_element(row, row + classes) - row;
    ++result.confusion[static_cast<size_t>(right * classes + taken)];
    int64_t before = 0;  // how many come first; of equal outputs the lower class
    for (int64_t c = 0; c < classes; ++c) before += row[c] > row[right] || (row[c] == row[right] && c < right);
    among_five += before < 5;
  }
}
}  // namespace

Evaluation evaluate(nn::AnyModule& model, std::shared_ptr<const data::Dataset> dataset, const EvaluateOptions& options) {
  NoGrad no_grad;
  EvalMode eval_mode(model);
  require_views(options.tta, dataset->info().task, dataset->info().input_shape);
  const bool classes = dataset->info().task == data::Task::classification;
  data::Loader loader(std::move(dataset), {.batch_size = options.batch_size, .threads = static_cast<int>(options.loader_threads)});
  Evaluation result;
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
    if (options.classes > 0) count_details(out, batch.y, options.classes, result, among_five);
    result.samples += n;
  }
  if (result.samples > 0) {
    result.loss = loss_sum / static_cast<double>(result.samples);
    result.accuracy = classes ? static_cast<double>(right) / static_cast<double>(result.samples) : std::numeric_limits<double>::quiet_NaN();
    result.top5 = static_cast<double>(among_five) / static_cast<double>(result.samples);
  }
  return result;
}

Tensor TrainedModel::predict(const Tensor& x) {
  NoGrad no_grad;
  EvalMode eval_mode(model);
  require_views(tta, task, input_shape);
  Tensor out = answers(model, x, config.mean, config.stddev, tta);
  if (task == data::Task::regression) return flatten(out) * target_stddev + target_mean;
  return output == models::Output::logits ? softmax(out) : exp(out);
}

namespace {
TrainedModel read_run(const std::string& run, nn::AnyModule* own) {
  require_run_folder(run);
  TrainedModel trained;
  trained.config = config_from_toml(run + "/config.toml");
  CheckpointFolder folder(run + "/checkpoints");
  std::optional<Checkpoint> checkpoint = folder.load();
  if (!checkpoint) throw InputError(str(run, ": has no checkpoint yet. Train it: suanli train --resume ", run));
  const DataRecord data = data_record_from_json(checkpoint->provenance.data, run);
  trained.input_shape = data.input_shape;
  trained.class_names = data.class_names;
  trained.kind = data.kind;
  trained.task = data.task;
  trained.target_mean = data.target_mean, trained.target_stddev = data.target_stddev;
  trained.encoding = data.encoding;
  if (!trained.config.tta.empty()) trained.tta = tta_from_text(trained.config.tta);
  if (own) {
    trained.model = std::move(*own);
  } else {
    const models::Entry& entry = zoo_entry_of_run(trained.config, run);
    trained.output = entry.output;
    trained.loss = loss_for(data.task, &entry);
    const std::string& stem = trained.config.stem;
    trained.model = models::make(entry.name, {.input_shape = data.input_shape,
                                              .classes = outputs_of(data.task, data.class_names.size()),
                                              .stem = stem.empty() ? models::Stem::by_size : models::stem_from_text(stem)});
  }
  if (!trained.loss) trained.loss = loss_for(data.task, nullptr);
  const bool best = !checkpoint->best_model.name.empty();
  trained.epoch = best ? checkpoint->best.epoch : checkpoint->progress.epoch;
  trained.step = best ? checkpoint->best.step : checkpoint->progress.step;
  const SavedFile& file = best ? checkpoint->best_model : checkpoint->model;
  load_weights(trained.model, folder, file);
  return trained;
}
}  // namespace

TrainedModel load_run(const std::string& run) { return read_run(run, nullptr); }
TrainedModel load_run(const std::string& run, nn::AnyModule model) { return read_run(run, &model); }

}  // namespace suanli
