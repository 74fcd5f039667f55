// SPDX-License-Identifier: Apache-2.0
// The pool that computes: who runs what, exceptions, nesting, several callers.
#include "base/threads/thread_pool.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "suanli/base.h"
#include "support/errors.h"

namespace suanli {
namespace {

/// A pool that this thread uses.
struct PoolOf {
  explicit PoolOf(int threads) : pool(threads), use(pool) {}
  ThreadPool pool;
  ThreadPool::Use use;
};

/// Threads of this process. One that was joined may stay in the list for a moment: waits until
/// there are `expected`, but not for ever.
int64_t tasks(int64_t expected = 0) {
  int64_t count = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto all = std::filesystem::directory_iterator("/proc/self/task");
    count = std::distance(begin(all), end(all));
    if (expected == 0 || count == expected) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return count;
}

TEST(ThreadPool, PartsAreAssignedStatically) {
  for (int threads : {1, 2, 3, 5}) {
    PoolOf pool(threads);
    EXPECT_EQ(pool_threads(), threads);
    for (int parts : {1, 2, 7, 20})
      for (int round = 0; round < 20; ++round) {
        std::vector<std::thread::id> ran(static_cast<size_t>(parts));
        std::vector<std::atomic<int>> times(static_cast<size_t>(parts));
        parallel_invoke(parts, [&](int p) {
          ran[static_cast<size_t>(p)] = std::this_thread::get_id();
          ++times[static_cast<size_t>(p)];
        });
        for (int p = 0; p < parts; ++p) {
          ASSERT_EQ(times[static_cast<size_t>(p)], 1);
          if (parts == 1) continue;
          ASSERT_EQ(ran[static_cast<size_t>(p)], ran[static_cast<size_t>(p % threads)])
              << "part p runs on thread p mod n";
          if (p % threads == 0) {
            ASSERT_EQ(ran[static_cast<size_t>(p)], std::this_thread::get_id());
          }
        }
        if (parts > 1) {
          std::set<std::thread::id> all(ran.begin(), ran.end());
          ASSERT_EQ(all.size(), static_cast<size_t>(std::min(parts, threads)));
        }
      }
  }
}

TEST(ThreadPool, PiecesAreDoneOnceByWhoeverIsFree) {
  for (int threads : {1, 2, 3, 20}) {
    PoolOf pool(threads);
    for (int64_t pieces : {1, 2, 7, 100, 1000})
      for (int asked : {1, 2, 20, 200}) {
        std::vector<std::atomic<int>> times(static_cast<size_t>(pieces));
        std::atomic<int> parts{0};
        parallel_for_stealing(pieces, asked, [&](int part, WorkQueue& left) {
          ASSERT_LT(part, std::min<int64_t>(asked, pieces));
          ++parts;
          for (int64_t p; (p = left.next()) >= 0;) ++times[static_cast<size_t>(p)];
          ASSERT_EQ(left.next(), -1);
        });
        ASSERT_EQ(parts, std::min<int64_t>(asked, pieces));
        for (auto& t : times) ASSERT_EQ(t, 1);
      }
  }
}

TEST(ThreadPool, ASlowThreadLeavesItsPiecesToOthers) {
  PoolOf pool(2);
  std::vector<int> done(2);
  std::atomic<int> all{0};
  // Part 1 does not go on until part 0 has done everything else.
  parallel_for_stealing(100, 2, [&](int part, WorkQueue& left) {
    for (int64_t p; (p = left.next()) >= 0;) {
      ++done[static_cast<size_t>(part)];
      ++all;
      while (part == 1 && all < 100) std::this_thread::yield();
    }
  });
  EXPECT_EQ(done[0] + done[1], 100);
  EXPECT_LE(done[1], 1);
}

TEST(ThreadPool, AThreadTakesItsOwnPiecesInOrderThenTheOthersFromTheEnd) {
  PoolOf pool(1);  // parts run one after the other
  std::vector<int64_t> order;
  parallel_for_stealing(7, 2, [&](int, WorkQueue& left) {
    for (int64_t p; (p = left.next()) >= 0;) order.push_back(p);
  });
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 6, 5, 4, 3}));
}

TEST(ThreadPool, NothingToDo) {
  parallel_for_stealing(0, 4, [](int, WorkQueue& left) { EXPECT_EQ(left.next(), -1); });
  parallel_invoke(0, [](int) { FAIL(); });
  parallel_invoke(-3, [](int) { FAIL(); });
  parallel_chunks(0, 1, [](int64_t, int64_t) { FAIL(); });
}

TEST(ThreadPool, ChunksCoverTheRangeOnce) {
  PoolOf pool(4);
  struct Case {
    int64_t n, grain;
    size_t parts;
  };
  for (const Case& c : {Case{1, 1, 1},
                        {3, 1, 3},
                        {4, 1, 4},
                        {1000, 1, 32},
                        {1000, 100, 10},
                        {1000, 400, 2},
                        {1000, 5000, 1},
                        {7, 2, 3},
                        {10, 0, 10}}) {
    std::mutex mutex;
    std::map<int64_t, int64_t> ranges;
    parallel_chunks(c.n, c.grain, [&](int64_t begin, int64_t end) {
      std::lock_guard lock(mutex);
      ranges[begin] = end;
    });
    EXPECT_EQ(ranges.size(), c.parts) << c.n << " by " << c.grain;
    int64_t at = 0;
    for (auto [begin, end] : ranges) {
      EXPECT_EQ(begin, at);
      EXPECT_GT(end, begin);
      if (c.parts > 1) { EXPECT_GE(end - begin, c.grain); }
      at = end;
    }
    EXPECT_EQ(at, c.n);
  }
}

