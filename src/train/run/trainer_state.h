// SPDX-License-Identifier: Apache-2.0
// The insides of Trainer: what a run holds while it lives.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/system/stopwatch.h"
#include "suanli/loader.h"
#include "suanli/session.h"
#include "suanli/train.h"
#include "train/stored/checkpoint.h"
#include "train/stored/fine_tune.h"
#include "train/stored/run_folder.h"

namespace suanli {

/// Weights of the classes in the loss.
struct ClassWeights {
  std::vector<double> values;  // empty: all count alike
  Tensor usual, equal;         // [classes]: these values, and ones
  Tensor used;                 // for the batch at hand; undefined: all count alike
  bool some_are_0 = false;     // so that a batch may count for nothing
  bool any() const { return !values.empty(); }
};

/// The memory does not suffice for a run, as its forecast tells beforehand.
struct DoesNotFit : OutOfMemory {
  using OutOfMemory::OutOfMemory;
};

struct Trainer::State {
  explicit State(const std::optional<Session>& given) : session(given ? *given : Session()) {}
  State(const State&) = delete;

  Session session;  // first, so that it ends last
  TrainConfig config;
  bool custom_model = false;
  data::Splits splits;
  std::shared_ptr<const data::Sampler> sampler;  // of training samples; null: each once, shuffled
  nn::AnyModule model;
  std::unique_ptr<optim::Optimizer> optimizer;
  // as freeze_after says: the epoch from which on it is frozen
  std::vector<std::pair<Parameter, int64_t>> trained_until;
  optim::Schedule schedule;
  std::optional<optim::WeightAverage> average;  // of ema or lookahead
  // with smoothed targets and class weights; empty: Trainer::loss
  Loss training_loss;
  ClassWeights class_weights;  // of training_loss
  std::unique_ptr<RunFolder> folder;  // null until run() of a new run
  std::optional<CheckpointFolder> checkpoints;
  Checkpoint checkpoint;  // the last one committed; its `progress` is the live one
  bool resumed = false, finished = false;
  // left to autotune(); lr_unresolved: the recipe's, so that it goes with the batch
  bool batch_size_unresolved = false, epochs_open = true, lr_unresolved = false;
  /// An epoch's last batch would be one sample, which the model cannot take while training: it is
  /// left out.
  bool leaves_one_out = false;
  int64_t judged_batch = 0;  // the batch size that leaves_one_out was decided for; 0: none
  std::optional<RunForecast> forecast;  // of this configuration, once autotune() knows it
  std::vector<std::string> resume_notes;  // for the log, once it is open

  Stopwatch in_run;  // restarted by run()
  double seconds_before = 0;  // of earlier processes
  double saved_at = 0;  // by Trainer::clock

  Progress& progress() { return checkpoint.progress; }
  int64_t samples_per_epoch() const { return splits.train->size() - (leaves_one_out ? 1 : 0); }
  int64_t batches() const {
    return (samples_per_epoch() + config.batch_size - 1) / config.batch_size;
  }
  int64_t steps_per_epoch() const {
    return (batches() + config.accumulate - 1) / config.accumulate;
  }
  /// Steps of the whole run, over which schedules extend.
  int64_t steps_in_all() const {
    const int64_t all = config.epochs * steps_per_epoch();
    return config.max_steps > 0 ? std::min(all, config.max_steps) : all;
  }
  bool steps_used_up() { return config.max_steps > 0 && progress().step >= config.max_steps; }
  bool out_of_patience() {
    return config.patience > 0 && checkpoint.best.epoch > 0 &&
           progress().epoch - checkpoint.best.epoch >= config.patience;
  }
  bool trained() {
    const bool between_epochs = progress().batch == 0 && progress().epoch > 0;
    return progress().epoch >= config.epochs ||
           (between_epochs && (steps_used_up() || out_of_patience()));
  }
  double seconds() const { return seconds_before + in_run.seconds(); }

