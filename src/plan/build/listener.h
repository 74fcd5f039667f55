// SPDX-License-Identifier: Apache-2.0
// Listener to the building of a plan.
#pragma once
#include "plan/build/plan.h"
#include "plan/ir/program.h"
#include "suanli/explain.h"

namespace suanli {

class PlanListener {
 public:
  virtual ~PlanListener() = default;
  /// The program after a pass; the first one is "recorded".
  virtual void passed(const char* pass, const Program& program) = 0;
  virtual void divided(const Program& program, const std::vector<Unit>& units) = 0;
  virtual void planned(const Plan& plan, const Tape& tape) = 0;
  /// The forecast of its first execution, or of a rehearsal.
  virtual void forecast(const ProgramForecast& forecast) = 0;
};
/// The listener of this thread; null while nobody listens.
inline constinit thread_local PlanListener* plan_listener = nullptr;

}  // namespace suanli
