// SPDX-License-Identifier: Apache-2.0
// The safetensors format: u64 header length, a JSON header, then the tensors' bytes without gaps.
// Files are byte for byte what the format's own library writes for the same tensors.
#pragma once
#include "base/files/file.h"
#include "suanli/io.h"

namespace suanli {

/// save_safetensors, and what to recognize the file by.
FileDigest write_safetensors(const std::string& path, const NamedTensors& tensors,
                             const std::map<std::string, std::string>& metadata);

/// The names of the tensors, in the order of the file; only the header is read.
std::vector<std::string> safetensors_names(const std::string& path,
                                           std::map<std::string, std::string>* metadata = nullptr);

}  // namespace suanli
