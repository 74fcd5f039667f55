#include "base/proc.h"

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

int64_t proc_bytes(const char* path, const std::string& key) { return std::strtoll(proc_value(path, key).c_str(), nullptr, 10) * 1024; }

}  // namespace suanli
