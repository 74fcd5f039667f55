// SPDX-License-Identifier: Apache-2.0
// Files from the network.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace suanli::cli {

struct RemoteFile {
  std::vector<std::string> urls;  // places to try, one after the other
  std::string sha256;
  int64_t bytes = 0;
};

/// True if `path` holds that file already.
bool is_downloaded(const RemoteFile& file, const std::string& path);

/// Downloads to `path`, which appears when it is complete and verified; until then path + ".part"
/// grows, and a later call goes on with it. progress(bytes that are there). Throws IoError with
/// the reason of every place that failed.
void download(const RemoteFile& file, const std::string& path,
              const std::function<void(int64_t)>& progress);

}  // namespace suanli::cli
