// SPDX-License-Identifier: Apache-2.0
// Training runs: configuration, the loop, checkpoints that survive a kill at any moment, and
// trained models read back.
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

/// Settings of a training run. Where a comment says so, 0, "" and -1 stand for the model's recipe
/// (models.h). The config.toml of a run folder holds the resolved numbers.
struct TrainConfig {
  static constexpr int64_t kAutoBatch = -1;
  std::string data = "glyphs";  ///< A spec of data::open().
  /// A name of the zoo, or your own name for a module of your own. "": that of `weights`, else one
  /// for the data.
  std::string model;
  int64_t epochs = 0;  ///< 0: the recipe's.
  /// 0: the recipe's; kAutoBatch: measured before the run, the fastest that fits the memory.
  int64_t batch_size = 0;
  /// Batches per step of the optimizer: their gradients count as one batch's of all their samples.
  int64_t accumulate = 1;
  /// "sgd", "nesterov" (sgd with Nesterov's momentum), "adam" or "adamw"; "": the recipe's.
  std::string optimizer;
  double lr = 0;  ///< 0: the recipe's.
  double momentum = -1;  ///< For sgd and nesterov. -1: the recipe's.
  /// In the gradient; of adamw apart from it, as in PyTorch. -1: the recipe's.
  double weight_decay = -1;
  /// Parameters that decay: "weights" (not biases and scales of normalizations) or "all". "": the
  /// recipe's.
  std::string decay;
  /// Factors of lr, whose decay is divided by them: "*.bias=2,0.*=0.5", names with * and ?. "none";
  /// "": the recipe's.
  std::string lr_factors;
  std::string schedule;  ///< A name of optim::schedule_from_name(); "": the recipe's.
  /// Share of the run's steps over which the learning rate rises. -1: the schedule's.
  double warmup = -1;
  /// Factors of lr where it begins and ends. -1: the schedule's.
  double lr_start = -1, lr_end = -1;
  std::string milestones;  ///< For step: shares of the run, "0.5,0.75". "": the schedule's.
  double gamma = 0;  ///< For schedule step. 0: the schedule's.
  /// Share of each target that is spread over all classes, while training. -1: the recipe's.
  double label_smoothing = -1;
  /// Weights of the loss: "none", "auto" (N / (classes · samples of the class)) or "1,2,0.5". "":
  /// none.
  std::string class_weights;
  double clip_norm = 0;  ///< Largest norm of all gradients together; 0: no limit.
  double clip_value = 0;  ///< Largest element of a gradient; 0: no limit.
  /// Decay per step of an average of the weights that is kept for them, but at most (1 + t)/(10 +
  /// t) at step t = 0, 1, …, so that a short run forgets where it began. 0: none; -1: the recipe's.
  double ema = -1;
  /// Steps after which weights return to their average (models.h, Recipe). 0: never; -1: the
  /// recipe's.
  int64_t lookahead = -1;
  /// Ends the run after so many epochs without a better validation; 0: never.
  int64_t patience = 0;
  /// Uses so many of the training and of the validation samples at most; 0: all.
  int64_t limit = 0;
  /// Trains and validates on so many batches, without other views: whoever learns gets them right.
  int64_t overfit_batches = 0;
  /// Seconds the run may take: they decide the epochs, by measurement. 0: no limit.
  double time = 0;
  /// Inputs become (x - mean) / stddev: one number for all, or one per channel. Empty: as the
  /// recipe says, from the training data.
  std::vector<double> mean, stddev;
  /// "small", "large": models::Stem. "": as the weights, else the size of the pictures ask.
  std::string stem;
  /// Initial weights: a file, see load_weights(), or the folder of a run, whose best
  /// weights are taken and whose inputs' mean and deviation, unless others are given. A head for
  /// other classes is made anew; a model that is left open is the one of the weights. "": none.
  std::string weights;
  /// Parameters that are not trained: names with * and ?, or backbone (all but the head).
  std::string freeze;
  /// Parameters that are trained for so many epochs only: "0.bias=3". "none"; "": the recipe's.
  std::string freeze_after;
  double backbone_lr = 1;  ///< Learning rate of all but the head, as a factor.
  /// For training pictures, see data::augment_from_text(). "": as usual for the data.
  std::string augment;
  std::string tta;  ///< For the test at the end: a name of tta_from_text(). "": the recipe's.
  /// Order of training samples: "random", each once, or "balanced", classes equally likely. "":
  /// random.
  std::string sampler;
  /// Weights, order of samples, validation split and dropout are functions of it.
  int64_t seed = 0;
  double val = 0.1;  ///< Fraction of the training samples that validates.
  int64_t max_steps = 0;  ///< Ends the run after so many steps; 0: no limit.
  /// Steps between checkpoints; 0: none by steps. Each epoch ends with one.
  int64_t checkpoint_every = 500;
  /// Minutes between checkpoints, besides those by steps; 0: none by time. Never changes a result.
  double checkpoint_minutes = 5;
  /// Bytes by forecast: values are computed again, with the same results, until the run fits. 0:
  /// none.
  int64_t memory_limit = 0;
  int64_t threads = 0;  ///< That compute. Results may depend on it. 0: the session's.
  int64_t loader_threads = 1;  ///< That read data. Results do not depend on it.
  std::string device = "auto";
  std::string precision = "f32";
  std::string out;  ///< The run folder; "": runs/<date>-<model>-<n>.
};

