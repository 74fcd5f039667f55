// SPDX-License-Identifier: Apache-2.0
// Profiles of a session's programs: the time of each op, module and host span.
//
//   Profiler profiler;                        // of this thread's session
//   Profiler of_training(trainer.session());
//   for (int i = 0; i < 20; ++i) step();
//   for (const ProfileRow& op : profiler.report().by_op) …
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "suanli/session.h"

namespace suanli {

/// A row of a table: an op or a module.
struct ProfileRow {
  std::string name;
  int64_t calls = 0;
  double seconds = 0;
  /// Counted from shapes: every operand once, independent of caches.
  int64_t flops = 0, bytes = 0;
};

/// A span of host work or a kernel. Events are in the order of their start.
struct ProfileEvent {
  std::string name, module;  ///< `module` is empty for a span, or for a kernel outside modules.
  bool kernel = false;
  int64_t thread = 0;  ///< Threads are counted from 0, in the order of their first events.
  double start = 0, seconds = 0;  ///< Since the profiler began.
  int64_t flops = 0, bytes = 0;
};

struct ProfileReport {
  double seconds = 0;          ///< Since the profiler began.
  double kernel_seconds = 0;   ///< The time in kernels, summed over the threads.
  /// The time of the profiler itself, which is not part of the other times.
  double own_seconds = 0;
  int64_t kernels = 0, flops = 0, bytes = 0;
  int64_t plan_hits = 0, plans_built = 0;
  /// Kernels, longest first. Module "" means outside all modules.
  std::vector<ProfileRow> by_op, by_module;
  /// Each without the spans and kernels inside it, longest first.
  std::vector<ProfileRow> spans;
};

/// While it exists, records the programs of a session, on every thread that computes in it. A
/// session has one at a time; a second one throws StateError. Everything is kept, about 150 bytes
/// per kernel.
class SUANLI_API Profiler {
 public:
  explicit Profiler(Session session = Session::current());
  ~Profiler();
  Profiler(const Profiler&) = delete;

  ProfileReport report() const;
  std::vector<ProfileEvent> events() const;

 private:
  struct State;
  Session session_;
  std::shared_ptr<State> state_;
};

}  // namespace suanli
