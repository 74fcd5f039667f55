// Training that begins with the weights of an earlier one: what is taken over, what is frozen, what learns slowly.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "suanli/models.h"
#include "suanli/train.h"

namespace suanli {

/// load_weights(), without the word that wrappers for several devices put before every name ("module.").
NamedTensors weights_to_adopt(const std::string& path);

/// Name of the layer that the last parameter belongs to, which has an output per class: "fc". Everything else is the backbone.
std::string head_of(nn::Module& model);

/// Puts `state` (as read from `path`) into the model. The head keeps its fresh weights if the classes differ or the file has none. Float tensors take the model's dtype. What was done joins
/// `notes`. Throws InputError listing everything that does not fit; nothing is changed then.
void adopt_weights(nn::Module& model, const NamedTensors& state, const std::string& path, std::vector<std::string>& notes);

/// Whether weights of these names and shapes are this model's, but for its head.
bool weights_fit(nn::Module& model, const NamedTensors& state);

/// The parameters whose names match one of the patterns, split at commas: * is any text, ? any character, and the word backbone means all
/// but the head. They get no gradient from now on. Throws UsageError for a pattern that matches nothing, and if nothing is left to train.
void freeze(nn::Module& model, const std::string& patterns);

/// The parameters whose names match `pattern`: * is any text, ? any character. Throws UsageError with `key` in front if none does.
std::vector<Parameter> named_like(nn::Module& model, const std::string& pattern, const std::string& key);

/// All but the head.
std::vector<Parameter> backbone(nn::Module& model);

/// Training mode, but eval mode for modules whose parameters are all frozen: frozen normalisation keeps its statistics.
void train_what_is_not_frozen(nn::Module& model);

}  // namespace suanli
