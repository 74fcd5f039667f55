// SPDX-License-Identifier: Apache-2.0
#include "train/stored/stored_run.h"

#include <filesystem>
#include <map>
#include <optional>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/text/text.h"
#include "train/settings/config.h"
#include "train/stored/checkpoint.h"
#include "train/stored/run_folder.h"

namespace suanli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModel = "/model.safetensors";

bool has_content(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) > 0;
}

/// Runs of before the record was written: the data themselves say what they are.
DataRecord record_of_data(const TrainConfig& config, const std::string& file) {
  try {
    const data::Splits splits = data::open(
        config.data, {.seed = static_cast<uint64_t>(config.seed), .val_fraction = config.val});
    return data_record_from_json(to_json(splits), file);
  } catch (const Error& e) {
    throw IoError(with_advice(fault_in(file + ": its data", e.fault()),
                              "The file does not say itself which data it was trained on."));
  }
}

void read_model_file(const std::string& run, StoredRun& stored) {
  stored.file = run + kModel;
  std::map<std::string, std::string> metadata;
  stored.weights = load_safetensors(stored.file, &metadata);
  const auto record = metadata.find(kRunRecord);
  if (record == metadata.end()) {
    stored.data = record_of_data(stored.config, stored.file);
    stored.epoch = stored.config.epochs;
    return;
  }
  const std::string where = stored.file + ": metadata";
  const Json json = Json::parse(record->second, where);
  const Json* data = nullptr;
  try {
    data = &json.at("data");
    stored.epoch = json.integer("epoch");
    stored.step = json.integer("step");
  } catch (const IoError& e) { throw IoError(fault_in(where, e.fault())); }
  stored.data = data_record_from_json(*data, where);
}

/// A run that was made longer has the summary of its first end until it comes to the next one.
bool ended_at(const std::string& run, int64_t step) {
  const std::string path = run + "/summary.json";
  if (!path_exists(path)) return false;
  const Json summary = Json::parse(read_file(path), path);
  const Json* steps = summary.find("steps");
  return steps && steps->is_integer() && steps->integer() == step;
}

/// Throws IoError where weights of checkpoints are left, but not the file that says which ones
/// count.
void require_state_of(const std::string& run) {
  const CheckpointFolder folder(run + "/checkpoints");
  const std::string name = folder.newest_weights(), weights = folder.path() + "/" + name;
  if (name.empty() || path_exists(folder.path() + "/state.json")) return;
  throw IoError({.argument = run,
                 .given = str("checkpoints/state.json is missing beside ", name),
                 .remedy = str("Restore state.json from a copy, or begin a new run with the "
                               "weights in ",
                               weights, "."),
                 .settings = {"weights=" + weights}});
}

constexpr const char* kCannotGoOn = "The run cannot go on. To train anew, choose another folder.";

/// The files of a run, joined by commas, that it writes only after its first checkpoint.
std::string files_after_checkpoint(const std::string& run) {
  std::string files;
  for (const char* name : {"model.safetensors", "summary.json", "metrics.jsonl", "log.txt"})
    if (has_content(run + "/" + name)) files += str(files.empty() ? "" : ", ", name);
  return files;
}

/// The error of a run that has no weights yet, or whose weights and checkpoints were removed.
IoError no_weights(const std::string& run) {
  Fault fault{.argument = run, .given = "neither a checkpoint nor a model.safetensors"};
  if (files_after_checkpoint(run).empty()) {
    fault.remedy = "There are no weights yet. Train the run first.";
    fault.settings = {"resume=" + run};
  } else {
    fault.remedy = kCannotGoOn;
  }
  return IoError(std::move(fault));
}

}  // namespace

std::string run_record(const data::Info& info, int64_t epoch, int64_t step) {
  return Json(Json::Object{{"data", to_json(info)}, {"epoch", epoch}, {"step", step}}).dump();
}

StoredRun read_stored_run(const std::string& run) {
  require_run_folder(run);
  StoredRun stored;
  stored.config = config_from_toml(run + "/config.toml");
  const CheckpointFolder folder(run + "/checkpoints");
  const std::optional<Checkpoint> checkpoint = folder.load();
  const bool best = checkpoint && !checkpoint->best_model.name.empty();
  const SavedFile* file = !checkpoint ? nullptr
                          : best      ? &checkpoint->best_model
                                      : &checkpoint->model;
  if (path_exists(run + kModel) && (!file || !path_exists(folder.path() + "/" + file->name))) {
    stored.finished = true;
    read_model_file(run, stored);
    return stored;
  }
  require_state_of(run);
  if (!checkpoint) throw no_weights(run);
  stored.finished = ended_at(run, checkpoint->progress.step);
  stored.data = data_record_from_json(checkpoint->provenance.data, folder.path() + "/state.json");
  stored.epoch = best ? checkpoint->best.epoch : checkpoint->progress.epoch;
  stored.step = best ? checkpoint->best.step : checkpoint->progress.step;
  stored.file = folder.path() + "/" + file->name;
  stored.weights = folder.tensors(*file);
  return stored;
}

void require_resumable(const std::string& run) {
  require_run_folder(run);
  if (path_exists(run + "/checkpoints/state.json")) return;
  require_state_of(run);
  const std::string kept = files_after_checkpoint(run);
  if (kept.empty()) return;
  const bool weights = has_content(run + kModel);
  Fault fault{.argument = run,
              .given = "no checkpoints any more, only " + kept,
              .remedy = kCannotGoOn,
              .settings = {"out"}};
  if (!weights) throw IoError(fault);
  throw IoError(with_advice(fault,
                            str("Its weights are in ", run, kModel,
                                ". They can be evaluated, and a new run can begin with them."),
                            {"weights=" + run + kModel}));
}

}  // namespace suanli
