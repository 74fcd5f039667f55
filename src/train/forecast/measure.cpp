// SPDX-License-Identifier: Apache-2.0
// Estimates the time of a run: times a few steps and evaluations, then restores all state.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/system/stopwatch.h"
#include "suanli/loader.h"
#include "train/run/evaluate.h"
#include "train/run/trainer_state.h"
#include "train/run/tta.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/fine_tune.h"

namespace suanli {

namespace {

/// Calls `work`, which says whether it had something to do, after two calls to warm up: until a
/// second has passed, at least 3 and at most 50 times. The median of the times, in seconds; 0 if
/// there was nothing to do.
template <class Work> double median_seconds(const Work& work) {
  constexpr int kWarmUp = 2;
  for (int i = 0; i < kWarmUp; ++i)
    if (!work()) return 0;
  std::vector<double> times;
  const Stopwatch in_all;
  while (times.size() < 3 || (times.size() < 50 && in_all.seconds() < 1)) {
    const Stopwatch watch;
    if (!work()) break;
    times.push_back(watch.seconds());
  }
  if (times.empty()) return 0;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

}  // namespace

/// In a folder of its own beside the run's; 0 where none can be made, which the run's start will
/// say.
double TrainingLoop::time_of_save() {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path above =
      fs::absolute(s_.config.out.empty() ? "runs/x" : s_.config.out, error).parent_path();
  while (!above.empty() && above != above.parent_path() && !fs::is_directory(above, error))
    above = above.parent_path();
  std::string place = (above / ".suanli-XXXXXX").string();
  if (!mkdtemp(place.data())) return 0;
  double seconds = 0;
  try {
    Checkpoint trial = s_.checkpoint;
    const NamedTensors weights = values_of(s_.model), state = s_.optimizer->state_dict();
    const Stopwatch watch;
    CheckpointFolder(place).save(trial, weights, state, &weights);
    seconds = watch.seconds();
  } catch (const IoError&) {}
  fs::remove_all(place, error);
  return seconds;
}

RunTiming TrainingLoop::measure() {
  judge_last_batch();
  const NamedTensors weights = values_of(s_.model);
  const uint64_t seed = default_generator().seed(), counter = default_generator().counter();
  RunTiming timing;
  timing.steps_per_epoch = s_.steps_per_epoch();

  s_.train_mode(s_.progress().epoch);
  {
    data::Loader loader = training_loader(s_.config.loader_threads);
    loader.start(0);
    int64_t batch = 0, epoch = 0;
    timing.step = median_seconds([&] {
      auto made = step(loader, batch, 0);
      if (!made) {  // few samples: on with the next epoch
        loader.start(++epoch);
        batch = 0;
        made = step(loader, batch, 0);
      }
      batch += made ? made->batches : 0;
      return made.has_value();
    });
  }
  const EvaluateOptions options = evaluation();
  const double of_batch = [&] {
    const auto& some = s_.splits.val ? s_.splits.val : s_.splits.test;
    if (!some || some->size() == 0) return 0.0;
    InferenceMode inference;
    data::Loader loader(some, {.batch_size = options.batch_size,
                               .threads = static_cast<int>(options.loader_threads)});
    return median_seconds([&] {
      data::Batch batch;
      if (!loader.next(batch)) {
        loader.start(0);
        if (!loader.next(batch)) return false;
      }
      evaluated(s_.model, batch, options).loss.item();
      return true;
    });
  }();
  auto evaluation_of = [&](const std::shared_ptr<const data::Dataset>& split) {
    return split ? of_batch * static_cast<double>((split->size() + options.batch_size - 1) /
                                                  options.batch_size)
                 : 0.0;
  };
  timing.save = time_of_save();
  timing.epoch = timing.save + timing.step * static_cast<double>(timing.steps_per_epoch) +
                 evaluation_of(s_.splits.val);
  timing.test =
      evaluation_of(s_.splits.test) * static_cast<double>(view_count(final_evaluation().tta));

  s_.model.load_state_dict(weights);
  s_.make_optimizer();
  default_generator().set_state(seed, counter);
  flush();
  return timing;
}

}  // namespace suanli
