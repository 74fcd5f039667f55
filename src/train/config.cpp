#include "train/config.h"

#include <toml++/toml.h>
#include <charconv>
#include <cmath>

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/text.h"

namespace suanli {

const std::vector<ConfigField>& config_fields() {
  using C = TrainConfig;
  static const std::vector<ConfigField> fields = {
      {"data", &C::data, false, "what data::open() opens; its content is fingerprinted"},
      {"model", &C::model, true, "name in the model zoo, or of a model of your own"},
      {"stem", &C::stem, true, "small or large: how a network for pictures begins"},
      {"weights", &C::weights, false, "file that the run began with"},
      {"freeze", &C::freeze, true, "parameters that are not trained: names with * and ?, or backbone"},
      {"backbone_lr", &C::backbone_lr, true, "learning rate of all but the head, as a factor"},
      {"epochs", &C::epochs, false, ""},
      {"batch_size", &C::batch_size, true, ""},
      {"optimizer", &C::optimizer, true, "sgd or adam"},
      {"lr", &C::lr, true, "learning rate"},
      {"momentum", &C::momentum, true, "of sgd"},
      {"mean", &C::mean, true, "inputs become (x - mean) / stddev, by channel"},
      {"stddev", &C::stddev, true, ""},
      {"augment", &C::augment, true, "other views of training pictures, see suanli train --help"},
      {"seed", &C::seed, true, "of weights, order, validation split and dropout"},
      {"val", &C::val, true, "fraction of the training samples that validates"},
      {"max_steps", &C::max_steps, false, "0: no limit"},
      {"checkpoint_every", &C::checkpoint_every, false, "steps; 0: only at the ends of epochs"},
      {"threads", &C::threads, true, "that compute"},
      {"loader_threads", &C::loader_threads, false, "that read data; results do not depend on them"},
      {"device", &C::device, true, ""},
      {"precision", &C::precision, true, ""},
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

}  // namespace

void resolve(TrainConfig& c, bool own_model) {
  models::Recipe recipe{"adam", 1e-3, 0, 64, 5, false};
  if (!own_model) recipe = models::entry(c.model).recipe;
  if (c.epochs == 0) c.epochs = recipe.epochs;
  if (c.batch_size == 0) c.batch_size = recipe.batch_size;
  // An optimiser that is not the recipe's takes its own usual numbers, not those tuned for another.
  const bool same = c.optimizer.empty() || c.optimizer == recipe.optimizer;
  if (c.optimizer.empty()) c.optimizer = recipe.optimizer;
  if (c.optimizer != "sgd" && c.optimizer != "adam") {
    std::string near = did_you_mean(c.optimizer, {"sgd", "adam"});
    throw InputError(str("optimizer '", c.optimizer, "' is not known: ", near.empty() ? "" : str("did you mean '", near, "'? "),
                         "There are sgd, adam."));
  }
  if (c.lr == 0) c.lr = same ? recipe.lr : c.optimizer == "sgd" ? 0.01 : 1e-3;
  if (c.optimizer == "adam" && c.momentum > 0)
    throw UsageError("momentum is sgd's; adam has its own averages. Leave it out, or use --optimizer sgd.");
  if (c.momentum == -1) c.momentum = c.optimizer == "adam" ? 0 : same ? recipe.momentum : 0.9;
  auto require = [](bool right, const char* key, const auto& value, const char* expected) {
    if (!right) throw UsageError(str(key, " is ", value, ", expected ", expected));
  };
  require(c.epochs >= 1, "epochs", c.epochs, "at least 1");
  require(c.batch_size >= 1, "batch_size", c.batch_size, "at least 1");
  require(std::isfinite(c.lr) && c.lr > 0, "lr", c.lr, "a number above 0");
  require(c.momentum >= 0 && c.momentum < 1, "momentum", c.momentum, "0 or more and below 1");
  if (!c.stem.empty()) models::stem_from_text(c.stem);
  require(std::isfinite(c.backbone_lr) && c.backbone_lr > 0, "backbone_lr", c.backbone_lr, "a number above 0");
  require(c.mean.size() == c.stddev.size(), "mean", toml_reals(c.mean), "as many numbers as stddev has");
  for (double v : c.mean) require(std::isfinite(v), "mean", toml_reals(c.mean), "numbers");
  for (double v : c.stddev) require(std::isfinite(v) && v > 0, "stddev", toml_reals(c.stddev), "numbers above 0");
  if (!c.augment.empty()) data::augment_from_text(c.augment);
  require(c.seed >= 0, "seed", c.seed, "0 or more");
  require(c.val >= 0 && c.val < 1, "val", c.val, "0 or more and below 1");
  require(c.max_steps >= 0, "max_steps", c.max_steps, "0 or more");
  require(c.checkpoint_every >= 0, "checkpoint_every", c.checkpoint_every, "0 or more");
  require(c.threads >= 0 && c.threads <= 1024, "threads", c.threads, "1 to 1024");
  require(c.loader_threads >= 0 && c.loader_threads <= 256, "loader_threads", c.loader_threads, "0 to 256");
  require(c.precision == "f32", "precision", c.precision, "f32");
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

std::string to_toml(const TrainConfig& config) {
  std::string out = "# What this run was told, every choice written out. `suanli train --resume` reads it.\n";
  for (const ConfigField& f : config_fields()) {
    std::string line = str(f.key, " = ");
    std::visit(
        [&](auto member) {
          const auto& value = config.*member;
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) line += toml_string(value);
          else if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) line += toml_real(value);
          else if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<double>>) line += toml_reals(value);
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

TrainConfig config_from_toml(const std::string& path) {
  const std::string text = read_file(path);
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& e) {
    throw InputError(str(path, ": line ", static_cast<int64_t>(e.source().begin.line), ": ", e.description()));
  }
  TrainConfig config;
  std::vector<std::string> keys;
  for (const ConfigField& f : config_fields()) keys.push_back(f.key);
  for (auto&& [key, node] : table) {
    const std::string name(key.str());
    auto where = [&] { return str(path, ": line ", static_cast<int64_t>(node.source().begin.line), ": ", name); };
    auto field = std::find_if(config_fields().begin(), config_fields().end(), [&](auto& f) { return name == f.key; });
    if (field == config_fields().end()) {
      std::string near = did_you_mean(name, keys);
      throw InputError(str(where(), " is no setting", near.empty() ? "" : str(": did you mean ", near, "?")));
    }
    std::visit(
        [&](auto member) {
          using T = std::decay_t<decltype(config.*member)>;
          if constexpr (std::is_same_v<T, std::vector<double>>) {
            const toml::array* list = node.as_array();
            if (!list || !std::all_of(list->begin(), list->end(), [](auto& item) { return item.is_number(); }))
              throw InputError(str(where(), ": expected a list of numbers"));
            for (auto& item : *list) (config.*member).push_back(*item.template value<double>());
            return;
          } else {
            const char* expected = std::is_same_v<T, std::string> ? "a text in quotes"
                                   : std::is_same_v<T, double>    ? "a number"
                                                                  : "a whole number";
            if (!(std::is_same_v<T, double> ? node.is_number() : std::is_same_v<T, std::string> ? node.is_string() : node.is_integer()))
              throw InputError(str(where(), ": expected ", expected));
            config.*member = *node.template value<T>();
          }
        },
        field->member);
  }
  return config;
}

Json deciding_fields(const TrainConfig& config) {
  Json out = Json::Object();
  for (const ConfigField& f : config_fields())
    if (f.decides_bits)
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
    bool same = before && (value.is_number() && before->is_number() ? value.number() == before->number() : value == *before);
    if (!same) out += str(out.empty() ? "" : ", ", key, " ", before ? before->dump() : "unset", " → ", value.dump());
  }
  return out;
}

}  // namespace suanli
