// SPDX-License-Identifier: Apache-2.0
#include "train/stored/dataset_summary.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "base/core/faults.h"
#include "base/text/text.h"
#include "data/sources/spec.h"
#include "train/stored/finite.h"

namespace suanli {

namespace {
struct NamedSplit {
  const char* name;
  std::shared_ptr<const data::Dataset> data::Splits::* split;
};
constexpr NamedSplit kSplits[] = {
    {"train", &data::Splits::train}, {"val", &data::Splits::val}, {"test", &data::Splits::test}};
}  // namespace

Json to_json(const data::Info& info) {
  Json out = Json::Object{{"kind", info.kind}};
  out.set("input_shape", Json::Array(info.input_shape.begin(), info.input_shape.end()));
  out.set("class_names", Json::Array(info.class_names.begin(), info.class_names.end()));
  if (info.task == data::Task::regression)
    out.set("target", Json::Object{{"mean", info.target_mean}, {"stddev", info.target_stddev}});
  if (!info.encoding.empty()) out.set("encoding", info.encoding);
  return out;
}

Json to_json(const data::Splits& splits) {
  const data::Info& info = splits.train->info();
  Json out = to_json(info);
  out.set("source", info.source);
  for (auto& [name, split] : kSplits) {
    const auto& dataset = splits.*split;
    if (!dataset) continue;
    char fingerprint[20];
    std::snprintf(fingerprint, sizeof fingerprint, "%016llx",
                  static_cast<unsigned long long>(dataset->info().fingerprint));
    out.set(name, Json::Object{{"samples", dataset->size()}, {"fingerprint", fingerprint}});
  }
  return out;
}

DataRecord data_record_from_json(const Json& json, const std::string& where) {
  try {
    DataRecord record;
    record.kind = json.string("kind");
    for (const Json& size : json.array("input_shape")) record.input_shape.push_back(size.integer());
    for (const Json& name : json.array("class_names")) record.class_names.push_back(name.string());
    if (const Json* target = json.find("target")) {
      record.task = data::Task::regression;
      record.target_mean = target->number("mean");
      record.target_stddev = target->number("stddev");
    }
    if (json.find("encoding")) record.encoding = json.string("encoding");
    else if (record.kind == "npz") record.encoding = "inputs unknown";  // a run of version 0.1.0
    return record;
  } catch (const Error& e) {
    Fault fault = fault_in(where + ": \"data\"", e.fault());
    fault.remedy = "The file was changed or damaged.";
    throw IoError(fault);
  }
}

int64_t outputs_of(data::Task task, size_t classes) {
  return task == data::Task::regression ? 1 : static_cast<int64_t>(classes);
}

Loss loss_for(data::Task task, const models::Entry* entry) {
  const bool logits = entry == nullptr || entry->output == models::Output::logits;
  if (task == data::Task::classification && logits)
    return [](const Tensor& output, const Tensor& target) { return cross_entropy(output, target); };
  // shares of classes: log_softmax changes no log-probabilities
  if (task == data::Task::classification)
    return [](const Tensor& output, const Tensor& target) {
      return target.rank() == 2 ? cross_entropy(output, target) : nll_loss(output, target);
    };
  if (!logits)
    throw ArgumentError({.argument = "model",
                         .given = entry->name,
                         .expected = "one that answers with a number, as the data ask",
                         .remedy = "This one gives probabilities of classes. Use mlp.",
                         .settings = {"model=mlp"}});
  return
      [](const Tensor& output, const Tensor& target) { return mse_loss(flatten(output), target); };
}

std::string data_differences(const Json& recorded, const Json& now) {
  std::string out;
  for (auto& [name, split] : kSplits) {
    const Json *before = recorded.find(name), *after = now.find(name);
    if (!before && !after) continue;
    if (before && after && *before == *after) continue;
    auto text = [](const Json* j) {
      return j ? str(j->at("samples").integer(), " samples with fingerprint ",
                     j->at("fingerprint").string())
               : std::string("none");
    };
    out += str(out.empty() ? "" : ", ", "the ", name, " data changed (", text(before), " → ",
               text(after), ")");
  }
  return out;
}

void require_data_of_run(const Json& recorded, const data::Splits& splits, const std::string& run) {
  const data::Info& info = splits.train->info();
  const DataRecord was = data_record_from_json(recorded, run + "/checkpoints/state.json");
  auto refuse = [&](const std::string& is, const std::string& before) {
    const std::string changes =
        was.kind == info.kind ? data_differences(recorded, to_json(splits)) : "";
    throw IoError({.argument = run,
                   .given = str("data of ", is, changes.empty() ? "" : ", " + changes),
                   .expected = str("data of ", before, ", on which it was trained"),
                   .remedy = "Give the place of the data that it was trained on.",
                   .settings = {"resume=" + run, "data"}});
  };
  auto sizes = [](const Shape& shape) {
    std::string out;
    for (int64_t d : shape) out += str(out.empty() ? "" : "×", d);
    return shape.rank() == 1 ? out + (shape[0] == 1 ? " column" : " columns") : out;
  };
  auto answers = [](data::Task task, size_t classes) {
    return task == data::Task::regression ? std::string("numbers")
                                          : str(classes, classes == 1 ? " class" : " classes");
  };
  if (was.input_shape != info.input_shape) refuse(sizes(info.input_shape), sizes(was.input_shape));
  const std::string is = answers(info.task, info.class_names.size()),
                    before = answers(was.task, was.class_names.size());
  if (is != before) refuse(is, before);
}

void require_different_targets(const data::Dataset& train, const std::string& source) {
  std::vector<float> x(static_cast<size_t>(train.info().input_shape.numel()));
  float first = 0, y = 0;
  for (int64_t i = 0; i < train.size(); ++i) {
    train.read_value(i, x.data(), i == 0 ? &first : &y);
    if (i > 0 && y != first) return;
  }
  const data::Info& info = train.info();
  if (train.size() > 1)
    throw IoError({.argument = source,
                   .given = str("the target ",
                                static_cast<double>(first) * info.target_stddev + info.target_mean,
                                " in all ", train.size(), " training samples"),
                   .expected = "at least two different numbers to learn from"});
}

namespace {

struct SourceParts {
  std::string kind, path, settings;  // "folder:", "/home/me/photos", "?size=96"
};
std::optional<SourceParts> parts_of(const std::string& source) {
  const size_t colon = source.find(':');
  if (colon == std::string::npos || colon > source.find('?')) return std::nullopt;
  const std::string place = source.substr(colon + 1);
  const size_t length = data::path_length(place);
  return SourceParts{source.substr(0, colon + 1), place.substr(0, length), place.substr(length)};
}

}  // namespace

std::string with_absolute_path(const std::string& source) {
  const std::optional<SourceParts> parts = parts_of(source);
  if (!parts) return source;
  std::error_code error;
  const std::filesystem::path absolute =
      std::filesystem::absolute(parts->path, error).lexically_normal();
  if (error || !std::filesystem::exists(absolute, error)) return source;
  return parts->kind + absolute.string() + parts->settings;
}

std::string path_in(const std::string& source) {
  const std::optional<SourceParts> parts = parts_of(source);
  return parts && parts->path.find('/') != std::string::npos ? parts->path : "";
}

std::string moved_to(const std::string& source, const std::string& place) {
  std::error_code error;
  const std::optional<SourceParts> parts = parts_of(source);
  if (!parts || !std::filesystem::exists(place, error)) return place;
  return with_absolute_path(parts->kind + place + parts->settings);
}

Tensor normalized(const Tensor& x, const std::vector<double>& mean,
                  const std::vector<double>& stddev) {
  if (stddev.empty()) return x;
  if (stddev.size() == 1) return (x - mean[0]) * (1 / stddev[0]);
  std::vector<float> shift, scale;
  for (size_t c = 0; c < stddev.size(); ++c) {
    shift.push_back(static_cast<float>(mean[c]));

    scale.push_back(static_cast<float>(1 / stddev[c]));
  }
  const auto channels = static_cast<int64_t>(stddev.size());
  const Shape by_channel = x.rank() == 2 ? Shape{channels} : Shape{channels, 1, 1};
  return (x - tensor<float>(shift, by_channel)) * tensor<float>(scale, by_channel);
}

const models::Entry& zoo_entry_of_run(const TrainConfig& config, const std::string& run) {
  for (const models::Entry& e : models::entries())
    if (config.model == e.name) return e;
  throw IoError({.argument = run,
                 .given = "model '" + config.model + "'",
                 .expected = "a model of the zoo",
                 .remedy = "Use the program that defines it (Trainer::resume, load_run)."});
}

NamedTensors values_of(const nn::Module& model) {
  NoGrad no_grad;
  NamedTensors out;
  for (auto& [name, parameter] : model.state_dict()) out.emplace_back(name, parameter.value());
  return out;
}

void load_weights(nn::Module& model, const NamedTensors& tensors, const std::string& file) {
  std::map<std::string, DType> dtypes;
  for (auto& [name, parameter] : model.state_dict()) dtypes.emplace(name, parameter.dtype());
  for (auto& [name, tensor] : tensors)
    if (const auto own = dtypes.find(name); own != dtypes.end())
      require_finite(tensor, own->second, file + ": " + name,
                     "Take weights of before that, or train anew.");
  try {
    model.load_state_dict(tensors);
  } catch (const IoError& e) {
    Fault fault = fault_in(file, e.fault());
    fault.expected = "the weights of this model";
    throw IoError(fault);
  }
}

void load_weights(nn::Module& model, const CheckpointFolder& folder, const SavedFile& file) {
  load_weights(model, folder.tensors(file), folder.path() + "/" + file.name);
}

}  // namespace suanli