/// Result of a run.
struct TrainResult {
  std::string run, model;
  int64_t epochs = 0, steps = 0, best_epoch = 0;  ///< Epochs are counted from 1.
  double seconds = 0;  ///< Sum over all processes that worked on the run.
  double train_loss = 0;  ///< Mean over the last epoch, while it was trained.
  /// With the kept weights (the best epoch's); NaN without validation data.
  double val_loss = 0, val_accuracy = 0;
  double test_loss = 0, test_accuracy = 0;  ///< With the kept weights; NaN without test data.
  /// Evaluation::balanced_accuracy of the kept weights.
  double val_balanced_accuracy = 0, test_balanced_accuracy = 0;
  /// Evaluation::rmse of the kept weights; NaN unless targets are numbers.
  double val_rmse = 0, test_rmse = 0;
  /// Trained samples per second of training (not of evaluating or saving).
  double samples_per_s = 0;
  double data_wait = 0;  ///< Share of the training time in which it waited for data.
  double flops_per_s = 0;  ///< While training; NaN where the model's FLOPs are not known.
  double executed_flops_per_s = 0;  ///< The same without what Winograd's algorithm saves.
  double grad_norm = 0;  ///< Mean over the steps; NaN unless gradients are clipped by norm.
  double clipped = 0;  ///< Share of the steps whose gradient was longer than clip_norm.
  int64_t peak_bytes = 0;  ///< Peak of tensors, working memory and data held.
  bool stopped = false;  ///< should_stop() ended it; the run can be resumed.
};

/// Given to on_step after each step.
struct StepReport {
  int64_t epoch, epochs, batch, batches, step;  ///< epoch and batch counted from 1.
  double loss;  ///< Mean over the epoch so far.
  double batch_loss;
  double samples_per_s, seconds;  ///< In this epoch and process.
  int64_t first_batch;  ///< Batches of this epoch that an earlier process had done.
};
/// Given to on_epoch after each epoch's evaluation.
struct EpochReport {
  int64_t epoch, epochs, step;
  double train_loss, val_loss, val_accuracy;  ///< NaN without validation data.
  double seconds, samples_per_s;
  bool best;
};

/// Memory of a run at its peak, in bytes, known before its first step. Not counted: the
/// program itself and its libraries (code that oneDNN generates included).
struct RunForecast {
  int64_t weights = 0, optimizer_state = 0;  ///< Weights with buffers.
  int64_t gradients = 0, activations = 0;  ///< Parts of working memory at its peak.
  int64_t workspace = 0;  ///< Scratch memory of kernels, oneDNN's included.
  int64_t updates = 0;  ///< New values of weights and state while the old ones are still held.
  int64_t packed = 0;  ///< Weights laid out anew for evaluation.
  int64_t loader = 0, data = 0;  ///< Batches that wait or are in use; data sets decoded in memory.
  int64_t flops_per_step = 0;  ///< For a training step with a full batch.
  /// Part of flops_per_step that kernels do without: convolutions by Winograd's algorithm.
  int64_t saved_flops_per_step = 0;
  int64_t peak() const {
    return weights + optimizer_state + gradients + activations + workspace + updates + packed +
           loader + data;
  }
};

/// "9.9 MiB: weights 966.6 KiB, optimizer state 1.8 MiB, …"
SUANLI_API std::string forecast_in_words(const RunForecast& forecast);

/// The estimated time of a run, measured on a few of its steps.
struct RunTiming {
  double step = 0;  ///< Seconds of one step of the optimizer, waiting for data included.
  double save = 0;  ///< Seconds of a checkpoint.
  double epoch = 0;  ///< Seconds of an epoch with validation and checkpoint.
  double test = 0;  ///< Seconds of the test at the end.
  int64_t steps_per_epoch = 0;
  double of_run(int64_t epochs) const { return epoch * static_cast<double>(epochs) + test; }
};

/// Settings that may change when a run is resumed. Values below 0 keep the
/// recorded one.
struct ResumeOptions {
  /// Goes on although the result will not be bit-equal to the undisturbed run's.
  bool force = false;
  int64_t epochs = -1, checkpoint_every = -1, threads = -1, loader_threads = -1;
  double checkpoint_minutes = -1;
  /// Where the run's data lie now, a path or a spec; "": where they were. They are compared with
  /// what the run recorded.
  std::string data;
  std::optional<Session> session;  ///< As in Trainer's constructors.
};

