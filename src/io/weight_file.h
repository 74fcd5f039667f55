// SPDX-License-Identifier: Apache-2.0
// Files of weights: safetensors, and PyTorch's, which may hold several state dicts among other
// things.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "suanli/io.h"

namespace suanli {

/// A mapping of names to tensors, listed without reading the tensors.
struct StateDict {
  // where it lies in the file, "state_dict" or "checkpoint.model"; "" is the file itself
  std::string key;
  std::vector<std::string> names;
  std::function<NamedTensors()> read;
};

/// Those of a PyTorch file: its root and dicts up to five levels below, also in lists and tuples.
/// Throws IoError if there is none.
std::vector<StateDict> torch_state_dicts(const std::string& path);

/// Those of a file of either kind. "FILE?key=KEY" takes the one at KEY alone, or the tensors whose
/// names begin with "KEY.", where KEY may begin with the key of their dict. Never empty; throws
/// IoError.
std::vector<StateDict> state_dicts_of(const std::string& place);

/// "FILE?key=KEY" of a state dict in the file at `place`.
std::string place_of(const StateDict& dict, const std::string& place);

/// " To take the tensors below 'WORDS' alone, give 'FILE?key=WORDS'.", or "" where no other tensors
/// stand beside them.
std::string advice_to_take_part(const std::vector<StateDict>& dicts, const std::string& words,
                                const std::string& place);

/// Throws IoError that lists the keys of state dicts that a user has to choose from.
[[noreturn]] void ask_for_key(const std::vector<StateDict>& equal, const std::string& place);

/// The one that is meant where no model says which names it needs: the usual key, else the one with
/// the most tensors. Throws IoError where that leaves a choice.
const StateDict& usual_state_dict(const std::vector<StateDict>& dicts, const std::string& place);

}  // namespace suanli
