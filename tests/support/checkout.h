// SPDX-License-Identifier: Apache-2.0
// Where the sources lie that this test was built from.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace suanli::test {

/// $SUANLI_SOURCE, else what the build folder's CMakeCache.txt says (__FILE__ is made relative, so
/// that caches can share objects). Empty if neither tells.
inline std::filesystem::path checkout() {
  if (const char* source = std::getenv("SUANLI_SOURCE")) return source;
  std::error_code ignored;
  for (auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored);
       folder.has_relative_path(); folder = folder.parent_path()) {
    std::ifstream cache(folder.parent_path() / "CMakeCache.txt");
    const std::string key = "CMAKE_HOME_DIRECTORY:INTERNAL=";
    for (std::string line; std::getline(cache, line);)
      if (line.starts_with(key)) return line.substr(key.size());
  }
  return {};
}

}  // namespace suanli::test
