// SPDX-License-Identifier: Apache-2.0
#include "train/settings/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "suanli/loader.h"
#include "suanli/runtime.h"

namespace suanli {

const std::vector<ConfigField>& config_fields() {
  using C = TrainConfig;
  // Static objects may use it when the process ends.
  static const auto& fields = *new std::vector<ConfigField>{
      {"data", &C::data, Decides::nothing, "what data::open() opens; its content is fingerprinted"},
      {"model", &C::model, Decides::result, "name in the model zoo, or of a model of your own"},
      {"stem", &C::stem, Decides::result, "small or large: how a network for pictures begins"},
      {"weights", &C::weights, Decides::nothing, "file or run that the run began with"},
      {"freeze", &C::freeze, Decides::result,
       "parameters that are not trained: names with * and ?, or backbone"},
      {"freeze_after", &C::freeze_after, Decides::result,
       "epochs that parameters are trained for: none, or 0.bias=3"},
      {"backbone_lr", &C::backbone_lr, Decides::result,
       "learning rate of all but the head, as a factor"},
      {"epochs", &C::epochs, Decides::length, ""},
      {"batch_size", &C::batch_size, Decides::result, ""},
      {"accumulate", &C::accumulate, Decides::result, "batches per optimizer step"},
      {"optimizer", &C::optimizer, Decides::result, "sgd, nesterov, adam or adamw"},
      {"lr", &C::lr, Decides::result, "learning rate"},
      {"momentum", &C::momentum, Decides::result, "momentum of sgd and nesterov"},
      {"weight_decay", &C::weight_decay, Decides::result, ""},
      {"decay", &C::decay, Decides::result, "what decays: weights, or all (biases and scales too)"},
      {"lr_factors", &C::lr_factors, Decides::result,
       "factors of lr by name: none, or *.bias=2 with commas between"},
      {"schedule", &C::schedule, Decides::result,
       "learning rate schedule: constant, cosine, linear, onecycle or step"},
      {"warmup", &C::warmup, Decides::result, "share of the steps over which lr rises"},
      {"lr_start", &C::lr_start, Decides::result, "initial learning rate factor"},
      {"lr_end", &C::lr_end, Decides::result, "final learning rate factor"},
      {"milestones", &C::milestones, Decides::result,
       "step schedule: milestones as fractions of the run"},
      {"gamma", &C::gamma, Decides::result, "step schedule: factor at each milestone"},
      {"label_smoothing", &C::label_smoothing, Decides::result, ""},
      {"class_weights", &C::class_weights, Decides::result,
       "class weights of the loss: none, auto, or a number per class"},
      {"clip_norm", &C::clip_norm, Decides::result, "largest norm of all gradients; 0: no limit"},
      {"clip_value", &C::clip_value, Decides::result, "largest element of a gradient; 0: no limit"},
      {"ema", &C::ema, Decides::result,
       "decay of the average of the weights that is kept; 0: none"},
      {"lookahead", &C::lookahead, Decides::result,
       "steps after which weights return to their average; 0: never"},
      {"mean", &C::mean, Decides::result, "inputs become (x - mean) / stddev, by channel"},
      {"stddev", &C::stddev, Decides::result, ""},
      {"augment", &C::augment, Decides::result,
       "other views of training pictures: none, or a list such as crop,flip"},
      {"tta", &C::tta, Decides::result, "of the test at the end: none, mirror or translate"},
      {"sampler", &C::sampler, Decides::result,
       "random: each sample once an epoch; balanced: classes equally likely"},
      {"seed", &C::seed, Decides::result, "of weights, order, validation split and dropout"},
      {"val", &C::val, Decides::result, "fraction of the training samples that validates"},
      {"limit", &C::limit, Decides::result, "samples used at most; 0: all"},
      {"overfit_batches", &C::overfit_batches, Decides::result,
       "trains and validates on so many batches; 0: no"},
      {"patience", &C::patience, Decides::nothing,
       "epochs without a better validation that end the run; 0: never"},
      {"max_steps", &C::max_steps, Decides::length, "0: no limit"},
      {"time", &C::time, Decides::nothing, "seconds that decided the epochs; 0: they were said"},
      {"checkpoint_every", &C::checkpoint_every, Decides::nothing, "steps; 0: none by steps"},
      {"checkpoint_minutes", &C::checkpoint_minutes, Decides::nothing, "minutes; 0: none by time"},
      {"memory_limit", &C::memory_limit, Decides::nothing,
       "bytes that the run may take; 0: no limit"},
      {"threads", &C::threads, Decides::nothing, "compute threads"},
      {"loader_threads", &C::loader_threads, Decides::nothing,
       "that read data; results do not depend on them"},
      {"device", &C::device, Decides::result, ""},
      {"precision", &C::precision, Decides::result, ""},
  };
  return fields;
}

namespace {

/// The shortest text that reads back as the same bits, and that TOML takes for a float.
std::string toml_real(double v) {
  std::string text = str(v);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string toml_reals(const std::vector<double>& values) {
  std::string text;
  for (double v : values) text += (text.empty() ? "" : ", ") + toml_real(v);
  return "[" + text + "]";
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }

struct KnownOptimizer {
  const char* name;
  double lr, momentum, weight_decay;  // usual where no recipe speaks
};
constexpr KnownOptimizer kOptimizers[] = {{"sgd", 0.01, 0.9, 0},
                                          {"nesterov", 0.01, 0.9, 0},
                                          {"adam", 1e-3, 0, 0},
                                          {"adamw", 1e-3, 0, 0.01}};

const KnownOptimizer& known_optimizer(const std::string& name) {
  std::vector<std::string> names;
  for (const KnownOptimizer& o : kOptimizers) {
    if (name == o.name) return o;
    names.push_back(o.name);
  }
  throw ArgumentError({.argument = "optimizer",
                       .given = quoted(name),
                       .expected = "one of " + join_list(names),
                       .remedy = suggestion(name, names, "Did you mean '", "'?")});
}

}  // namespace

void apply_recipe(TrainConfig& c, const models::Recipe& recipe) {
  if (c.epochs == 0) c.epochs = recipe.epochs;
  if (c.batch_size == 0) c.batch_size = recipe.batch_size;
  // An optimizer or a schedule that is not the recipe's takes its own usual numbers, not those
  // tuned for another.
  const bool same = c.optimizer.empty() || c.optimizer == recipe.optimizer;
  if (c.optimizer.empty()) c.optimizer = recipe.optimizer;
  const KnownOptimizer& optimizer = known_optimizer(c.optimizer);
  if (c.lr == 0) c.lr = same ? recipe.lr : optimizer.lr;
  if (optimizer.momentum == 0 && c.momentum > 0)
    throw ArgumentError(
        {.argument = "momentum",
         .given = str(c.momentum),
         .expected = str("0 with ", c.optimizer),
         .remedy = str(c.optimizer, " has averages of its own. Leave momentum out, or use sgd."),
         .settings = {"optimizer=sgd"}});
  if (c.momentum == -1) c.momentum = same ? recipe.momentum : optimizer.momentum;
  if (c.weight_decay == -1) c.weight_decay = same ? recipe.weight_decay : optimizer.weight_decay;
  if (c.lr_factors.empty()) c.lr_factors = same ? recipe.lr_factors : "none";
  if (c.freeze_after.empty()) c.freeze_after = recipe.freeze_after;
  if (c.decay.empty()) c.decay = same ? recipe.decay : "weights";
  const bool same_schedule = c.schedule.empty() || c.schedule == recipe.schedule;
  if (c.schedule.empty()) c.schedule = recipe.schedule;
  const optim::Schedule usual = optim::schedule_from_name(c.schedule);
  auto take = [&](double& value, double of_recipe, double of_schedule) {
    if (value == -1) value = same_schedule && of_recipe != -1 ? of_recipe : of_schedule;
  };
  take(c.warmup, recipe.warmup, usual.warmup);
  take(c.lr_start, recipe.lr_start, usual.start);
  take(c.lr_end, recipe.lr_end, usual.end);
  if (c.milestones.empty())
    for (double m : usual.milestones) c.milestones += str(c.milestones.empty() ? "" : ",", m);
  if (c.gamma == 0) c.gamma = usual.gamma;
  if (c.label_smoothing == -1) c.label_smoothing = recipe.label_smoothing;
  if (c.class_weights.empty()) c.class_weights = "none";
  if (c.sampler.empty()) c.sampler = "random";
  if (c.ema == -1) c.ema = c.lookahead > 0 ? 0 : recipe.ema;
  if (c.lookahead == -1) c.lookahead = c.ema > 0 ? 0 : recipe.lookahead;
}

std::vector<double> numbers_from(const std::string& key, const std::string& text) {
  std::vector<double> out;
  for (const std::string& part : split_list(text)) {
    double value = 0;
    const char* end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value))
      throw ArgumentError(
          {.argument = key, .given = quoted(text), .expected = "numbers with commas between"});
    out.push_back(value);
  }
  return out;
}

