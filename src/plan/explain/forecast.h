// SPDX-License-Identifier: Apache-2.0
// Forecast of the memory that running a plan takes.
#pragma once
#include "plan/build/plan.h"
#include "suanli/explain.h"

namespace suanli {

/// `overwrites` says of each of plan.output_bytes whether it will lie in the place of its cell's
/// former value.
ProgramForecast forecast(const Plan& plan, const Tape& tape,
                         const std::vector<uint8_t>& overwrites);

}  // namespace suanli
