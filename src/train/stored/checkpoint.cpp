// SPDX-License-Identifier: Apache-2.0
#include "train/stored/checkpoint.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "base/core/faults.h"
#include "base/text/text.h"
#include "io/safetensors.h"
#include "train/settings/config.h"

namespace suanli {

namespace {

constexpr const char* kState = "state.json";
constexpr const char* kDamaged =
    "The file was changed or damaged. Restore it, or start the run anew.";

// JSON numbers are doubles to many readers, so 64-bit words are written as hexadecimal text.
Json word(uint64_t v) {
  char buffer[20];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(v));
  return buffer;
}
uint64_t word(const Json& json, const char* key) {
  const std::string& text = json.string(key);
  uint64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v, 16);
  if (error != std::errc() || end != text.data() + text.size())
    throw IoError(
        {.argument = key, .given = "\"" + text + "\"", .expected = "a hexadecimal number"});
  return v;
}

Json to_json(const SavedFile& file) {
  return Json::Object{{"file", file.name},
                      {"bytes", static_cast<int64_t>(file.digest.bytes)},
                      {"crc32", word(uint64_t{file.digest.crc32})}};
}
SavedFile file_from_json(const Json& json) {
  SavedFile file{
      json.string("file"),
      {static_cast<uint64_t>(json.integer("bytes")), static_cast<uint32_t>(word(json, "crc32"))}};
  // The name is joined to the folder and later removed: it must not lead out of it.
  if (file.name.empty() || file.name.find('/') != std::string::npos)
    throw IoError(
        {.argument = "file", .given = "\"" + file.name + "\"", .expected = "a file name"});
  return file;
}

}  // namespace

Json to_json(const Progress& p) {
  return Json::Object{{"epoch", p.epoch},
                      {"batch", p.batch},
                      {"step", p.step},
                      {"samples", p.samples},
                      {"epoch_loss", p.epoch_loss},
                      {"epoch_samples", p.epoch_samples},
                      {"window_loss", p.window_loss},
                      {"window_steps", p.window_steps},
                      {"train_loss", p.train_loss},
                      {"seconds", p.seconds},
                      {"train_seconds", p.train_seconds},
                      {"wait_seconds", p.wait_seconds},
                      {"grad_norm", p.grad_norm},
                      {"clipped", p.clipped},
                      {"metrics_bytes", p.metrics_bytes},
                      {"generator_seed", word(p.generator_seed)},
                      {"generator_counter", word(p.generator_counter)}};
}

Progress progress_from_json(const Json& j) {
  Progress p;
  p.epoch = j.integer("epoch");
  p.batch = j.integer("batch");
  p.step = j.integer("step");
  p.samples = j.integer("samples");
  p.epoch_loss = j.number("epoch_loss");
  p.epoch_samples = j.integer("epoch_samples");
  p.window_loss = j.number("window_loss");
  p.window_steps = j.integer("window_steps");
  p.train_loss = j.number("train_loss");
  p.seconds = j.number("seconds");
  p.train_seconds = j.number("train_seconds");
  if (j.find("wait_seconds")) {  // not in runs of the first version 0.1.0
    p.wait_seconds = j.number("wait_seconds");
    p.grad_norm = j.number("grad_norm");
    p.clipped = j.integer("clipped");
  }
  p.metrics_bytes = j.integer("metrics_bytes");
  p.generator_seed = word(j, "generator_seed");
  p.generator_counter = word(j, "generator_counter");
  if (p.epoch < 0 || p.batch < 0 || p.step < 0 || p.metrics_bytes < 0)
    throw IoError(
        {.argument = "progress", .given = "a negative position", .expected = "0 or more"});
  return p;
}

