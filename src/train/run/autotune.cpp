// SPDX-License-Identifier: Apache-2.0
// Settings that a configuration leaves to measurement: the batch size, and the epochs that fit into
// a time.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/core/faults.h"
#include "base/system/machine_memory.h"
#include "base/text/text.h"
#include "runtime/session.h"
#include "tensor/node.h"
#include "train/run/trainer_state.h"
#include "train/settings/config.h"

namespace suanli {

namespace {

std::string words_for(double seconds) {
  // std::to_chars, for printf would write the locale's decimal point
  auto with = [](double v, const char* unit) {
    char text[32];
    return std::string(
               text,
               std::to_chars(text, text + sizeof text, v, std::chars_format::general, 3).ptr) +
           unit;
  };
  return seconds < 1     ? with(seconds * 1e3, " ms")
         : seconds < 120 ? with(seconds, " s")
                         : with(seconds / 60, " min");
}

/// Memory that a run may take beside what is held: the limit of its session, or less.
MemoryLeft memory_for_runs(const Session& session) {
  MemoryLeft left = memory_left();
  const MemoryUse use = session.memory_use();
  if (use.limit > 0 && use.limit - use.tensors - use.arena < left.bytes)
    left = {std::max<int64_t>(0, use.limit - use.tensors - use.arena),
            "the memory limit of the session"};
  return left;
}

/// Bytes of a model's values that another session pays for.
int64_t bytes_charged_elsewhere(nn::Module& model, const Session& session) {
  int64_t bytes = 0;
  for (auto& [name, value] : model.state_dict()) {
    const Tensor t = value.value();
    const Storage* s = t.materialized() ? t.node()->out(t.index()).storage : nullptr;
    if (s && s->account != &*session.state().account) bytes += block_size(s->bytes);
  }
  return bytes;
}

/// `fault` with what helps against too little memory.
DoesNotFit too_little_memory(Fault fault) {
  fault.remedy =
      "Use smaller batches, smaller samples (?size=) or a smaller model. A memory limit says how "
      "much may be used all the same.";
  fault.settings = {"batch_size", "accumulate", "model", "memory_limit"};
  return DoesNotFit(std::move(fault));
}

}  // namespace

void Trainer::State::note(const std::string& line) { splits.notes.push_back(line); }

void Trainer::State::require_memory_for_weights() {
  int64_t weights = 0, trained = 0;
  if (!custom_model)  // whose weights are there already
    for (auto& [name, p] : model.state_dict()) weights += p.shape().numel() * itemsize(p.dtype());
  if (config.freeze.empty())  // else who is trained is decided later
    for (const Parameter& p : model.parameters())
      trained += p.requires_grad() ? p.shape().numel() * itemsize(p.dtype()) : 0;
  const int64_t states = config.optimizer.starts_with("adam") ? 2 : config.momentum > 0 ? 1 : 0;
  const int64_t state = states * trained + (config.ema > 0 || config.lookahead > 0 ? weights : 0);
  const MemoryLeft left = memory_for_runs(session);
  const int64_t allowed = config.memory_limit > 0 ? config.memory_limit : left.bytes;
  if (weights + state <= allowed) return;
  if (!custom_model) drop_pending();  // or the next flush would compute them
  const bool limited = config.memory_limit > 0;
  throw too_little_memory(
      {.argument = limited ? "memory_limit" : "memory",
       .given = limited ? human_bytes(allowed) : str(left.by, " leaves ", human_bytes(allowed)),
       .expected = str(human_bytes(weights + state - allowed), " more: ", config.model,
                       " on samples of shape ", splits.train->info().input_shape, " has ",
                       human_bytes(weights), " of weights and ", human_bytes(state),
                       " of optimizer state")});
}

void Trainer::State::refuse_for_memory(const OutOfMemory& e) {
  if (!custom_model) drop_pending();  // or the next flush would compute it
  throw too_little_memory(fault_in(
      str("memory: ", config.model, " on samples of shape ", splits.train->info().input_shape),
      e.fault()));
}

int64_t TrainingLoop::held_bytes() const {
  const MemoryUse use = s_.session.memory_use();
  return use.tensors + use.arena + bytes_charged_elsewhere(s_.model, s_.session) + data_bytes();
}

void TrainingLoop::require_memory() {
  RunForecast f;
  try {
    f = forecast();
  } catch (const RehearsalError&) { return; }  // nothing is known
  // Where the user set a limit, settle_memory() has compared with that.
  const int64_t held = held_bytes();
  const MemoryLeft left = memory_for_runs(s_.session);
  if (s_.config.memory_limit == 0 && f.peak() - held > left.bytes)
    throw too_little_memory(
        {.argument = "memory",
         .given = str(left.by, " leaves ", human_bytes(left.bytes)),
         .expected = str(human_bytes(f.peak() - held), " beside the ", human_bytes(held),
                         " that are there: the run needs ", forecast_in_words(f))});
  s_.forecast = f;
}

void TrainingLoop::settle_batch() {
  TrainConfig& c = s_.config;
  const int64_t all = memory_for_runs(s_.session).bytes / 10 * 9 + held_bytes(),
                recipe = c.batch_size, left = c.memory_limit > 0 ? c.memory_limit : all,
                samples = s_.splits.train->size();
  // A step learns from its batch as a whole, so an epoch of a handful of steps learns little,
  // however fast it is.
  const int64_t largest = std::max<int64_t>(16, std::min<int64_t>(1024, samples / 20));
  struct Trial {
    int64_t batch, peak;
    double rate;
  };
  std::vector<Trial> trials;
  Trial best{0, 0, 0};
  std::string tried;
  for (int64_t batch = 16; batch <= largest; batch *= 2) {
    c.batch_size = batch;
    int64_t peak = 0;
    try {
      peak = forecast().peak();
    } catch (const OutOfMemory&) {  // not even for the optimizer's state, which the forecast makes
      peak = std::numeric_limits<int64_t>::max();
    }
    if (peak > left) {
      tried += str(tried.empty() ? "" : ", ", batch,
                   peak == std::numeric_limits<int64_t>::max() ? " needs more"
                                                               : str(" needs ", human_bytes(peak)));
      break;
    }
    const double rate =
        static_cast<double>(std::min(samples, batch * c.accumulate)) / measure().step;
    trials.push_back({batch, peak, rate});
    best.rate = std::max(best.rate, rate);
    tried += str(tried.empty() ? "" : ", ", batch, " ", std::llround(rate), "/s");
  }
  if (trials.empty())
    throw DoesNotFit({.argument = "batch_size",
                      .given = "auto",
                      .expected = str("a batch of 16 to fit into ", human_bytes(left), "; ",
                                      c.model, " on samples of shape ",
                                      s_.splits.train->info().input_shape, " with batch ", tried),
                      .remedy = "Use a smaller model or smaller pictures, or set the batch size.",
                      .settings = {"model", "batch_size"}});
  // A tenth of the speed buys more steps per epoch; beyond that the larger batch wins.
  for (const Trial& t : trials)
    if (t.rate >= 0.9 * best.rate) {
      best = t;
      break;
    }
  c.batch_size = best.batch;
  s_.note(str("batch ", best.batch, ": within a tenth of the fastest, in ", human_bytes(best.peak),
              " (samples: ", tried, ")"));
  if (s_.lr_unresolved && best.batch != recipe) s_.note(scale_lr(c, recipe));
  s_.make_optimizer();  // with that learning rate
}

void TrainingLoop::settle_epochs() {
  TrainConfig& c = s_.config;
  const RunTiming timing = measure();
  constexpr double kReserve = 0.95;  // the rest: checkpoints, and a machine that others use too
  const double budget = kReserve * (c.time - s_.seconds()) - timing.test;
  c.epochs = std::max<int64_t>(1, static_cast<int64_t>(budget / timing.epoch));
  std::string line = str("time ", words_for(c.time), ": a step takes ", words_for(timing.step),
                         ", an epoch ", words_for(timing.epoch));
  if (budget < timing.epoch) {
    const double validation =
        timing.epoch - timing.step * static_cast<double>(timing.steps_per_epoch);
    c.max_steps = std::max<int64_t>(1, static_cast<int64_t>((budget - validation) / timing.step));
    line += str(", which does not fit: the run ends after ", c.max_steps, " of its ",
                timing.steps_per_epoch, " steps");
  } else {
    line += str(", so that ", c.epochs, " epochs fit");
  }
  s_.note(line);
}

void TrainingLoop::settle_memory() {
  const int64_t limit = s_.config.memory_limit;
  auto needed = [&] {
    try {
      return forecast();
    } catch (const RehearsalError& e) {
      throw ArgumentError(with_advice(e.fault(),
                                      str("The memory limit of ", human_bytes(limit),
                                          " takes a run whose memory is known beforehand."),
                                      {"memory_limit"}));
    }
  };
  const RunForecast usual = needed();
  if (usual.peak() <= limit) return;
  const int64_t working = usual.gradients + usual.activations + usual.workspace;
  s_.session.set_working_memory_limit(std::max<int64_t>(1, working - (usual.peak() - limit)));
  const RunForecast f = needed();
  if (f.peak() > limit)
    throw DoesNotFit(
        {.argument = "memory_limit",
         .given = human_bytes(limit),
         .expected = str(human_bytes(f.peak() - limit), " more: ", forecast_in_words(f)),
         .remedy = "All is computed again that can be. Use smaller batches, a smaller model or a "
                   "higher limit.",
         .settings = {"batch_size", "accumulate", "model", "memory_limit"}});
  s_.note(str("memory limit ", human_bytes(limit), ": ", human_bytes(f.peak()), " instead of ",
              human_bytes(usual.peak()), ", for ", human_flops(f.flops_per_step),
              " per step instead of ", human_flops(usual.flops_per_step)));
}

void TrainingLoop::autotune() {
  Trainer::State& s = s_;
  if (s.config.memory_limit > 0 && !s.batch_size_unresolved) settle_memory();
  const bool begun = s.folder != nullptr;  // then its config.toml says what was chosen
  if (!begun && s.batch_size_unresolved) settle_batch();
  s.batch_size_unresolved = false;
  if (!s.forecast) {  // else this was called before
    judge_last_batch();
    if (s.leaves_one_out)
      s.note(
          "the last batch of an epoch would be a single sample, which has no variance to normalize "
          "by: each epoch leaves one sample out");
    require_memory();
  }
  if (!begun && s.config.time > 0 && s.epochs_open) settle_epochs();
  s.epochs_open = false;
}

int64_t TrainingLoop::peak_bytes() const {
  return s_.session.memory_use().peak + bytes_charged_elsewhere(s_.model, s_.session) +
         data_bytes();
}

void Trainer::autotune() {
  State& s = *state_;
  const Session::Use use(s.session);
  if (s.finished) return;
  try {
    TrainingLoop(*this, s).autotune();
  } catch (const DoesNotFit&) { throw; } catch (const OutOfMemory& e) {
    s.refuse_for_memory(e);
  }
}

}  // namespace suanli