std::vector<std::pair<std::string, double>> named_numbers_from(const std::string& key,
                                                               const std::string& text) {
  std::vector<std::pair<std::string, double>> out;
  if (text == "none") return out;
  for (const std::string& part : split_list(text)) {
    const size_t equals = part.rfind('=');
    if (equals == std::string::npos || equals == 0)
      throw ArgumentError({.argument = key,
                           .given = quoted(text),
                           .expected = "none, or NAME=NUMBER with commas between"});
    out.emplace_back(part.substr(0, equals), numbers_from(key, part.substr(equals + 1)).front());
  }
  return out;
}

optim::Schedule schedule_of(const TrainConfig& c) {
  optim::Schedule s = optim::schedule_from_name(c.schedule);
  s.warmup = c.warmup;
  s.start = c.lr_start;
  s.end = c.lr_end;
  s.gamma = c.gamma;
  s.milestones =
      c.milestones.empty() ? std::vector<double>() : numbers_from("milestones", c.milestones);
  return s;
}

void validate(TrainConfig& c, bool custom_model) {
  apply_recipe(c, custom_model ? models::Recipe{"adam", 1e-3, 0, 64, 5, false}
                               : models::entry(c.model).recipe);
  auto require = [](bool right, const char* key, const auto& value, const char* expected) {
    if (!right) throw ArgumentError({.argument = key, .given = str(value), .expected = expected});
  };
  // Products of these numbers are counts of samples and steps, which have to fit 64 bits; learning
  // rates multiply floats of 32.
  constexpr int64_t kMax = 1'000'000'000;
  constexpr double kLargest = 1e30;
  require(c.epochs >= 1 && c.epochs <= kMax, "epochs", c.epochs,
          "at least 1 and at most 1000000000");
  require(c.batch_size >= 1 && c.batch_size <= kMax, "batch_size", c.batch_size,
          "at least 1 and at most 1000000000");
  require(c.accumulate >= 1 && c.accumulate <= kMax, "accumulate", c.accumulate,
          "at least 1 and at most 1000000000");
  require(c.lr > 0 && c.lr <= kLargest, "lr", c.lr, "a number above 0 and up to 1e30");
  require(c.momentum >= 0 && c.momentum < 1, "momentum", c.momentum, "0 or more and below 1");
  if (!c.stem.empty()) models::stem_from_text(c.stem);
  require(c.backbone_lr > 0 && c.backbone_lr <= kLargest, "backbone_lr", c.backbone_lr,
          "a number above 0 and up to 1e30");
  require(c.mean.size() == c.stddev.size(), "mean", toml_reals(c.mean),
          "as many numbers as stddev has");
  for (double v : c.mean) require(std::isfinite(v), "mean", toml_reals(c.mean), "numbers");
  for (double v : c.stddev)
    require(std::isfinite(v) && v > 0, "stddev", toml_reals(c.stddev), "numbers above 0");
  require(c.optimizer != "nesterov" || c.momentum > 0, "momentum", c.momentum,
          "above 0, since nesterov needs one");
  require(c.weight_decay >= 0 && c.weight_decay <= kLargest, "weight_decay", c.weight_decay,
          "0 or more and up to 1e30");
  require(c.decay == "weights" || c.decay == "all", "decay", quoted(c.decay), "weights or all");
  for (auto& [name, factor] : named_numbers_from("lr_factors", c.lr_factors))
    require(factor > 0 && factor <= kLargest, "lr_factors", quoted(c.lr_factors),
            "factors above 0 and up to 1e30");
  for (auto& [name, epochs] : named_numbers_from("freeze_after", c.freeze_after))
    require(epochs >= 1 && epochs <= kMax && epochs == std::floor(epochs), "freeze_after",
            quoted(c.freeze_after), "whole numbers of epochs from 1 on");
  if (!c.tta.empty()) tta_from_text(c.tta);
  require(c.warmup >= 0 && c.warmup < 1, "warmup", c.warmup, "0 or more and below 1");
  require(c.lr_start >= 0 && c.lr_start <= kLargest, "lr_start", c.lr_start,
          "0 or more and up to 1e30");
  require(c.lr_end >= 0 && c.lr_end <= kLargest, "lr_end", c.lr_end, "0 or more and up to 1e30");
  require(c.gamma > 0 && c.gamma <= 1, "gamma", c.gamma, "above 0 and up to 1");
  for (double m : schedule_of(c).milestones)
    require(m > 0 && m < 1, "milestones", quoted(c.milestones), "numbers above 0 and below 1");
  require(c.label_smoothing >= 0 && c.label_smoothing < 1, "label_smoothing", c.label_smoothing,
          "0 or more and below 1");
  if (c.class_weights != "none" && c.class_weights != "auto")
    for (double w : numbers_from("class_weights", c.class_weights))
      require(w >= 0 && w <= kLargest, "class_weights", quoted(c.class_weights),
              "none, auto or numbers from 0 to 1e30");
  require(std::isfinite(c.clip_norm) && c.clip_norm >= 0, "clip_norm", c.clip_norm, "0 or more");
  require(std::isfinite(c.clip_value) && c.clip_value >= 0, "clip_value", c.clip_value,
          "0 or more");
  require(c.ema >= 0 && c.ema < 1, "ema", c.ema, "0 or more and below 1");
  require(c.lookahead >= 0, "lookahead", c.lookahead, "0 or more");
  if (c.ema > 0 && c.lookahead > 0)
    throw ArgumentError({.argument = "lookahead",
                         .given = str(c.lookahead),
                         .expected = str("0 beside ema = ", c.ema),
                         .remedy = "Both average the weights. Give one of them."});
  require(c.patience >= 0, "patience", c.patience, "0 or more");
  require(c.limit >= 0, "limit", c.limit, "0 or more");
  require(c.overfit_batches >= 0 && c.overfit_batches <= kMax, "overfit_batches", c.overfit_batches,
          "0 to 1000000000");
  require(std::isfinite(c.time) && c.time >= 0, "time", c.time, "0 or more");
  if (!c.augment.empty()) data::augment_from_text(c.augment);
  require(c.sampler == "random" || c.sampler == "balanced", "sampler", quoted(c.sampler),
          "random or balanced");
  require(c.seed >= 0, "seed", c.seed, "0 or more");
  require(c.val >= 0 && c.val < 1, "val", c.val, "0 or more and below 1");
  require(c.max_steps >= 0, "max_steps", c.max_steps, "0 or more");
  require(c.checkpoint_every >= 0, "checkpoint_every", c.checkpoint_every, "0 or more");
  require(std::isfinite(c.checkpoint_minutes) && c.checkpoint_minutes >= 0, "checkpoint_minutes",
          c.checkpoint_minutes, "0 or more");
  require(c.memory_limit >= 0, "memory_limit", c.memory_limit, "bytes, or 0");
  require(c.threads >= 0 && c.threads <= 1024, "threads", c.threads, "1 to 1024");
  require(c.loader_threads >= 0 && c.loader_threads <= 256, "loader_threads", c.loader_threads,
          "0 to 256");
  require(c.precision == "f32", "precision", quoted(c.precision), "f32");
}

