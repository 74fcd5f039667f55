// SPDX-License-Identifier: Apache-2.0
// Code that runs in a process of its own: what fork() leaves, how a process ends, limits that
// cannot be taken back.
#pragma once
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace suanli::test {

// beside exit codes; a signal n gives −n
constexpr int kHangs = 1000, kNoSuchTest = 1001, kThrew = 99;

/// Returns the child's exit status, −n for signal n, or kHangs after `seconds`.
inline int wait_for(pid_t child, double seconds) {
  int status = 0;
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
       ;) {
    if (waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (std::chrono::steady_clock::now() > end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return kHangs;
}

/// Forks, and ends the child by _exit(f()).
template <class F> pid_t fork_child(F&& f) {
  const pid_t child = fork();
  if (child != 0) return child;
  int code = kThrew;
  try {
    code = f();
  } catch (const std::exception& e) { fprintf(stderr, "in the child: %s\n", e.what()); }
  _exit(code);
}
template <class F> int in_child(F&& f, double seconds = 30) {
  return wait_for(fork_child(f), seconds);
}

/// True if this program has the test `name` (suite.test).
inline bool has_test(const std::string& name) {
  const auto& program = *testing::UnitTest::GetInstance();
  for (int s = 0; s < program.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *program.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t)
      if (std::string(suite.name()) + "." + suite.GetTestInfo(t)->name() == name) return true;
  }
  return false;
}

/// Runs the disabled test `name` of this program in a process of its own, with at most so many
/// bytes of address space (0: no limit). Returns how it ends, or kNoSuchTest.
inline int run_self(const std::string& name, rlim_t address_space = 0, double seconds = 60) {
  if (!has_test(name)) return kNoSuchTest;  // else a run of no test would count as passed
  const pid_t child = fork();
  if (child == 0) {
    for (const char* of_parent : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_OUTPUT"})
      unsetenv(of_parent);
    if (address_space) {
      const rlimit limit{address_space, address_space};
      setrlimit(RLIMIT_AS, &limit);
    }
    const std::string filter = "--gtest_filter=" + name;
    execl("/proc/self/exe", "test", filter.c_str(), "--gtest_also_run_disabled_tests",
          "--gtest_brief=1", nullptr);
    _exit(127);
  }
  return wait_for(child, seconds);
}

}  // namespace suanli::test
