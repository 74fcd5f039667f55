// SPDX-License-Identifier: Apache-2.0
// The training loop: steps, epochs, checkpoints, and the end of a run.
#include <cmath>
#include <limits>

#include "base/system/stopwatch.h"
#include "base/text/text.h"
#include "io/safetensors.h"
#include "runtime/profiler.h"
#include "train/run/evaluate.h"
#include "train/run/trainer_state.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/fine_tune.h"
#include "train/stored/result.h"
#include "train/stored/stored_run.h"

namespace suanli {

namespace {

constexpr int64_t kWindow = 50;  // steps per row of metrics.jsonl
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class CheckNan {
 public:
  explicit CheckNan(Session session) : session_(session), before_(session.check_nan()) {
    session_.set_check_nan(true);
  }
  ~CheckNan() { session_.set_check_nan(before_); }
  CheckNan(const CheckNan&) = delete;

 private:
  Session session_;
  const bool before_;
};

/// While it lives, the model has the average's weights.
class AverageInPlace {
 public:
  // null: the weights themselves are kept
  explicit AverageInPlace(optim::WeightAverage* average) : average_(average) {
    if (average_) average_->swap();
  }
  ~AverageInPlace() {
    if (average_) average_->swap();
  }
  AverageInPlace(const AverageInPlace&) = delete;