namespace {

std::string toml_string(const std::string& s) {
  std::string out = "\"";
  for (unsigned char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04X", c);
      out += code;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + '"';
}

}  // namespace

void require_run_format(const std::string& place, int64_t format) {
  if (format != kRunFormat)
    throw IoError({.argument = place,
                   .given = str("run format ", format, " of ",
                                format > kRunFormat ? "a newer" : "an older", " program"),
                   .expected = str("format ", kRunFormat, ", which version ", version(), " reads"),
                   .remedy = "Use the program that wrote it."});
}

std::string to_toml(const TrainConfig& config) {
  std::string out =
      str("# The settings of this run, every choice written out. Resuming the run reads them.\n"
          "format = ",
          kRunFormat, "                  # of this folder's files\n");
  for (const ConfigField& f : config_fields()) {
    std::string line = str(f.key, " = ");
    std::visit(
        [&](auto member) {
          const auto& value = config.*member;
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
            line += toml_string(value);
          else if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>)
            line += toml_real(value);
          else if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<double>>)
            line += toml_reals(value);
          else line += str(value);
        },
        f.member);
    if (*f.doc) {
      line.append(line.size() < 28 ? 28 - line.size() : 1, ' ');
      line += str("# ", f.doc);
    }
    out += line + "\n";
  }
  return out;
}

