// SPDX-License-Identifier: Apache-2.0
// The names in a file of weights and those of a model: which state dict is meant, and which words
// stand before its names.
#pragma once
#include <string>
#include <vector>

#include "io/weight_file.h"
#include "suanli/nn.h"

namespace suanli {

/// The one with the most of a model's names. Throws IoError that lists the keys where several
/// have as many.
const StateDict& state_dict_for(const nn::Module& model, const std::vector<StateDict>& dicts,
                                const std::string& place);

/// The words before the model's names in a file, "student" for "student.fc.weight"; "" if there are
/// none.
std::string words_before_names(const nn::Module& model, const std::vector<std::string>& names);

/// Weights under the names of a model: the words of wrappers ("module.", "_orig_mod.", "model.", …)
/// that stand before all of them are taken off, and what averages count beside the weights is left
/// out. The names of further tensors beside the wrapped network join `left_out`.
NamedTensors under_names_of(const nn::Module& model, const NamedTensors& state,
                            const std::string& place, std::vector<std::string>& left_out);

}  // namespace suanli
