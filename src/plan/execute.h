// SPDX-License-Identifier: Apache-2.0
// PlanExecutor: from pending nodes to a plan. Subclasses carry the plan out.
#pragma once
#include <span>

#include "plan/build/plan.h"
#include "runtime/profiler.h"
#include "tensor/executor.h"

namespace suanli {

/// Settings of the session, read once for a program.
struct RunSettings {
  MemoryAccount& account;
  bool check_nan, poison;
  ProfilerHooks* profiler;  // null: none listens
};

class PlanExecutor : public Executor {
 public:
  /// Writes the tape of the pending nodes, finds its plan in the cache or builds it, and carries it
  /// out.
  void execute(Recorder& recorder, size_t count) override;

 protected:
  using Executor::Executor;
  /// Computes the outputs of the program of `tape`, or acts as if.
  virtual void carry_out(Plan& plan, Tape& tape, const RunSettings& settings) = 0;

 private:
  Tape tape_;  // kept: no allocation at steady state
};

/// Gives the results that leave the program their storages: `outputs`, as in Plan::output_bytes, or
/// those of leaves.
void attach_outputs(const Plan& plan, const Tape& tape, std::span<Storage* const> outputs);

}  // namespace suanli
