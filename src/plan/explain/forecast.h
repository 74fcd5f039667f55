// SPDX-License-Identifier: Apache-2.0
// What a plan says about the memory that running it takes.
#pragma once
#include "plan/build/plan.h"
#include "plan/explain/rehearsal.h"

namespace suanli {

/// `overwrites` says of each of plan.output_bytes whether it will lie in the place of its cell's
/// former value.
ProgramForecast forecast(const Plan& plan, const Tape& tape,
                         const std::vector<uint8_t>& overwrites);

/// Where execute_pending() notes the programs of a rehearsal on this thread; null outside of one.
extern constinit thread_local std::vector<ProgramForecast>* rehearsed_programs;

}  // namespace suanli
