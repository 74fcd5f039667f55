// SPDX-License-Identifier: Apache-2.0
// Files of named tensors: safetensors, and the state dicts that PyTorch saves.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Writes a safetensors file atomically: the old file remains until the new one is complete. Names
/// must be unique.
SUANLI_API void save_safetensors(const std::string& path, const NamedTensors& tensors,
                                 const std::map<std::string, std::string>& metadata = {});
/// Reads a safetensors file, in the order of the file. Everything is checked. Throws IoError with
/// file, offset and remedy.
SUANLI_API NamedTensors load_safetensors(const std::string& path,
                                         std::map<std::string, std::string>* metadata = nullptr);

/// Reads a PyTorch state dict, a .pt or .pth file that torch.save of PyTorch 1.6 or later wrote.
/// Executes nothing. From a checkpoint it takes the state dict under a usual key ("state_dict",
/// "model_state_dict", "model", …), otherwise the one with the most tensors. Throws IoError with
/// file and position.
SUANLI_API NamedTensors load_torch(const std::string& path);
/// Calls load_torch() or load_safetensors(), depending on the first bytes of the file.
/// "FILE?key=KEY" takes the state dict at KEY of a checkpoint.
SUANLI_API NamedTensors load_weights(const std::string& path);

}  // namespace suanli
