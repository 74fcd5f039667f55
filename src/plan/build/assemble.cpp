// SPDX-License-Identifier: Apache-2.0
#include "plan/build/assemble.h"

#include <algorithm>

#include "plan/build/invariants.h"
#include "plan/ir/step_info.h"
#include "plan/passes/fuse.h"
#include "plan/passes/in_place.h"
#include "plan/passes/memory.h"

namespace suanli {

namespace {

#ifdef SUANLI_CHECK_PLANS
constexpr bool kChecked = true;
#else
constexpr bool kChecked = false;
#endif

/// A record's result.
struct Value {
  ValueDesc desc;
  int last_use = -1;     // the last step that reads its bytes (as root)
  int64_t update = -1;   // of the tape: it may be written over a cell's former value
  uint8_t escapes = 0;   // read by another unit than its own, or leaves the program
  Place place{Place::arena, -1};  // arena: the number of a block, until all are placed
};

class Assembler {
 public:
  Assembler(const Program& program, const std::vector<Unit>& units, Tier tier, KernelTable& kernels)
      : program_(program), units_(units), tier_(tier), kernels_(kernels) {
    if constexpr (kChecked) check_units(program, units);
    const Tape& tape = program.tape();
    for (const Leaf& l : tape.leaves) constant_.push_back(l.of_cell && l.update == UINT32_MAX);
    plan_->device = program.device();
    lifetimes();
    for (size_t u = 0; u < units_.size(); ++u) add_step(static_cast<int>(u));
    for (auto& s : plan_->steps)  // the vector may have moved them
      s.step.attr = attributes_of(s.step.op, s.attr);
    for (const ProgramOutput& l : program_.outputs)
      plan_->outputs.push_back({l.node, l.result, place_of(l.value)});
    place_blocks();
    if constexpr (kChecked) check_memory(program, *plan_, checked_);
  }
  std::unique_ptr<Plan> take() { return std::move(plan_); }

 private:
  Value& value(const Ref& r) { return values_[program_.value(r)]; }

  void lifetimes() {
    for (uint32_t i = 0; i < program_.size(); ++i)
      for (uint8_t r = 0; r < program_.record(i).out.size(); ++r) {
        const Ref ref{Ref::record, r, i};
        values_.push_back(
            {.desc = program_.desc(ref), .escapes = program_.is_output(program_.root(ref))});
      }
    for (const ProgramOutput& l : program_.outputs)
      if (const Ref root = program_.root(l.value); l.update >= 0 && root.kind == Ref::record)
        value(root).update = l.update;
    leaf_last_use_.assign(program_.tape().leaves.size(), -1);
    leaf_is_output_.assign(program_.tape().leaves.size(), 0);
    for (const ProgramOutput& l : program_.outputs)
      if (const Ref root = program_.root(l.value); root.kind == Ref::leaf)
        leaf_is_output_[root.index] = 1;
    std::vector<int> unit_of(program_.size(), -1);
    for (size_t u = 0; u < units_.size(); ++u)
      for (uint32_t i : units_[u]) unit_of[i] = static_cast<int>(u);
    for (size_t u = 0; u < units_.size(); ++u)
      for (uint32_t i : units_[u])
        for (const Ref& r : program_.inputs(i)) {
          const Ref root = program_.root(r);
          if (root.kind == Ref::leaf) leaf_last_use_[root.index] = static_cast<int>(u);
          if (root.kind != Ref::record || unit_of[root.index] == static_cast<int>(u)) continue;
          value(root).last_use = static_cast<int>(u);
          value(root).escapes = 1;
        }
  }

  Place place_of(const Ref& given) {
    const Ref r = program_.root(given);
    if (r.kind == Ref::leaf) return {Place::leaf, r.index};
    if (r.kind == Ref::slot) return {Place::slot, r.index};
    if (r.kind == Ref::constant) return {Place::constant, r.index};
    return value(r).place;
  }

