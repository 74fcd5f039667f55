// SPDX-License-Identifier: Apache-2.0
// Forecast of a run's memory: every kind of program it will have is rehearsed, the full batch and
// the last one, training and evaluation.
#include <map>
#include <set>
#include <utility>

#include "base/core/faults.h"
#include "base/text/text.h"
#include "plan/rehearsal.h"
#include "runtime/storage.h"
#include "suanli/loader.h"
#include "train/run/evaluate.h"
#include "train/run/trainer_state.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/fine_tune.h"

namespace suanli {

/// Programs of one phase, and the blocks that their results take. Freed blocks are kept for the
/// next request of that size, so what counts is the most that a phase of the run needs of each.
struct Rehearsed {
  std::vector<ProgramForecast> programs;
  Blocks results;
};

namespace {

void add(Blocks& blocks, int64_t bytes, int64_t count = 1) {
  if (bytes > 0) blocks[block_size(bytes)] += count;
}
void take_larger(Blocks& into, const Blocks& phase) {
  for (auto [size, count] : phase) into[size] = std::max(into[size], count);
}
int64_t bytes_in(const Blocks& blocks) {
  int64_t bytes = 0;
  for (auto [size, count] : blocks) bytes += size * count;
  return bytes;
}

Shape batch_shape(const data::Info& info, int64_t samples) {
  Shape shape{samples};
  for (int64_t d : info.input_shape) shape.push_back(d);
  return shape;
}

/// The shape of a batch's y: classes, numbers, or shares of classes where samples are mixed.
std::pair<Shape, DType> targets_of(const data::Info& info, int64_t samples, bool mixed) {
  if (mixed) return {Shape{samples, info.classes}, f32};
  return {Shape{samples}, data::target_dtype(info.task)};
}

/// Bytes of the batches of one pass over a data set: those that wait, and the one in use.
Blocks loader_blocks(const data::Dataset& dataset, int64_t batch_size, int64_t threads,
                     bool mixed) {
  const int64_t full = dataset.size() / batch_size, rest = dataset.size() % batch_size;
  const int64_t alive = threads > 0 ? data::usual_queue(dataset.info(), batch_size) + 1 : 2;
  Blocks blocks;
  auto add_batches = [&](int64_t samples, int64_t count) {
    add(blocks, batch_shape(dataset.info(), samples).numel() * itemsize(f32), count);
    const auto [shape, dtype] = targets_of(dataset.info(), samples, mixed);
    add(blocks, shape.numel() * itemsize(dtype), count);
  };
  add_batches(batch_size, std::min(full, alive));
  if (rest > 0) add_batches(rest, 1);
  return blocks;
}

}  // namespace

std::string forecast_in_words(const RunForecast& f) {
  const std::pair<const char*, int64_t> parts[] = {{"weights", f.weights},
                                                   {"optimizer state", f.optimizer_state},
                                                   {"gradients", f.gradients},
                                                   {"activations", f.activations},
                                                   {"workspace", f.workspace},
                                                   {"updates in the making", f.updates},
                                                   {"weights in other layouts", f.packed},
                                                   {"loader", f.loader},
                                                   {"data", f.data}};
  std::string out = human_bytes(f.peak());
  int64_t other = 0;
  const char* between = ": ";
  auto add = [&](const char* name, int64_t bytes) {
    out += str(std::exchange(between, ", "), name, " ", human_bytes(bytes));
  };
  for (const auto& [name, bytes] : parts)
    if (bytes >= f.peak() / 1000) add(name, bytes);
    else other += bytes;  // nobody looks for a thousandth
  if (other > 0) add("other", other);
  return out;
}

data::Batch TrainingLoop::rehearsed_batch(Rehearsal& rehearsal, int64_t samples, bool mixed) const {
  const data::Info& info = s_.splits.train->info();
  const auto [shape, dtype] = targets_of(info, samples, mixed);
  return {rehearsal.leaf(batch_shape(info, samples), f32), rehearsal.leaf(shape, dtype)};
}

/// The first epoch from now on, and those in which parameters stay behind.
std::vector<int64_t> TrainingLoop::epochs_with_other_programs() const {
  std::set<int64_t> epochs = {s_.checkpoint.progress.epoch};
  for (auto& [parameter, trained] : s_.trained_until)
    if (trained > *epochs.begin() && trained < s_.config.epochs) epochs.insert(trained);
  return {epochs.begin(), epochs.end()};
}

Rehearsed TrainingLoop::rehearse_training(int64_t samples, int64_t epoch) {
  s_.train_mode(epoch);
  Rehearsal rehearsal;
  const bool mixed = data::augment_from_text(s_.config.augment).mixes();
  // held until the update, as a step holds them: what is held leaves the program
  std::vector<Tensor> losses;
  for (int64_t left = samples; left > 0; left -= s_.config.batch_size) {
    const int64_t count = std::min(left, s_.config.batch_size);
    const double share = static_cast<double>(count) / static_cast<double>(samples);
    losses.push_back(record_gradients(rehearsed_batch(rehearsal, count, mixed), share));
  }
  // a step on which it comes into play
  record_update(std::max<int64_t>(0, s_.config.lookahead - 1));
  flush();
  return {rehearsal.programs(), rehearsal.results()};
}

Rehearsed TrainingLoop::rehearse_evaluation(int64_t samples, const EvaluateOptions& options) {
  InferenceMode inference;
  Rehearsal rehearsal;
  const EvaluatedBatch kept =
      evaluated(s_.model, rehearsed_batch(rehearsal, samples, false), options);
  flush();
  return {rehearsal.programs(), rehearsal.results()};
}

void TrainingLoop::rehearse(bool training) {
  if (training) rehearse_training(s_.config.batch_size * s_.config.accumulate, s_.progress().epoch);
  else rehearse_evaluation(s_.config.batch_size, evaluation());
}

void TrainingLoop::judge_last_batch() {
  const int64_t batch = s_.config.batch_size, samples = s_.splits.train->size();
  if (s_.judged_batch == batch) return;
  s_.judged_batch = batch;
  s_.leaves_one_out = false;
  if (batch > 1 && samples % batch != 1) return;
  const int64_t epoch = s_.progress().epoch;
  try {
    rehearse_training(1, epoch);
    return;
  } catch (const RehearsalError&) {
    return;  // nothing is known
  } catch (const ShapeError& e) {
    if (batch == 1 || samples == 1) {
      Fault fault = with_advice(
          e.fault(), str("The model cannot be trained with batches of one sample. ",
                         batch == 1 ? "Use larger batches." : "Use more training samples."));
      if (batch == 1) fault.settings = {"batch_size"};
      throw IoError(fault);
    }
  }
  try {
    // throws where the size of the batch is not to blame
    rehearse_training(std::min(samples - 1, batch), epoch);
  } catch (const RehearsalError&) {}  // nothing more is known
  s_.leaves_one_out = true;
}

int64_t TrainingLoop::data_bytes() const {
  return s_.splits.train->bytes_held() + (s_.splits.test ? s_.splits.test->bytes_held() : 0);
}

RunForecast TrainingLoop::forecast() {
  judge_last_batch();
  RunForecast f;
  const EvaluateOptions eval = evaluation();
  Blocks results, batches, packed;
  std::map<std::pair<const void*, uint64_t>, int64_t> layouts;
  int64_t arena = -1;
  auto count = [&](const Rehearsed& phase) {
    for (const ProgramForecast& p : phase.programs) {
      layouts.insert(p.packed.begin(), p.packed.end());
      if (p.arena_bytes <= arena) continue;
      arena = p.arena_bytes;
      f.gradients = p.gradient_bytes;
      f.workspace = p.workspace_bytes;
      f.activations = arena - f.gradients - f.workspace;
    }
    take_larger(results, phase.results);
  };
  auto each_size = [](int64_t samples, int64_t batch_size, auto&& rehearse) {
    if (samples >= batch_size) rehearse(batch_size);
    if (samples % batch_size != 0) rehearse(samples % batch_size);
  };

  bool first = true;
  each_size(s_.samples_per_epoch(), s_.config.batch_size * s_.config.accumulate,
            [&](int64_t samples) {
              for (int64_t epoch : epochs_with_other_programs()) {
                const Rehearsed phase = rehearse_training(samples, epoch);
                if (first)
                  for (const ProgramForecast& p : phase.programs) {
                    f.flops_per_step += p.flops;
                    f.saved_flops_per_step += p.saved_flops;
                  }
                first = false;
                count(phase);
              }
            });
  take_larger(batches,
              loader_blocks(*s_.splits.train, s_.config.batch_size, s_.config.loader_threads,
                            data::augment_from_text(s_.config.augment).mixes()));
  for (const auto& [split, options] :
       {std::pair(s_.splits.val, eval), std::pair(s_.splits.test, final_evaluation())}) {
    if (!split || split->size() == 0) continue;
    each_size(split->size(), eval.batch_size,
              [&](int64_t samples) { count(rehearse_evaluation(samples, options)); });
    take_larger(batches, loader_blocks(*split, eval.batch_size, eval.loader_threads, false));
  }

  Blocks weights;
  for (auto& [name, value] : values_of(s_.model))
    add(weights, value.numel() * itemsize(value.dtype()));
  f.weights = bytes_in(weights);
  for (auto& [layout, bytes] : layouts) add(packed, bytes);
  f.packed = bytes_in(packed);
  f.optimizer_state = s_.optimizer->state_bytes() + (s_.average ? s_.average->bytes() : 0);
  f.updates = bytes_in(results);
  f.loader = bytes_in(batches);
  f.data = data_bytes();
  return f;
}

}  // namespace suanli