namespace {

const ConfigField* find_field(const std::string& key) {
  for (const ConfigField& f : config_fields())
    if (key == f.key) return &f;
  return nullptr;
}

/// "setting: 'sede', expected … Did you mean seed?"
Fault no_setting(const std::string& key) {
  std::vector<std::string> keys;
  for (const ConfigField& f : config_fields()) keys.push_back(f.key);
  return {.argument = "setting",
          .given = quoted(key),
          .expected = "the name of a setting, such as batch_size",
          .remedy = suggestion(key, keys, "Did you mean ", "?")};
}

const char* kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string: return "a text";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a number";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::array: return "a list";
    case toml::node_type::table: return "a table";
    default: return "a date or time";
  }
}

/// Throws ArgumentError for a value that no data and no other setting can make right.
void check_values(TrainConfig c) {
  if (c.batch_size == TrainConfig::kAutoBatch) c.batch_size = 0;
  if (c.optimizer.empty() && c.momentum > 0) c.optimizer = "sgd";  // an option may choose one
  const std::vector<models::Entry>& zoo = models::entries();
  validate(c, std::none_of(zoo.begin(), zoo.end(),
                           [&](const models::Entry& e) { return c.model == e.name; }));
  try {
    device_from_name(c.device);
  } catch (const DeviceError&) {}  // that it is missing here is no fault of the file
}

}  // namespace

