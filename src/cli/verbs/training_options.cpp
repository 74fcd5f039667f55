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
    return in_users_language(
               "none, or some of these with commas between, other numbers if given: ") +
           words;
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
  static const std::string help = in_users_language("a model of the zoo: ") + model_names(", ");
  return help.c_str();
}
}  // namespace

Option tta_option(const char* help, const char* fallback) {
  return {"--tta",  OptionType::text, "NAME",   help,
          fallback, -kNoLimit,        kNoLimit, "none mirror translate"};
}

Option device_option() {
  return {"--device", OptionType::text, "NAME",   "cpu, cuda or auto",
          "auto",     -kNoLimit,        kNoLimit, "cpu cuda auto"};
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
               "begins with: a run, safetensors, or a state dict by PyTorch", "random weights"},
              {"--freeze", OptionType::text, "LIST",
               "parameters that stay: names with * and ?, or backbone", "none"},
              {"--freeze-after", OptionType::text, "LIST",
               "parameters that stay after so many epochs, as 0.bias=3, or none", recipe},
              {"--backbone-lr", OptionType::real, "X",
               "learning rate of all but the last layer, as a factor", "1", 0},
              {"--stem", OptionType::text, "NAME", "of networks for pictures: small or large",
               "as the weights or pictures ask", -kNoLimit, kNoLimit, "small large"},
              {"--target", OptionType::text, "COLUMN",
               "of a table: the column to learn, as ?target=COLUMN behind DATA"},
              {"--task", OptionType::text, "NAME", "of a table: regression or classification",
               "as the target column looks", -kNoLimit, kNoLimit, "regression classification"},
              {"--augment", OptionType::text, "LIST", augment_help(), "as usual for the data",
               -kNoLimit, kNoLimit, augment_names()},
              tta_option(
                  "in the test at the end, the mean of several views: none, mirror or translate",
                  recipe),
              {"--balanced", OptionType::nothing, "",
               "draws all classes equally often, small ones again and again"},
              {"--val", OptionType::real, "SHARE",
               "of the training samples that validates; 0: none", "0.1", 0, 1},
              {"--limit", OptionType::integer, "N", "uses so many samples at most", "all", 1, 1e15},
              {"--overfit-batches", OptionType::integer, "N",
               "trains and validates on the same N batches: a check", "no", 1, 1e9},
              {"--skip-bad", OptionType::nothing, "", "leaves out pictures that cannot be read"},
          }),
      grouped(
          "Recipe",
          {
              {"--batch-size", OptionType::text, "N",
               "samples per batch, or auto: fits the memory, fastest in a trial", recipe, -kNoLimit,
               kNoLimit, "auto"},
              {"--accumulate", OptionType::integer, "N", "batches per step of the optimizer", "1",
               1, 1e9},
              {"--optimizer", OptionType::text, "NAME", "sgd, nesterov, adam or adamw", recipe,
               -kNoLimit, kNoLimit, "sgd nesterov adam adamw"},
              {"--lr", OptionType::real, "X", "learning rate", recipe, 0},
              {"--momentum", OptionType::real, "X", "of sgd and nesterov", recipe, 0, 1},
              {"--weight-decay", OptionType::real, "X", "in the gradient; of adamw apart from it",
               recipe, 0},
              {"--decay", OptionType::text, "WHAT", "weights, or all: biases and scales too",
               recipe, -kNoLimit, kNoLimit, "weights all"},
              {"--lr-factors", OptionType::text, "LIST",
               "factors of lr by name, as *.bias=2 with commas between, or none", recipe},
              {"--schedule", OptionType::text, "NAME",
               "of lr: constant, cosine, linear, onecycle or step", recipe, -kNoLimit, kNoLimit,
               "constant cosine linear onecycle step"},
              {"--warmup", OptionType::real, "SHARE", "of the run in which lr rises",
               "the schedule's", 0, 1},
              {"--lr-start", OptionType::real, "X", "factor of lr where it rises from",
               "the schedule's", 0},
              {"--lr-end", OptionType::real, "X", "factor of lr at the end", "the schedule's", 0},
              {"--milestones", OptionType::text, "LIST", "of schedule step: shares of the run",
               "0.5,0.75"},
              {"--gamma", OptionType::real, "X", "of schedule step: factor at each milestone",
               "0.1", 0, 1},
              {"--label-smoothing", OptionType::real, "SHARE",
               "of each target that all classes share", recipe, 0, 1},
              {"--class-weights", OptionType::text, "LIST",
               "of the loss: none, auto, or a number per class", "none", -kNoLimit, kNoLimit,
               "none auto"},
              {"--clip-norm", OptionType::real, "X", "longest gradient", "no limit", 0},
              {"--clip-value", OptionType::real, "X", "largest element of a gradient", "no limit",
               0},
              {"--ema", OptionType::real, "X",
               "keeps an average of the weights with this decay per step", recipe, 0, 1},
              {"--lookahead", OptionType::integer, "N",
               "weights return to their average every N steps", recipe, 0, 1e9},
              {"--seed", OptionType::integer, "N",
               "decides weights, order, validation split and dropout", "0", 0, 9.3e18},
              {"--config", OptionType::text, "FILE",
               "settings as in a run's config.toml; options go before it"},
              {"--set", OptionType::text, "KEY=VALUE",
               "one setting of config.toml; may be repeated"},
          }),
      grouped("Machine",
              {
                  device_option(),
                  {"--memory-limit", OptionType::text, "SIZE",
                   "computes values again rather than keep them until the run fits", "no limit"},
                  {"--threads", OptionType::integer, "N", "that compute",
                   "the CPUs of this process", 1, 1024},
                  {"--loader-threads", OptionType::integer, "N",
                   "that read data; never changes a result", "1", 0, 256},
              }),
  };
  for (const std::vector<Option>& group : groups) own.insert(own.end(), group.begin(), group.end());
  return own;
}

