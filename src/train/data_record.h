// What a run remembers of its data, and the small steps that training, evaluating and reading back share.
#pragma once
#include <string>
#include <vector>

#include "suanli/train.h"
#include "train/checkpoint.h"
#include "train/json.h"

namespace suanli {

/// What a model needs to know of the data it was trained on.
struct DataRecord {
  std::string kind;
  Shape input_shape;
  std::vector<std::string> class_names;
  data::Task task = data::Task::classification;
  double target_mean = 0, target_stddev = 1;
  std::string encoding;
};
/// How many outputs a model needs: one per class, or one number.
int64_t outputs_of(data::Task task, size_t classes);
/// What is minimised where the user says nothing. Throws InputError if the output of a model of the zoo does not suit the task.
Loss loss_for(data::Task task, const models::Entry* entry);
/// Kind, shape, classes, and the size and fingerprint of each split.
Json to_json(const data::Splits& splits);
DataRecord data_record_from_json(const Json& json, const std::string& run);
/// "the training data changed (12000 samples, fingerprint … → …)", or "".
std::string data_differences(const Json& recorded, const Json& now);

/// "mnist:data" → "mnist:/home/me/data": a run is also used from other folders than the one it was started in.
std::string with_absolute_path(const std::string& source);

/// (x − mean) / stddev of x [N, C, H, W] or [N, C]; both have one number, or one per channel, or none: then it is x itself.
Tensor normalized(const Tensor& x, const std::vector<double>& mean, const std::vector<double>& stddev);

/// The zoo's row for a run's model; InputError if the run trained a module of its own.
const models::Entry& zoo_entry_of_run(const TrainConfig& config, const std::string& run);

/// The values of all parameters and buffers, with their names.
NamedTensors values_of(nn::Module& model);
/// Reads, verifies and loads a checkpoint's weights; the error says which file.
void load_weights(nn::Module& model, const CheckpointFolder& folder, const SavedFile& file);

}  // namespace suanli
