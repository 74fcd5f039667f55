// SPDX-License-Identifier: Apache-2.0
// Training runs: configuration, the loop, checkpoints that survive a kill at any moment, and
// loading of trained models.
//
//   TrainConfig config;
//   config.data = "glyphs";
//   Trainer trainer(Net(), config); // your own module, which returns logits; or Trainer(config)
//   TrainResult result = trainer.run();
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "suanli/dataset.h"
#include "suanli/evaluate.h"
#include "suanli/models.h"
#include "suanli/optim.h"
#include "suanli/session.h"

namespace suanli {

/// Settings of a training run. In many fields, 0, "" or -1 selects the value of the model's recipe
/// (models.h); their comments say so. The config.toml of a run folder holds the resolved values.
struct TrainConfig {
  static constexpr int64_t kAutoBatch = -1;
  std::string data = "glyphs";  ///< A spec of data::open().
  /// A name from the zoo, or your own name for your own module. "": the model of `weights`,
  /// otherwise one that fits the data.
  std::string model;
  int64_t epochs = 0;  ///< 0: the recipe's.
  /// 0: the recipe's. kAutoBatch: the fastest size that fits in memory, measured before the run.
  int64_t batch_size = 0;
  /// Batches per optimizer step. Their gradients count as those of one batch of all their samples.
  int64_t accumulate = 1;
  /// "sgd", "nesterov" (sgd with Nesterov's momentum), "adam" or "adamw"; "": the recipe's.
  std::string optimizer;
  double lr = 0;  ///< 0: the recipe's.
  double momentum = -1;  ///< For sgd and nesterov. -1: the recipe's.
  /// Added to the gradient; decoupled for adamw, as in PyTorch. -1: the recipe's.
  double weight_decay = -1;
  /// Parameters with weight decay: "weights" (not biases and scales of normalizations) or "all".
  /// "": the recipe's.
  std::string decay;
  /// Factors of lr by name, with * and ?: "*.bias=2,0.*=0.5". The weight decay of these parameters
  /// is divided by the factor. "none": no factors. "": the recipe's.
  std::string lr_factors;
  std::string schedule;  ///< A name of optim::schedule_from_name(); "": the recipe's.
  /// Fraction of the run's steps over which the learning rate rises. -1: the schedule's.
  double warmup = -1;
  /// Factors of lr at the start and at the end. -1: the schedule's.
  double lr_start = -1, lr_end = -1;
  std::string milestones;  ///< For step: fractions of the run, "0.5,0.75". "": the schedule's.
  double gamma = 0;  ///< For step. 0: the schedule's.
  /// Fraction of each target that is spread over all classes, in training. -1: the recipe's.
  double label_smoothing = -1;
  /// Class weights of the loss: "none", "auto" (N / (classes · samples of the class)) or "1,2,0.5".
  /// "": none.
  std::string class_weights;
  double clip_norm = 0;  ///< Maximum norm of all gradients together; 0: no limit.
  double clip_value = 0;  ///< Maximum absolute element of a gradient; 0: no limit.
  /// Decay per step of a moving average of the weights, which replaces them in the result. It is at
  /// most (1 + t)/(10 + t) at step t = 0, 1, …, so a short run forgets its initial weights. 0:
  /// none; -1: the recipe's.
  double ema = -1;
  /// The number of steps after which weights are set to their average (models.h, Recipe). 0: never;
  /// -1: the recipe's.
  int64_t lookahead = -1;
  /// Ends the run after this many epochs without a better validation; 0: never.
  int64_t patience = 0;
  /// Uses at most this many training samples and this many validation samples; 0: all.
  int64_t limit = 0;
  /// Trains and validates on this many batches, without augmentation. A model that can learn fits
  /// them. 0: off.
  int64_t overfit_batches = 0;
  /// Time limit of the run in seconds. The measured speed decides the epochs. 0: no limit.
  double time = 0;
  /// Inputs become (x - mean) / stddev, with one number for all or one per channel. Empty: the
  /// recipe decides, from the training data.
  std::vector<double> mean, stddev;
  /// "small" or "large", see models::Stem. "": the one of the weights, otherwise by the size of the
  /// pictures.
  std::string stem;
  /// Initial weights: a file, see load_weights(), or the folder of a run. A run gives its best
  /// weights, and its mean and standard deviation of the inputs unless others are given. A head for
  /// other classes is initialized. If `model` is "", the model is that of the weights. "": none.
  std::string weights;
  /// Parameters to freeze: names with * and ?, or backbone (all except the head).
  std::string freeze;
  /// Parameters to freeze after some epochs: "0.bias=3". "none": no parameters. "": the recipe's.
  std::string freeze_after;
  double backbone_lr = 1;  ///< Learning rate factor for all layers except the head.
  /// Augmentation of training pictures, see data::augment_from_text(). "": the usual one for the
  /// data.
  std::string augment;
  std::string tta;  ///< For the final test, see tta_from_text(). "": the recipe's.
  /// Order of training samples: "random" (each once) or "balanced" (classes equally likely). "":
  /// random.
  std::string sampler;
  /// Seed of initial weights, sample order, validation split and dropout.
  int64_t seed = 0;
  double val = 0.1;  ///< Fraction of the training samples for validation.
  int64_t max_steps = 0;  ///< Ends the run after this many steps; 0: no limit.
  /// Steps between checkpoints; 0: none by steps. Each epoch ends with a checkpoint.
  int64_t checkpoint_every = 500;
  /// Minutes between checkpoints, besides those by steps; 0: none by time. Never changes a result.
  double checkpoint_minutes = 5;
  /// Limit in bytes for the forecast of the run. Values are rematerialized, with the same results,
  /// until the run fits. 0: no limit.
  int64_t memory_limit = 0;
  int64_t threads = 0;  ///< Compute threads. Results do not depend on the number. 0: the session's.
  int64_t loader_threads = 1;  ///< Data loading threads. Results do not depend on the number.
  std::string device = "auto";
  std::string precision = "f32";
  std::string out;  ///< The run folder; "": runs/<date>-<model>-<n>.
};

/// The result of a run.
struct TrainResult {
  std::string run, model;
  int64_t epochs = 0, steps = 0, best_epoch = 0;  ///< Epochs are counted from 1.
  double seconds = 0;  ///< Sum over all processes that worked on the run.
  double train_loss = 0;  ///< Mean over the last epoch, measured during training.
  /// For the kept weights (those of the best epoch); NaN without validation data.
  double val_loss = 0, val_accuracy = 0;
  double test_loss = 0, test_accuracy = 0;  ///< For the kept weights; NaN without test data.
  /// Evaluation::balanced_accuracy of the kept weights.
  double val_balanced_accuracy = 0, test_balanced_accuracy = 0;
  /// Evaluation::rmse of the kept weights; NaN unless targets are numbers.
  double val_rmse = 0, test_rmse = 0;
  /// Trained samples per second of training, without evaluation and saving.
  double samples_per_s = 0;
  double data_wait = 0;  ///< Fraction of the training time spent waiting for data.
  double flops_per_s = 0;  ///< In training; NaN if the model's FLOPs are unknown.
  double executed_flops_per_s = 0;  ///< The same without the FLOPs that Winograd's algorithm saves.
  double grad_norm = 0;  ///< Mean over the steps; NaN unless gradients are clipped by norm.
  double clipped = 0;  ///< Fraction of steps with a gradient norm above clip_norm.
  int64_t peak_bytes = 0;  ///< Peak of tensors, working memory and loaded data.
  bool stopped = false;  ///< should_stop() ended the run; it can be resumed.
};

/// Given to on_step after each step.
struct StepReport {
  int64_t epoch, epochs, batch, batches, step;  ///< epoch and batch are counted from 1.
  double loss;  ///< Mean over the epoch so far.
  double batch_loss;
  double samples_per_s, seconds;  ///< In this epoch and process.
  int64_t first_batch;  ///< Batches of this epoch that an earlier process trained.
};
/// Given to on_epoch after each epoch's evaluation.
struct EpochReport {
  int64_t epoch, epochs, step;
  double train_loss, val_loss, val_accuracy;  ///< NaN without validation data.
  double seconds, samples_per_s;
  bool best;
};

/// The memory of a run at its peak, in bytes, known before its first step. The program itself and
/// its libraries are not counted, including code that oneDNN generates.
struct RunForecast {
  int64_t weights = 0, optimizer_state = 0;  ///< Weights, including buffers.
  int64_t gradients = 0, activations = 0;  ///< Parts of working memory at its peak.
  int64_t workspace = 0;  ///< Scratch memory of kernels, including oneDNN's.
  int64_t updates = 0;  ///< New values of weights and state while the former ones are still held.
  int64_t packed = 0;  ///< Weights in kernel layouts for evaluation.
  int64_t loader = 0, data = 0;  ///< Batches that wait or are in use; data sets decoded in memory.
  int64_t flops_per_step = 0;  ///< For a training step with a full batch.
  /// The part of flops_per_step that kernels save: convolutions with Winograd's algorithm.
  int64_t saved_flops_per_step = 0;
  int64_t peak() const {
    return weights + optimizer_state + gradients + activations + workspace + updates + packed +
           loader + data;
  }
};

/// "9.9 MiB: weights 966.6 KiB, optimizer state 1.8 MiB, …"
SUANLI_API std::string forecast_in_words(const RunForecast& forecast);

/// The estimated time of a run, measured on some of its steps.
struct RunTiming {
  double step = 0;  ///< Seconds of one optimizer step, including waiting for data.
  double save = 0;  ///< Seconds of a checkpoint.
  double epoch = 0;  ///< Seconds of an epoch with validation and checkpoint.
  double test = 0;  ///< Seconds of the final test.
  int64_t steps_per_epoch = 0;
  double of_run(int64_t epochs) const { return epoch * static_cast<double>(epochs) + test; }
};

/// Settings that may change when a run is resumed. Values below 0 keep the recorded one.
struct ResumeOptions {
  /// Continues even if the result will not be bit-equal to that of the undisturbed run.
  bool force = false;
  int64_t epochs = -1, checkpoint_every = -1, threads = -1, loader_threads = -1;
  double checkpoint_minutes = -1;
  /// The present location of the run's data, a path or a spec. "": the recorded location. The data
  /// are compared with the record of the run.
  std::string data;
  std::optional<Session> session;  ///< As in the constructors of Trainer.
};

/// One run in a session. The session is given, or it is a new one with the settings of the thread's
/// session. TrainConfig's device, threads and memory_limit are settings of that session. Methods
/// and callbacks run in it, flush the thread's pending work, and draw from its generator. Use a
/// trainer on one thread at a time. Several trainers may run at once.
class SUANLI_API Trainer {
 public:
  /// A new run with a model from the zoo. Everything is checked here, before anything is written.
  /// Throws ArgumentError, IoError, DeviceError, OutOfMemory.
  explicit Trainer(TrainConfig config, const std::optional<Session>& session = {});
  /// A new run with your own module, which already has its weights. Call manual_seed() before you
  /// construct it to get the same weights again.
  Trainer(nn::AnyModule model, TrainConfig config, const std::optional<Session>& session = {});
  /// Resumes a run from its last checkpoint, bit for bit. A run that was killed before its first
  /// checkpoint starts at step 0. A run whose checkpoints are gone is refused. Throws IoError if
  /// data, configuration, instruction set, numerics table or version changed, unless options.force.
  /// A run of your own module needs that module.
  static Trainer resume(const std::string& run, const ResumeOptions& options = {});
  static Trainer resume(const std::string& run, nn::AnyModule model,
                        const ResumeOptions& options = {});
  Trainer(Trainer&&) noexcept;
  ~Trainer();

