// SPDX-License-Identifier: Apache-2.0
// Training that begins with the weights of an earlier one: what is taken over, what is frozen, what
// learns slowly.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "io/weight_file.h"
#include "suanli/io.h"
#include "suanli/models.h"
#include "suanli/train.h"
#include "train/stored/dataset_summary.h"

namespace suanli {

/// Initial weights of a run.
struct GivenWeights {
  NamedTensors tensors;  // of a file: only once choose() knows for which model
  std::vector<StateDict> dicts;  // of a file
  std::string path;
  std::vector<std::string> left_out;  // names of tensors beside the network's
  // how to choose one of several networks in one dict, a sentence
  std::string advice;
  bool of_run = false;  // then these say what that run did:
  int64_t epoch = 0;  // the best one, counted from 1
  std::string model, stem;  // the zoo's name and the stem, or ""
  std::vector<double> mean, stddev;  // how its inputs were shifted and scaled
  DataRecord data;
  bool any() const { return of_run || !dicts.empty(); }
};
/// The best weights of a run's folder, or the state dicts in a file. Throws IoError if the run
/// has no complete epoch yet.
GivenWeights weights_to_adopt(const std::string& path);

/// Reads the state dict of a file that has the model's names, and gives its tensors these names.
/// Throws IoError where several have. Does nothing for a run.
void choose_weights(const nn::Module& model, GivenWeights& given);

/// Throws IoError unless samples like `info` mean the same to a model as those of the run that
/// gave the weights did: as many channels, or the same columns of a table.
void require_like_samples(const GivenWeights& given, const data::Info& info);

/// The zoo's first model that weights of these names and shapes are of, but for the head and the
/// words of wrappers; "" if none is. `options` as for models::make(); the stem is tried either way.
std::string model_of(const NamedTensors& state, const models::ModelOptions& options);
/// The same for all state dicts in a file. Only the one whose model was found stays; IoError if
/// that leaves a choice.
std::string model_of(GivenWeights& given, const models::ModelOptions& options);

/// Returns advice on loading one of several networks that share a dict under prefixes, where it
/// fits a model of the zoo; else "".
std::string advice_on_parts(const GivenWeights& given, const models::ModelOptions& options);

/// Name of the layer that the last parameter belongs to, which has an output per class: "fc".
/// Everything else is the backbone.
std::string head_of(const nn::Module& model);

/// Puts weights into the model, which is for data like `info`. The head keeps its fresh weights if
/// there are none for it, or if they are for other answers: another number of classes, a run's of
/// other names, another column. Float tensors take the model's dtype. The changes join `notes`.
/// Throws IoError listing everything that does not fit, and if nothing is left to take; nothing
/// is changed then.
void adopt_weights(nn::Module& model, const GivenWeights& given, const data::Info& info,
                   std::vector<std::string>& notes);

/// True if weights of these names and shapes fit this model, except for its head.
bool weights_fit(const nn::Module& model, const NamedTensors& state);

/// The parameters whose names match one of the patterns, split at commas: * is any text, ? any
/// character, and the word backbone means all but the head. They get no gradient from now on.
/// Throws ArgumentError for a pattern that matches nothing, and if nothing is left to train.
void freeze(nn::Module& model, const std::string& patterns);

/// The parameters whose names match `pattern`: * is any text, ? any character. Throws ArgumentError
/// for `key` if none does.
std::vector<Parameter> named_like(const nn::Module& model, const std::string& pattern,
                                  const std::string& key);

/// Expected where no parameter would be trained.
inline constexpr const char* kSomethingToTrain = "a parameter that is trained";

/// All but the head.
std::vector<Parameter> backbone(const nn::Module& model);

/// Training mode, but eval mode for modules whose parameters are all frozen: frozen normalization
/// keeps its statistics.
void train_what_is_not_frozen(nn::Module& model);

}  // namespace suanli