void set_field(TrainConfig& config, const std::string& key, const std::string& value) {
  const ConfigField* known = find_field(key);
  if (!known) throw ArgumentError(no_setting(key));
  std::visit(
      [&](auto member) {
        auto& field = config.*member;
        using T = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<T, std::string>) field = value;
        else if constexpr (std::is_same_v<T, std::vector<double>>) field = numbers_from(key, value);
        else {
          const auto [end, error] =
              std::from_chars(value.data(), value.data() + value.size(), field);
          if (error != std::errc() || end != value.data() + value.size())
            throw ArgumentError({.argument = key,
                                 .given = quoted(value),
                                 .expected = std::is_same_v<std::decay_t<decltype(field)>, double>
                                                 ? "a number"
                                                 : "a whole number"});
        }
      },
      known->member);
}

TrainConfig config_from_toml(const std::string& path) {
  const std::string text = read_file(path);
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& e) {
    throw IoError({.argument = str(path, ": line ", static_cast<int64_t>(e.source().begin.line)),
                   .given = std::string(e.description())});
  }
  // First, for another format may have other keys.
  if (const toml::node* format = table.get("format")) {
    const std::string place =
        str(path, ": line ", static_cast<int64_t>(format->source().begin.line));
    if (!format->is_integer())
      throw IoError({.argument = place + ", format",
                     .given = kind_of(*format),
                     .expected = "a whole number"});
    require_run_format(place, *format->value<int64_t>());
  }
  TrainConfig config;
  for (auto&& [key, node] : table) {
    const std::string name(key.str());
    if (name == "format") continue;
    const std::string place = str(path, ": line ", static_cast<int64_t>(node.source().begin.line));
    const ConfigField* known = find_field(name);
    if (!known) throw IoError(fault_in(place, no_setting(name)));
    auto refuse = [&](const char* expected) {
      throw IoError(
          {.argument = str(place, ", ", name), .given = kind_of(node), .expected = expected});
    };
    std::visit(
        [&](auto member) {
          using T = std::decay_t<decltype(config.*member)>;
          if constexpr (std::is_same_v<T, std::vector<double>>) {
            const toml::array* list = node.as_array();
            if (!list || !std::all_of(list->begin(), list->end(),
                                      [](auto& item) { return item.is_number(); }))
              refuse("a list of numbers");
            for (auto& item : *list) (config.*member).push_back(*item.template value<double>());
            return;
          } else {
            const char* expected = std::is_same_v<T, std::string> ? "a text in quotes"
                                   : std::is_same_v<T, double>    ? "a number"
                                                                  : "a whole number";
            if (!(std::is_same_v<T, double>        ? node.is_number()
                  : std::is_same_v<T, std::string> ? node.is_string()
                                                   : node.is_integer()))
              refuse(expected);
            config.*member = *node.template value<T>();
          }
        },
        known->member);
  }
  try {
    check_values(config);
  } catch (const ArgumentError& e) { throw IoError(fault_in(path, e.fault())); }
  return config;
}

Json deciding_fields(const TrainConfig& config) {
  const bool by_length = config.lookahead > 0 ||
                         (!config.schedule.empty() && config.schedule != "constant") ||
                         config.warmup > 0;
  Json out = Json::Object();
  for (const ConfigField& f : config_fields())
    if (f.decides == Decides::result || (f.decides == Decides::length && by_length))
      std::visit(
          [&](auto member) {
            const auto& value = config.*member;
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<double>>) {
              Json::Array list;
              for (double v : value) list.emplace_back(v);
              out.set(f.key, std::move(list));
            } else {
              out.set(f.key, value);
            }
          },
          f.member);
  return out;
}

std::string differences(const Json& recorded, const TrainConfig& now) {
  std::string out;
  const Json current = deciding_fields(now);
  for (auto& [key, value] : current.object()) {
    const Json* before = recorded.find(key);
    // 1 and 1.0 are the same number, and how a double was spelled is no difference
    bool same =
        before && (value.is_number() && before->is_number() ? value.number() == before->number()
                                                            : value == *before);
    if (!same)
      out += str(out.empty() ? "" : ", ", key, " ", before ? before->dump() : "unset", " → ",
                 value.dump());
  }
  return out;
}

}  // namespace suanli
