// SPDX-License-Identifier: Apache-2.0
// A flush records the pending nodes on the tape, finds or builds the plan, runs it and attaches the
// results.
#include "plan/execute.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/threads/per_thread.h"
#include "plan/build/cache.h"
#include "plan/explain/print_explanation.h"
#include "runtime/derived.h"
#include "runtime/session.h"
#include "suanli/plan.h"
#include "tensor/recorder.h"

namespace suanli {

namespace {

/// Returns the counters of this thread. All its executors share them.
PlanStats& stats() { return PerThread<PlanStats>::get(); }

/// Runs the kernels of a plan.
class KernelExecutor final : public PlanExecutor {
 public:
  KernelExecutor() : PlanExecutor(false) {}

 private:
  void carry_out(Plan& plan, Tape& tape, const RunSettings& settings) override;
  void run(Plan& plan, Tape& tape, const RunSettings& settings, const Arena& arena,
           std::span<Storage* const> outputs, const Derived* constants, size_t packed);
  DerivedRef constants_of(const PlannedConstants& c, Tape& tape, const RunSettings& settings);
  void pack_input(const PlannedStep& s, const Tape& tape, const Derived* constants,
                  MemoryAccount& account);

  // Members, so that their memory is reused: no allocation at steady state.
  std::vector<Storage*> outputs_;
  std::vector<size_t> overwritten_;  // updates that overwrite their cell's former value
  std::vector<DerivedRef> derived_;  // packed inputs, held while the program runs
  std::vector<uint64_t> key_;  // of the program's constants
  std::vector<Storage*> sources_;
  std::vector<const void*> in_;
  std::vector<void*> out_;
};

const bool installed = [] {
  install_executor(
      []() -> std::unique_ptr<Executor> { return std::make_unique<KernelExecutor>(); });
  return true;
}();

template <class T> int64_t first_not_finite(const void* data, int64_t n) {
  const T* x = static_cast<const T*>(data);
  for (int64_t i = 0; i < n; ++i)
    if (!std::isfinite(static_cast<double>(x[i]))) return i;
  return -1;
}
int64_t first_not_finite(const void* data, DType dtype, int64_t n) {
  switch (dtype) {
    case DType::f64: return first_not_finite<double>(data, n);
    case DType::f32: return first_not_finite<float>(data, n);
    case DType::f16: return first_not_finite<float16>(data, n);
    case DType::bf16: return first_not_finite<bfloat16>(data, n);
    default: return -1;
  }
}

/// Throws NumericError for the first NaN or infinity. The error names the op, the module and the
/// sample, which is the index along the first axis.
void require_finite(const PlannedStep& s, const Tape& tape, void* const* out) {
  for (size_t r = 0; r < s.step.out.size(); ++r) {
    const ValueDesc& d = s.step.out[r];
    const int64_t n = d.shape.numel();
    const int64_t at = first_not_finite(out[r], d.dtype, n);
    if (at < 0) continue;
    const double v = detail::number_at(out[r], d.dtype, static_cast<size_t>(at)).real;
    const int64_t samples = d.shape.rank() ? d.shape[0] : 1, row = samples ? n / samples : 1;
    throw NumericError(
        {.op = op_of(s.step.op).name(),
         .argument = "result",
         .given = str("the first ", std::isnan(v) ? "NaN" : "infinity", ", in shape ", d.shape,
                      d.shape.rank() ? str(", sample ", at / std::max<int64_t>(row, 1)) : ""),
         .module = scope_path(tape.nodes[s.node]->scope)});
  }
}

/// Fills arena values with NaN before their first step or after their last step. A read outside the
/// live range then returns NaN.
void poison_arena(const Plan& plan, char* arena, uint32_t step, bool after) {
  for (const PlannedBytes& b : plan.arena) {
    if ((after ? b.last : b.first) != step) continue;
    // Bytes that another live value holds are skipped, such as a result written over its input.
    const bool shared =
        std::any_of(plan.arena.begin(), plan.arena.end(), [&](const PlannedBytes& o) {
          const bool lives =
              after ? o.first <= step && o.last > step : o.first < step && o.last >= step;
          return lives && o.at < b.at + b.bytes && b.at < o.at + o.bytes;
        });
    if (!shared) std::memset(arena + b.at, 0xFF, static_cast<size_t>(b.bytes));
  }
}

/// Packs the constant input of a kernel and appends the packed value to `derived_`.
void KernelExecutor::pack_input(const PlannedStep& s, const Tape& tape, const Derived* constants,
                                MemoryAccount& account) {
  const auto& p = s.kernel->packing;
  const Place& place = s.in[static_cast<size_t>(p.input)];
  Storage* const source = place.kind == Place::constant
                              ? constants->values[static_cast<size_t>(place.at)]
                              : tape.leaves[static_cast<size_t>(place.at)].storage;
  const uint64_t key[] = {p.format, static_cast<uint64_t>(p.bytes)};
  derived_.push_back(
      derive(key, std::size(key), std::span(&source, 1), [&](std::vector<Storage*>& values) {
        values.reserve(1);
        values.push_back(allocate_storage(account, p.bytes, source->device, "pack"));
        s.kernel->pack(source->data, values[0]->data);
      }));
}

/// Runs all steps. `outputs` are the storages of the plan's results. `constants` is null if the
/// plan reads no constants. `packed` is the index of the plan's first packed input in `derived_`.
void KernelExecutor::run(Plan& plan, Tape& tape, const RunSettings& settings, const Arena& arena,
                         std::span<Storage* const> outputs, const Derived* constants,
                         size_t packed) {
  auto address = [&](const Place& p, const ValueDesc& d) -> void* {
    switch (p.kind) {
      case Place::arena: return arena.data() + p.at;
      case Place::leaf: return tape.leaves[static_cast<size_t>(p.at)].storage->data;
      case Place::slot: {
        ScalarAttr& s = tape.slots[static_cast<size_t>(p.at)];
        return d.dtype == DType::f64 ? static_cast<void*>(&s.real) : &s.integer;
      }
      case Place::constant: return constants->values[static_cast<size_t>(p.at)]->data;
      case Place::output: return outputs[static_cast<size_t>(p.at)]->data;
      case Place::none: return nullptr;
    }
    return nullptr;
  };
  ProfilerHooks* const hooks = settings.profiler;
  for (PlannedStep& s : plan.steps) {
    if (in_.size() < s.in.size()) in_.resize(s.in.size());
    if (out_.size() < s.out.size()) out_.resize(s.out.size());
    const void** const in = in_.data();
    void** const out = out_.data();
    for (size_t k = 0; k < s.in.size(); ++k) in[k] = address(s.in[k], s.step.in[k]);
    for (size_t k = 0; k < s.out.size(); ++k) out[k] = address(s.out[k], s.step.out[k]);
    if (const int input = s.kernel->packing.input; input >= 0)
      in[input] = derived_[packed++]->values[0]->data;
    const auto number = static_cast<uint32_t>(&s - plan.steps.data());
    if (settings.poison) poison_arena(plan, arena.data(), number, false);
    if (hooks) hooks->step_begins();
    s.kernel->run(in, out, arena.data() + s.workspace_at);
    if (hooks) hooks->step_ends(s.step, s.flops, s.bytes, tape.nodes[s.node]->scope);
    if (settings.poison) poison_arena(plan, arena.data(), number, true);
    if (settings.check_nan) require_finite(s, tape, out);
  }
}

/// Returns the program's constants for the current cells and scalar slots. Computes them unless an
/// earlier run left them.
DerivedRef KernelExecutor::constants_of(const PlannedConstants& c, Tape& tape,
                                        const RunSettings& settings) {
  key_.assign(c.key.begin(), c.key.end());
  // A program with NaN checks must not reuse constants that were computed without checks.
  key_.push_back(settings.check_nan);
  const size_t stem = key_.size();
  for (uint32_t slot : c.slots) {
    const ScalarAttr& s = tape.slots[slot];
    key_.push_back(std::bit_cast<uint64_t>(s.real));
    key_.push_back(static_cast<uint64_t>(s.integer));
  }
  sources_.clear();
  for (uint32_t leaf : c.leaves) sources_.push_back(tape.leaves[leaf].storage);
  return derive(key_, stem, sources_, [&](std::vector<Storage*>& values) {
    Plan& plan = *c.plan;
    std::vector<Storage*> outputs;
    // Memory is reserved first: if push_back() threw, the new storage would leak.
    outputs.reserve(plan.output_bytes.size());
    values.reserve(plan.outputs.size());
    try {
      for (int64_t bytes : plan.output_bytes)
        outputs.push_back(allocate_storage(settings.account, bytes, plan.device, "constants"));
      const Arena arena(settings.account, plan.arena_bytes, plan.device, "constants");
      const size_t first_packed = derived_.size();
      for (uint32_t step : plan.packing)
        pack_input(plan.steps[step], tape, nullptr, settings.account);
      run(plan, tape, settings, arena, outputs, nullptr, first_packed);
    } catch (...) {
      for (Storage* s : outputs) release(s);
      throw;
    }
    for (const PlannedOutput& o : plan.outputs)
      values.push_back(outputs[static_cast<size_t>(o.place.at)]);
    stats().kernels += static_cast<int64_t>(plan.steps.size());
    stats().flops += plan.flops;
  });
}

/// Allocates all memory before the program's first kernel runs, including packed weights and
/// constants. If an allocation fails, all cells keep their values.
void KernelExecutor::carry_out(Plan& plan, Tape& tape, const RunSettings& settings) {
  outputs_.clear();
  overwritten_.clear();
  bool begun = false;
  try {
    DerivedRef constants;
    if (plan.constants) constants = constants_of(*plan.constants, tape, settings);
    const size_t first_packed = derived_.size();
    for (uint32_t step : plan.packing)
      pack_input(plan.steps[step], tape, constants.get(), settings.account);
    for (size_t i = 0; i < plan.output_bytes.size(); ++i) {
      const int64_t update = plan.output_update[i];
      if (update >= 0 && tape.claim(static_cast<size_t>(update))) {
        Storage* const former = tape.leaves[tape.updates[static_cast<size_t>(update)].leaf].storage;
        if (former->derived.load(std::memory_order_relaxed)) forget_derived(former);
        overwritten_.push_back(static_cast<size_t>(update));
        outputs_.push_back(former);
        retain(former);
      } else {
        outputs_.push_back(
            allocate_storage(settings.account, plan.output_bytes[i], plan.device, "flush"));
      }
    }
    Arena arena(settings.account, plan.arena_bytes, plan.device, "flush");
    begun = true;
    run(plan, tape, settings, arena, outputs_, constants.get(), first_packed);
  } catch (...) {
    // A failed kernel may have left overwritten cells half written. Such cells have no value until
    // they are set again.
    if (begun && !overwritten_.empty()) {
      Dropped* why = new_dropped("a program that was overwriting it failed");
      for (size_t u : overwritten_) fail_node(tape.updates[u].cell->committed.node(), why);
      release(why);
    }
    tape.release_cells();
    derived_.clear();
    for (Storage* s : outputs_) release(s);
    throw;
  }
  tape.release_cells();
  derived_.clear();
  attach_outputs(plan, tape, outputs_);
  for (Storage* s : outputs_) release(s);
  PlanStats& now = stats();
  now.overwritten += static_cast<int64_t>(overwritten_.size());
  ++now.programs;
  now.kernels += static_cast<int64_t>(plan.steps.size());
  now.flops += plan.flops;
  now.last_flops = plan.flops;
  now.last_arena_bytes = plan.arena_bytes;
  now.last_output_bytes = 0;
  for (int64_t bytes : plan.output_bytes) now.last_output_bytes += bytes;
}

}  // namespace

PlanStats plan_stats() { return stats(); }

void PlanExecutor::execute(Recorder& recorder, size_t count) {
  const Session::State& session = recorder.session();
  const std::shared_ptr<ProfilerHooks> profiler = session.profiler();
  ProfilerSpan span(profiler, "flush");
  tape_.build(recorder.pending(), count, recorder.touched());
  if (tape_.nodes.empty()) return;
  const RunSettings settings{*session.account, session.check_nan, session.poison, profiler.get()};
  // NaN checks use the cold tier: the error could not name one op of a fused kernel.
  const Tier tier = settings.check_nan ? Tier::cold : session.tier.load();
  const auto of_plan = PlanSettings::of(session, tier, tape_.nodes[0]->device);
  PlanLease lease(tape_, of_plan);
  std::unique_ptr<Plan>& plan = lease.plan;
  if (profiler) profiler->plan_found(!plan);
  if (!plan) {
    ProfilerSpan building(profiler, "build plan");
    const PrintedExplanation printed;
    plan = Plan::build(tape_, of_plan);
    ++stats().plans;
  }
  carry_out(*plan, tape_, settings);
}

void attach_outputs(const Plan& plan, const Tape& tape, std::span<Storage* const> outputs) {
  for (const PlannedOutput& o : plan.outputs) {
    Storage* s = o.place.kind == Place::leaf ? tape.leaves[static_cast<size_t>(o.place.at)].storage
                                             : outputs[static_cast<size_t>(o.place.at)];
    retain(s);
    tape.nodes[o.node]->out(o.result).storage = s;
  }
}

}  // namespace suanli
