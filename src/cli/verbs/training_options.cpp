// SPDX-License-Identifier: Apache-2.0
#include "cli/verbs/training_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text/did_you_mean.h"
#include "base/text/text.h"
#include "cli/framework/console.h"
#include "cli/framework/hints.h"
#include "cli/framework/translations_zh.h"
#include "data/sources/spec.h"
#include "suanli/loader.h"
#include "suanli/models.h"
#include "suanli/runtime.h"
#include "train/settings/config.h"

namespace suanli::cli {

namespace {
/// The words of --augment with their usual numbers.
const char* augment_help() {
  static const std::string help = [] {
    std::string words;
    for (const data::AugmentWord& w : data::augment_words())
      words += fmt::format("{}{}={:g}", words.empty() ? "" : ", ", w.name, w.usual);
    return in_users_language("none, or a comma-separated list with optional values: ") + words;
  }();
  return help.c_str();
}
}  // namespace

/// "none crop flip …"
std::string augment_names() {
  std::string words = "none";
  for (const data::AugmentWord& w : data::augment_words()) words += fmt::format(" {}", w.name);
  return words;
}

namespace {
/// The names in the zoo, with blanks or commas between.
std::string model_names(const char* between) {
  std::string names;
  for (const models::Entry& e : models::entries())
    names += (names.empty() ? "" : between) + std::string(e.name);
  return names;
}
const char* model_help() {
  static const std::string help = in_users_language("a model from the zoo: ") + model_names(", ");
  return help.c_str();
}
}  // namespace

Option tta_option(const char* help, const char* fallback) {
  return {"--tta",  OptionType::text, "NAME",   help,
          fallback, -kNoLimit,        kNoLimit, "none mirror translate"};
}

Option device_option() {
  return {"--device", OptionType::text,
          "NAME",     "cpu or auto; cuda is refused because there is no GPU backend yet",
          "auto",     -kNoLimit,
          kNoLimit,   "cpu cuda auto"};
}

std::vector<Option> with_training_options(std::vector<Option> own) {
  const char* recipe = "the recipe's";
  const std::vector<Option> groups[] = {
      grouped(
          "Model and data",
          {
              {"--model", OptionType::text, "NAME", model_help(), "one that fits the data",
               -kNoLimit, kNoLimit, model_names(" ")},
              {"--weights", OptionType::text, "FILE",
               "initial weights: a run, a safetensors file or a PyTorch state dict",
               "random weights"},
              {"--freeze", OptionType::text, "LIST",
               "parameters to freeze: name patterns with * and ?, or backbone", "none"},
              {"--freeze-after", OptionType::text, "LIST",
               "parameters to freeze after some epochs, such as 0.bias=3; or none", recipe},
              {"--backbone-lr", OptionType::real, "X",
               "learning rate factor for all layers except the last", "1", 0},
              {"--stem", OptionType::text, "NAME", "stem of image networks: small or large",
               "by weights or picture size", -kNoLimit, kNoLimit, "small large"},
              {"--target", OptionType::text, "COLUMN",
               "target column of a table, the same as DATA?target=COLUMN"},
              {"--task", OptionType::text, "NAME", "task of a table: regression or classification",
               "by the target column", -kNoLimit, kNoLimit, "regression classification"},
              {"--augment", OptionType::text, "LIST", augment_help(), "by the data", -kNoLimit,
               kNoLimit, augment_names()},
              tta_option("test-time augmentation in the final test: none, mirror or translate",
                         recipe),
              {"--balanced", OptionType::nothing, "",
               "sample all classes equally often, with replacement"},
              {"--val", OptionType::real, "SHARE",
               "fraction of training samples for validation; 0: none", "0.1", 0, 1},
              {"--limit", OptionType::integer, "N",
               "use at most N training and N validation samples", "all", 1, 1e15},
              {"--overfit-batches", OptionType::integer, "N",
               "check the model: train and validate on the same N batches", "no", 1, 1e9},
              {"--skip-bad", OptionType::nothing, "", "skip unreadable pictures"},
          }),
      grouped(
          "Recipe",
          {
              {"--batch-size", OptionType::text, "N",
               "samples per batch; auto: the fastest size that fits in memory", recipe, -kNoLimit,
               kNoLimit, "auto"},
              {"--accumulate", OptionType::integer, "N", "batches per optimizer step", "1", 1, 1e9},
              {"--optimizer", OptionType::text, "NAME", "sgd, nesterov, adam or adamw", recipe,
               -kNoLimit, kNoLimit, "sgd nesterov adam adamw"},
              {"--lr", OptionType::real, "X", "learning rate", recipe, 0},
              {"--momentum", OptionType::real, "X", "momentum of sgd and nesterov", recipe, 0, 1},
              {"--weight-decay", OptionType::real, "X",
               "weight decay, added to the gradient; decoupled for adamw", recipe, 0},
              {"--decay", OptionType::text, "WHAT",
               "parameters with weight decay: weights, or all (also biases and scales)", recipe,
               -kNoLimit, kNoLimit, "weights all"},
              {"--lr-factors", OptionType::text, "LIST",
               "learning rate factors by name, such as *.bias=2, comma-separated; or none", recipe},
              {"--schedule", OptionType::text, "NAME",
               "learning rate schedule: constant, cosine, linear, onecycle or step", recipe,
               -kNoLimit, kNoLimit, "constant cosine linear onecycle step"},
              {"--warmup", OptionType::real, "SHARE",
               "warm-up: fraction of the run in which the learning rate rises", "the schedule's", 0,
               1},
              {"--lr-start", OptionType::real, "X", "initial learning rate factor",
               "the schedule's", 0},
              {"--lr-end", OptionType::real, "X", "final learning rate factor", "the schedule's",
               0},
              {"--milestones", OptionType::text, "LIST",
               "step schedule: milestones as fractions of the run", "0.5,0.75"},
              {"--gamma", OptionType::real, "X", "step schedule: factor at each milestone", "0.1",
               0, 1},
              {"--label-smoothing", OptionType::real, "SHARE",
               "label smoothing: fraction of each target spread over all classes", recipe, 0, 1},
              {"--class-weights", OptionType::text, "LIST",
               "class weights of the loss: none, auto, or a number per class", "none", -kNoLimit,
               kNoLimit, "none auto"},
              {"--clip-norm", OptionType::real, "X", "maximum gradient norm", "no limit", 0},
              {"--clip-value", OptionType::real, "X", "maximum absolute gradient element",
               "no limit", 0},
              {"--ema", OptionType::real, "X",
               "keep an exponential moving average of the weights with this decay", recipe, 0, 1},
              {"--lookahead", OptionType::integer, "N",
               "Lookahead: set the weights to their average every N steps", recipe, 0, 1e9},
              {"--seed", OptionType::integer, "N",
               "seed of weights, sample order, validation split and dropout", "0", 0, 9.3e18},
              {"--config", OptionType::text, "FILE",
               "settings file like a run's config.toml; options override it"},
              {"--set", OptionType::text, "KEY=VALUE", "one setting of config.toml; repeatable"},
          }),
      grouped("Machine",
              {
                  device_option(),
                  {"--memory-limit", OptionType::text, "SIZE",
                   "rematerialize values until the run fits in this much memory", "no limit"},
                  {"--threads", OptionType::integer, "N", "compute threads",
                   "all CPUs of this process", 1, 1024},
                  {"--loader-threads", OptionType::integer, "N",
                   "data loading threads; their number never changes results", "1", 0, 256},
              }),
  };
  for (const std::vector<Option>& group : groups) own.insert(own.end(), group.begin(), group.end());
  return own;
}

namespace {

/// "20m", "90s", "1.5h" or a number of seconds.
double seconds_from(const std::string& text) {
  const std::string units = "smhd";
  constexpr double lengths[] = {1, 60, 3600, 86400};
  const size_t unit = text.empty() ? std::string::npos : units.find(text.back());
  const size_t digits = text.size() - (unit == std::string::npos ? 0 : 1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || !(value > 0) || !std::isfinite(value))
    throw ArgumentError({.argument = "--time",
                         .given = fmt::format("'{}'", text),
                         .expected = "a time such as 90s, 20m or 1.5h"});
  return value * (unit == std::string::npos ? 1 : lengths[unit]);
}

int64_t size_from(const std::string& text) {
  if (const auto bytes = bytes_from(text)) return *bytes;
  throw ArgumentError({.argument = "--memory-limit",
                       .given = fmt::format("'{}'", text),
                       .expected = "a size such as 400MiB or 2GB"});
}

}  // namespace

TrainConfig config_from(const Arguments& args, size_t data) {
  TrainConfig c;
  if (args.has("--config")) c = config_from_toml(args.text("--config"));
  for (const std::string& setting : args.texts("--set")) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos)
      throw ArgumentError(
          {.argument = "--set", .given = fmt::format("'{}'", setting), .expected = "KEY=VALUE"});
    set_field(c, setting.substr(0, equals), setting.substr(equals + 1));
  }
  for (const ConfigField& field : config_fields()) {
    const std::string option = option_of(field.key), value = args.text(option);
    if (!args.has(option)) continue;
    if (option == "--time") c.time = seconds_from(value);
    else if (option == "--memory-limit") c.memory_limit = size_from(value);
    else if (option == "--batch-size" && value == "auto") c.batch_size = TrainConfig::kAutoBatch;
    else set_field(c, field.key, value);
  }
  if (args.has("--batch-size") && c.batch_size != TrainConfig::kAutoBatch && c.batch_size < 1)
    throw ArgumentError({.argument = "--batch-size",
                         .given = args.text("--batch-size"),
                         .expected = "auto or a number of at least 1"});
  if (args.has("--lr") && !(c.lr > 0))
    throw ArgumentError(
        {.argument = "--lr", .given = args.text("--lr"), .expected = "a number above 0"});
  if (args.has("--epochs") && args.has("--time"))
    throw ArgumentError({.argument = "--time",
                         .given = "beside --epochs",
                         .expected = "one of the two, since each sets the length of the run"});
  c.data = args.positional(data, c.data);
  if (args.has("--balanced")) c.sampler = "balanced";
  if (args.has("--skip-bad")) c.data = data::with_setting(c.data, "skip_bad=1");
  if (args.has("--target"))
    c.data = data::with_setting(c.data, "target=" + data::escaped_setting(args.text("--target")));
  if (const std::string task = args.text("--task", "regression");
      task != "regression" && task != "classification") {
    throw ArgumentError(
        {.argument = "--task",
         .given = fmt::format("'{}'", task),
         .expected = "regression or classification",
         .remedy = suggestion(task, {"regression", "classification"}, "Did you mean ", "?")});
  }
  if (args.has("--task")) c.data = data::with_setting(c.data, "task=" + args.text("--task"));
  c.out = args.text("--out", c.out);
  return c;
}

std::string description(const Trainer& trainer) {
  const TrainConfig& c = trainer.config();
  const data::Splits& d = trainer.data();
  auto size = [](const auto& split) { return split ? split->size() : 0; };
  std::string notes;
  for (const std::string& note : d.notes) notes += note + "\n";
  return notes + fmt::format(
                     "data {} ({} train, {} val, {} test)\nmodel {}, {} lr {}{}, batch {}, augment "
                     "{}, seed {}\ndevice {} ({}, {} "
                     "{}), precision {}",
                     c.data, size(d.train), size(d.val), size(d.test), c.model, c.optimizer,
                     rounded(c.lr),
                     c.momentum > 0 ? fmt::format(" momentum {}", rounded(c.momentum)) : "",
                     c.batch_size, c.augment, c.seed, c.device, isa(), c.threads,
                     c.threads == 1 ? "thread" : "threads", c.precision);
}

}  // namespace suanli::cli
