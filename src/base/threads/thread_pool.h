// SPDX-License-Identifier: Apache-2.0
// Pools of threads that compute. The calling thread takes part; workers spin briefly, then sleep
// (endless spinning makes steps several times slower as soon as anything else runs on the machine;
// see docs/decisions/004-threads.md).
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>

namespace suanli {

/// Threads that compute one region at a time. They start with the first region that is worth them
/// and end with the pool. Any thread may use a pool, and change its size, at any time.
class ThreadPool {
 public:
  /// `threads`: with the calling one. Throws ArgumentError if there is none.
  explicit ThreadPool(int threads);
  /// Waits for the region of another thread.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  int threads() const { return threads_.load(std::memory_order_relaxed); }
  /// From the next region on. Waits for the region that another thread is in; regions that begin
  /// meanwhile run on their calling thread alone.
  void set_threads(int threads);

  /// The pool of all threads that use no other: of SUANLI_THREADS threads, or as many as there are
  /// CPUs for this process. It never ends.
  static ThreadPool& default_pool();

  /// Regions of this thread run in that pool while it lives.
  class Use {
   public:
    explicit Use(ThreadPool& pool) : outer_(exchange(&pool)) {}
    ~Use() { exchange(outer_); }
    Use(const Use&) = delete;

   private:
    ThreadPool* outer_;
  };

  /// The pool of this thread from now on; null: the default one. The one before.
  static ThreadPool* exchange(ThreadPool* pool);

  /// See parallel_invoke().
  void run(int parts, void (*call)(void* context, int part), void* context);

 private:
  class Workers;
  friend void forget_pool_workers();
  std::atomic<int> threads_;
  std::mutex busy_;  // held for the time of a region
  Workers* workers_ = nullptr;  // guarded by busy_; null: not started
  ThreadPool *before_ = nullptr, *next_ = nullptr;  // of all pools
};

/// Threads of the pool that this thread uses, the caller included.
int pool_threads();
/// True while this thread does a part of a region.
bool inside_pool_region();
/// In the child of a fork(): the workers of all pools are gone, the next region starts others.
void forget_pool_workers();

class WorkQueue;

namespace detail {
void pool_run(int parts, void (*call)(void* context, int part), void* context);
}  // namespace detail

/// Calls f(part) for part = 0 … parts-1, part p on thread p mod pool_threads(), and returns when
/// all are done. Runs inline for one part, inside another parallel region, or while another thread
/// is in a region of the pool: what a part does must not depend on where it runs. The first
/// exception by part number is rethrown.
template <class F> void parallel_invoke(int parts, F&& f) {
  using G = std::remove_reference_t<F>;
  detail::pool_run(
      parts, [](void* context, int part) { (*static_cast<G*>(context))(part); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

namespace detail {

/// WorkQueue dealt to threads: to each some that follow one another.
class StealingRanges {
 public:
  StealingRanges(int64_t pieces, int threads);
  int threads() const { return threads_; }

 private:
  friend class suanli::WorkQueue;
  static constexpr int kUsual = 128;
  struct alignas(64) Run {
    std::atomic<uint64_t> left;  // begin << 32 | end
  };
  alignas(Run) std::byte usual_[kUsual * sizeof(Run)];  // where as many threads allocate nothing
  std::unique_ptr<Run[]> many_;
  Run* runs_;
  int threads_;
};

}  // namespace detail

/// The remaining work, as one thread sees it.
class WorkQueue {
 public:
  WorkQueue(detail::StealingRanges& deal, int thread) : deal_(deal), thread_(thread) {}
  /// Another piece for this thread to do: its own in order; when they are done, the last one of the
  /// thread that has most left. -1 if none is left.
  int64_t next();

 private:
  detail::StealingRanges& deal_;
  int thread_;
};

/// Deals pieces 0 … pieces-1 to `threads` parts, and calls f(part, left) for each, as
/// parallel_invoke() does: it takes pieces from `left` until none is left. So a thread whose core
/// is slow, or shared with other programs, does fewer. Where a piece is done must not matter.
template <class F> void parallel_for_stealing(int64_t pieces, int threads, F&& f) {
  detail::StealingRanges deal(pieces, threads);
  parallel_invoke(deal.threads(), [&](int part) {
    WorkQueue left(deal, part);
    f(part, left);
  });
}

/// Splits 0 … n-1 into contiguous ranges, none smaller than `grain` (what is worth a thread: a
/// region costs some microseconds), and calls f(begin, end) on each; where there is more to do, on
/// several per thread, in pieces.
template <class F> void parallel_chunks(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  const int64_t most = std::max<int64_t>(1, n / std::max<int64_t>(1, grain)),
                threads = std::min<int64_t>(pool_threads(), most);
  if (threads <= 1) return f(static_cast<int64_t>(0), n);
  constexpr int64_t kPieces = 8;  // of a thread, at most
  const int64_t pieces = std::min(most, threads * kPieces);
  parallel_for_stealing(pieces, static_cast<int>(threads), [&](int, WorkQueue& left) {
    for (int64_t p; (p = left.next()) >= 0;) f(n * p / pieces, n * (p + 1) / pieces);
  });
}

}  // namespace suanli