 private:
  optim::WeightAverage* average_;
};

}  // namespace

TrainResult TrainingLoop::run() {
  if (!s_.folder) {
    s_.begin();
  } else if (s_.checkpoint.model.name.empty()) {
    manual_seed(static_cast<uint64_t>(s_.config.seed), 1);
    s_.save(false);
  } else {
    // The run may go on on another thread than the one that read it, or after other draws here.
    default_generator().set_state(s_.progress().generator_seed, s_.progress().generator_counter);
  }
  s_.saved_at = clock();
  Progress& p = s_.progress();
  for (const std::string& note : s_.resume_notes) log(note);
  if (s_.resumed)
    log(str("continues at step ", p.step, " (epoch ", p.epoch + 1, ", batch ", p.batch, " of ",
            s_.batches(), ")"));
  else log(str("starts: ", s_.model.parameter_count(), " parameters"));

  if (!s_.trained()) say_forecast();
  while (!s_.trained()) {
    const bool epoch_left = p.batch < s_.batches() && !s_.steps_used_up();
    if ((epoch_left && train_epoch() == Outcome::stopped) || finish_epoch() == Outcome::stopped)
      return stopped();
  }
  if (s_.out_of_patience() && p.epoch < s_.config.epochs)
    log(str("ended after epoch ", p.epoch, ": no better validation since epoch ",
            s_.checkpoint.best.epoch));
  return finish();
}

void TrainingLoop::save(bool is_best) {
  s_.save(is_best);
  s_.saved_at = clock();
}

void TrainingLoop::say_forecast() {
  try {
    const RunForecast f = s_.forecast ? *s_.forecast : forecast();
    flops_per_step_ = f.flops_per_step;
    saved_flops_per_step_ = f.saved_flops_per_step;
    log("predicted peak memory " + forecast_in_words(f));
    log(str("a training step takes ", human_flops(f.flops_per_step)));
  } catch (const RehearsalError& e) {
    log(str("peak memory and FLOPs are not known beforehand: ", e.what()));
  }
}

Tensor TrainingLoop::record_gradients(const data::Batch& batch, double share) {
  Tensor loss;
  {
    ProfilerSpan span(s_.session, "forward");
    const Tensor output = s_.model(normalized(batch.x, s_.config.mean, s_.config.stddev));
    loss = s_.training_loss ? s_.training_loss(output, batch.y) : t_.loss(output, batch.y);
  }
  ProfilerSpan span(s_.session, "backward");
  if (share == 1 && !s_.class_weights.some_are_0) loss.backward();
  else (loss * share).backward();
  return loss;
}

Tensor TrainingLoop::record_update(int64_t index) {
  ProfilerSpan span(s_.session, "optimizer");
  const TrainConfig& c = s_.config;
  const int64_t steps = s_.steps_in_all();
  s_.optimizer->lr = c.lr * s_.schedule.factor(std::min(index, steps - 1), steps);
  Tensor norm;
  if (c.clip_norm > 0) norm = optim::clip_grad_norm_(s_.optimizer->parameters(), c.clip_norm);
  if (c.clip_value > 0) optim::clip_grad_value_(s_.optimizer->parameters(), c.clip_value);
  s_.optimizer->step();
  if (c.ema > 0) {
    // It looks back no further than the run is long (as TensorFlow's ExponentialMovingAverage given
    // num_updates): a short run's average would else be what the weights began as.
    const auto done = static_cast<double>(index);
    s_.average->update(std::min(c.ema, (1 + done) / (10 + done)));
  }
  if (c.lookahead > 0) {
    // Jordan 2024 (airbench): the average hardly remembers at first, so that its weights never lag
    // behind far; at the end it is the result.
    const int64_t done = index + 1;
    // A rehearsal records a step that a short run does not reach.
    const double passed = std::min(1.0, static_cast<double>(done) / static_cast<double>(steps));
    if (done % c.lookahead == 0)
      s_.average->update(std::pow(0.95, c.lookahead) * std::pow(passed, 3));
    if (done % c.lookahead == 0 || done == steps) s_.average->copy_to_module();
  }
  return norm;
}

double TrainingLoop::weight_of(const data::Batch& batch) const {
  double sum = 0;
  for (int64_t label : batch.y.data<int64_t>())
    sum += s_.class_weights.values.at(static_cast<size_t>(label));
  return sum;
}

double TrainingLoop::weight_of(const data::Loader& loader, int64_t first, int64_t count) {
  if (ordered_epoch_ != loader.epoch()) {
    order_ = loader.options().sampler->order(loader.epoch());
    ordered_epoch_ = loader.epoch();
  }
  double sum = 0;
  for (int64_t i = first; i < first + count; ++i)
    sum += s_.class_weights.values.at(
        static_cast<size_t>(loader.dataset().label(order_[static_cast<size_t>(i)])));
  return sum;
}

double TrainingLoop::share_of(const data::Batch& batch, const data::Loader& loader, int64_t first,
                              int64_t wanted) {
  const int64_t samples = batch.x.size(0);
  ClassWeights& weights = s_.class_weights;
  if (!weights.any()) return static_cast<double>(samples) / static_cast<double>(wanted);
  // The loss of a batch is divided by the batch's weight. Its share makes that the weight of all
  // samples of the step, so that several batches give the gradients of one.
  const double weight = weight_of(batch),
               all = samples == wanted ? weight : weight_of(loader, first, wanted);
  // A weight of 0 would divide 0 by 0; equal weights give such a batch a loss of which a share of 0
  // is taken, by the same program.
  weights.used = weight == 0 ? weights.equal : weights.usual;
  return weight == 0 ? 0 : weight / all;
}

/// Ends with an empty recorder: the optimizer flushes.
std::optional<TrainingLoop::Step> TrainingLoop::step(data::Loader& loader, int64_t batch,
                                                     int64_t index) {
  const TrainConfig& c = s_.config;
  const int64_t first = batch * c.batch_size,
                wanted = std::min(s_.samples_per_epoch() - first, c.accumulate * c.batch_size);
  if (wanted <= 0) return std::nullopt;
  auto read = [&] {
    ProfilerSpan span(s_.session, "data");
    data::Batch next;
    loader.next(next);
    return next;
  };
  data::Batch next = read();
  ProfilerSpan span(s_.session, "step");
  Step made{.loss = 0, .grad_norm = kNaN, .samples = 0, .batches = 0};
  std::vector<std::pair<Tensor, double>> losses;
  while (true) {
    const int64_t samples = next.x.size(0);
    const double share = share_of(next, loader, first, wanted);
    losses.emplace_back(record_gradients(next, share), share);
    next = {};  // nothing needs it any more but what was recorded
    made.samples += samples;
    ++made.batches;
    if (made.samples >= wanted) break;
    next = read();
  }
  const Tensor norm = record_update(index);
  // After the update: reading earlier would cut the program in two.
  for (auto& [loss, share] : losses) made.loss += static_cast<double>(loss.item()) * share;
  if (norm.defined()) made.grad_norm = static_cast<double>(norm.item());
  return made;
}

void TrainingLoop::take_steps(int64_t steps) {
  judge_last_batch();
  data::Loader batches = training_loader(s_.config.loader_threads);
  int64_t taken = 0;
  for (int64_t epoch = 0; taken < steps; ++epoch) {
    s_.train_mode(epoch);
    batches.start(epoch);
    int64_t batch = 0;
    while (taken < steps) {
      const auto made = step(batches, batch, taken);
      if (!made) break;
      batch += made->batches;
      ++taken;
    }
  }
}

data::Loader TrainingLoop::training_loader(int64_t threads) const {
  return data::Loader(s_.splits.train, {.batch_size = s_.config.batch_size,
                                        .shuffle = true,
                                        .seed = static_cast<uint64_t>(s_.config.seed),
                                        .threads = static_cast<int>(threads),
                                        .drop_last = s_.leaves_one_out,
                                        .augment = data::augment_from_text(s_.config.augment),
                                        .sampler = s_.sampler});
}

TrainingLoop::Outcome TrainingLoop::train_epoch() {
  Progress& p = s_.progress();
  s_.train_mode(p.epoch);
  data::Loader loader = training_loader(s_.config.loader_threads);
  loader.start(p.epoch, p.batch);
  first_batch_ = p.batch;
  epoch_samples_ = 0;
  epoch_train_seconds_ = 0;
  while (!s_.steps_used_up()) {
    Stopwatch watch;
    const double waited = loader.wait_seconds();
    const auto made = step(loader, p.batch, p.step);
    if (!made) break;
    if (!std::isfinite(made->loss))
      explain_bad_number(p.step + 1,
                         str("the loss became ", std::isnan(made->loss) ? "nan" : "infinite"));
    account(*made, watch.seconds(), loader.wait_seconds() - waited);
    report_step(made->loss);
    const bool stop = asked_to_stop();
    const bool by_steps =
        s_.config.checkpoint_every > 0 && p.step % s_.config.checkpoint_every == 0;
    const bool by_time = s_.config.checkpoint_minutes > 0 &&
                         clock() - s_.saved_at >= 60 * s_.config.checkpoint_minutes;
    if (stop || by_steps || by_time) {
      try {
        save(false);
      } catch (const NumericError& e) {
        explain_bad_number(p.step, str(e.argument(), " became ", e.given()));
      }
    }
    if (stop) return Outcome::stopped;
  }
  return Outcome::done;
}

void TrainingLoop::account(const Step& made, double seconds, double waited) {
  Progress& p = s_.progress();
  p.batch += made.batches;
  ++p.step;
  p.samples += made.samples;
  p.epoch_loss += made.loss * static_cast<double>(made.samples);
  p.epoch_samples += made.samples;
  p.window_loss += made.loss;
  p.train_seconds += seconds;
  p.wait_seconds += waited;
  if (s_.config.clip_norm > 0) {
    p.grad_norm += made.grad_norm;
    p.clipped += made.grad_norm > s_.config.clip_norm;
  }
  epoch_train_seconds_ += seconds;
  epoch_samples_ += made.samples;
  if (++p.window_steps == kWindow) write_window();
}

void TrainingLoop::write_window() {
  Progress& p = s_.progress();
  s_.folder->add_metrics(
      Json::Object{{"step", p.step},
                   {"epoch", p.epoch + 1},
                   {"split", "train"},
                   {"loss", p.window_loss / static_cast<double>(p.window_steps)},
                   {"lr", s_.optimizer->lr},
                   {"samples_per_s", static_cast<double>(p.samples) / p.train_seconds},
                   {"wall", s_.seconds()}});
  p.window_loss = 0;
  p.window_steps = 0;
}

void TrainingLoop::report_step(double loss) {
  if (!t_.on_step) return;
  const Progress& p = s_.progress();
  t_.on_step({.epoch = p.epoch + 1,
              .epochs = s_.config.epochs,
              .batch = p.batch,
              .batches = s_.batches(),
              .step = p.step,
              .loss = p.epoch_loss / static_cast<double>(p.epoch_samples),
              .batch_loss = loss,
              .samples_per_s = static_cast<double>(epoch_samples_) / epoch_train_seconds_,
              .seconds = epoch_train_seconds_,
              .first_batch = first_batch_});
}

TrainingLoop::Outcome TrainingLoop::finish_epoch() {
  Progress& p = s_.progress();
  Best& best = s_.checkpoint.best;
  EpochReport report{
      .epoch = p.epoch + 1,
      .epochs = s_.config.epochs,
      .step = p.step,
      .train_loss = p.epoch_loss / static_cast<double>(p.epoch_samples),
      .val_loss = kNaN,
      .val_accuracy = kNaN,
      .seconds = epoch_train_seconds_,
      .samples_per_s =
          epoch_train_seconds_ > 0 ? static_cast<double>(epoch_samples_) / epoch_train_seconds_ : 0,
      .best = true};
  Evaluation val;
  val.balanced_accuracy = val.rmse = kNaN;
  if (s_.splits.val) {
    Stopwatch watch;
    {
      AverageInPlace kept(s_.config.ema > 0 ? &*s_.average : nullptr);
      val = evaluate(s_.model, s_.splits.val, evaluation());
    }
    // asked to stop: the evaluation is made again when the run goes on
    if (val.samples < s_.splits.val->size()) {
      save(false);
      return Outcome::stopped;
    }
    report.val_loss = val.loss;
    report.val_accuracy = val.accuracy;
    report.seconds += watch.seconds();
    const bool by_loss = std::isnan(val.accuracy) || val.accuracy == best.accuracy;
    report.best =
        best.epoch == 0 || (by_loss ? val.loss < best.loss : val.accuracy > best.accuracy);
  }
  if (p.window_steps > 0) write_window();
  if (s_.splits.val)
    s_.folder->add_metrics(Json::Object{{"step", p.step},
                                        {"epoch", report.epoch},
                                        {"split", "val"},
                                        {"loss", val.loss},
                                        {"accuracy", val.accuracy},
                                        {"wall", s_.seconds()}});
  // The position moves with the evaluation, so a checkpoint never lies between the two.
  p.train_loss = report.train_loss;
  ++p.epoch;
  p.batch = 0;
  p.epoch_loss = 0;
  p.epoch_samples = 0;
  if (report.best)
    best = {report.epoch, p.step, val.loss, val.accuracy, val.balanced_accuracy, val.rmse};
  try {
    save(report.best);
  } catch (const NumericError& e) {
    explain_bad_number(p.step, str(e.argument(), " became ", e.given()));
  }
  s_.folder->log(str("epoch ", report.epoch, ": train loss ", report.train_loss, ", val loss ",
                     val.loss, ", val accuracy ", val.accuracy));
  if (t_.on_epoch) t_.on_epoch(report);
  return asked_to_stop() ? Outcome::stopped : Outcome::done;
}

EvaluateOptions TrainingLoop::evaluation() const {
  const data::Info& info = s_.splits.train->info();
  return {.batch_size = evaluation_batch(s_.config.batch_size, info.input_shape),
          .loader_threads = s_.config.loader_threads,
          .mean = s_.config.mean,
          .stddev = s_.config.stddev,
          .loss = t_.loss,
          .classes = info.task == data::Task::classification ? info.classes : 0,
          .should_stop = t_.should_stop};
}

EvaluateOptions TrainingLoop::final_evaluation() const {
  EvaluateOptions options = evaluation();
  options.tta = tta_from_text(s_.config.tta);
  return options;
}

TrainResult TrainingLoop::result_so_far() {
  const Progress& p = s_.progress();
  const Best& best = s_.checkpoint.best;
  TrainResult r;
  r.run = s_.folder->path();
  r.model = s_.config.model;
  r.epochs = p.epoch;
  r.steps = p.step;
  r.best_epoch = best.epoch;
  r.seconds = s_.seconds();
  r.train_loss = p.epoch > 0 ? p.train_loss : kNaN;
  r.val_loss = s_.splits.val && best.epoch > 0 ? best.loss : kNaN;
  r.val_accuracy = s_.splits.val && best.epoch > 0 ? best.accuracy : kNaN;
  r.val_balanced_accuracy = s_.splits.val && best.epoch > 0 ? best.balanced_accuracy : kNaN;
  r.val_rmse = s_.splits.val && best.epoch > 0 ? best.rmse : kNaN;
  r.test_loss = r.test_accuracy = r.test_balanced_accuracy = r.test_rmse = kNaN;
  r.samples_per_s = p.train_seconds > 0 ? static_cast<double>(p.samples) / p.train_seconds : 0;
  r.data_wait = p.train_seconds > 0 ? p.wait_seconds / p.train_seconds : 0;
  const auto samples_per_step = static_cast<double>(
      std::min(s_.config.batch_size * s_.config.accumulate, s_.samples_per_epoch()));
  auto rate = [&](int64_t flops) {
    return flops_per_step_ > 0 ? static_cast<double>(flops) / samples_per_step * r.samples_per_s
                               : kNaN;
  };
  r.flops_per_s = rate(flops_per_step_);
  r.executed_flops_per_s = rate(flops_per_step_ - saved_flops_per_step_);
  const bool clips = s_.config.clip_norm > 0 && p.step > 0;
  r.grad_norm = clips ? p.grad_norm / static_cast<double>(p.step) : kNaN;
  r.clipped = clips ? static_cast<double>(p.clipped) / static_cast<double>(p.step) : 0;
  r.peak_bytes = peak_bytes();
  return r;
}

TrainResult TrainingLoop::stopped() {
  TrainResult r = result_so_far();
  r.stopped = true;
  s_.folder->log(str("stopped at step ", r.steps, "; checkpoint saved"));
  return r;
}

TrainResult TrainingLoop::finish() {
  const Checkpoint& c = s_.checkpoint;
  if (c.best_model.name != c.model.name) load_weights(s_.model, *s_.checkpoints, c.best_model);
  TrainResult r = result_so_far();
  if (s_.splits.test) {
    Evaluation test = evaluate(s_.model, s_.splits.test, final_evaluation());
    if (test.samples < s_.splits.test->size()) return stopped();
    r.test_loss = test.loss;
    r.test_accuracy = test.accuracy;
    r.test_balanced_accuracy = test.balanced_accuracy;
    r.test_rmse = test.rmse;
  }
  r.seconds = s_.seconds();
  r.peak_bytes = peak_bytes();
  write_safetensors(s_.folder->file("model.safetensors"), values_of(s_.model),
                    {{"format", "pt"},
                     {kRunRecord, run_record(s_.splits.train->info(), c.best.epoch, c.best.step)}});
  // last: its presence says that the run is finished
  write_file_atomically(s_.folder->file("summary.json"), to_json(r).dump(1) + "\n");
  s_.folder->log(str("finished: test accuracy ", r.test_accuracy, ", test loss ", r.test_loss,
                     " in ", r.seconds, " s"));
  return r;
}

void TrainingLoop::log(const std::string& line) {
  s_.folder->log(line);
  if (t_.on_message) t_.on_message(line);
}

void TrainingLoop::explain_bad_number(int64_t bad_step, const std::string& what) {
  // The checks cost time on every kernel, so they are off until something went wrong. The steps
  // since the last checkpoint are a pure function of it: taken again with the checks on, they fail
  // at the operation that made the first bad value.
  const std::optional<Checkpoint> good = s_.checkpoints->load();
  Fault fault{.argument = str("training step ", bad_step, " (epoch ", s_.progress().epoch + 1, ")"),
              .given = what,
              .settings = {"lr"}};
  s_.folder->log(str(fault.argument, ": ", what,
                     ". Taking the steps since the last checkpoint again with every operation "
                     "checked."));
  drop_pending();
  std::string found =
      "Taken again with every operation checked, the steps since the last checkpoint made no such "
      "value.";
  if (good) {
    s_.restore(*good);
    s_.progress() = good->progress;
    s_.train_mode(good->progress.epoch);
    data::Loader loader = training_loader(0);
    CheckNan check(s_.session);
    try {
      for (Progress& p = s_.progress(); p.step < bad_step; ++p.step) {
        if (p.batch == 0 || p.step == good->progress.step) loader.start(p.epoch, p.batch);
        const auto made = step(loader, p.batch, p.step);
        if (!made) break;
        p.batch += made->batches;
      }
      values_of(s_.model);
    } catch (const NumericError& e) {
      found = str("The first bad value: ", e.what(), ".");
      fault.op = e.op();
      fault.module = e.fault().module;
    }
  }
  drop_pending();
  s_.folder->log(found);
  fault.remedy = str(
      found, " The checkpoint of step ", good ? good->progress.step : 0, " in ", s_.folder->path(),
      " is good. A smaller learning rate often helps (lr = ", s_.config.lr / 10, ").");
  throw NumericError(fault);
}

}  // namespace suanli
