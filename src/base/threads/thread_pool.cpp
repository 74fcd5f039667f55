// SPDX-License-Identifier: Apache-2.0
#include "base/threads/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "base/system/environment.h"
#include "base/text/text.h"
#include "base/threads/fork.h"

namespace suanli {
namespace {

// As long as a step's parts may differ between threads: woken from sleep, a thread is tens of
// microseconds late, and its core slow at first.
constexpr auto kSpin = std::chrono::microseconds(500);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// A thread and its regions.
struct OfThread {
  ThreadPool* pool = nullptr;  // null: the default one
  bool inside = false;  // it does a part of a region
};
constinit thread_local OfThread of_thread;

/// Waits until `word` differs from `seen`: a bounded spin, then a futex sleep.
uint32_t wait_change(std::atomic<uint32_t>& word, uint32_t seen) {
  auto until = std::chrono::steady_clock::now() + kSpin;
  for (int i = 0;; ++i) {
    uint32_t now = word.load(std::memory_order_acquire);
    if (now != seen) return now;
    pause();
    if ((i & 63) == 63 && std::chrono::steady_clock::now() > until) break;
  }
  uint32_t now;
  while ((now = word.load(std::memory_order_acquire)) == seen)
    word.wait(seen, std::memory_order_acquire);
  return now;
}

/// Takes `thread` off a CPU, for good or until this is called again.
void leave_cpu(pthread_t thread, int cpu, cpu_set_t allowed) {
  CPU_CLR(static_cast<size_t>(cpu), &allowed);
  if (CPU_COUNT(&allowed) > 0) pthread_setaffinity_np(thread, sizeof allowed, &allowed);
}

int default_threads() {
  if (const auto n = environment_number("SUANLI_THREADS")) return static_cast<int>(*n);
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

int at_least_one(int threads) {
  if (threads < 1)
    throw ArgumentError({.op = "set_threads",
                         .argument = "threads",
                         .given = str(threads),
                         .expected = "at least 1"});
  return threads;
}

constinit std::mutex making_mutex;  // the default pool is being made; taken before pools_mutex
constinit std::atomic<ThreadPool*> made_default{nullptr};
constinit std::mutex pools_mutex;
constinit ThreadPool* first_pool = nullptr;  // guarded by pools_mutex
const bool held = [] {
  hold_across_fork(ForkOrder::making_pool, &making_mutex);
  hold_across_fork(ForkOrder::pools, &pools_mutex);
  return true;
}();

}  // namespace

/// The started threads of a pool. The pool's lock is held while they are made, used and ended.
class ThreadPool::Workers {
 public:
  /// Fewer where the system gives no more threads, which changes nothing but the speed.
  Workers(ThreadPool& pool, int threads) : pool_(pool), cpu_of_(static_cast<size_t>(threads)) {
    CPU_ZERO(&allowed_);
    pthread_getaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
    threads_.reserve(static_cast<size_t>(threads - 1));
    try {
      for (int i = 1; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
    } catch (const std::exception&) {
      // No more threads: those that started share the work.
    }
  }
  ~Workers() {
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    for (auto& t : threads_) t.join();
  }
  Workers(const Workers&) = delete;

  void run(int parts, void (*call)(void*, int), void* context) {
    const int lanes = static_cast<int>(threads_.size()) + 1;
    // A worker that sleeps is often woken on the CPU of the thread that wakes it, and the kernel
    // may let both stay there for tens of milliseconds while another CPU is idle. It is moved
    // before it is woken: to move itself it would first have to wait for that CPU.
    const int cpu = sched_getcpu();
    for (int i = 1; i < lanes; ++i)
      if (cpu >= 0 && cpu_of_[static_cast<size_t>(i)].load(std::memory_order_relaxed) == cpu)
        leave_cpu(threads_[static_cast<size_t>(i - 1)].native_handle(), cpu, allowed_);
    parts_ = parts;
    lanes_ = lanes;
    call_ = call;
    context_ = context;
    failed_part_ = parts;
    error_ = nullptr;
    remaining_.store(static_cast<uint32_t>(lanes - 1), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    of_thread.inside = true;
    share(0);
    of_thread.inside = false;
    for (uint32_t left = remaining_.load(std::memory_order_acquire); left != 0;)
      left = wait_change(remaining_, left);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void share(int thread) {
    for (int p = thread; p < parts_; p += lanes_) {
      try {
        call_(context_, p);
      } catch (...) {
        std::lock_guard lock(error_mutex_);
        if (p < failed_part_) {
          failed_part_ = p;
          error_ = std::current_exception();
        }
        return;
      }
    }
  }
  void work(int thread) {
    pthread_setname_np(pthread_self(), "suanli-compute");
    of_thread = {&pool_, true};
    for (uint32_t seen = 0;;) {
      seen = wait_change(generation_, seen);
      if (stop_) return;
      share(thread);
      cpu_of_[static_cast<size_t>(thread)].store(sched_getcpu(), std::memory_order_relaxed);
      if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining_.notify_one();
    }
  }

  ThreadPool& pool_;
  std::vector<std::atomic<int>> cpu_of_;  // where each worker ran last
  std::mutex error_mutex_;
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> generation_{0}, remaining_{0};
  int parts_ = 0, lanes_ = 1, failed_part_ = 0;
  cpu_set_t allowed_;
  void (*call_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

ThreadPool::ThreadPool(int threads) : threads_(at_least_one(threads)) {
  std::lock_guard lock(pools_mutex);
  next_ = std::exchange(first_pool, this);
  if (next_) next_->before_ = this;
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(busy_);
    delete std::exchange(workers_, nullptr);
  }
  std::lock_guard lock(pools_mutex);
  (before_ ? before_->next_ : first_pool) = next_;
  if (next_) next_->before_ = before_;
}

void ThreadPool::set_threads(int threads) {
  at_least_one(threads);
  if (of_thread.inside)
    throw StateError({.op = "set_threads",
                      .given = "a call inside a parallel region",
                      .expected = "a call outside of parallel regions"});
  std::lock_guard lock(busy_);
  if (threads == threads_) return;
  delete std::exchange(workers_, nullptr);
  threads_ = threads;
}

void ThreadPool::run(int parts, void (*call)(void*, int), void* context) {
  std::unique_lock lock(busy_, std::defer_lock);
  if (parts == 1 || threads() == 1 || of_thread.inside || !lock.try_lock()) {
    for (int p = 0; p < parts; ++p) call(context, p);
    return;
  }
  if (!workers_) workers_ = new Workers(*this, threads());
  workers_->run(parts, call, context);
}

ThreadPool& ThreadPool::default_pool() {
  if (ThreadPool* p = made_default.load(std::memory_order_acquire)) return *p;
  std::lock_guard lock(making_mutex);
  if (!made_default)
    made_default.store(new ThreadPool(default_threads()), std::memory_order_release);
  return *made_default;
}

ThreadPool* ThreadPool::exchange(ThreadPool* pool) { return std::exchange(of_thread.pool, pool); }

namespace {
ThreadPool& pool_of_thread() {
  ThreadPool* p = of_thread.pool;
  return p ? *p : ThreadPool::default_pool();
}
}  // namespace

int pool_threads() { return pool_of_thread().threads(); }
bool inside_pool_region() { return of_thread.inside; }

void forget_pool_workers() {
  of_thread.inside = false;
  // Not freed: their locks may be held, and to destroy a thread that was not joined ends the
  // program.
  for (ThreadPool* p = first_pool; p; p = p->next_) {
    new (&p->busy_) std::mutex;
    p->workers_ = nullptr;
  }
}

detail::StealingRanges::StealingRanges(int64_t pieces, int threads)
    : runs_(reinterpret_cast<Run*>(usual_)),
      threads_(static_cast<int>(std::clamp<int64_t>(pieces, 1, std::max(1, threads)))) {
  if (threads_ > kUsual) {
    many_ = std::make_unique<Run[]>(static_cast<size_t>(threads_));
    runs_ = many_.get();
  }
  for (int64_t t = 0; t < threads_; ++t)
    new (runs_ + t) Run{static_cast<uint64_t>(pieces * t / threads_) << 32 |
                        static_cast<uint64_t>(pieces * (t + 1) / threads_)};
}

int64_t WorkQueue::next() {
  auto size = [](uint64_t run) {
    return static_cast<int64_t>(run & UINT32_MAX) - static_cast<int64_t>(run >> 32);
  };
  std::atomic<uint64_t>& own = deal_.runs_[thread_].left;
  for (uint64_t run = own.load(std::memory_order_relaxed); size(run) > 0;)
    if (own.compare_exchange_weak(run, run + (uint64_t{1} << 32), std::memory_order_relaxed))
      return static_cast<int64_t>(run >> 32);
  for (;;) {
    std::atomic<uint64_t>* most = nullptr;
    uint64_t its_run = 0;
    for (int t = 0; t < deal_.threads_; ++t) {
      const uint64_t run = deal_.runs_[t].left.load(std::memory_order_relaxed);
      if (size(run) > size(its_run)) {
        most = &deal_.runs_[t].left;
        its_run = run;
      }
    }
    if (!most) return -1;
    if (most->compare_exchange_weak(its_run, its_run - 1, std::memory_order_relaxed))
      return static_cast<int64_t>(its_run & UINT32_MAX) - 1;
  }
}

void detail::pool_run(int parts, void (*call)(void*, int), void* context) {
  if (parts > 0) pool_of_thread().run(parts, call, context);
}

}  // namespace suanli
