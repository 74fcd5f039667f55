// SPDX-License-Identifier: Apache-2.0
// Running tests under tunings as far apart as their ranges allow: none may change a bit.
#pragma once
#include <vector>

#include "backends/cpu/tuning.h"
#include "plan/ir/tuning.h"
#include "suanli/plan.h"

namespace suanli::test {

struct TuningCase {
  const char* name;
  cpu::CpuTuning cpu;
  PlanTuning plan;
};

/// All values at their least, all at their most, and by turns.
inline std::vector<TuningCase> far_tunings() {
  TuningCase least{"the least", {}, {}}, most{"the most", {}, {}}, turns{"by turns", {}, {}};
  int64_t i = 0;
#define FIXED(...)
#define TUNING(name, value, low, high, unit, doc) \
  least.cpu.name = low, most.cpu.name = high;     \
  turns.cpu.name = i++ % 2 ? low : high;
#include "backends/cpu/tuning.def"
#undef TUNING
#undef FIXED
#define TUNING(type, name, value, low, high, unit, doc) \
  least.plan.name = low, most.plan.name = high;         \
  turns.plan.name = i++ % 2 ? low : high;
#include "plan/ir/tuning.def"
#undef TUNING
  return {least, most, turns};
}

/// While it lives, programs are planned with this tuning. Pending work at either end runs before
/// the change.
class InTuning {
 public:
  explicit InTuning(const TuningCase& t) : InTuning(t.cpu, t.plan) {}
  explicit InTuning(const cpu::CpuTuning& cpu, const PlanTuning& plan = plan_tuning())
      : cpu_(cpu::cpu_tuning()), plan_(plan_tuning()) {
    flush();
    cpu::set_cpu_tuning(cpu);
    set_plan_tuning(plan);
  }
  ~InTuning() {
    flush();
    cpu::set_cpu_tuning(cpu_);
    set_plan_tuning(plan_);
  }
  InTuning(const InTuning&) = delete;

 private:
  cpu::CpuTuning cpu_;
  PlanTuning plan_;
};

}  // namespace suanli::test
