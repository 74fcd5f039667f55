// SPDX-License-Identifier: Apache-2.0
// TrainConfig as a table of fields, so that the file, the comparison and the documentation cannot
// drift apart.
#pragma once
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/text/json.h"
#include "suanli/train.h"

namespace suanli {

/// True if another value gives another result. Such a setting may not change between a checkpoint
/// and its resume.
enum class Decides : uint8_t {
  nothing,
  result,
  length,  // of the run: decides the result if the run's length does, through its schedule
};

struct ConfigField {
  const char* key;
  std::variant<std::string TrainConfig::*, int64_t TrainConfig::*, double TrainConfig::*,
               std::vector<double> TrainConfig::*>
      member;
  Decides decides;
  const char* doc;
};
SUANLI_API const std::vector<ConfigField>& config_fields();

/// Fills what was left open as `recipe` says.
void apply_recipe(TrainConfig& config, const models::Recipe& recipe);
/// Fills what was left to the model's recipe and checks every value: ArgumentError. `custom_model`:
/// config.model is no name of the zoo.
void validate(TrainConfig& config, bool custom_model);
/// The recipe of a resolved configuration.
optim::Schedule schedule_of(const TrainConfig& config);
/// "1,2,0.5" as numbers; ArgumentError names `key`.
std::vector<double> numbers_from(const std::string& key, const std::string& text);

/// "*.bias=2,0.*=0.5" as names and numbers, none of them for "none"; ArgumentError names `key`.
std::vector<std::pair<std::string, double>> named_numbers_from(const std::string& key,
                                                               const std::string& text);

/// Fills what depends on the data where the user said nothing: the model, and batches and epochs
/// where samples are few. The choices and their reasons join `notes`. `batch_size_unresolved`: the
/// batch size is chosen later.
void apply_data_defaults(TrainConfig& config, bool custom_model, bool batch_size_unresolved,
                         const data::Dataset& train, std::vector<std::string>& notes);

/// Makes the learning rate, a recipe's for batches of another size, one for the batches that are
/// taken: in proportion for plain descent (Goyal et al., Accurate, large minibatch SGD, 2017), with
/// the root for Adam. Says so.
std::string scale_lr(TrainConfig& config, int64_t recipe_batch);

/// True if inputs are shifted and scaled to mean 0 and deviation 1 of the training data where the
/// user gave no numbers. Null: a model of the user's own.
bool normalizes(const data::Info& info, const models::Recipe* recipe);

/// The format of run folders: the meaning of keys and values in config.toml and state.json. It
/// grows when one of them gets another name or meaning; a program reads its own format alone. Files
/// that name no format have format 1.
inline constexpr int64_t kRunFormat = 1;
/// Throws IoError that begins with `place` and names both formats unless `format` is this
/// program's.
void require_run_format(const std::string& place, int64_t format);

/// The resolved configuration as a commented TOML file.
SUANLI_API std::string to_toml(const TrainConfig& config);
/// Throws IoError naming file, line and key, or the value that is wrong. Keys that are missing
/// keep their defaults; unknown ones are an error.
SUANLI_API TrainConfig config_from_toml(const std::string& path);

/// Sets one field from text. Throws ArgumentError for a key that is none, with the nearest one, and
/// for a value of the wrong kind.
SUANLI_API void set_field(TrainConfig& config, const std::string& key, const std::string& value);

/// The fields that decide this configuration's result, for the checkpoint's state.
Json deciding_fields(const TrainConfig& config);
/// "lr 0.01 → 0.02, seed 0 → 1", or "" if nothing that decides the result differs.
std::string differences(const Json& recorded, const TrainConfig& now);

}  // namespace suanli
