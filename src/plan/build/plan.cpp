// SPDX-License-Identifier: Apache-2.0
#include "plan/build/plan.h"

#include <algorithm>

#include "plan/build/assemble.h"
#include "plan/build/fit_memory.h"
#include "plan/build/listener.h"
#include "plan/build/plan_constants.h"
#include "plan/ir/step_info.h"
#include "plan/ir/tuning.h"
#include "plan/passes/fuse.h"
#include "plan/passes/passes.h"
#include "plan/passes/schedule.h"

namespace suanli {

namespace {

constexpr size_t kAllocation = 16;  // the allocator's own, for each

void notify(const char* pass, const Program& program) {
  if (plan_listener) plan_listener->passed(pass, program);
}

/// The tape's program, rewritten and divided into units.
PlanDraft first_draft(const Tape& tape, Tier tier, KernelTable& kernels,
                      std::unique_ptr<PlannedConstants>& constants) {
  PlanDraft draft{Program(tape), {}, nullptr};
  notify("recorded", draft.program);
  const Backend& engine = backend(draft.program.device());
  if (widen(draft.program, engine)) notify("widen", draft.program);
  if (tier == Tier::planned) {
    simplify(draft.program);
    notify("simplify", draft.program);
    choose_layouts(draft.program, engine);
    notify("layout", draft.program);
    if (const auto hoisted = hoist_constants(draft.program))
      constants = plan_constants(*hoisted, kernels);
    notify("constants", draft.program);
    rematerialize_cheap(draft.program, engine);
    notify("rematerialize", draft.program);
    draft.units = schedule(draft.program, fuse(draft.program, engine));
  } else {
    draft.units = one_by_one(draft.program);
  }
  draft.plan = assemble(draft.program, draft.units, tier, kernels);
  return draft;
}

}  // namespace

PlanSettings PlanSettings::of(const Session::State& session, Tier tier, Device device) {
  return {tier,
          device,
          session.pool.threads(),
          session.working_memory_limit,
          backend(device).instruction_set(),
          plan_tuning_number(),
          backend(device).tuning_number()};
}

bool PlanSettings::still_hold() const {
  return threads == pool_threads() && instruction_set == backend(device).instruction_set() &&
         plan_tuning == plan_tuning_number() && device_tuning == backend(device).tuning_number();
}

std::unique_ptr<Plan> Plan::build(const Tape& tape, const PlanSettings& settings) {
  KernelTable kernels(backend(settings.device));
  std::unique_ptr<PlannedConstants> constants;
  PlanDraft draft = first_draft(tape, settings.tier, kernels, constants);
  if (settings.tier == Tier::planned) {
    fit_memory(draft, settings.working_memory_limit, kernels);
    notify("fit memory", draft.program);
  }
  draft.plan->constants = std::move(constants);
  if (plan_listener) {
    plan_listener->divided(draft.program, draft.units);
    plan_listener->planned(*draft.plan, tape);
  }
  return std::move(draft.plan);
}

int64_t Plan::bytes_held() const {
  size_t bytes = sizeof *this;
  auto add = [&](const auto& vector) {
    if (vector.capacity() > 0) bytes += vector.capacity() * sizeof vector[0] + kAllocation;
  };
  std::vector<const Kernel*> kernels;
  add(steps);
  add(packing);
  add(outputs);
  add(output_bytes);
  add(output_update);
  add(arena);
  for (const PlannedStep& s : steps) {
    add(s.step.in);
    add(s.step.out);
    add(s.in);
    add(s.out);
    add(s.out_nodes);
    if (s.expr) {
      bytes += sizeof *s.expr + kAllocation;
      add(s.expr->code);
      add(s.expr->results);
    }
    kernels.push_back(s.kernel.get());
  }
  if (constants) bytes += sizeof *constants + static_cast<size_t>(constants->plan->bytes_held());
  std::sort(kernels.begin(), kernels.end());
  kernels.erase(std::unique(kernels.begin(), kernels.end()), kernels.end());
  for (const Kernel* k : kernels) bytes += static_cast<size_t>(k->bytes_held) + kAllocation;
  return static_cast<int64_t>(bytes);
}

std::string describe(const Plan& plan) {
  std::string text;
  for (const PlannedStep& s : plan.steps) {
    const ValueDesc& out = s.step.out[0];
    text += str(step_name(s.step), " ", out.dtype, out.shape, " ", s.in.size(), " in ",
                s.out.size(), " out\n");
  }
  return text;
}

}  // namespace suanli
