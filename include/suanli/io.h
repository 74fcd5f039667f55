// SPDX-License-Identifier: Apache-2.0
// Files of named tensors: safetensors, NumPy's .npz, and the state dicts that PyTorch saves.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Writes a safetensors file atomically: the old file remains until the new one is complete. Names
/// must be unique. Throws ArgumentError for a name given twice and for a header above 100 MB,
/// DTypeError for a dtype that the format lacks, IoError if the file cannot be written.
SUANLI_API void save_safetensors(const std::string& path, const NamedTensors& tensors,
                                 const std::map<std::string, std::string>& metadata = {});
/// Reads a safetensors file, in the order of the file. Everything is checked. Throws IoError with
/// file, offset and remedy.
SUANLI_API NamedTensors load_safetensors(const std::string& path,
                                         std::map<std::string, std::string>* metadata = nullptr);

/// Writes arrays as NumPy's numpy.savez does, atomically and without compression. Names must be
/// unique. Throws DTypeError for bf16 and complex dtypes, ArgumentError above 4 GiB or 65,534
/// arrays and for names that are given twice, too long or not UTF-8, IoError if the file cannot be
/// written.
SUANLI_API void save_npz(const std::string& path, const NamedTensors& tensors);
/// Reads the arrays of an .npz file, in the order of the file. Executes nothing. f16 becomes
/// f32; u16 becomes i32; u32 and u64 become i64. Throws IoError with member and position.
SUANLI_API NamedTensors load_npz(const std::string& path);

/// Reads a PyTorch state dict, a .pt or .pth file that torch.save of PyTorch 1.6 or later wrote.
/// Executes nothing. From a checkpoint it takes the state dict under a usual key ("state_dict",
/// "model_state_dict", "model", …), otherwise the one with the most tensors. Throws IoError with
/// file and position.
SUANLI_API NamedTensors load_torch(const std::string& path);
/// Calls load_torch() or load_safetensors(), depending on the first bytes of the file.
/// "FILE?key=KEY" takes the state dict at KEY of a checkpoint.
SUANLI_API NamedTensors load_weights(const std::string& path);

}  // namespace suanli
