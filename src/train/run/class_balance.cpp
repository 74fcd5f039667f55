// SPDX-License-Identifier: Apache-2.0
// Parts of a recipe that depend on the data: which samples it uses, and how much each class counts.
#include <algorithm>

#include "base/text/text.h"
#include "suanli/loader.h"
#include "train/run/trainer_state.h"
#include "train/settings/config.h"

namespace suanli {

namespace {

/// So many samples, drawn by the seed, in the order of the data.
std::shared_ptr<const data::Dataset> some_of(std::shared_ptr<const data::Dataset> all,
                                             int64_t count, uint64_t seed) {
  std::vector<int64_t> chosen = data::epoch_order(all->size(), seed, 0);
  chosen.resize(static_cast<size_t>(std::min(count, all->size())));
  std::sort(chosen.begin(), chosen.end());
  return data::subset(std::move(all), std::move(chosen));
}

/// N / (classes · samples of the class): each class counts as much as the others in all.
std::vector<double> balancing_weights(const data::Dataset& train) {
  std::vector<double> weights;
  const std::vector<int64_t> counts = data::class_counts(train);
  for (int64_t count : counts)  // a class without samples is never met
    weights.push_back(count > 0
                          ? static_cast<double>(train.size()) /
                                (static_cast<double>(counts.size()) * static_cast<double>(count))
                          : 0);
  return weights;
}

}  // namespace

void Trainer::State::choose_samples() {
  auto limited = [&](std::shared_ptr<const data::Dataset>& split, const char* name) {
    if (!split || config.limit == 0 || split->size() <= config.limit) return;
    splits.notes.push_back(
        str("limit: ", config.limit, " of ", split->size(), " ", name, " samples"));
    split = some_of(split, config.limit, static_cast<uint64_t>(config.seed));
  };
  limited(splits.train, "training");
  limited(splits.val, "validation");
  if (config.overfit_batches == 0) return;
  splits.train = some_of(splits.train, config.overfit_batches * config.batch_size,
                         static_cast<uint64_t>(config.seed));
  splits.val = splits.train;
  splits.test = nullptr;
  config.augment = "none";
  splits.notes.push_back(
      str("overfit_batches: trains and validates on the same ", splits.train->size(), " samples"));
}

void Trainer::State::make_training_loss() {
  constexpr const char* kNoneForNumbers = "none, for these data ask for a number";
  const data::Info& info = splits.train->info();
  if (info.task == data::Task::regression) {
    if (config.label_smoothing > 0)
      throw ArgumentError({.argument = "label_smoothing",
                           .given = str(config.label_smoothing),
                           .expected = kNoneForNumbers,
                           .remedy = "Leave it out."});
    if (config.class_weights != "none")
      throw ArgumentError({.argument = "class_weights",
                           .given = "'" + config.class_weights + "'",
                           .expected = kNoneForNumbers,
                           .remedy = "Leave them out."});
    return;
  }
  std::vector<double> weights;
  if (config.class_weights == "auto") weights = balancing_weights(*splits.train);
  else if (config.class_weights != "none")
    weights = numbers_from("class_weights", config.class_weights);
  if (!weights.empty() && weights.size() != static_cast<size_t>(info.classes))
    throw ArgumentError({.argument = "class_weights",
                         .given = str(weights.size(), " numbers"),
                         .expected = str(info.classes, ", one per class of the data")});
  const double smoothing = config.label_smoothing;
  if (weights.empty() && smoothing == 0) return;
  if (!weights.empty() &&
      std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0; }))
    throw ArgumentError({.argument = "class_weights",
                         .given = "'" + config.class_weights + "'",
                         .expected = "at least one weight above 0"});
  if (!weights.empty() && data::augment_from_text(config.augment).mixes())
    throw ArgumentError({.argument = "class_weights",
                         .given = "'" + config.class_weights + "'",
                         .expected = "none beside mixup and cutmix, which mix classes",
                         .remedy = "Leave one of the two out.",
                         .settings = {"augment", "class_weights"}});
  if (!weights.empty()) {
    class_weights.values = weights;
    class_weights.usual =
        tensor(std::vector<float>(weights.begin(), weights.end()), {info.classes});
    class_weights.equal = tensor(std::vector<float>(weights.size(), 1), {info.classes});
    class_weights.used = class_weights.usual;
    class_weights.some_are_0 = config.class_weights != "auto" &&
                               std::find(weights.begin(), weights.end(), 0) != weights.end();
  }
  // Log-probabilities are logits too: log_softmax() leaves them as they are.
  training_loss = [this, smoothing](const Tensor& output, const Tensor& target) {
    if (target.rank() == 1)
      return cross_entropy(output, target,
                           {.weight = class_weights.used, .label_smoothing = smoothing});
    // shares of mixed samples
    return cross_entropy(
        output, target * (1 - smoothing) + smoothing / static_cast<double>(output.size(1)));
  };
}

}  // namespace suanli