  /// Trains to the end, or until should_stop(). For a finished run it returns the result again.
  /// Throws NumericError with op and module at the first NaN or infinity. The last checkpoint is
  /// valid then.
  TrainResult run();
  /// Rehearses every program of the run (training and evaluation, full and last batch) and keeps
  /// their plans. Throws RehearsalError if the model reads values in forward(): then nothing is
  /// known in advance.
  RunForecast forecast();
  /// Rehearses one training step with a full batch, or the evaluation of one, for observers such as
  /// Explainer.
  void rehearse(bool training = true);
  /// Measures the settings that the configuration leaves open (batch_size, time) and writes them to
  /// it. run() calls it if needed. Throws OutOfMemory if the run does not fit in the available
  /// memory; TrainConfig::memory_limit overrides that.
  void autotune();
  /// Measures some steps and restores everything. The run is the same with or without this call.
  RunTiming measure();
  /// Takes only training steps, epoch after epoch, from the first batch of the first epoch: no
  /// evaluation, no checkpoint, no run folder. For profiles and benchmarks. The weights change, so
  /// do not call run() after it.
  void take_steps(int64_t steps);

  const TrainConfig& config() const;  ///< With resolved values.
  const data::Splits& data() const;
  const Session& session() const;
  nn::AnyModule& model();  ///< After run(), it has the kept weights.
  bool finished() const;  ///< The run was finished before run().
  std::string folder() const;

