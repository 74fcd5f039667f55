// SPDX-License-Identifier: Apache-2.0
// Insides of a session.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "base/threads/thread_pool.h"
#include "runtime/storage.h"
#include "suanli/session.h"

namespace suanli {

class ProfilerHooks;

/// Read by programs where they are flushed, written by any thread.
struct Session::State : std::enable_shared_from_this<Session::State> {
  /// The default session: settings of the environment, threads of the default pool.
  State();
  /// Settings of another session, with threads and an account of its own.
  explicit State(const State& like);

  const uint64_t id;  // of this session alone
  /// Returns the random stream of the next thread: the number of threads that drew before in this
  /// session. So a new session draws what a new process does.
  uint64_t next_stream() { return streams_.fetch_add(1, std::memory_order_relaxed); }

  std::atomic<Tier> tier;
  std::atomic<bool> check_nan, poison;
  std::atomic<int64_t> working_memory_limit{0};
  std::atomic<Device> device{Device{}};
  const AccountHandle account;

  /// The hooks of the session's profiler; null if none listens. A program asks once, at its flush.
  std::shared_ptr<ProfilerHooks> profiler() const;
  /// Returns false, with no effect, if a profiler listens already.
  bool start_profiler(std::shared_ptr<ProfilerHooks> hooks);
  void stop_profiler();

 private:
  std::unique_ptr<ThreadPool> own_pool_;  // null: the default one
  std::atomic<uint64_t> streams_{0};
  std::atomic<bool> profiled_{false};  // so that a program takes no lock without a profiler
  mutable std::mutex profiler_mutex_;
  std::shared_ptr<ProfilerHooks> profiler_;

 public:
  ThreadPool& pool;
};

}  // namespace suanli
