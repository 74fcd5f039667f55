// SPDX-License-Identifier: Apache-2.0
// Numbers by which passes weigh memory against work. They decide speed and memory, and never a bit
// of an f32 or f64 result.
#pragma once
#include "runtime/tuning.h"

namespace suanli {

/// Each member is explained, with its unit and range, in tuning.def.
struct PlanTuning {
#define TUNING(type, name, value, least, most, unit, doc) type name = value;
#include "plan/ir/tuning.def"
#undef TUNING
  bool operator==(const PlanTuning&) const = default;
};

/// The largest value of each member: kernels rely on some.
constexpr PlanTuning most_plan_tuning() {
  PlanTuning t;
#define TUNING(type, name, value, least, most, unit, doc) t.name = most;
#include "plan/ir/tuning.def"
#undef TUNING
  return t;
}

/// The tuning in force: the defaults until set_plan_tuning().
const PlanTuning& plan_tuning();
/// For benchmarks and tests. Plans made from now on use it; throws ArgumentError for a value out of
/// its range.
void set_plan_tuning(const PlanTuning& tuning);
/// Equal tunings have the same number.
int64_t plan_tuning_number();

std::vector<TuningValue> values_of(const PlanTuning& tuning);

}  // namespace suanli
