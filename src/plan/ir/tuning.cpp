// SPDX-License-Identifier: Apache-2.0
#include "plan/ir/tuning.h"

#include "base/text/text.h"

namespace suanli {
namespace {

TuningInForce<PlanTuning>& in_force() {
  static auto* tuning = new TuningInForce<PlanTuning>(PlanTuning());
  return *tuning;
}

}  // namespace

const PlanTuning& plan_tuning() { return in_force().values(); }
int64_t plan_tuning_number() { return in_force().number(); }

void set_plan_tuning(const PlanTuning& tuning) {
  for (const TuningValue& v : values_of(tuning))
    if (!(v.value >= v.least && v.value <= v.most))
      throw ArgumentError({.op = "set_plan_tuning",
                           .argument = v.name,
                           .given = str(v.value, " ", v.unit),
                           .expected = str(v.least, " to ", v.most)});
  in_force().set(tuning);
}

std::vector<TuningValue> values_of(const PlanTuning& tuning) {
  std::vector<TuningValue> all;
#define TUNING(type, name, value, least, most, unit, doc)                             \
  all.push_back({#name, static_cast<double>(tuning.name), static_cast<double>(least), \
                 static_cast<double>(most), unit, doc});
#include "plan/ir/tuning.def"
#undef TUNING
  return all;
}

}  // namespace suanli
