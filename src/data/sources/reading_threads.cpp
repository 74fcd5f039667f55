// SPDX-License-Identifier: Apache-2.0
#include "data/sources/reading_threads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/threads/thread_pool.h"

namespace suanli::data {

void read_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& f) {
  constexpr int64_t kRangesOfThread = 8;  // so that slow files do not leave threads idle
  const int64_t most = n / std::max<int64_t>(1, grain);
  const int64_t threads = std::clamp<int64_t>(most, 1, pool_threads());
  const int64_t ranges = threads == 1 ? 1 : std::min(most, threads * kRangesOfThread);
  if (n <= 0) return;
  std::atomic<int64_t> next = 0;
  std::mutex mutex;  // guards what follows
  std::exception_ptr error;
  int64_t failed = ranges;
  auto work = [&] {
    for (int64_t r; (r = next++) < ranges;) {
      try {
        f(n * r / ranges, n * (r + 1) / ranges);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (r < failed) {
          failed = r;
          error = std::current_exception();
        }
        next = ranges;
      }
    }
  };
  std::vector<std::thread> others;
  try {
    for (int64_t t = 1; t < threads; ++t)
      others.emplace_back([&work] {
        pthread_setname_np(pthread_self(), "suanli-read");
        work();
      });
  } catch (const std::system_error&) {
    // No more threads: those that started share the work.
  }
  work();
  for (std::thread& t : others) t.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace suanli::data