  void add_step(int u) {
    const Unit& unit = units_[static_cast<size_t>(u)];
    const Record& record = program_.record(unit[0]);
    PlannedStep s;
    s.node = record.node;
    std::vector<Ref> in, out;
    std::vector<ValueDesc>& seen = s.step.in;
    if (unit.size() == 1) {
      s.attr = record.attr;
      s.step.op = record.op;
      in = record.in;
      for (const Ref& r : in) seen.push_back(program_.desc(r));
      for (uint8_t r = 0; r < record.out.size(); ++r) out.push_back({Ref::record, r, unit[0]});
    } else {
      std::vector<uint8_t> escapes;
      for (uint32_t i : unit) escapes.push_back(value({Ref::record, 0, i}).escapes);
      FusedStep fused = fused_step(program_, unit, escapes);
      if constexpr (kChecked) check_fused(program_, unit, fused);
      s.step.op = kOpFused;
      if (fused.op >= 0) {
        const Record& op = program_.record(static_cast<size_t>(fused.op));
        s.step.op = op.op;
        s.attr = op.attr;
        s.node = op.node;
      }
      s.expr = std::make_unique<Expr>(std::move(fused.expr));
      s.step.expr = s.expr.get();
      in = std::move(fused.in);
      out = std::move(fused.out);
      seen = std::move(fused.in_desc);
    }
    s.step.attr = attributes_of(s.step.op, s.attr);
    std::vector<Ref> roots;
    for (const Ref& r : in) {
      s.in.push_back(place_of(r));
      roots.push_back(program_.root(r));
    }
    if constexpr (kChecked) checked_.push_back({roots, out});
    std::vector<uint8_t> taken(in.size(), 0);  // inputs whose bytes became a result's
    for (size_t k = 0; k < out.size(); ++k) {
      Value& v = value(out[k]);
      if (program_.is_output(out[k])) {
        v.place = {Place::output, static_cast<int64_t>(plan_->output_bytes.size())};
        plan_->output_bytes.push_back(bytes_of(v.desc));
        plan_->output_update.push_back(v.update >= 0 && may_overwrite(u, s, roots, k, v) ? v.update
                                                                                         : -1);
      } else if (v.last_use < 0 && op_of(s.step.op).schema().optional >> k & 1) {
        v.place = {Place::none, 0};
      } else if (const size_t reused = dying_input(u, s, roots, k, v.desc, taken);
                 reused < in.size()) {
        v.place = value(roots[reused]).place;
        for (size_t i = 0; i < roots.size(); ++i) taken[i] |= same_value(roots[i], roots[reused]);
      } else {
        v.place = {Place::arena, new_block(bytes_of(v.desc), u)};
      }
      if (v.place.kind == Place::arena) {
        const auto last = static_cast<uint32_t>(std::max(u, v.last_use));
        blocks_[static_cast<size_t>(v.place.at)].last = last;
        plan_->arena.push_back({v.place.at, bytes_of(v.desc), static_cast<uint32_t>(u), last,
                                program_.record(out[k].index).node, false});
      }
      s.out.push_back(v.place);
      s.out_nodes.push_back(program_.record(out[k].index).node);
      s.step.out.push_back(v.desc);
    }
    if (tier_ == Tier::planned)
      for (size_t i = 0; i < roots.size() && i < 32; ++i)
        if (roots[i].kind == Ref::constant ||
            (roots[i].kind == Ref::leaf && constant_[roots[i].index]))
          s.step.constant |= 1u << i;
    s.kernel = kernels_.kernel_for(s.step, s.attr);
    if (s.kernel->workspace_bytes > 0) {
      s.workspace_at = new_block(s.kernel->workspace_bytes, u);
      plan_->arena.push_back({s.workspace_at, s.kernel->workspace_bytes, static_cast<uint32_t>(u),
                              static_cast<uint32_t>(u), s.node, true});
    }
    const Cost cost = step_cost(s.step);
    s.flops = cost.flops;
    s.bytes = cost.bytes;
    plan_->flops += s.flops;
    plan_->saved_flops += backend(plan_->device).saved_flops(*s.kernel);
    if (s.kernel->packing.input >= 0)
      plan_->packing.push_back(static_cast<uint32_t>(plan_->steps.size()));
    plan_->steps.push_back(std::move(s));
  }

  int64_t new_block(int64_t bytes, int u) {
    blocks_.push_back({bytes, static_cast<uint32_t>(u), static_cast<uint32_t>(u)});
    return static_cast<int64_t>(blocks_.size() - 1);
  }
  /// Numbers of blocks become offsets.
  void place_blocks() {
    plan_->arena_bytes = place(blocks_);
    auto settle = [&](int64_t& at) { at = blocks_[static_cast<size_t>(at)].at; };
    for (PlannedStep& s : plan_->steps) {
      for (auto* places : {&s.in, &s.out})
        for (Place& p : *places)
          if (p.kind == Place::arena) settle(p.at);
      if (s.kernel->workspace_bytes > 0) settle(s.workspace_at);
    }
    for (PlannedBytes& b : plan_->arena) settle(b.at);
  }

  /// The input in the arena that nobody reads after this step and in whose place result k may be
  /// written; in.size() if there is none.
  size_t dying_input(int u, const PlannedStep& s, const std::vector<Ref>& roots, size_t k,
                     const ValueDesc& result, const std::vector<uint8_t>& taken) {
    for (size_t i = 0; i < roots.size(); ++i) {
      if (roots[i].kind != Ref::record || taken[i]) continue;
      const Value& v = value(roots[i]);
      if (v.last_use == u && v.place.kind == Place::arena &&
          may_write_over(s.step, roots, k, result, i))
        return i;
    }
    return roots.size();
  }

  /// True if result k may be written over its cell's former value, as far as this program reads
  /// that.
  bool may_overwrite(int u, const PlannedStep& s, const std::vector<Ref>& roots, size_t k,
                     const Value& v) const {
    const uint32_t leaf = program_.tape().updates[static_cast<size_t>(v.update)].leaf;
    if (leaf_is_output_[leaf] || leaf_last_use_[leaf] > u) return false;
    if (leaf_last_use_[leaf] < u) return true;
    for (size_t i = 0; i < roots.size(); ++i)
      if (roots[i].kind == Ref::leaf && roots[i].index == leaf)
        return may_write_over(s.step, roots, k, v.desc, i);
    return false;
  }

  const Program& program_;
  const std::vector<Unit>& units_;
  Tier tier_;
  KernelTable& kernels_;
  std::vector<uint8_t> constant_;       // by leaf: a parameter that this program does not write
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  std::vector<Value> values_;
  std::vector<int> leaf_last_use_;      // by leaf: the last step that reads it
  // by leaf: whether something outside will hold it as a result
  std::vector<uint8_t> leaf_is_output_;
  std::vector<ArenaBlock> blocks_;
  std::vector<StepValues> checked_;     // by step, where plans are checked
};

}  // namespace

std::unique_ptr<Plan> assemble(const Program& program, const std::vector<Unit>& units, Tier tier,
                               KernelTable& kernels) {
  return Assembler(program, units, tier, kernels).take();
}

}  // namespace suanli