namespace {

/// "--batch-size" of "batch_size".
std::string option_of(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// "20m", "90s", "1.5h" or a number of seconds.
double seconds_from(const std::string& text) {
  const std::string units = "smhd";
  constexpr double lengths[] = {1, 60, 3600, 86400};
  const size_t unit = text.empty() ? std::string::npos : units.find(text.back());
  const size_t digits = text.size() - (unit == std::string::npos ? 0 : 1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || !(value > 0) || !std::isfinite(value))
    throw UsageError(fmt::format("--time is '{}', expected a time such as 90s, 20m or 1.5h", text));
  return value * (unit == std::string::npos ? 1 : lengths[unit]);
}

int64_t size_from(const std::string& text) {
  if (const auto bytes = bytes_from(text)) return *bytes;
  throw UsageError(
      fmt::format("--memory-limit is '{}', expected a size such as 400MiB or 2GB", text));
}

}  // namespace

TrainConfig config_from(const Arguments& args, size_t data) {
  TrainConfig c;
  if (args.has("--config")) c = config_from_toml(args.text("--config"));
  for (const std::string& setting : args.texts("--set")) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos)
      throw UsageError(fmt::format("--set takes KEY=VALUE, not '{}'", setting));
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
    throw UsageError(fmt::format("--batch-size is {}, expected auto or a number of at least 1",
                                 args.text("--batch-size")));
  if (args.has("--lr") && !(c.lr > 0))
    throw UsageError(fmt::format("--lr is {}, expected a number above 0", args.text("--lr")));
  if (args.has("--epochs") && args.has("--time"))
    throw UsageError("--epochs and --time both say how long the run is. Give one of them.");
  c.data = args.positional(data, c.data);
  if (args.has("--balanced")) c.sampler = "balanced";
  if (args.has("--skip-bad")) c.data = data::with_setting(c.data, "skip_bad=1");
  if (args.has("--target"))
    c.data = data::with_setting(c.data, "target=" + data::escaped_setting(args.text("--target")));
  if (const std::string task = args.text("--task", "regression");
      task != "regression" && task != "classification") {
    throw UsageError(
        fmt::format("--task '{}' is neither regression nor classification.{}", task,
                    suggestion(task, {"regression", "classification"}, " Did you mean ", "?")));
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
