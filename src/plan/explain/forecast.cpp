// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/forecast.h"

#include <algorithm>

#include "plan/build/arena_use.h"
#include "plan/ir/step_info.h"
#include "tensor/recorder.h"

namespace suanli {

namespace {

/// Per node: 1 if its result is a parameter's gradient, or becomes one under another name.
std::vector<uint8_t> gradients(const Tape& tape) {
  std::vector<uint8_t> is(tape.nodes.size(), 0);
  const std::vector<Ref> refs = tape.refs();
  std::vector<size_t> first_ref(tape.nodes.size() + 1, 0);
  for (size_t i = 0; i < tape.nodes.size(); ++i)
    first_ref[i + 1] = first_ref[i] + tape.nodes[i]->n_in;
  for (size_t i = tape.nodes.size(); i-- > 0;) {
    is[i] |= tape.nodes[i]->is(kGradient);
    const Ref* in = refs.data() + first_ref[i];
    if (is[i] && op_of(tape.nodes[i]->op).has(Trait::view) && in->kind == Ref::record)
      is[in->index] = 1;
  }
  return is;
}

/// The shape of the result that a step writes at an arena offset.
Shape result_at(const PlannedStep& s, int64_t at) {
  for (size_t r = 0; r < s.out.size(); ++r)
    if (s.out[r].kind == Place::arena && s.out[r].at == at) return s.step.out[r].shape;
  return {};
}

/// Notes values computed once from constant weights, by a weight and a number.
void note_derived(const Plan& plan, const Tape& tape, ProgramForecast& f) {
  const PlannedConstants* const c = plan.constants.get();
  auto constant = [&](int64_t k) {
    return std::pair<const void*, uint64_t>{tape.leaves[c->leaves[0]].storage,
                                            c->key[0] + static_cast<uint64_t>(k)};
  };
  auto note_packed = [&](const Plan& of) {
    for (uint32_t step : of.packing) {
      const PlannedStep& s = of.steps[step];
      const auto& p = s.kernel->packing;
      const Place& place = s.in[static_cast<size_t>(p.input)];
      auto name = place.kind == Place::constant
                      ? constant(place.at)
                      : std::pair<const void*, uint64_t>{
                            tape.leaves[static_cast<size_t>(place.at)].storage, 0};
      name.second ^= p.format;
      f.packed[name] = p.bytes;
    }
  };
  note_packed(plan);
  if (!c) return;
  note_packed(*c->plan);
  for (size_t k = 0; k < c->plan->outputs.size(); ++k)
    f.packed[constant(static_cast<int64_t>(k))] =
        c->plan->output_bytes[static_cast<size_t>(c->plan->outputs[k].place.at)];
  f.constant_kernels = static_cast<int64_t>(c->plan->steps.size());
  f.arena_bytes = std::max(f.arena_bytes, c->plan->arena_bytes);
}

}  // namespace

ProgramForecast forecast(const Plan& plan, const Tape& tape,
                         const std::vector<uint8_t>& overwrites) {
  ProgramForecast f;
  f.flops = plan.flops;
  f.saved_flops = plan.saved_flops;

  f.kernels = static_cast<int64_t>(plan.steps.size());
  f.arena_bytes = plan.arena_bytes;
  for (size_t i = 0; i < plan.output_bytes.size(); ++i) {
    if (overwrites[i]) f.overwritten_bytes += plan.output_bytes[i];
    else f.output_bytes.push_back(plan.output_bytes[i]);
  }
  if (plan.steps.empty()) return f;
  note_derived(plan, tape, f);
  auto module_of = [&](uint32_t node) { return scope_path(tape.nodes[node]->scope); };
  for (size_t u = 0; u < tape.updates.size(); ++u) {
    const Update& update = tape.updates[u];
    const auto planned =
        std::find(plan.output_update.begin(), plan.output_update.end(), static_cast<int64_t>(u));
    const char* why = nullptr;
    if (planned == plan.output_update.end())
      why = "its former value is still read by this or a later kernel";
    else if (!overwrites[static_cast<size_t>(planned - plan.output_update.begin())])
      why = "something outside of the program holds its former value";
    if (!why) continue;
    const ValueDesc& d = tape.leaves[update.leaf].desc();
    f.kept.push_back({op_of(tape.nodes[update.node]->op).name(), module_of(update.node), why,
                      d.shape.numel() * itemsize(d.dtype)});
  }

  // "Fullest" counts what is alive, not how far the offsets reach: gaps between values have no
  // holder.
  const std::vector<PlannedBytes> arena = one_at_a_time(plan.arena);
  const std::vector<int64_t> alive = alive_bytes(plan, arena);
  const auto peak =
      static_cast<size_t>(std::max_element(alive.begin(), alive.end()) - alive.begin());
  f.peak_step = step_name(plan.steps[peak].step);

  const std::vector<uint8_t> is_gradient = gradients(tape);
  for (const PlannedBytes& b : arena) {
    if (b.first > peak || b.last < peak) continue;
    const PlannedStep& s = plan.steps[b.first];
    const auto kind = b.workspace           ? MemoryHolder::workspace
                      : is_gradient[b.node] ? MemoryHolder::gradient
                                            : MemoryHolder::activation;
    if (kind == MemoryHolder::workspace) f.workspace_bytes += b.bytes;
    if (kind == MemoryHolder::gradient) f.gradient_bytes += b.bytes;
    f.holders.push_back({kind, step_name(s.step), module_of(b.node),
                         b.workspace ? Shape() : result_at(s, b.at), b.bytes});
  }
  std::stable_sort(f.holders.begin(), f.holders.end(),
                   [](const MemoryHolder& a, const MemoryHolder& b) { return a.bytes > b.bytes; });
  return f;
}

}  // namespace suanli
