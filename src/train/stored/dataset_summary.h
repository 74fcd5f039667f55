// SPDX-License-Identifier: Apache-2.0
// The data of a run as its folder records them, and the small steps that training, evaluating and
// reading back share.
#pragma once
#include <string>
#include <vector>

#include "base/text/json.h"
#include "suanli/io.h"
#include "suanli/train.h"
#include "train/stored/checkpoint.h"

namespace suanli {

/// The facts about training data that a model needs later.
struct DataRecord {
  std::string kind;
  Shape input_shape;
  std::vector<std::string> class_names;
  data::Task task = data::Task::classification;
  double target_mean = 0, target_stddev = 1;
  std::string encoding;
};
/// Returns the number of outputs that a model needs: one per class, or 1 for regression.
int64_t outputs_of(data::Task task, size_t classes);
/// The default loss. Throws IoError if the output of a model of the
/// zoo does not suit the task.
Loss loss_for(data::Task task, const models::Entry* entry);
/// Kind, shape, classes: what a DataRecord is made of.
Json to_json(const data::Info& info);
/// The same, the source, and the size and fingerprint of each split.
Json to_json(const data::Splits& splits);
/// Throws IoError with `where` in front.
DataRecord data_record_from_json(const Json& json, const std::string& where);
/// Throws IoError that names both shapes or numbers of classes where data are not like those
/// that the run recorded.
void require_data_of_run(const Json& recorded, const data::Splits& splits, const std::string& run);

/// Throws IoError where all targets of a regression are one number.
void require_different_targets(const data::Dataset& train, const std::string& source);

/// "the training data changed (12000 samples, fingerprint … → …)", or "".
std::string data_differences(const Json& recorded, const Json& now);

/// "mnist:data" → "mnist:/home/me/data": a run is also used from other folders than the one it was
/// started in.
std::string with_absolute_path(const std::string& source);
/// The path in a source, "/home/me/photos" of "folder:/home/me/photos?size=96"; "" where it has
/// none.
SUANLI_API std::string path_in(const std::string& source);
/// `source` with its data at another place: a path takes the place of the path in it, anything else
/// is a source itself.
std::string moved_to(const std::string& source, const std::string& place);

/// (x − mean) / stddev of x [N, C, H, W] or [N, C]; both have one number, or one per channel, or
/// none: then it is x itself.
Tensor normalized(const Tensor& x, const std::vector<double>& mean,
                  const std::vector<double>& stddev);

/// The zoo's row for a run's model; IoError if the run trained a module of its own.
const models::Entry& zoo_entry_of_run(const TrainConfig& config, const std::string& run);

/// The values of all parameters and buffers, with their names.
NamedTensors values_of(const nn::Module& model);
/// Loads the tensors of a file; the error says which one.
void load_weights(nn::Module& model, const NamedTensors& tensors, const std::string& file);
/// Reads, verifies and loads a checkpoint's weights.
void load_weights(nn::Module& model, const CheckpointFolder& folder, const SavedFile& file);

}  // namespace suanli
