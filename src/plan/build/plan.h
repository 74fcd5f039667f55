// SPDX-License-Identifier: Apache-2.0
// Plan: steps in execution order with a place for every value. A pure function of tape, kernel
// table and PlanSettings.
#pragma once
#include <memory>
#include <vector>

#include "plan/tape/tape.h"
#include "runtime/backend.h"
#include "runtime/session.h"
#include "suanli/plan.h"

namespace suanli {

/// Where a value lies while the plan runs.
struct Place {
  enum Kind : uint8_t { arena, leaf, slot, constant, output, none };
  Kind kind;
  int64_t at;  // arena: byte offset; none: an optional result that nobody reads; else: index
};

struct PlannedStep {
  Step step;                       // op, attributes, shapes
  Attr attr;
  std::unique_ptr<Expr> expr;      // of a fused step
  // of the tape, the first that it stems from: for the module path
  uint32_t node;
  std::shared_ptr<Kernel> kernel;  // of all equal steps
  std::vector<Place> in, out;
  std::vector<uint32_t> out_nodes;  // of the tape, that the results stem from
  int64_t workspace_at = 0;
  int64_t flops = 0, bytes = 0;
};

/// Bytes of the arena that hold a value, or a kernel's workspace, from one step to another.
struct PlannedBytes {
  int64_t at, bytes;
  uint32_t first, last;   // steps; what is written over a dying input has an entry of its own
  uint32_t node;          // of the tape: where the value stems from
  bool workspace;
};

/// A result that leaves the program.
struct PlannedOutput {
  uint32_t node;
  uint8_t result;
  Place place;   // output: storage of its own; leaf: an alias of a leaf, shared
};

/// Dependencies of a plan besides its tape: all that its passes ask for and that its kernels freeze
/// when prepared. (SUANLI_CONV stays as it is for the life of the process; NaN checks and poison
/// are looked at in every run.)
struct PlanSettings {
  Tier tier;
  Device device;
  int threads;  // that compute: kernels divide their work by it
  int64_t working_memory_limit;
  int64_t instruction_set;  // for which kernels lay out what they keep
  int64_t plan_tuning, device_tuning;  // numbers of the tunings that passes and kernels weigh by

  /// The present settings of a session.
  static PlanSettings of(const Session::State& session, Tier tier, Device device = {});
  /// False if kernels that this thread prepared meanwhile may have other settings.
  bool still_hold() const;
  bool operator==(const PlanSettings&) const = default;
};

struct Plan;

/// Values that depend on unchanging cells and on numbers alone: computed once, and kept as long as
/// the same storages and numbers are bound (runtime/derived.h).
struct PlannedConstants {
  std::unique_ptr<Plan> plan;  // what it computes leaves it, in the order of Place::constant
  std::vector<uint64_t> key;  // says what it computes, whatever program it is part of
  std::vector<uint32_t> leaves, slots;  // of the tape: what it reads
};

struct Plan {
  Device device;
  std::unique_ptr<PlannedConstants> constants;  // null: there are none
  std::vector<PlannedStep> steps;
  std::vector<uint32_t> packing;  // the steps whose kernels pack a constant input
  std::vector<PlannedOutput> outputs;
  std::vector<int64_t> output_bytes;  // storages to allocate …
  // … unless this update of the tape (-1: none) may be written over what it replaces
  std::vector<int64_t> output_update;
  std::vector<PlannedBytes> arena;  // who holds what of it, in the order of the first steps
  int64_t arena_bytes = 0, flops = 0;
  int64_t saved_flops = 0;  // of `flops`, what kernels do without

  /// Values lie in an arena by their lifetimes. Cold: one precompiled kernel per record. Planned:
  /// fused (see fuse.h).
  static std::unique_ptr<Plan> build(const Tape& tape, const PlanSettings& settings);
  /// Host memory that it takes, with its kernels: an estimate, for the cache.
  int64_t bytes_held() const;
  int64_t counted_bytes = 0;  // as the cache counts it; 0: not yet
};

/// One line per step: "fused(add, relu) f32[64, 32, 26, 26] 3 in 1 out".
std::string describe(const Plan& plan);

}  // namespace suanli
