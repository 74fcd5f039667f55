// SPDX-License-Identifier: Apache-2.0
#include "train/stored/fine_tune.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "data/datasets/encoding.h"
#include "nn/state_values.h"
#include "train/stored/checkpoint.h"
#include "train/stored/finite.h"
#include "train/stored/run_folder.h"
#include "train/stored/stored_run.h"
#include "train/stored/weight_names.h"

namespace suanli {

namespace {

/// "fc" and "fc.weight" belong to the head "fc", "fc2.weight" does not.
bool in_head(std::string_view name, std::string_view head) {
  return name.substr(0, head.size()) == head &&
         (name.size() == head.size() || name[head.size()] == '.');
}

bool matches(std::string_view name, std::string_view pattern) {
  size_t n = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++n;
      ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    }  // the last star takes one character more
    else
      return false;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// Names joined by commas, at most so many that a line stays readable.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMax = 12;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMax); ++i) out += (i ? ", " : "") + names[i];
  return names.size() > kMax ? str(out, " and ", names.size() - kMax, " more") : out;
}

struct Taken {
  std::string name;
  Parameter parameter;
  Tensor value, given;
};

/// The correspondence of a file's names and a model's.
struct Comparison {
  std::vector<std::string> missing, unexpected, misshapen;  // of all but the head
  std::vector<Taken> taken;
  bool new_head = false;
  bool fits() const { return missing.empty() && unexpected.empty() && misshapen.empty(); }
  /// A head is taken whole or not at all.
  void drop_half_a_head(std::string_view head) {
    if (new_head) std::erase_if(taken, [&](const Taken& t) { return in_head(t.name, head); });
  }
};

Comparison compare(const nn::Module& model, const NamedTensors& state) {
  Comparison c;
  const std::string head = head_of(model);
  std::map<std::string_view, const Tensor*> given;
  for (auto& [name, tensor] : state) given.insert_or_assign(name, &tensor);
  for (auto& [name, parameter] : model.state_dict()) {
    const auto it = given.find(name);
    const bool head_part = in_head(name, head);
    if (it == given.end()) {
      if (nn::is_batch_counter(name)) continue;
      if (head_part) c.new_head = true;
      else c.missing.push_back(name);
      continue;
    }
    const Tensor t = *it->second;
    given.erase(it);
    const bool other_size = t.shape() != parameter.shape();
    std::string why;
    if (Tensor value = nn::state_value(name, parameter, t, why); value.defined())
      c.taken.push_back({name, parameter, value, t});
    else if (head_part && other_size) c.new_head = true;
    else c.misshapen.push_back(why);
  }
  for (auto& [name, tensor] : given) {
    if (in_head(name, head)) c.new_head = true;
    else c.unexpected.emplace_back(name);
  }
  c.drop_half_a_head(head);
  return c;
}

}  // namespace

std::string head_of(const nn::Module& model) {
  const nn::NamedParameters parameters = model.named_parameters();
  if (parameters.empty())
    throw ArgumentError(
        {.argument = "model", .given = "no parameters", .expected = kSomethingToTrain});
  const std::string& last = parameters.back().first;
  return last.substr(0, last.rfind('.'));
}

namespace {

GivenWeights weights_of_run(const std::string& run) {
  require_run_folder(run);
  StoredRun stored;
  try {
    stored = read_stored_run(run);
  } catch (const IoError&) {
    const CheckpointFolder folder(run + "/checkpoints");
    if (path_exists(folder.path() + "/state.json") || path_exists(run + "/model.safetensors") ||
        !folder.newest_weights().empty())
      throw;
  }
  if (stored.epoch == 0)
    throw IoError({.argument = run,
                   .given = "no complete epoch yet",
                   .remedy = "Train the run first.",
                   .settings = {"resume=" + run}});
  GivenWeights given{.tensors = std::move(stored.weights),
                     .dicts = {},
                     .path = run,
                     .left_out = {},
                     .advice = {},
                     .of_run = true,
                     .epoch = stored.epoch};
  for (const models::Entry& e : models::entries())
    if (stored.config.model == e.name) {
      given.model = e.name;
      given.stem = stored.config.stem;
    }
  given.mean = stored.config.mean;
  given.stddev = stored.config.stddev;
  given.data = stored.data;
  return given;
}

/// Throws IoError unless the rows of a table become numbers that mean the same to weights of
/// `path`, but for how they are scaled.
void require_like_columns(const data::Encoding& was, const data::Encoding& is,
                          const std::string& path) {
  auto refuse = [&](const std::string& given, const std::string& expected) {
    throw IoError({.argument = path,
                   .given = given,
                   .expected = expected + ", which this run saw",
                   .remedy = "Give weights that were trained on such a table, or none.",
                   .settings = {"weights"}});
  };
  auto names = [](const data::Encoding& e) {
    std::vector<std::string> out;
    for (const data::ColumnCode& c : e.columns) out.push_back(c.name);
    return out;
  };
  if (names(was) != names(is))
    refuse("columns " + listed(names(is)), "columns " + listed(names(was)));
  for (size_t i = 0; i < was.columns.size(); ++i)
    if (was.columns[i].marks_missing != is.columns[i].marks_missing ||
        was.columns[i].words != is.columns[i].words)
      refuse("other words or missing cells in column " + is.columns[i].name, "those");
}

/// True if the classes differ from those that the weights were trained for.
bool other_answers(const GivenWeights& given, const data::Info& info) {
  if (!given.of_run) return false;
  if (given.data.task != info.task || given.data.class_names != info.class_names) return true;
  if (info.task == data::Task::classification) return false;
  if (given.data.kind != "csv" || info.kind != "csv") return true;
  return data::encoding_from_text(given.data.encoding).target !=
         data::encoding_from_text(info.encoding).target;
}

}  // namespace

