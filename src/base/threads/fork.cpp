// SPDX-License-Identifier: Apache-2.0
#include "base/threads/fork.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>

#include "base/threads/thread_pool.h"

namespace suanli {
namespace {

constexpr size_t kOrders = static_cast<size_t>(ForkOrder::count);

struct Locks {
  std::atomic<std::mutex*> first{nullptr};
  std::atomic<size_t> count{0};
};
constinit Locks known[kOrders];

/// The locks that this fork() took: others may become known meanwhile.
struct Taken {
  std::mutex* first = nullptr;
  size_t count = 0;
};
constinit Taken taken[kOrders];

constinit std::mutex fork_mutex;  // one fork at a time
constinit std::atomic<int> running{0};  // threads inside a Running
constinit std::atomic<bool> forking{false};
constinit std::atomic<uint32_t> generation{0};
constinit std::atomic<bool> ending{false};
constinit thread_local bool ends_the_process = false;
constinit thread_local int running_here = 0;
constinit thread_local bool waited = false;  // prepare() of this fork took the locks

/// A thread that forks out of a program, or out of a region of the pool, cannot wait for its end.
/// The child then gets fresh locks.
void prepare() {
  waited = running_here == 0 && !inside_pool_region();
  if (!waited) return;
  fork_mutex.lock();
  forking = true;
  for (int n; (n = running) != 0;) running.wait(n);
  for (size_t k = 0; k < kOrders; ++k) {
    taken[k].first = known[k].first.load(std::memory_order_acquire);
    taken[k].count = taken[k].first ? known[k].count.load(std::memory_order_relaxed) : 0;
    for (size_t i = 0; i < taken[k].count; ++i) taken[k].first[i].lock();
  }
}

void release_locks() {
  for (const Taken& t : taken)
    for (size_t i = 0; i < t.count; ++i) t.first[i].unlock();
}

void in_parent() {
  if (!waited) return;
  release_locks();
  forking = false;
  forking.notify_all();
  fork_mutex.unlock();  // last: the next fork sets `forking`
}

void in_child() {
  if (waited) {
    release_locks();
  } else {
    for (const Locks& l : known)
      for (size_t i = 0; l.first && i < l.count; ++i) new (l.first + i) std::mutex;
    new (&fork_mutex) std::mutex;
  }
  running = running_here > 0 ? 1 : 0;
  forking = false;
  ++generation;
  forget_pool_workers();
  if (waited) fork_mutex.unlock();
}

const int registered = pthread_atfork(prepare, in_parent, in_child);

}  // namespace

Running::Running() {
  if (running_here++ > 0) return;
  for (;;) {
    ++running;
    if (!forking && (!ending || ends_the_process)) return;
    --running;
    running.notify_all();
    forking.wait(true);
    if (!ends_the_process) ending.wait(true);  // for ever
  }
}
Running::~Running() {
  if (--running_here > 0) return;
  --running;
  if (forking) running.notify_all();
}

void end_programs() {
  // the program that is waited for would wait for this thread
  if (inside_pool_region()) return;
  ends_the_process = true;
  ending = true;
  for (int ms = 0; running > (running_here > 0 ? 1 : 0) && ms < 10000; ++ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

uint32_t fork_generation() { return generation; }

void hold_across_fork(ForkOrder order, std::mutex* first, size_t count) {
  Locks& l = known[static_cast<size_t>(order)];
  l.count.store(count, std::memory_order_relaxed);
  l.first.store(first, std::memory_order_release);
}

}  // namespace suanli
