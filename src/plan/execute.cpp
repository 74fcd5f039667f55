// SPDX-License-Identifier: Apache-2.0
// Flush: pending nodes → tape → plan (from the cache, or built) → run → results attached. This is
// what the recorder calls.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>

#include "base/threads/per_thread.h"
#include "plan/build/cache.h"
#include "plan/build/listener.h"
#include "plan/explain/forecast.h"
#include "plan/explain/print_explanation.h"
#include "runtime/profiler.h"
#include "suanli/plan.h"

namespace suanli {

namespace {

bool check_nan_from_environment() {
  const char* text = std::getenv("SUANLI_CHECK_NAN");
  return text && *text && std::string_view(text) != "0";
}
bool check_nan = check_nan_from_environment();

bool poison_from_environment() {
  const char* text = std::getenv("SUANLI_POISON");
  return text && *text && std::string_view(text) != "0";
}
bool poison = poison_from_environment();

Tier tier_from_environment() {
  const char* text = std::getenv("SUANLI_TIER");
  return text && std::string_view(text) == "cold" ? Tier::cold : Tier::planned;
}
std::atomic<Tier> chosen_tier = tier_from_environment();

struct ThreadState {
  Tape tape;
  PlanStats stats;
  std::vector<Storage*> outputs;
  std::vector<size_t> overwritten;  // updates
  std::vector<Storage*> packed;  // held while the program runs
  std::vector<const void*> in;
  std::vector<void*> out;
};
ThreadState& this_thread() { return PerThread<ThreadState>::get(); }

template <class T> int64_t first_not_finite(const void* data, int64_t n) {
  const T* x = static_cast<const T*>(data);
  for (int64_t i = 0; i < n; ++i)
    if (!std::isfinite(x[i])) return i;
  return -1;
}

/// Names the op, the module and the first bad samples (positions along the first axis).
void require_finite(const PlannedStep& s, const Tape& tape, void* const* out) {
  for (size_t r = 0; r < s.step.out.size(); ++r) {
    const ValueDesc& d = s.step.out[r];
    const int64_t n = d.shape.numel();
    const int64_t at = d.dtype == DType::f32   ? first_not_finite<float>(out[r], n)
                       : d.dtype == DType::f64 ? first_not_finite<double>(out[r], n)
                                               : -1;
    if (at < 0) continue;
    const double v = d.dtype == DType::f32 ? static_cast<const float*>(out[r])[at]
                                           : static_cast<const double*>(out[r])[at];
    const int64_t samples = d.shape.rank() ? d.shape[0] : 1, row = samples ? n / samples : 1;
    std::string text =
        str("[", op_def(s.step.op).name, "] the first ", std::isnan(v) ? "NaN" : "infinity",
            " arises here, in a result of shape ", d.shape);
    if (d.shape.rank()) text += str(", sample ", at / std::max<int64_t>(row, 1));
    throw NumericError(text + in_scope(tape.records[s.record]->scope));
  }
}

/// Fills what begins with a step (before it) or ends with it (after) with NaNs, so that whoever
/// reads it where it does not live shows.
void poison_arena(const Plan& plan, char* arena, uint32_t step, bool after) {
  for (const PlannedBytes& b : plan.arena) {
    if ((after ? b.last : b.first) != step) continue;
    // Not what others hold meanwhile: a result in the place of a dying input.
    const bool shared =
        std::any_of(plan.arena.begin(), plan.arena.end(), [&](const PlannedBytes& o) {
          const bool lives =
              after ? o.first <= step && o.last > step : o.first < step && o.last >= step;
          return lives && o.at < b.at + b.bytes && b.at < o.at + o.bytes;
        });
    if (!shared) std::memset(arena + b.at, 0xFF, static_cast<size_t>(b.bytes));
  }
}

void run(Plan& plan, ThreadState& t, const Arena& arena) {
  Tape& tape = t.tape;
  auto address = [&](const Place& p, const ValueDesc& d) -> void* {
    switch (p.kind) {
      case Place::arena: return arena.data() + p.at;
      case Place::leaf: return tape.leaves[static_cast<size_t>(p.at)].storage->data;
      case Place::slot: {
        ScalarAttr& s = tape.slots[static_cast<size_t>(p.at)];
        return d.dtype == DType::f64 ? static_cast<void*>(&s.real) : &s.integer;
      }
      case Place::output: return t.outputs[static_cast<size_t>(p.at)]->data;
      case Place::none: return nullptr;
    }
    return nullptr;
  };
  ProfilerHooks* const hooks = profiler_hooks;
  for (PlannedStep& s : plan.steps) {
    t.in.clear(), t.out.clear();
    for (size_t k = 0; k < s.in.size(); ++k) t.in.push_back(address(s.in[k], s.step.in[k]));
    for (size_t k = 0; k < s.out.size(); ++k) t.out.push_back(address(s.out[k], s.step.out[k]));
    if (const auto& p = s.kernel->packing; p.input >= 0) {
      Storage* weights =
          tape.leaves[static_cast<size_t>(s.in[static_cast<size_t>(p.input)].at)].storage;
      t.packed.push_back(packed_copy(weights, p.format, p.bytes, [&](const void* from, void* to) {
        s.kernel->pack(from, to);
      }));
      t.in[static_cast<size_t>(p.input)] = t.packed.back()->data;
    }
    const auto number = static_cast<uint32_t>(&s - plan.steps.data());
    if (poison) poison_arena(plan, arena.data(), number, false);
    if (hooks) hooks->step_begins();
    s.kernel->run(t.in.data(), t.out.data(), arena.data() + s.workspace_at);
    if (hooks) hooks->step_ends(s.step, s.flops, s.bytes, tape.records[s.record]->scope);
    if (poison) poison_arena(plan, arena.data(), number, true);
    if (check_nan) require_finite(s, tape, t.out.data());
  }
}

/// Gives every result of the program the storage that it now has.
void attach_outputs(const Plan& plan, ThreadState& t) {
  for (const PlannedOutput& o : plan.outputs) {
    Storage* s = o.place.kind == Place::leaf
                     ? t.tape.leaves[static_cast<size_t>(o.place.at)].storage
                     : t.outputs[static_cast<size_t>(o.place.at)];
    retain(s);
    t.tape.records[o.record]->out(o.result).storage = s;
  }
  for (Storage* s : t.outputs) release(s);
}

/// What execute_pending() does in a rehearsal: results get storages without bytes.
void rehearse(const Plan& plan, ThreadState& t) {
  t.outputs.clear();
  std::vector<uint8_t> overwrites;
  for (size_t i = 0; i < plan.output_bytes.size(); ++i) {
    overwrites.push_back(plan.output_update[i] >= 0 &&
                         t.tape.claim(static_cast<size_t>(plan.output_update[i])));
    t.outputs.push_back(overwrites.back() ? storage_without_bytes(plan.output_bytes[i], plan.device)
                                          : rehearsed_result(plan.output_bytes[i], plan.device));
  }
  t.tape.release_cells();
  rehearsed_programs->push_back(forecast(plan, t.tape, overwrites));
  if (plan_listener) plan_listener->forecast(rehearsed_programs->back());
  attach_outputs(plan, t);
}

}  // namespace

PlanStats plan_stats() { return this_thread().stats; }
void set_tier(Tier tier) { chosen_tier = tier; }
Tier tier() { return chosen_tier; }
void set_check_nan(bool on) { check_nan = on; }
void set_poison(bool on) { poison = on; }

void prepare_executing_thread() { this_thread(); }

void execute_pending(Recorder& recorder, size_t count) {
  ProfilerSpan span("flush");
  ThreadState& t = this_thread();
  t.tape.build(recorder.pending(), count, recorder.touched());
  if (t.tape.records.empty()) return;
  // inside a fused kernel no op could be named
  const Tier tier = check_nan ? Tier::cold : chosen_tier.load();
  PlanLease lease(t.tape, PlanSettings::of_now(tier, t.tape.records[0]->device));
  std::unique_ptr<Plan>& plan = lease.plan;
  if (profiler_hooks) profiler_hooks->plan_found(!plan);
  if (!plan) {
    ProfilerSpan building("build plan");
    const PrintedExplanation printed;
    plan = Plan::build(t.tape, tier);
    ++t.stats.plans;
  }
  if (recorder.rehearsing()) return rehearse(*plan, t);
  // All memory is reserved before the first kernel: a failure leaves nothing half-done.
  t.outputs.clear();
  std::vector<size_t>& overwritten = t.overwritten;
  overwritten.clear();
  bool begun = false;
  auto release_packed = [&] {
    for (Storage* s : t.packed) release(s);
    t.packed.clear();
  };
  try {
    for (size_t i = 0; i < plan->output_bytes.size(); ++i) {
      const int64_t update = plan->output_update[i];
      if (update >= 0 && t.tape.claim(static_cast<size_t>(update))) {
        overwritten.push_back(static_cast<size_t>(update));
        t.outputs.push_back(
            t.tape.leaves[t.tape.updates[static_cast<size_t>(update)].leaf].storage);
        retain(t.outputs.back());
      } else {
        t.outputs.push_back(allocate_storage(plan->output_bytes[i], plan->device, "flush"));
      }
    }
    Arena arena(plan->arena_bytes, plan->device, "flush");
    begun = true;
    run(*plan, t, arena);
  } catch (...) {
    // What was to be overwritten may be half written: those values are lost until they are set
    // anew.
    if (begun && !overwritten.empty()) {
      Dropped* why = new_dropped("a program that was overwriting it failed");
      for (size_t u : overwritten) fail_node(t.tape.updates[u].cell->committed.node(), why);
      release(why);
    }
    t.tape.release_cells();
    release_packed();
    for (Storage* s : t.outputs) release(s);
    throw;
  }
  t.tape.release_cells();
  release_packed();
  t.stats.overwritten += static_cast<int64_t>(overwritten.size());
  attach_outputs(*plan, t);
  ++t.stats.programs;
  t.stats.kernels += static_cast<int64_t>(plan->steps.size());
  t.stats.flops += plan->flops;
  t.stats.last_flops = plan->flops;
  t.stats.last_arena_bytes = plan->arena_bytes;
  t.stats.last_output_bytes = 0;
  for (int64_t bytes : plan->output_bytes) t.stats.last_output_bytes += bytes;
}

}  // namespace suanli