GivenWeights weights_to_adopt(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return weights_of_run(path);
  return {.tensors = {},
          .dicts = state_dicts_of(path),
          .path = path,
          .left_out = {},
          .advice = {},
          .model = {},
          .stem = {},
          .mean = {},
          .stddev = {},
          .data = {}};
}

void choose_weights(const nn::Module& model, GivenWeights& given) {
  if (given.of_run || given.dicts.empty()) return;
  const StateDict chosen = state_dict_for(model, given.dicts, given.path);
  given.left_out.clear();
  given.tensors = under_names_of(model, chosen.read(), given.path, given.left_out);
  given.advice = advice_to_take_part({chosen}, words_before_names(model, chosen.names), given.path);
  if (given.dicts.size() > 1) given.path = place_of(chosen, given.path);
}

void require_like_samples(const GivenWeights& given, const data::Info& info) {
  if (!given.of_run) return;
  if (given.data.kind == "csv" && info.kind == "csv")
    require_like_columns(data::encoding_from_text(given.data.encoding),
                         data::encoding_from_text(info.encoding), given.path);
  const Shape &was = given.data.input_shape, &is = info.input_shape;
  if (was.rank() != is.rank() || was[0] != is[0])
    throw IoError({.argument = given.path,
                   .given = str("samples of shape ", is),
                   .expected = str("samples of shape ", was, ", which this run saw"),
                   .remedy = "Give weights that were trained on such samples, or none.",
                   .settings = {"weights"}});
}

std::string model_of(const NamedTensors& state, const models::ModelOptions& options) {
  flush();  // what the caller has pending; what follows is dropped
  for (const models::Entry& entry : models::entries())
    for (models::Stem stem : {models::Stem::small, models::Stem::large}) {
      models::ModelOptions o = options;
      o.stem = stem;
      bool fits = false;
      try {
        nn::AnyModule model = models::make(entry.name, o);
        std::vector<std::string> left_out;
        NamedTensors adapted = under_names_of(model, state, "", left_out);
        if (entry.adapt) entry.adapt(adapted, o);
        const Comparison c = compare(model, adapted);
        fits = c.fits() && !c.taken.empty();
      } catch (const IoError&) {}  // it takes no such samples
      drop_pending();  // initial weights that nobody will read
      if (fits) return entry.name;
    }
  return "";
}

std::string model_of(GivenWeights& given, const models::ModelOptions& options) {
  if (given.dicts.size() == 1) return model_of(given.dicts.front().read(), options);
  std::vector<StateDict> fitting;
  std::string model;
  for (const StateDict& dict : given.dicts)
    if (std::string found = model_of(dict.read(), options); !found.empty()) {
      model = found;
      fitting.push_back(dict);
    }
  if (fitting.size() > 1) ask_for_key(fitting, given.path);
  if (!fitting.empty()) given.dicts = fitting;
  return model;
}

std::string advice_on_parts(const GivenWeights& given, const models::ModelOptions& options) {
  constexpr size_t kMaxWords = 8;
  for (const StateDict& dict : given.dicts) {
    std::set<std::string> words;  // the first ones in which names differ
    for (std::string common; words.size() < 2;) {
      words.clear();
      for (const std::string& name : dict.names)
        if (const size_t dot = name.find('.', common.size());
            name.starts_with(common) && dot != std::string::npos)
          words.insert(name.substr(0, dot));
      if (words.size() == 1) common = *words.begin() + ".";
      else if (words.empty()) break;
    }
    if (words.size() > kMaxWords) continue;
    for (const std::string& w : words) {
      const std::string advice = advice_to_take_part({dict}, w, given.path);
      if (advice.empty()) continue;
      NamedTensors part = dict.read();
      std::erase_if(part, [&](auto& e) { return !e.first.starts_with(w + "."); });
      if (!model_of(part, options).empty()) return advice;
    }
  }
  return "";
}

