// Lifetimes are read off the finished plan (who writes an arena offset, who reads it last), not taken from what placed the values.
#include "plan/forecast.h"

#include <algorithm>
#include <map>

#include "tensor/recorder.h"

namespace suanli {

constinit thread_local std::vector<ProgramForecast>* rehearsed_programs = nullptr;

namespace {

struct Lifetime {
  size_t step;    // that writes it
  size_t result;  // of the step
  size_t last;    // step that reads it, or `step`
  int64_t bytes;
};

std::vector<Lifetime> lifetimes(const Plan& plan) {
  std::vector<Lifetime> all;
  std::map<int64_t, size_t> latest;  // by arena offset
  for (size_t u = 0; u < plan.steps.size(); ++u) {
    const PlannedStep& s = plan.steps[u];
    for (const Place& p : s.in)
      if (p.kind == Place::arena)
        if (auto it = latest.find(p.at); it != latest.end()) all[it->second].last = u;
    for (size_t r = 0; r < s.out.size(); ++r) {
      const ValueDesc& d = s.step.out[r];
      if (s.out[r].kind != Place::arena || d.shape.numel() == 0) continue;
      const auto [before, fresh] = latest.try_emplace(s.out[r].at, all.size());
      if (!fresh) {
        if (Lifetime& v = all[before->second]; v.last == u) v.last = u - 1;  // written in its place
        before->second = all.size();
      }
      all.push_back({u, r, u, d.shape.numel() * itemsize(d.dtype)});
    }
  }
  return all;
}

/// Whether a record's result is a parameter's gradient, or becomes one under another name.
std::vector<uint8_t> gradients(const Tape& tape) {
  std::vector<uint8_t> is(tape.records.size(), 0);
  std::vector<size_t> first_ref(tape.records.size() + 1, 0);
  for (size_t i = 0; i < tape.records.size(); ++i) first_ref[i + 1] = first_ref[i] + tape.records[i]->n_in;
  for (size_t i = tape.records.size(); i-- > 0;) {
    is[i] |= tape.records[i]->is(kGradient);
    const Ref* in = tape.refs.data() + first_ref[i];
    if (is[i] && op_def(tape.records[i]->op).alias && in->kind == Ref::record) is[in->index] = 1;
  }
  return is;
}

}  // namespace

ProgramForecast forecast(const Plan& plan, const Tape& tape, const std::vector<uint8_t>& overwrites) {
  ProgramForecast f;
  f.flops = plan.flops, f.kernels = static_cast<int64_t>(plan.steps.size());
  f.arena_bytes = plan.arena_bytes;
  for (size_t i = 0; i < plan.output_bytes.size(); ++i) {
    if (overwrites[i]) f.overwritten_bytes += plan.output_bytes[i];
    else f.output_bytes.push_back(plan.output_bytes[i]);
  }
  if (plan.steps.empty()) return f;
  for (const PlannedStep& s : plan.steps)
    if (const auto& p = s.kernel->packing; p.input >= 0)
      f.packed[{tape.leaves[static_cast<size_t>(s.in[static_cast<size_t>(p.input)].at)], p.format}] = p.bytes;
  auto module_of = [&](uint32_t record) { return scope_path(tape.records[record]->scope); };
  for (size_t u = 0; u < tape.updates.size(); ++u) {
    const Update& update = tape.updates[u];
    const auto planned = std::find(plan.output_update.begin(), plan.output_update.end(), static_cast<int64_t>(u));
    const char* why = nullptr;
    if (planned == plan.output_update.end()) why = "its former value is still read by this or a later kernel";
    else if (!overwrites[static_cast<size_t>(planned - plan.output_update.begin())])
      why = "something outside of the program holds its former value";
    if (!why) continue;
    const ValueDesc& d = tape.leaf_descs[update.leaf];
    f.kept.push_back({op_def(tape.records[update.record]->op).name, module_of(update.record), why, d.shape.numel() * itemsize(d.dtype)});
  }

  const std::vector<Lifetime> values = lifetimes(plan);
  std::vector<int64_t> begins(plan.steps.size(), 0), ends(plan.steps.size(), 0);
  for (const Lifetime& v : values) begins[v.step] += v.bytes, ends[v.last] += v.bytes;
  int64_t live = 0, most = -1;
  size_t peak = 0;
  for (size_t u = 0; u < plan.steps.size(); ++u) {
    live += begins[u];
    if (const int64_t now = live + plan.steps[u].kernel->workspace_bytes; now > most) most = now, peak = u;
    live -= ends[u];
  }

  const std::vector<uint8_t> is_gradient = gradients(tape);
  for (const Lifetime& v : values) {
    if (v.step > peak || v.last < peak) continue;
    const PlannedStep& s = plan.steps[v.step];
    const uint32_t record = s.out_records[v.result];
    const auto kind = is_gradient[record] ? MemoryHolder::gradient : MemoryHolder::activation;
    if (kind == MemoryHolder::gradient) f.gradient_bytes += v.bytes;
    f.holders.push_back({kind, step_name(s.step), module_of(record), s.step.out[v.result].shape, v.bytes});
  }
  const PlannedStep& at_peak = plan.steps[peak];
  f.peak_step = step_name(at_peak.step);
  f.workspace_bytes = at_peak.kernel->workspace_bytes;
  if (f.workspace_bytes > 0) f.holders.push_back({MemoryHolder::workspace, f.peak_step, module_of(at_peak.record), {}, f.workspace_bytes});
  std::stable_sort(f.holders.begin(), f.holders.end(), [](const MemoryHolder& a, const MemoryHolder& b) { return a.bytes > b.bytes; });
  return f;
}

Rehearsal::Rehearsal() {
  Recorder::current().begin_rehearsal();
  rehearsed_programs = &programs_;
}

Rehearsal::~Rehearsal() {
  rehearsed_programs = nullptr;
  Recorder::current().end_rehearsal();
}

Tensor Rehearsal::leaf(const Shape& shape, DType dtype) {
  Node* n = new_node(kOpLeaf, 0, 1);
  n->flags = kExecuted;
  n->out(0).shape = shape;
  n->out(0).dtype = dtype;
  n->out(0).storage = storage_without_bytes(shape.numel() * itemsize(dtype), Device{});
  Tensor t = handle(n, 0);
  Recorder::current().rehearse_leaf(n);
  return t;
}

}  // namespace suanli