/// One run in a session: in the one that is given, or in one of its own with the settings of the
/// one that the thread uses. TrainConfig's device, threads and memory_limit are settings of that
/// session. Its methods and callbacks run in it, flush what the thread has pending, and draw from
/// its generator. To be used on one thread at a time; several trainers may run at once.
class SUANLI_API Trainer {
 public:
  /// A new run with a model of the zoo. Everything is checked here, before anything is written:
  /// ArgumentError, IoError, DeviceError.
  explicit Trainer(TrainConfig config, const std::optional<Session>& session = {});
  /// A new run with a module of your own, which has its weights already (manual_seed() before
  /// making it repeats them).
  Trainer(nn::AnyModule model, TrainConfig config, const std::optional<Session>& session = {});
  /// Goes on with a run where its last checkpoint stands, bit for bit. A run that was killed before
  /// its first checkpoint begins at step 0; one whose checkpoints are gone is refused. Throws
  /// IoError "not bit-exact here: …" if data, configuration, instruction set or threads changed,
  /// unless options.force. A run of a module of your own needs that module.
  static Trainer resume(const std::string& run, const ResumeOptions& options = {});
  static Trainer resume(const std::string& run, nn::AnyModule model,
                        const ResumeOptions& options = {});
  Trainer(Trainer&&) noexcept;
  ~Trainer();

  /// Trains to the end, or until should_stop(). On a finished run: its result again. Throws
  /// NumericError naming op and module where a value first became NaN or infinite; the last
  /// checkpoint is good then.
  TrainResult run();
  /// Rehearses every program that the run will have (training and evaluation, full and last batch),
  /// which leaves their plans ready. Throws RehearsalError if the model reads values while it
  /// computes: then nothing is known beforehand.
  RunForecast forecast();
  /// Rehearses one training step with a full batch, or the evaluation of one: for those who listen,
  /// such as Explainer.
  void rehearse(bool training = true);
  /// Measures what the configuration leaves to measurement (batch_size, time) and writes it there;
  /// run() does so if nobody did. Throws IoError if the run does not fit the memory that is
  /// left; TrainConfig::memory_limit says otherwise.
  void autotune();
  /// Measures some steps and puts everything back: the run is the same whether this was called or
  /// not.
  RunTiming measure();
  /// Takes training steps and does nothing else, epoch after epoch from the first one's first
  /// batch: no evaluation, no checkpoint, no run folder. For profiles and benchmarks; the weights
  /// change, so it is no beginning of run().
  void take_steps(int64_t steps);

  const TrainConfig& config() const;  ///< Resolved.
  const data::Splits& data() const;
  const Session& session() const;
  nn::AnyModule& model();  ///< After run(): with the kept weights.
  bool finished() const;  ///< Was finished before run().
  std::string folder() const;

  std::function<void(const StepReport&)> on_step;
  std::function<void(const EpochReport&)> on_epoch;
  /// Lines for the user, which log.txt holds too.
  std::function<void(const std::string&)> on_message;
  /// Asked after each step; true saves a checkpoint and ends run().
  std::function<bool()> should_stop;
  /// Seconds since any moment, for checkpoint_minutes. Empty: the machine's steady clock.
  std::function<double()> clock;
  /// The loss that is minimized: the zoo's, else cross_entropy. label_smoothing and class_weights
  /// need the loss that is set.
  Loss loss;

 private:
  struct State;
  friend class TrainingLoop;
  explicit Trainer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A model that a run trained, ready to answer.
struct TrainedModel {
  TrainConfig config;
  nn::AnyModule model;
  Shape input_shape;
  std::vector<std::string> class_names;
  models::Output output = models::Output::logits;
  std::string kind;  ///< Kind of the data, as data::Info's.
  data::Task task = data::Task::classification;
  double target_mean = 0, target_stddev = 1;  ///< For regression, as in data::Info.
  std::string encoding;  ///< For tables, as in data::OpenOptions.
  /// When these weights were saved; epoch 0: before the first one was complete.
  int64_t epoch = 0, step = 0;
  bool finished = false;  ///< The run came to its end.
  TestTimeAugmentation tta = TestTimeAugmentation::none;  ///< The views that predict() averages.
  Loss loss;
  /// In which predict() computes. From another session it flushes before and after.
  Session session = Session::current();

  /// x [N, …input_shape], pictures in [0, 1] → probabilities [N, classes], or numbers [N] f64 in
  /// the target's unit. In an InferenceMode, so several threads may call it at once.
  SUANLI_API Tensor predict(const Tensor& x) const;
};
/// Reads a run folder's kept weights: the best epoch's, or the last ones if none was evaluated yet.
/// A finished run needs config.toml and model.safetensors only. Throws IoError.
SUANLI_API TrainedModel load_run(const std::string& run);
/// The same with a module of your own to take the weights.
SUANLI_API TrainedModel load_run(const std::string& run, nn::AnyModule model);

}  // namespace suanli