bool weights_fit(const nn::Module& model, const NamedTensors& state) {
  return compare(model, state).fits();
}

void adopt_weights(nn::Module& model, const GivenWeights& given, const data::Info& info,
                   std::vector<std::string>& notes) {
  Comparison c = compare(model, given.tensors);
  const std::string head = head_of(model);
  if (!c.fits()) {
    Fault fault{.argument = given.path,
                .expected = str("the weights of this model (", model.self().type_name(), ")")};
    for (auto& [what, names] :
         {std::pair("missing", &c.missing), std::pair("unexpected", &c.unexpected),
          std::pair("misshapen", &c.misshapen)})
      if (!names->empty())
        fault.given += str(fault.given.empty() ? "" : "; ", what, " ", listed(*names));
    if (!c.unexpected.empty()) fault.remedy = joined_sentences("", given.advice);
    if (given.of_run && given.data.input_shape != info.input_shape)
      fault.remedy = joined_sentences(fault.remedy,
                                      str("That run saw samples of shape ", given.data.input_shape,
                                          ", these are of shape ", info.input_shape, "."));
    throw IoError(fault);
  }
  if (other_answers(given, info)) c.new_head = true;
  c.drop_half_a_head(head);
  if (c.taken.empty())
    throw IoError({.argument = given.path,
                   .given = "only weights for other answers or samples",
                   .expected = "some that this model takes"});
  for (const Taken& t : c.taken)
    require_finite(t.given, t.parameter.dtype(), given.path + ": " + t.name,
                   "Give weights that are finite, or none.");
  NoGrad no_grad;
  for (Taken& t : c.taken) t.parameter.set(t.value);
  flush();
  notes.push_back(
      str("weights: ", c.taken.size(), " tensors of ", given.path,
          given.of_run ? str(", epoch ", given.epoch) : "",
          c.new_head ? str("; a new head, ", head, ", since its classes are others") : ""));
  if (!given.left_out.empty())
    notes.push_back(
        str("weights: tensors that are not the network's are left out: ", listed(given.left_out)));
}

std::vector<Parameter> named_like(const nn::Module& model, const std::string& pattern,
                                  const std::string& key) {
  std::vector<Parameter> found;
  std::vector<std::string> names;
  for (auto& [name, parameter] : model.named_parameters()) {
    if (matches(name, pattern)) found.push_back(parameter);
    names.push_back(name);
  }
  if (found.empty())
    throw ArgumentError({.argument = key,
                         .given = "'" + pattern + "'",
                         .expected = "names of parameters: " + listed(names)});
  return found;
}

void freeze(nn::Module& model, const std::string& patterns) {
  for (const std::string& pattern : split_list(patterns))
    for (const Parameter& parameter :
         pattern == "backbone" ? backbone(model) : named_like(model, pattern, "freeze"))
      parameter.set_requires_grad(false);
  const nn::NamedParameters parameters = model.named_parameters();
  if (std::none_of(parameters.begin(), parameters.end(),
                   [](auto& e) { return e.second.requires_grad(); }))
    throw ArgumentError(
        {.argument = "freeze", .given = "'" + patterns + "'", .expected = kSomethingToTrain});
}

std::vector<Parameter> backbone(const nn::Module& model) {
  const std::string head = head_of(model);
  std::vector<Parameter> out;
  for (auto& [name, parameter] : model.named_parameters())
    if (!in_head(name, head)) out.push_back(parameter);
  return out;
}

namespace {

/// Puts modules that hold parameters and train none of them into eval mode.
struct FrozenToEval : nn::FieldVisitor {
  bool any = false, frozen = true;
  void parameter(const std::string&, Parameter& p) override {
    any = true;
    frozen = frozen && !p.requires_grad();
  }
  void buffer(const std::string&, Parameter&) override {}
  void module(const std::string&, nn::Module& m) override {
    FrozenToEval inside;
    m.fields(inside);
    if (inside.any && inside.frozen) m.eval();
    any = any || inside.any;
    frozen = frozen && inside.frozen;
  }
};

}  // namespace

void train_what_is_not_frozen(nn::Module& model) {
  model.train();
  FrozenToEval visitor;
  model.fields(visitor);
}

}  // namespace suanli