  std::function<void(const StepReport&)> on_step;
  std::function<void(const EpochReport&)> on_epoch;
  /// Receives lines for the user. log.txt holds them too.
  std::function<void(const std::string&)> on_message;
  /// Called after each step. true saves a checkpoint and ends run().
  std::function<bool()> should_stop;
  /// Returns seconds since a fixed moment, for checkpoint_minutes. Empty: the machine's steady
  /// clock.
  std::function<double()> clock;
  /// The loss to minimize: the zoo's, otherwise cross_entropy. label_smoothing and class_weights
  /// need the default loss.
  Loss loss;

 private:
  struct State;
  friend class TrainingLoop;
  explicit Trainer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A trained model of a run, ready for prediction.
struct TrainedModel {
  TrainConfig config;
  nn::AnyModule model;
  Shape input_shape;
  std::vector<std::string> class_names;
  models::Output output = models::Output::logits;
  std::string kind;  ///< Kind of the data, as in data::Info.
  data::Task task = data::Task::classification;
  double target_mean = 0, target_stddev = 1;  ///< For regression, as in data::Info.
  std::string encoding;  ///< For tables, as in data::OpenOptions.
  /// The epoch and step at which these weights were saved. Epoch 0: before the first epoch was
  /// complete.
  int64_t epoch = 0, step = 0;
  bool finished = false;  ///< The run is complete.
  TestTimeAugmentation tta = TestTimeAugmentation::none;  ///< The views that predict() averages.
  Loss loss;
  /// The session of predict(). A call from another session flushes before and after.
  Session session = Session::current();

  /// x [N, …input_shape], pictures in [0, 1] → probabilities [N, classes], or numbers [N] f64 in
  /// the target's unit. Computes in an InferenceMode, so several threads may call it at once.
  SUANLI_API Tensor predict(const Tensor& x) const;
};
/// Reads the kept weights of a run folder: those of the best epoch, or the last ones if no epoch
/// was evaluated yet. A finished run needs only config.toml and model.safetensors. Throws IoError.
SUANLI_API TrainedModel load_run(const std::string& run);
/// The same, with your own module for the weights.
SUANLI_API TrainedModel load_run(const std::string& run, nn::AnyModule model);

}  // namespace suanli