  /// Device, threads, recipe, data, model: everything that can be wrong before anything is written.
  /// Without a checkpoint to go on `from` the configuration's weights are read.
  void prepare(nn::AnyModule* own, Loss& loss, const std::optional<Checkpoint>& from);
  /// Where the user said none: the zoo's model that the weights are of.
  void choose_model_of(GivenWeights& given);
  /// The zoo's model for the data; where `weights` are given, with the stem that they fit.
  void make_model(GivenWeights& given);
  models::ModelOptions model_options() const;
  /// Puts the weights into the model. Where they do not fit it, the error names the zoo's model
  /// that they are of.
  void adopt(const GivenWeights& given);
  /// Values that the zoo's model computes from the training data before it learns.
  void fit_model(const models::Entry& entry);
  void make_optimizer();
  /// Fills trained_until. Throws ArgumentError if that leaves nothing to train.
  void choose_epochs_of_parameters();
  /// Puts the model in training mode, with the parameters trained that `epoch` (counted from 0)
  /// trains.
  void train_mode(int64_t epoch);
  /// Adds a line to what the user is told of the choices made.
  void note(const std::string& line);
  /// Throws DoesNotFit if weights and optimizer state alone exceed the memory that is left.
  /// Nothing is allocated before.
  void require_memory_for_weights();
  /// Throws DoesNotFit that says the same as the checks of memory. For an OutOfMemory where a run
  /// is built that they let pass.
  [[noreturn]] void refuse_for_memory(const OutOfMemory& e);
  /// As limit and overfit_batches say.
  void choose_samples();
  /// As label_smoothing and class_weights say.
  void make_training_loss();
  /// Puts model, optimizer and generator where `from` stands.
  void restore(const Checkpoint& from);
  /// Makes the run folder with its first checkpoint, or nothing at all.
  void begin();
  /// Commits a checkpoint of what the live progress says. Throws NumericError, with nothing
  /// written, if a weight is not finite.
  void save(bool is_best);
};

class Rehearsal;
struct Rehearsed;

/// The loop of run(), apart from the state, so that each step of the story is one function.
class TrainingLoop {
 public:
  TrainingLoop(Trainer& trainer, Trainer::State& state) : t_(trainer), s_(state) {}
  TrainResult run();
  void take_steps(int64_t steps);
  RunTiming measure();
  double time_of_save();
  void autotune();  // all of the following
  void settle_batch();
  void settle_epochs();
  void settle_memory();
  /// Decides State::leaves_one_out for this batch size by rehearsal. Throws IoError if every
  /// batch is a single sample that the model refuses.
  void judge_last_batch();
  /// Throws DoesNotFit if the forecast exceeds the memory that is left.
  void require_memory();
  int64_t held_bytes() const;  // of what a forecast counts, already there
  RunForecast forecast();
  void rehearse(bool training);

 private:
  enum class Outcome { done, stopped };
  Outcome train_epoch();
  Outcome finish_epoch();
  /// One step of the optimizer.
  struct Step {
    double loss, grad_norm;  // grad_norm: NaN unless gradients are clipped by norm
    int64_t samples, batches;
  };
  /// With the next batches of `loader`, of which `batch` is the first; nothing at the end of the
  /// epoch. Step `index` of the run.
  std::optional<Step> step(data::Loader& loader, int64_t batch, int64_t index);
  /// The optimizer's part, after the gradients are there. The norm of the gradients, if they are
  /// clipped by it.
  Tensor record_update(int64_t index);
  /// Mean loss of a batch that counts for `share` of a step, with its gradients.
  Tensor record_gradients(const data::Batch& batch, double share);
  /// The share of a batch of the step that has `wanted` samples from sample `first` of the epoch
  /// on: by the weights of their classes. A batch of weight 0 counts for nothing.
  double share_of(const data::Batch& batch, const data::Loader& loader, int64_t first,
                  int64_t wanted);
  double weight_of(const data::Batch& batch) const;
  /// Sums the weights of the samples at these places of the loader's epoch.
  double weight_of(const data::Loader& loader, int64_t first, int64_t count);
  data::Batch rehearsed_batch(Rehearsal& rehearsal, int64_t samples, bool mixed) const;
  Rehearsed rehearse_training(int64_t samples, int64_t epoch);
  Rehearsed rehearse_evaluation(int64_t samples, const EvaluateOptions& options);
  std::vector<int64_t> epochs_with_other_programs() const;
  void say_forecast();
  /// Commits a checkpoint; the next one by time is due checkpoint_minutes later.
  void save(bool is_best);
  /// Bytes that the data sets hold in memory. Training and validation data are parts of one.
  int64_t data_bytes() const;
  void account(const Step& step, double seconds, double waited);
  void report_step(double loss);
  void write_window();
  TrainResult finish();
  TrainResult stopped();
  TrainResult result_so_far();
  data::Loader training_loader(int64_t threads) const;
  EvaluateOptions evaluation() const;  // after an epoch
  EvaluateOptions final_evaluation() const;  // of the test at the end
  int64_t peak_bytes() const;  // of the run: the session, the model, the data
  void log(const std::string& line);
  double clock() const { return t_.clock ? t_.clock() : steady_seconds(); }
  bool asked_to_stop() const { return t_.should_stop && t_.should_stop(); }
  [[noreturn]] void explain_bad_number(int64_t bad_step, const std::string& what);

  Trainer& t_;
  Trainer::State& s_;
  // of this epoch, in this process
  double epoch_train_seconds_ = 0;
  int64_t first_batch_ = 0, epoch_samples_ = 0;
  int64_t flops_per_step_ = 0, saved_flops_per_step_ = 0;  // 0: not known
  // of the samples in epoch ordered_epoch_, where classes have weights
  std::vector<int64_t> order_;
  int64_t ordered_epoch_ = -1;
};

}  // namespace suanli
