// SPDX-License-Identifier: Apache-2.0
// Setting a run up: configuration, data, model, run folder; and picking one up again.
#include <algorithm>
#include <filesystem>

#include "base/core/faults.h"
#include "base/text/text.h"
#include "plan/explain/tuning_report.h"
#include "suanli/loader.h"
#include "train/run/trainer_state.h"
#include "train/run/tta.h"
#include "train/settings/config.h"
#include "train/settings/sample_notes.h"
#include "train/stored/dataset_summary.h"
#include "train/stored/fine_tune.h"
#include "train/stored/finite.h"
#include "train/stored/result.h"
#include "train/stored/stored_run.h"

namespace suanli {

namespace {
/// The settings that order sums: the instruction set, and the tier, since the planned one lays
/// convolutions out anew.
std::string kernels(const Session& session) {
  return isa() + (session.tier() == Tier::cold ? ", one kernel per op" : "");
}

Provenance provenance_of(const Session& session, const TrainConfig& config,
                         const data::Splits& splits) {
  return {version(),       kernels(session),
          config.threads,  deciding_fields(config),
          to_json(splits), numerics_in_force(device_from_name(config.device))};
}
}  // namespace

void Trainer::State::prepare(nn::AnyModule* own, Loss& loss,
                             const std::optional<Checkpoint>& from) {
  const bool fresh = !from;
  custom_model = own != nullptr;
  batch_size_unresolved = config.batch_size == TrainConfig::kAutoBatch;
  lr_unresolved = config.lr == 0;
  if (batch_size_unresolved) config.batch_size = 0;
  TrainConfig as_given = config;
  // what is wrong is said before the data are read
  validate(as_given, custom_model || config.model.empty());
  const Device device = device_from_name(config.device);
  session.set_device(device);
  config.device = to_string(device);
  if (config.threads > 0) session.set_threads(static_cast<int>(config.threads));
  config.threads = session.threads();
  GivenWeights given;
  if (!config.weights.empty()) {
    config.weights = std::filesystem::absolute(config.weights).lexically_normal().string();
    if (fresh) given = weights_to_adopt(config.weights);
  }
  splits = data::open(config.data,
                      {.seed = static_cast<uint64_t>(config.seed), .val_fraction = config.val});
  const data::Info& info = splits.train->info();
  if (from) require_data_of_run(from->provenance.data, splits, config.out);
  const bool batch_given = batch_size_unresolved || config.batch_size > 0;
  require_like_samples(given, info);
  if (config.model.empty() && given.any()) choose_model_of(given);
  apply_data_defaults(config, custom_model, batch_size_unresolved, *splits.train, splits.notes);
  validate(config, custom_model);
  config.data = with_absolute_path(info.source);
  if (splits.train->size() == 0)
    throw IoError({.argument = config.data,
                   .given = str("no training samples left with val = ", config.val),
                   .expected = "at least one",
                   .settings = {"val"}});
  const models::Entry* entry = custom_model ? nullptr : &models::entry(config.model);
  if (entry && lr_unresolved && !batch_given && config.batch_size != entry->recipe.batch_size)
    splits.notes.push_back(scale_lr(config, entry->recipe.batch_size));
  if (given.of_run && config.stem.empty() && config.model == given.model) config.stem = given.stem;
  // what these weights are used to
  if (given.of_run && config.stddev.empty()) {
    config.mean = given.mean;
    config.stddev = given.stddev;
  } else if (fresh && config.stddev.empty() && normalizes(info, entry ? &entry->recipe : nullptr)) {
    config.mean = info.mean;
    config.stddev = info.stddev;
  }
  const Shape& sample = info.input_shape;
  const int64_t channels = sample.rank() == 3 || sample.rank() == 1 ? sample[0] : 1;
  if (const auto given = static_cast<int64_t>(config.stddev.size()); given > 1 && given != channels)
    throw ArgumentError(
        {.argument = "stddev",
         .given = str(given, " numbers"),
         .expected = str("one, or one per channel of the samples, which have ", channels)});
  if (info.task == data::Task::classification && info.classes < 2)
    throw IoError({.argument = config.data,
                   .given = info.classes == 1 ? "one class" : "no classes",
                   .expected = "at least two to tell apart"});
  if (info.task == data::Task::regression) require_different_targets(*splits.train, config.data);
  require_views(tta_from_text(config.tta), info.task, sample);
  choose_samples();
  note_samples(splits, splits.notes);
  if (config.sampler == "balanced")
    sampler = data::balanced_sampler(*splits.train, static_cast<uint64_t>(config.seed));
  make_training_loss();
  loss = loss_for(info.task, entry);
  if (own) {
    model = std::move(*own);
    choose_weights(model, given);
  } else {
    make_model(given);
  }
  require_memory_for_weights();
  try {
    if (given.any()) {
      if (entry && entry->adapt)
        if (const std::string done = entry->adapt(given.tensors, model_options()); !done.empty())
          splits.notes.push_back(done);
      adopt(given);
    } else if (fresh && entry && entry->fit) fit_model(*entry);
    if (!config.freeze.empty()) freeze(model, config.freeze);
    choose_epochs_of_parameters();
    make_optimizer();
  } catch (const OutOfMemory& e) { refuse_for_memory(e); }
}

void Trainer::State::choose_model_of(GivenWeights& given) {
  config.model = given.model.empty() ? given.of_run ? model_of(given.tensors, model_options())
                                                    : model_of(given, model_options())
                                     : given.model;
  if (config.model.empty())
    throw IoError(
        {.argument = given.path,
         .given = "weights of no model of the zoo",
         .expected = str("those of one for samples of shape ", splits.train->info().input_shape),
         .remedy = joined_sentences(
             "Name the model that they are meant for, to see what does not fit. Without "
             "initial weights training begins from nothing.",
             advice_on_parts(given, model_options())),
         .settings = {"model", "weights"}});
  splits.notes.push_back(str("model ", config.model, ": the one of the weights"));
}

void Trainer::State::adopt(const GivenWeights& given) {
  try {
    adopt_weights(model, given, splits.train->info(), splits.notes);
  } catch (const IoError& e) {
    if (weights_fit(model, given.tensors)) throw;
    const std::string other =
        given.model.empty() ? model_of(given.tensors, model_options()) : given.model;
    if (other.empty() || other == config.model) throw;
    throw IoError(with_advice(e.fault(), str("They are weights of the model ", other, "."),
                              {"model=" + other}));
  }
}

void Trainer::State::choose_epochs_of_parameters() {
  trained_until.clear();
  for (auto& [name, epochs] : named_numbers_from("freeze_after", config.freeze_after))
    for (const Parameter& p : named_like(model, name, "freeze_after"))
      if (p.requires_grad()) trained_until.emplace_back(p, static_cast<int64_t>(epochs));
  const std::vector<Parameter> all = model.parameters();
  const bool left = std::any_of(all.begin(), all.end(), [&](const Parameter& p) {
    return p.requires_grad() && std::none_of(trained_until.begin(), trained_until.end(),
                                             [&](auto& f) { return f.first.cell() == p.cell(); });
  });
  if (!left && !trained_until.empty())
    throw ArgumentError({.argument = "freeze_after",
                         .given = "'" + config.freeze_after + "'",
                         .expected = kSomethingToTrain});
}

void Trainer::State::train_mode(int64_t epoch) {
  for (auto& [parameter, epochs] : trained_until) parameter.set_requires_grad(epoch < epochs);
  train_what_is_not_frozen(model);
}

models::ModelOptions Trainer::State::model_options() const {
  const data::Info& info = splits.train->info();
  return {info.input_shape, outputs_of(info.task, info.class_names.size()),
          static_cast<uint64_t>(config.seed),
          config.stem.empty() ? models::Stem::automatic : models::stem_from_text(config.stem)};
}

void Trainer::State::make_model(GivenWeights& given) {
  const Shape& sample = splits.train->info().input_shape;
  const models::Entry& entry = models::entry(config.model);
  flush();  // what the caller has pending: initial weights that do not fit the memory are dropped
  if (sample.rank() != 3) {
    model = models::make(config.model, model_options());
    choose_weights(model, given);
    return;
  }
  const bool stem_open = config.stem.empty();
  auto make = [&](models::Stem stem) {
    config.stem = to_string(stem);
    model = models::make(config.model, model_options());
  };
  auto fits = [&] {
    NamedTensors adapted = given.tensors;
    if (entry.adapt) entry.adapt(adapted, model_options());
    return weights_fit(model, adapted);
  };
  const models::Stem asked =
      stem_open ? models::stem_for(sample) : models::stem_from_text(config.stem);
  make(asked);
  choose_weights(model, given);  // both stems have the same names
  if (!stem_open || !given.any() || fits()) return;
  make(asked == models::Stem::small ? models::Stem::large : models::Stem::small);
  if (fits()) splits.notes.push_back(str("stem ", config.stem, ", the one of the weights"));
  else make(asked);
}

void Trainer::State::fit_model(const models::Entry& entry) {
  constexpr int64_t kEnough = 1000, kMaxBytes = 16 << 20;
  const Shape& sample = splits.train->info().input_shape;
  const int64_t n = std::min({kEnough, splits.train->size(),
                              std::max<int64_t>(1, kMaxBytes / (sample.numel() * itemsize(f32)))});
  Shape shape{n};
  for (int64_t d : sample) shape.push_back(d);
  {
    const Tensor pictures = tensor_filled_by(shape, f32, [&](void* to) {
      int64_t label = 0;
      for (int64_t i = 0; i < n; ++i)
        splits.train->read(i, static_cast<float*>(to) + i * (shape.numel() / n), &label);
    });
    entry.fit(model, normalized(pictures, config.mean, config.stddev));
  }
  release_freed_memory();  // a training needs no blocks of this size
}

void Trainer::State::make_optimizer() {
  const TrainConfig& c = config;
  std::vector<Parameter> all = model.parameters();
  if (c.optimizer == "adam")
    optimizer = std::make_unique<optim::Adam>(
        all, optim::AdamOptions{.lr = c.lr, .weight_decay = c.weight_decay});
  else if (c.optimizer == "adamw")
    optimizer = std::make_unique<optim::AdamW>(
        all, optim::AdamWOptions{.lr = c.lr, .weight_decay = c.weight_decay});
  else
    optimizer =
        std::make_unique<optim::SGD>(all, optim::SGDOptions{.lr = c.lr,
                                                            .momentum = c.momentum,
                                                            .weight_decay = c.weight_decay,
                                                            .nesterov = c.optimizer == "nesterov"});
  if (c.decay == "weights") {
    std::erase_if(all, [](const Parameter& p) { return p.shape().rank() > 1; });
    // what is left: biases, and scales of normalizations
    if (!all.empty()) optimizer->scale(all, 1, 0);
  }
  for (auto& [name, factor] : named_numbers_from("lr_factors", c.lr_factors))
    optimizer->scale(named_like(model, name, "lr_factors"), factor, 1 / factor);
  if (c.backbone_lr != 1) optimizer->scale(backbone(model), c.backbone_lr, 1);
  schedule = schedule_of(c);
  average.reset();
  if (c.ema > 0 || c.lookahead > 0) average.emplace(model);
}

namespace {

// before the names of an average's state, in the optimizer's file
constexpr const char* kAverage = "average.";
}  // namespace

void Trainer::State::restore(const Checkpoint& from) {
  load_weights(model, *checkpoints, from.model);
  make_optimizer();  // a fresh one: what the old one knew beyond the checkpoint must go
  NamedTensors of_optimizer, of_average;
  for (auto& [name, value] : checkpoints->tensors(from.optimizer))
    if (name.starts_with(kAverage))
      of_average.emplace_back(name.substr(std::string_view(kAverage).size()), value);
    else of_optimizer.emplace_back(name, value);
  try {
    optimizer->load_state_dict(of_optimizer);
    if (average) average->load_state_dict(of_average);
  } catch (const IoError& e) {
    Fault fault = fault_in(checkpoints->path() + "/" + from.optimizer.name, e.fault());
    fault.expected = "the state of this optimizer";
    throw IoError(fault);
  }
  default_generator().set_state(from.progress.generator_seed, from.progress.generator_counter);
}

void Trainer::State::begin() {
  folder = RunFolder::create(config);
  config.out = folder->path();
  checkpoints.emplace(folder->checkpoints());
  try {
    // Draws of the training itself come from a stream of their own, so that they do not depend on
    // how many the weights took.
    manual_seed(static_cast<uint64_t>(config.seed), 1);
    checkpoint.provenance = provenance_of(session, config, splits);
    checkpoint.tuning = tuning_in_force(device_from_name(config.device));
    save(false);  // also shows now, not in an hour, whether the disk takes a checkpoint
  } catch (...) {
    folder->discard();
    folder.reset();
    throw;
  }
}

void Trainer::State::save(bool is_best) {
  NoGrad no_grad;
  NamedTensors weights = values_of(model);
  for (auto& [name, value] : weights)
    if (const std::string bad = not_finite(value, value.dtype()); !bad.empty())
      throw NumericError(
          {.argument = "weight " + name, .given = bad, .expected = "finite numbers"});
  Progress& p = progress();
  p.seconds = seconds();
  p.metrics_bytes = folder->sync_metrics();
  p.generator_seed = default_generator().seed();
  p.generator_counter = default_generator().counter();
  NamedTensors state = optimizer->state_dict(), kept;
  if (average)
    for (auto& [name, value] : average->state_dict()) state.emplace_back(kAverage + name, value);
  if (is_best && config.ema > 0) {
    average->swap();
    kept = values_of(model);
    average->swap();
  }
  checkpoints->save(checkpoint, weights, state,
                    !is_best       ? nullptr
                    : kept.empty() ? &weights
                                   : &kept);
}

// ---- the public face ----------------------------------------------------------------------------

Trainer::Trainer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

Trainer::Trainer(TrainConfig config, const std::optional<Session>& session)
    : state_(std::make_unique<State>(session)) {
  const Session::Use use(state_->session);
  state_->in_run.restart();
  state_->config = std::move(config);
  require_free(state_->config.out);
  state_->prepare(nullptr, loss, std::nullopt);
}

Trainer::Trainer(nn::AnyModule model, TrainConfig config, const std::optional<Session>& session)
    : state_(std::make_unique<State>(session)) {
  if (!model)
    throw StateError({.op = "Trainer",
                      .argument = "model",
                      .given = "an empty module (default-constructed or moved from)",
                      .expected = "one to train"});
  const Session::Use use(state_->session);
  if (config.model.empty()) config.model = "own";
  state_->in_run.restart();
  state_->config = std::move(config);
  require_free(state_->config.out);
  state_->prepare(&model, loss, std::nullopt);
}

namespace {

TrainConfig recorded_config(const RunFolder& folder, const ResumeOptions& options) {
  TrainConfig config = config_from_toml(folder.file("config.toml"));
  config.out = folder.path();
  if (!options.data.empty()) config.data = moved_to(config.data, options.data);
  if (const std::string path = path_in(config.data); !path.empty() && !path_exists(path))
    throw IoError({.argument = folder.path(),
                   .given = str("no data at ", path, " any more"),
                   .remedy = "Say where they are now.",
                   .settings = {"resume=" + folder.path(), "data"}});
  if (options.epochs >= 0) config.epochs = options.epochs;
  if (options.checkpoint_every >= 0) config.checkpoint_every = options.checkpoint_every;
  if (options.checkpoint_minutes >= 0) config.checkpoint_minutes = options.checkpoint_minutes;
  if (options.threads > 0) config.threads = options.threads;
  if (options.loader_threads >= 0) config.loader_threads = options.loader_threads;
  return config;
}

/// The differences that keep the rest of the run from giving the bits of an undisturbed run: each
/// recorded value, and the present one.
std::string not_bit_exact(const Provenance& recorded, const TrainConfig& config,
                          const std::string& kernels, const Json& data) {
  std::string out;
  auto add = [&](const std::string& what) {
    out += (out.empty() || what.empty() ? "" : "; ") + what;
  };
  add(data_differences(recorded.data, data));
  const std::string changed = differences(recorded.config, config);
  add(changed.empty() ? "" : changed + " in config.toml");
  if (recorded.isa != kernels) add(str("instruction set ", recorded.isa, ", here ", kernels));
  if (const std::string here = numerics_in_force(device_from_name(config.device));
      recorded.numerics.empty())
    add("no recorded numerics table, here " + here);
  else if (recorded.numerics != here)
    add(str("numerics table ", recorded.numerics, ", here ", here));
  if (recorded.version != version()) add(str("version ", recorded.version, ", here ", version()));
  return out;
}

}  // namespace

Trainer Trainer::resume(const std::string& run, const ResumeOptions& options) {
  return resume(run, nn::AnyModule(), options);
}

Trainer Trainer::resume(const std::string& run, nn::AnyModule model, const ResumeOptions& options) {
  auto state = std::make_unique<State>(options.session);
  State& s = *state;
  const Session::Use use(s.session);
  s.in_run.restart();
  require_resumable(run);
  s.folder = RunFolder::open(run);
  s.config = recorded_config(*s.folder, options);
  s.checkpoints.emplace(s.folder->checkpoints());
  std::optional<Checkpoint> checkpoint = s.checkpoints->load();

  const bool own = static_cast<bool>(model);
  if (!own) zoo_entry_of_run(s.config, run);
  Loss loss;
  s.prepare(own ? &model : nullptr, loss, checkpoint);
  if (checkpoint) {
    if (std::string why =
            not_bit_exact(checkpoint->provenance, s.config, kernels(s.session), to_json(s.splits));
        !why.empty()) {
      if (!options.force)
        throw IoError({.argument = run,
                       .given = why,
                       .expected = "the same, for the bits of a run without a stop",
                       .remedy = "Force the resume to accept other bits.",
                       .settings = {"force"}});
      s.resume_notes.push_back("not bit-exact from here on: " + why);
    }
    if (const int64_t before = checkpoint->provenance.threads; before != s.config.threads)
      s.resume_notes.push_back(str("compute threads: ", before, " before, ", s.config.threads,
                                   " from here on. The bits do not depend on them."));
    if (s.config.epochs < checkpoint->progress.epoch)
      throw ArgumentError({.argument = "epochs",
                           .given = str(s.config.epochs),
                           .expected = str("at least the ", checkpoint->progress.epoch,
                                           " that are trained already")});
    s.checkpoint = *checkpoint;
    s.seconds_before = checkpoint->progress.seconds;
    s.restore(*checkpoint);
    s.resumed = true;
    s.finished = s.trained() && path_exists(s.folder->file("summary.json"));
  } else {
    s.resume_notes.emplace_back(
        "it was stopped before its first checkpoint, so it begins at step 0");
    manual_seed(static_cast<uint64_t>(s.config.seed), 1);
  }
  s.checkpoint.provenance = provenance_of(s.session, s.config, s.splits);
  s.checkpoint.tuning = tuning_in_force(device_from_name(s.config.device));
  // Only now, when nothing can be wrong any more, is the folder touched.
  if (!s.finished) {
    s.checkpoints->clean(checkpoint);
    s.folder->cut_metrics(checkpoint ? checkpoint->progress.metrics_bytes : 0);
    write_file_atomically(s.folder->file("config.toml"), to_toml(s.config));
  }
  Trainer trainer(std::move(state));
  trainer.loss = loss;
  return trainer;
}

TrainResult Trainer::run() {
  State& s = *state_;
  const Session::Use use(s.session);
  if (s.finished) {
    const std::string path = s.folder->file("summary.json");
    TrainResult result = result_from_json(Json::parse(read_file(path), path));
    result.run = s.folder->path();  // it may have been moved
    return result;
  }
  autotune();
  try {
    TrainResult result = TrainingLoop(*this, s).run();
    s.finished = !result.stopped;
    return result;
  } catch (...) {
    drop_pending();  // half a step must not run when the next value is read
    throw;
  }
}

RunForecast Trainer::forecast() {
  const Session::Use use(state_->session);
  return TrainingLoop(*this, *state_).forecast();
}
void Trainer::rehearse(bool training) {
  const Session::Use use(state_->session);
  TrainingLoop(*this, *state_).rehearse(training);
}
RunTiming Trainer::measure() {
  const Session::Use use(state_->session);
  return TrainingLoop(*this, *state_).measure();
}
void Trainer::take_steps(int64_t steps) {
  const Session::Use use(state_->session);
  TrainingLoop(*this, *state_).take_steps(steps);
}

const TrainConfig& Trainer::config() const { return state_->config; }
const data::Splits& Trainer::data() const { return state_->splits; }
const Session& Trainer::session() const { return state_->session; }
nn::AnyModule& Trainer::model() { return state_->model; }
bool Trainer::finished() const { return state_->finished; }
std::string Trainer::folder() const {
  return state_->folder ? state_->folder->path() : std::string();
}

}  // namespace suanli
