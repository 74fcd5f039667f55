// SPDX-License-Identifier: Apache-2.0
#include "base/system/proc.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace suanli {

std::string proc_value(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    size_t at = line.find_first_not_of(" \t:", key.size());
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

int64_t proc_bytes(const char* path, const std::string& key) {
  return std::strtoll(proc_value(path, key).c_str(), nullptr, 10) * 1024;
}

std::optional<int64_t> address_space_left() {
  rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  const int64_t used = proc_bytes("/proc/self/status", "VmSize");
  return std::max<int64_t>(
      0, static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT64_MAX)) - used);
}

}  // namespace suanli
