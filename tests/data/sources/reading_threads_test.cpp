// SPDX-License-Identifier: Apache-2.0
// The threads that read while data are opened.
#include "data/sources/reading_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/threads/thread_pool.h"
#include "suanli/session.h"
#include "support/errors.h"

namespace suanli::data {
namespace {

/// Sets the number of compute threads while it lives.
class Threads {
 public:
  explicit Threads(int threads) : before_(Session::current().threads()) {
    Session::current().set_threads(threads);
  }
  ~Threads() { Session::current().set_threads(before_); }
  Threads(const Threads&) = delete;

 private:
  int before_;
};

TEST(ReadRanges, MeetEachIndexOnce) {
  for (int threads : {1, 3}) {
    Threads now(threads);
    for (int64_t n : {0, 1, 2, 7, 100})
      for (int64_t grain : {1, 8}) {
        std::vector<std::atomic<int>> met(static_cast<size_t>(n));
        std::atomic<int> short_ranges = 0;
        read_ranges(n, grain, [&](int64_t begin, int64_t end) {
          short_ranges += end - begin < std::min(n, grain);
          for (int64_t i = begin; i < end; ++i) ++met[static_cast<size_t>(i)];
        });
        for (const auto& m : met) EXPECT_EQ(m, 1);
        EXPECT_EQ(short_ranges, 0) << n << " by " << grain;
      }
  }
}

TEST(ReadRanges, ThrowTheErrorOfTheFirstRange) {
  Threads now(4);
  auto read = [] {
    read_ranges(64, 1, [](int64_t begin, int64_t) {
      if (begin >= 2) throw IoError(Fault{.argument = std::to_string(begin)});
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    });
  };
  EXPECT_FAULT(IoError, read(), .argument = "2");
}

// The pool that computes is busy until two ranges are under way at the same time.
TEST(ReadRanges, DoNotNeedThePool) {
  Threads now(2);
  std::atomic<bool> busy = false, done = false;
  std::atomic<int> inside = 0, together = 0;
  std::thread computing([&] {
    parallel_invoke(2, [&](int) {
      busy = true;
      while (!done) std::this_thread::yield();
    });
  });
  while (!busy) std::this_thread::yield();
  read_ranges(2, 1, [&](int64_t, int64_t) {
    ++inside;
    for (int ms = 0; ms < 5000 && inside < 2; ++ms)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    together += inside == 2;
  });
  done = true;
  computing.join();
  EXPECT_EQ(together, 2);
}

}  // namespace
}  // namespace suanli::data
