// SPDX-License-Identifier: Apache-2.0
// Where the time of a thread's programs goes.
//
//   Profiler profiler;
//   for (int i = 0; i < 20; ++i) step();
//   for (const ProfileRow& op : profiler.report().by_op) …
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "suanli/base.h"

namespace suanli {

/// An entry of a table: an op, or a module.
struct ProfileRow {
  std::string name;
  int64_t calls = 0;
  double seconds = 0;
  /// Counted from shapes: every operand once, whatever the caches made of it.
  int64_t flops = 0, bytes = 0;
};

/// A span of the host's work or a kernel, in the order of their beginnings.
struct ProfileEvent {
  std::string name, module;       ///< No module: a span, or a kernel of no module.
  bool kernel = false;
  double start = 0, seconds = 0;  ///< Since the profiler began.
  int64_t flops = 0, bytes = 0;
};

struct ProfileReport {
  double seconds = 0;          ///< Since the profiler began.
  double kernel_seconds = 0;   ///< In kernels.
  /// That the profiler itself took: not part of the machine's other work.
  double own_seconds = 0;
  int64_t kernels = 0, flops = 0, bytes = 0;
  int64_t plan_hits = 0, plans_built = 0;
  /// Kernels, longest first. Module "": outside of all modules.
  std::vector<ProfileRow> by_op, by_module;
  /// Each without the spans and kernels inside it, longest first.
  std::vector<ProfileRow> spans;
};

/// Listens to the programs of the thread that makes it, while it lives. One at a time per thread:
/// throws ArgumentError. Everything is kept, some 150 bytes per kernel.
class SUANLI_API Profiler {
 public:
  Profiler();
  ~Profiler();
  Profiler(const Profiler&) = delete;

  ProfileReport report() const;
  std::vector<ProfileEvent> events() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace suanli