std::optional<Checkpoint> CheckpointFolder::load() const {
  const std::string path = path_ + "/" + kState;
  if (!path_exists(path)) return std::nullopt;
  const Json json = [&] {
    try {
      return Json::parse(read_file(path), path);
    } catch (const IoError& e) {
      const std::string name = newest_weights(), weights = path_ + "/" + name;
      const std::string damaged = "The file was cut off or damaged. Restore it from a copy, or ";
      if (name.empty()) throw IoError(with_advice(e.fault(), damaged + "start the run anew."));
      throw IoError(with_advice(e.fault(),
                                str(damaged, "begin a new run with the weights in ", weights, "."),
                                {"weights=" + weights}));
    }
  }();
  if (const Json* format = json.find("format"); format && format->is_integer())
    require_run_format(path, format->integer());
  try {
    json.integer("format");
    Checkpoint c;
    c.progress = progress_from_json(json.at("progress"));
    c.model = file_from_json(json.at("model"));
    c.optimizer = file_from_json(json.at("optimizer"));
    if (const Json& best = json.at("best"); !best.is_null()) {
      auto newer = [&](const char* key) {  // not in runs of the first version 0.1.0
        return best.find(key) ? best.number(key) : std::numeric_limits<double>::quiet_NaN();
      };
      c.best = {best.integer("epoch"),          best.integer("step"),
                best.number("val_loss"),        best.number("val_accuracy"),
                newer("val_balanced_accuracy"), newer("val_rmse")};
      c.best_model = file_from_json(best.at("model"));
    }
    c.provenance = {json.string("version"),  json.string("isa"),
                    json.integer("threads"), json.at("config"),
                    json.at("data"),         json.find("numerics") ? json.string("numerics") : ""};
    if (const Json* tuning = json.find("tuning")) c.tuning = *tuning;
    return c;
  } catch (const IoError& e) {
    Fault fault = fault_in(path, e.fault());
    fault.remedy = kDamaged;
    throw IoError(fault);
  }
}

std::string CheckpointFolder::newest_weights() const {
  std::error_code error;  // a folder that is not there has none
  std::string newest;
  for (auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    const bool of_model = name.starts_with("step-") &&
                          name.find('.') == name.rfind(".safetensors") &&
                          name.ends_with(".safetensors");
    // A process that is killed inside its first save leaves weights of step 0 without a state.
    if (of_model && name != "step-00000000.safetensors" && name > newest) newest = name;
  }
  return newest;
}

NamedTensors CheckpointFolder::tensors(const SavedFile& file) const {
  const std::string path = path_ + "/" + file.name;
  FileDigest found = digest_file(path);
  if (found != file.digest)
    throw IoError({.argument = path,
                   .given = to_string(found),
                   .expected = str(to_string(file.digest), ", which ", kState, " recorded"),
                   .remedy = kDamaged});
  return load_safetensors(path);
}

void CheckpointFolder::save(Checkpoint& c, const NamedTensors& model, const NamedTensors& optimizer,
                            const NamedTensors* best) {
  char stem[32];
  std::snprintf(stem, sizeof stem, "step-%08lld", static_cast<long long>(c.progress.step));
  Checkpoint next = c;
  // A second save at the same step (after the evaluation) writes the same bytes over the committed
  // ones, by rename: never torn.
  // what PyTorch's own writer says, so that its readers take it
  const std::map<std::string, std::string> note = {{"format", "pt"}};
  next.model.name = str(stem, ".safetensors");
  next.model.digest = write_safetensors(path_ + "/" + next.model.name, model, note);
  next.optimizer.name = str(stem, ".optim.safetensors");
  next.optimizer.digest = write_safetensors(path_ + "/" + next.optimizer.name, optimizer, note);
  if (best == &model) next.best_model = next.model;
  else if (best) {
    next.best_model.name = str(stem, ".kept.safetensors");
    next.best_model.digest = write_safetensors(path_ + "/" + next.best_model.name, *best, note);
  }

  Json kept;
  if (!next.best_model.name.empty())
    kept = Json::Object{{"epoch", c.best.epoch},
                        {"step", c.best.step},
                        {"val_loss", c.best.loss},
                        {"val_accuracy", c.best.accuracy},
                        {"val_balanced_accuracy", c.best.balanced_accuracy},
                        {"val_rmse", c.best.rmse},
                        {"model", to_json(next.best_model)}};
  const Provenance& p = c.provenance;
  Json state = Json::Object{{"format", kRunFormat},
                            {"version", p.version},
                            {"isa", p.isa},
                            {"numerics", p.numerics},
                            {"tuning", c.tuning},
                            {"threads", p.threads},
                            {"progress", to_json(c.progress)},
                            {"model", to_json(next.model)},
                            {"optimizer", to_json(next.optimizer)},
                            {"best", kept},
                            {"config", p.config},
                            {"data", p.data}};
  write_file_atomically(path_ + "/" + kState, state.dump(1) + "\n");
  c = next;
  clean(c);
}

void CheckpointFolder::clean(const std::optional<Checkpoint>& keep) const {
  std::error_code error;  // a left-over that cannot be removed harms nothing
  for (auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    const bool named = keep && (name == keep->model.name || name == keep->optimizer.name ||
                                name == keep->best_model.name || name == kState);
    const bool ours = name.starts_with("step-") || name.ends_with(kTemporarySuffix);
    if (ours && !named) std::filesystem::remove(entry.path(), error);
  }
}

}  // namespace suanli
