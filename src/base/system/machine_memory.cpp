// SPDX-License-Identifier: Apache-2.0
#include "base/system/machine_memory.h"

#include <sys/resource.h>

#include <charconv>
#include <fstream>
#include <limits>
#include <optional>

#include "base/system/proc.h"
#include "base/text/text.h"

namespace suanli {

namespace {

/// The number that a file consists of; nothing where there is no such file, or where it says "max".
std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "key value" in a file of one such pair per line; 0 where it is not there.
int64_t entry_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string name;
  int64_t value = 0;
  while (file >> name >> value)
    if (name == key) return value;
  return 0;
}

/// Names of the same files in control groups v1 and v2.
struct ControlFiles {
  const char *folder, *limit, *used, *cached;
};
constexpr ControlFiles kVersion2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                    "inactive_file"};
constexpr ControlFiles kVersion1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                    "memory.usage_in_bytes", "total_inactive_file"};
constexpr int64_t kUnlimited = int64_t{1} << 60;  // version 1 writes a number near 2^63 for "max"

class Smallest {
 public:
  explicit Smallest(std::string root) : root_(std::move(root)) {}

  void offer(int64_t bytes, const std::string& by) {
    if (bytes < left_.bytes) left_ = {std::max<int64_t>(0, bytes), by};
  }

  /// A group and those above it: each may be the one that is full. In a container the paths may be
  /// the host's, of which only the last folder, the root, is there.
  void offer_groups(const ControlFiles& files, std::string group) {
    while (true) {
      while (!group.empty() && group.back() == '/') group.pop_back();
      const std::string folder = str(root_, files.folder, group, "/");
      const std::optional<int64_t> limit = number_in(folder + files.limit),
                                   used = number_in(folder + files.used);
      if (limit && used && *limit < kUnlimited)
        offer(*limit - *used + entry_in(folder + "memory.stat", files.cached),
              str("the control group ", group.empty() ? "/" : group));
      if (group.empty()) return;
      group.erase(group.rfind('/'));
    }
  }

  void offer_control_groups() {
    std::ifstream file(root_ + "/proc/self/cgroup");
    // "0::/user.slice" of version 2, "5:memory:/docker/…" of version 1
    for (std::string line; std::getline(file, line);) {
      const size_t first = line.find(':'), second = line.find(':', first + 1);
      if (first == std::string::npos || second == std::string::npos) continue;
      const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",",
                        group = line.substr(second + 1);
      if (controllers == ",,") offer_groups(kVersion2, group);
      else if (controllers.find(",memory,") != std::string::npos) offer_groups(kVersion1, group);
    }
  }

  /// Address space that is only reserved is no memory yet, so what is resident counts.
  void offer_limit(int resource, const char* by) {
    rlimit limit{};
    if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0 ||
        limit.rlim_cur >= static_cast<rlim_t>(kUnlimited))
      return;
    offer(static_cast<int64_t>(limit.rlim_cur) - proc_bytes("/proc/self/status", "VmRSS"), by);
  }

  const MemoryLeft& left() const { return left_; }

 private:
  std::string root_;
  MemoryLeft left_{std::numeric_limits<int64_t>::max(), ""};
};

}  // namespace

MemoryLeft memory_left(const std::string& root) {
  Smallest smallest(root);
  if (const int64_t available = proc_bytes((root + "/proc/meminfo").c_str(), "MemAvailable");
      available > 0)
    smallest.offer(available, "this machine");
  smallest.offer_control_groups();
  smallest.offer_limit(RLIMIT_AS, "the limit of the address space (ulimit -v)");
  smallest.offer_limit(RLIMIT_DATA, "the limit of data (ulimit -d)");
  return smallest.left();
}

}  // namespace suanli
