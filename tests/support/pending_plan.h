// SPDX-License-Identifier: Apache-2.0
// The plan of what is pending, without running it.
#pragma once
#include "plan/build/plan.h"
#include "runtime/session.h"
#include "tensor/recorder.h"

namespace suanli::test {

inline std::unique_ptr<Plan> plan_of_pending(Tier tier = Tier::planned) {
  Tape tape;
  const auto& pending = Recorder::current().pending();
  tape.build(pending, pending.size(), Recorder::current().touched());
  return Plan::build(tape, PlanSettings::of(Session::current().state(), tier));
}

}  // namespace suanli::test