TEST(ThreadPool, TheFirstExceptionByPartIsRethrown) {
  for (int threads : {1, 2, 4}) {
    PoolOf pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::string text;
      try {
        parallel_invoke(16, [&](int p) {
          if (p == 3 || p == 6 || p == 9) throw std::runtime_error("part " + std::to_string(p));
        });
      } catch (const std::runtime_error& e) { text = e.what(); }
      EXPECT_EQ(text, "part 3");
    }
    int after = 0;
    std::mutex mutex;
    parallel_invoke(5, [&](int) {
      std::lock_guard lock(mutex);
      ++after;
    });
    EXPECT_EQ(after, 5) << "the pool works on";
  }
}

TEST(ThreadPool, NestedRegionsRunInline) {
  PoolOf pool(3);
  std::atomic<int> total{0}, elsewhere{0};
  parallel_invoke(6, [&](int) {
    const auto outer = std::this_thread::get_id();
    parallel_invoke(4, [&](int) {
      ++total;
      if (std::this_thread::get_id() != outer) ++elsewhere;
      parallel_chunks(100, 1,
                      [&](int64_t begin, int64_t end) { total += static_cast<int>(end - begin); });
    });
  });
  EXPECT_EQ(total, 6 * 4 * 101);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ThreadPool, AnExceptionInANestedRegionComesOut) {
  PoolOf pool(3);
  EXPECT_THROW(parallel_invoke(6,
                               [&](int p) {
                                 parallel_invoke(4, [&](int q) {
                                   if (p == 5 && q == 2) throw std::out_of_range("inner");
                                 });
                               }),
               std::out_of_range);
}

TEST(ThreadPool, SeveralCallersAtOnce) {
  PoolOf pool(3);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      const ThreadPool::Use use(pool.pool);
      for (int round = 0; round < 500; ++round) parallel_invoke(6, [&](int p) { total += p; });
    });
  for (auto& c : callers) c.join();
  EXPECT_EQ(total, 4 * 500 * 15);
}

TEST(ThreadPool, SizesChange) {
  PoolOf pool(3);
  for (int n : {4, 1, 2, 7, 2}) {
    pool.pool.set_threads(n);
    EXPECT_EQ(pool_threads(), n);
    std::atomic<int> ran{0};
    parallel_invoke(9, [&](int) { ++ran; });
    EXPECT_EQ(ran, 9);
  }
  EXPECT_FAULT(ArgumentError, pool.pool.set_threads(0), .op = "set_threads", .argument = "threads",
               .given = "0", .expected = "at least 1");
  EXPECT_THROW(ThreadPool(0), ArgumentError);
  EXPECT_EQ(pool_threads(), 2);
}

TEST(ThreadPool, TheNumberOfThreadsMayChangeWhileOthersCompute) {
  PoolOf pool(2);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, regions{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      const ThreadPool::Use use(pool.pool);
      while (!stop) {
        std::atomic<int> done{0};
        parallel_invoke(7, [&](int part) {
          done += part + 1;
          wrong += pool_threads() < 1;  // a part may ask while the pool changes
        });
        wrong += done != 28;
        ++regions;
      }
    });
  for (int i = 0; i < 300; ++i) {
    pool.pool.set_threads(i % 5 + 1);
    EXPECT_EQ(pool_threads(), i % 5 + 1);
  }
  while (regions < 100) std::this_thread::yield();
  stop = true;
  for (auto& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, APartThatChangesTheNumberOfThreadsSaysSo) {
  PoolOf pool(2);
  EXPECT_FAULT(StateError, parallel_invoke(2, [&](int) { pool.pool.set_threads(3); }),
               .op = "set_threads", .given = "a call inside a parallel region",
               .expected = "a call outside of parallel regions");
  EXPECT_EQ(pool_threads(), 2);
}

TEST(ThreadPool, ThreadsStartWithTheFirstRegionAndEndWithThePool) {
  const int64_t before = tasks();
  {
    PoolOf pool(5);
    EXPECT_EQ(pool_threads(), 5);
    parallel_invoke(1, [](int) {});
    EXPECT_EQ(tasks(before), before) << "nothing was worth them";
    parallel_invoke(2, [](int) {});
    EXPECT_EQ(tasks(before + 4), before + 4);
    pool.pool.set_threads(2);
    EXPECT_EQ(tasks(before), before);
    parallel_invoke(2, [](int) {});
    EXPECT_EQ(tasks(before + 1), before + 1);
  }
  EXPECT_EQ(tasks(before), before);
}

TEST(ThreadPool, PoolsNestAndBelongToTheirThread) {
  const int outside = pool_threads();
  {
    PoolOf outer(3);
    {
      PoolOf inner(2);
      EXPECT_EQ(pool_threads(), 2);
      std::vector<int> seen(6);
      parallel_invoke(6, [&](int p) { seen[static_cast<size_t>(p)] = pool_threads(); });
      EXPECT_EQ(seen, std::vector<int>(6, 2)) << "its workers see the same number";
      int elsewhere = 0;
      std::thread([&] { elsewhere = pool_threads(); }).join();
      EXPECT_EQ(elsewhere, outside);
    }
    EXPECT_EQ(pool_threads(), 3);
  }
  EXPECT_EQ(pool_threads(), outside);
}

// A region of one pool ends although another pool's region is open: each has its own threads.
TEST(ThreadPool, PoolsComputeAtTheSameTime) {
  std::atomic<int> arrived{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      PoolOf pool(2);
      // Each part waits for the six of all pools.
      parallel_invoke(2, [&](int) {
        ++arrived;
        while (arrived < 6) std::this_thread::yield();
      });
    });
  for (auto& c : callers) c.join();
  EXPECT_EQ(arrived, 6);
}

}  // namespace
}  // namespace suanli
