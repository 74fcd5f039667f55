// SPDX-License-Identifier: Apache-2.0
#include "base/system/machine_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support/temp_folder.h"

namespace suanli {
namespace {

constexpr int64_t kMiB = 1 << 20;

/// A machine's /proc and /sys, written down.
class Machine {
 public:
  explicit Machine(int64_t available_kib) {
    file("/proc/meminfo",
         "MemTotal: 99999999 kB\nMemAvailable: " + std::to_string(available_kib) + " kB\n");
  }
  void file(const std::string& path, const std::string& content) {
    const std::filesystem::path full = root() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << content;
  }
  std::string root() const { return folder_ / "root"; }
  MemoryLeft left() const { return memory_left(root()); }

 private:
  TempFolder folder_;
};

TEST(MemoryLeft, IsTheMachinesWhereNothingElseLimits) {
  Machine m(1000);
  EXPECT_EQ(m.left().bytes, 1000 * 1024);
  EXPECT_EQ(m.left().by, "this machine");
  m.file("/proc/self/cgroup", "0::/user.slice\n");
  m.file("/sys/fs/cgroup/user.slice/memory.max", "max\n");
  m.file("/sys/fs/cgroup/user.slice/memory.current", "123456\n");
  EXPECT_EQ(m.left().bytes, 1000 * 1024);
}

TEST(MemoryLeft, OfControlGroupsOfVersion2TheFullestCounts) {
  Machine m(1 << 30);
  m.file("/proc/self/cgroup", "0::/batch/job\n");
  m.file("/sys/fs/cgroup/batch/job/memory.max", "max\n");
  m.file("/sys/fs/cgroup/batch/job/memory.current", "0\n");
  m.file("/sys/fs/cgroup/batch/memory.max", std::to_string(100 * kMiB));
  m.file("/sys/fs/cgroup/batch/memory.current", std::to_string(70 * kMiB));
  EXPECT_EQ(m.left().bytes, 30 * kMiB);
  EXPECT_EQ(m.left().by, "the control group /batch");
  // Cached files are given back where memory is short.
  m.file("/sys/fs/cgroup/batch/memory.stat",
         "anon 1\nfile 2\ninactive_file " + std::to_string(20 * kMiB) + "\n");
  EXPECT_EQ(m.left().bytes, 50 * kMiB);
  m.file("/sys/fs/cgroup/batch/memory.current", std::to_string(130 * kMiB));
  EXPECT_EQ(m.left().bytes, 0) << "never below nothing";
}

TEST(MemoryLeft, AContainerSeesItsOwnGroupAsTheRoot) {
  Machine m(1 << 30);
  // the host's path, which is not there
  m.file("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
  m.file("/sys/fs/cgroup/memory.max", std::to_string(64 * kMiB));
  m.file("/sys/fs/cgroup/memory.current", std::to_string(4 * kMiB));
  EXPECT_EQ(m.left().bytes, 60 * kMiB);
}

TEST(MemoryLeft, OfControlGroupsOfVersion1) {
  Machine m(1 << 30);
  m.file("/proc/self/cgroup", "12:cpu,cpuacct:/a\n5:memory:/docker/x\n1:name=systemd:/b\n");
  m.file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // none
  m.file("/sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(900 * kMiB));
  m.file("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", std::to_string(200 * kMiB));
  m.file("/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", std::to_string(150 * kMiB));
  m.file("/sys/fs/cgroup/memory/docker/x/memory.stat",
         "cache 1\ntotal_inactive_file " + std::to_string(10 * kMiB) + "\n");
  EXPECT_EQ(m.left().bytes, 60 * kMiB);
}

/// In a process of its own, since a limit cannot be taken back.
TEST(MemoryLeft, TheLimitOfTheAddressSpaceCounts) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{rlim_t{3} << 30, rlim_t{3} << 30};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
    Machine m(1 << 30);
    const MemoryLeft left = m.left();
    _exit(left.bytes < (int64_t{3} << 30) && left.bytes > (int64_t{2} << 30) &&
                  left.by.find("ulimit -v") != std::string::npos
              ? 0
              : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace suanli
