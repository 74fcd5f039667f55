// SPDX-License-Identifier: Apache-2.0
#include "base/threads/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
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

constinit thread_local bool inside_region = false;

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

/// Its object is never freed: a thread that has just read the address of the current pool may still
/// come and find it stopped.
class Pool {
 public:
  explicit Pool(int threads) : threads_(threads), cpu_of_(static_cast<size_t>(threads)) { start(); }
  int threads() const { return threads_; }

  void run(int parts, void (*call)(void*, int), void* context) {
    std::unique_lock lock(busy_, std::defer_lock);
    const bool alone = parts == 1 || threads_ == 1 || inside_region || !lock.try_lock();
    if (!alone && workers_.empty()) lock.unlock();  // stopped
    if (!lock) {
      for (int p = 0; p < parts; ++p) call(context, p);
      return;
    }
    const int lanes = static_cast<int>(workers_.size()) + 1;
    // A worker that sleeps is often woken on the CPU of the thread that wakes it, and the kernel
    // may let both stay there for tens of milliseconds while another CPU is idle. It is moved
    // before it is woken: to move itself it would first have to wait for that CPU.
    const int cpu = sched_getcpu();
    for (int i = 1; i < lanes; ++i)
      if (cpu >= 0 && cpu_of_[static_cast<size_t>(i)].load(std::memory_order_relaxed) == cpu)
        leave_cpu(workers_[static_cast<size_t>(i - 1)].native_handle(), cpu, allowed_);
    parts_ = parts, call_ = call, context_ = context, failed_part_ = parts, error_ = nullptr;
    remaining_.store(static_cast<uint32_t>(lanes - 1), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    inside_region = true;
    share(0, lanes);
    inside_region = false;
    for (uint32_t left = remaining_.load(std::memory_order_acquire); left != 0;)
      left = wait_change(remaining_, left);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  /// Starts its workers: fewer where the system gives no more threads, which changes nothing but
  /// the speed.
  void start() {
    std::lock_guard lock(busy_);
    CPU_ZERO(&allowed_);
    pthread_getaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
    stop_ = false;
    const uint32_t seen = generation_;
    try {
      workers_.reserve(static_cast<size_t>(threads_ - 1));
      for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i, seen] { work(i, seen); });
    } catch (const std::system_error&) {
      // No more threads: those that started share the work.
    }
  }
  /// Waits for the region that is under way and ends the workers. Regions run on the calling thread
  /// alone until start().
  void stop() {
    std::lock_guard lock(busy_);
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    for (auto& w : workers_) w.join();
    workers_.clear();
  }

 private:
  void share(int thread, int lanes) {
    for (int p = thread; p < parts_; p += lanes) {
      try {
        call_(context_, p);
      } catch (...) {
        std::lock_guard lock(error_mutex_);
        if (p < failed_part_) failed_part_ = p, error_ = std::current_exception();
        return;
      }
    }
  }
  void work(int thread, uint32_t seen) {
    pthread_setname_np(pthread_self(), "suanli-compute");
    inside_region = true;
    for (;;) {
      seen = wait_change(generation_, seen);
      if (stop_) return;
      share(thread, static_cast<int>(workers_.size()) + 1);
      cpu_of_[static_cast<size_t>(thread)].store(sched_getcpu(), std::memory_order_relaxed);
      if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining_.notify_one();
    }
  }

  const int threads_;
  std::vector<std::thread> workers_;  // changed by start() and stop() alone, which hold busy_
  std::mutex busy_, error_mutex_;
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> generation_{0}, remaining_{0};
  int parts_ = 0, failed_part_ = 0;
  std::vector<std::atomic<int>> cpu_of_;  // where each worker ran last
  cpu_set_t allowed_;
  void (*call_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
};

int default_threads() {
  if (const auto n = environment_number("SUANLI_THREADS")) return static_cast<int>(*n);
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

constinit std::mutex pool_mutex;  // guards what follows
constinit std::mutex change_mutex;  // one set_pool_threads() at a time; taken before pool_mutex
constinit std::atomic<Pool*> current{nullptr};
int wanted_threads = 0;
std::map<int, Pool*>* stopped = nullptr;  // by their threads, to be started again
const bool held = (hold_across_fork(ForkOrder::pool_change, &change_mutex),
                   hold_across_fork(ForkOrder::pool, &pool_mutex), true);

Pool& pool() {
  if (Pool* p = current.load(std::memory_order_acquire)) return *p;
  std::lock_guard lock(pool_mutex);
  if (!current) {
    if (wanted_threads == 0) wanted_threads = default_threads();
    current.store(new Pool(wanted_threads), std::memory_order_release);
  }
  return *current;
}

}  // namespace

int pool_threads() { return pool().threads(); }

void set_pool_threads(int threads) {
  if (threads < 1)
    throw UsageError(str("[set_compute_threads] ", threads, " threads: expected at least 1"));
  if (inside_region)
    throw Error(
        "[set_compute_threads] called by a part of a parallel region, whose end it would wait for");
  std::lock_guard change(change_mutex);
  Pool *next = nullptr, *before = nullptr;
  {
    std::lock_guard lock(pool_mutex);
    wanted_threads = threads;
    before = current;
    if (!before || before->threads() == threads) return;
    if (!stopped) stopped = new std::map<int, Pool*>;
    if (auto it = stopped->find(threads); it != stopped->end()) {
      next = it->second;
      stopped->erase(it);
    }
  }
  // The next pool is there before the last one stops, and none of this holds the lock that pool()
  // may take: a region that is under way may ask for the number of threads.
  if (next) next->start();
  else next = new Pool(threads);
  {
    std::lock_guard lock(pool_mutex);
    current = next;
  }
  before->stop();
  std::lock_guard lock(pool_mutex);
  stopped->emplace(before->threads(), before);
}

bool detail::inside_pool_region() { return inside_region; }

void detail::forget_pool() {
  inside_region = false;
  current = nullptr;
  stopped = nullptr;  // their locks may be held
}

detail::StealingRanges::StealingRanges(int64_t pieces, int threads)
    : runs_(reinterpret_cast<Run*>(usual_)),
      threads_(static_cast<int>(std::clamp<int64_t>(pieces, 1, std::max(1, threads)))) {
  if (threads_ > kUsual)
    many_ = std::make_unique<Run[]>(static_cast<size_t>(threads_)), runs_ = many_.get();
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
      if (size(run) > size(its_run)) most = &deal_.runs_[t].left, its_run = run;
    }
    if (!most) return -1;
    if (most->compare_exchange_weak(its_run, its_run - 1, std::memory_order_relaxed))
      return static_cast<int64_t>(its_run & UINT32_MAX) - 1;
  }
}

void detail::pool_run(int parts, void (*call)(void*, int), void* context) {
  if (parts > 0) pool().run(parts, call, context);
}

}  // namespace suanli
