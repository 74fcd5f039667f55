// SPDX-License-Identifier: Apache-2.0
// All plans of the process, by the program and the settings that they are of. They take some 256
// MiB together at most: where there are more, those that were used longest ago go.
#pragma once
#include "plan/build/plan.h"

namespace suanli {

struct CachedPlans;  // of one program

/// A plan taken out of the cache while it runs: its kernels may be run by one thread at a time, so
/// a second thread with the same program builds a second one. `plan` is null if there is none at
/// hand: whoever took the lease then puts the one that it builds there. It goes back when the lease
/// ends.
class PlanLease {
 public:
  PlanLease(const Tape& tape, const PlanSettings& settings);
  ~PlanLease();
  PlanLease(const PlanLease&) = delete;
  std::unique_ptr<Plan> plan;

 private:
  CachedPlans* of_;
};

}  // namespace suanli
