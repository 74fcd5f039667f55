// TrainConfig as a table of fields, so that the file, the comparison and the documentation cannot drift apart.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "suanli/train.h"
#include "train/json.h"

namespace suanli {

struct ConfigField {
  const char* key;
  std::variant<std::string TrainConfig::*, int64_t TrainConfig::*, double TrainConfig::*, std::vector<double> TrainConfig::*> member;
  bool decides_bits;  // another value gives another result; such a field may not change between a checkpoint and its resume
  const char* doc;
};
const std::vector<ConfigField>& config_fields();

/// Fills what was left to the recipe and checks every value: UsageError. `own_model`: config.model is no name of the zoo.
void resolve(TrainConfig& config, bool own_model);

/// Fills what depends on the data where the user said nothing: the model, and epochs where samples are few. What was chosen, and why, joins
/// `notes`.
void fit_to_data(TrainConfig& config, bool own_model, const data::Dataset& train, std::vector<std::string>& notes);

/// The resolved configuration as a commented TOML file.
std::string to_toml(const TrainConfig& config);
/// Throws InputError naming file, line and key. Keys that are missing keep their defaults; unknown ones are an error.
TrainConfig config_from_toml(const std::string& path);

/// The fields that decide the result, for the checkpoint's state.
Json deciding_fields(const TrainConfig& config);
/// "lr 0.01 → 0.02, seed 0 → 1", or "" if nothing that decides the result differs.
std::string differences(const Json& recorded, const TrainConfig& now);

}  // namespace suanli
