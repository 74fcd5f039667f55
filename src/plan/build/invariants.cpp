// SPDX-License-Identifier: Apache-2.0
#include "plan/build/invariants.h"

#include <algorithm>
#include <map>

#include "plan/ir/rows.h"
#include "plan/ir/step_info.h"
#include "plan/passes/memory.h"

namespace suanli {

namespace {

template <class... A> [[noreturn]] void broken(const std::string& where, const A&... what) {
  throw InternalError({.op = "plan", .argument = where, .given = str(what...)});
}

std::string name_of(const Program& p, const Unit& unit) {
  std::string text;
  for (uint32_t i : unit) text += str(text.empty() ? "" : ", ", op_of(p.record(i).op).name());
  return str("the unit (", text, ") from record ", unit.empty() ? 0 : unit[0]);
}

bool broadcasts(const Shape& seen, const Shape& space) {
  const int lead = space.rank() - seen.rank();
  for (int axis = 0; axis < seen.rank(); ++axis)
    if (lead < 0 || (seen[axis] != 1 && seen[axis] != space[lead + axis])) return false;
  return true;
}

/// Elements that are left when `axes` are reduced.
int64_t kept_elements(const Shape& space, uint32_t axes) {
  int64_t n = 1;
  for (int axis = 0; axis < space.rank(); ++axis)
    if (!(axes >> axis & 1)) n *= space[axis];
  return n;
}

class FusedCheck {
 public:
  FusedCheck(const Program& p, const Unit& unit, const FusedStep& fused)
      : p_(p), unit_(unit), f_(fused), e_(fused.expr), own_(std::max(0, e_.own_inputs)) {}

  void run() {
    bounds();
    if (e_.row_length > 0 && !has_rows())
      fail("rows of ", e_.row_length, " do not divide the space ", e_.space);
    if (f_.op >= 0) leader();
    for (uint32_t i : unit_)
      if (i != f_.op) space_of_record(i);
    for (size_t k = own_; k < f_.in.size(); ++k) {
      if (!broadcasts(f_.in_desc[k].shape, e_.space))
        fail("input ", k, " is seen as ", f_.in_desc[k].shape, ", the space is ", e_.space);
      const int64_t elements = p_.desc(f_.in[k]).shape.numel();
      if (f_.in_desc[k].shape.numel() != elements)
        fail("input ", k, " has ", elements, " elements and is seen as ", f_.in_desc[k].shape);
    }
    for (size_t k = 0; k < e_.code.size(); ++k) instruction(k);
    results();
  }

 private:
  template <class... A> [[noreturn]] void fail(const A&... what) const {
    broken(name_of(p_, unit_), what...);
  }
  Shape rows() const { return rows_of(e_.space, e_.row_length); }
  bool has_rows() const {
    return e_.row_length > 1 && rows().numel() * e_.row_length == e_.space.numel();
  }

  void bounds() const {
    if (unit_.size() > Expr::kMaxInstructions || e_.code.size() > Expr::kMaxInstructions)
      fail("more than ", Expr::kMaxInstructions, " records");
    if (e_.code.empty()) fail("no code");
    if (f_.in.size() != f_.in_desc.size()) fail("inputs without a shape");
    size_t different = 0;  // what an op and its epilogue both read counts once
    for (size_t k = 0; k < f_.in.size(); ++k)
      different +=
          std::none_of(f_.in.begin(), f_.in.begin() + static_cast<ptrdiff_t>(k), [&](const Ref& r) {
            return same_value(p_.root(r), p_.root(f_.in[k])) &&
                   f_.in_desc[static_cast<size_t>(&r - f_.in.data())].shape == f_.in_desc[k].shape;
          });
    if (different + f_.out.size() > Expr::kMaxPointers || inputs() > Expr::kMaxPointers)
      fail(f_.in.size(), " inputs and ", f_.out.size(), " results");
    if ((f_.op >= 0) != (e_.own_inputs >= 0))
      fail("an epilogue without an op, or an op without an epilogue");
  }

  void leader() const {
    const auto op = static_cast<uint32_t>(f_.op);
    if (is_fusable(p_, op)) fail("its op is one that could be part of the code");
    if (e_.row_length != 0 || e_.axes != 0 || e_.has_reductions())
      fail("an epilogue that reduces or computes per row");
    if (f_.in.size() < own_ || p_.record(op).in.size() != own_)
      fail("its op has ", p_.record(op).in.size(), " inputs, not ", own_);
    for (const Ref& r : p_.inputs(op))
      if (const Ref root = p_.root(r);
          root.kind == Ref::record && std::binary_search(unit_.begin(), unit_.end(), root.index))
        fail("its op reads what its epilogue computes");
    if (e_.own_result.shape.numel() != e_.space.numel())
      fail("the op's result is ", e_.own_result.shape, ", the epilogue runs over ", e_.space);
  }

  /// The code of a record runs over the unit's space, or over the rows of it.
  void space_of_record(uint32_t i) const {
    if (!is_fusable(p_, i)) fail("[", op_of(p_.record(i).op).name(), "] has no code");
    const Shape own = space_of(p_, i);
    if (own.numel() == e_.space.numel() ? own == e_.space || alike(own, e_.space)
                                        : e_.row_length > 0 && alike(own, rows()))
      return;
    fail("[", op_of(p_.record(i).op).name(), "] runs over ", own, ", the unit over ", e_.space,
         e_.row_length ? str(" in rows of ", e_.row_length) : "");
  }

  size_t inputs() const { return f_.op >= 0 ? f_.in.size() - own_ + 1 : f_.in.size(); }
  bool is_epilogue_value(size_t value) const { return f_.op >= 0 && value == 0; }
  /// True if a value has one number for each row.
  bool is_per_row(size_t value) const {
    if (value >= inputs()) return e_.code[value - inputs()].per == Expr::Per::row;
    return !is_epilogue_value(value) &&
           broadcasts(f_.in_desc[f_.op >= 0 ? own_ + value - 1 : value].shape, rows());
  }

  void instruction(size_t k) const {
    const Expr::Instruction& c = e_.code[k];
    for (int o = 0; o < c.operands; ++o) {
      const size_t value = c.operand[o];
      if (value >= inputs() + k)
        fail("instruction ", k, " reads value ", value, ", which is not computed yet");
      const auto per = value >= inputs() ? e_.code[value - inputs()].per : Expr::Per::element;
      if (per == Expr::Per::kept)
        fail("instruction ", k, " reads a reduction that is not complete before the step ends");
      if (c.reduces() && per != Expr::Per::element)
        fail("instruction ", k, " reduces a value that is not one of elements");
      if (!c.reduces() && c.per == Expr::Per::row && !is_per_row(value))
        fail("instruction ", k, " computes per row from one value per element");
    }
    if (c.per == Expr::Per::row && e_.row_length == 0)
      fail("instruction ", k, " is per row, and the space has no rows");
    if (c.per == Expr::Per::kept && !c.reduces())
      fail("instruction ", k, " keeps axes and reduces nothing");
    if (c.reduces() && c.per == Expr::Per::element)
      fail("instruction ", k, " reduces and has one value per element");
    if (c.per == Expr::Per::kept && e_.row_length > 0 &&
        !takes_whole_rows(e_.space, e_.row_length, e_.axes))
      fail("a reduction tears rows of ", e_.row_length);
  }

  void results() const {
    if (f_.out.size() != e_.results.size() + e_.keeps)
      fail(f_.out.size(), " results, code for ", e_.results.size() + e_.keeps);
    for (size_t k = 0; k < e_.results.size(); ++k) {
      const size_t value = e_.results[k];
      if (value < inputs() || value - inputs() >= e_.code.size())
        fail("result ", k, " is value ", value, ", which is not computed");
      const Expr::Instruction& c = e_.code[value - inputs()];
      const ValueDesc d = p_.desc(f_.out[k + e_.keeps]);
      const int64_t elements = c.per == Expr::Per::element ? e_.space.numel()
                               : c.per == Expr::Per::row   ? rows().numel()
                                                           : kept_elements(e_.space, e_.axes);
      if (d.dtype != c.type || d.shape.numel() != elements)
        fail("result ", k, " is ", d.dtype, d.shape, ", the code makes ", c.type, " × ", elements);
    }
  }

  const Program& p_;
  const Unit& unit_;
  const FusedStep& f_;
  const Expr& e_;
  const size_t own_;
};

/// Simulates the arena's contents while the steps run.
class ArenaCheck {
 public:
  ArenaCheck(const Program& p, const Plan& plan) : p_(p), plan_(plan) {}

  void step(size_t u, const StepValues& values) {
    const PlannedStep& s = plan_.steps[u];
    const std::string where = str("step ", u, ", ", step_name(s.step));
    if (values.in.size() != s.in.size() || values.out.size() != s.out.size())
      broken(where, "values and places do not match");
    std::vector<Range> read, written;
    for (size_t k = 0; k < s.in.size(); ++k) {
      const Place& place = s.in[k];
      const Ref& root = values.in[k];
      if (place.kind == Place::none) broken(where, "input ", k, " has no place");
      if (root.kind != Ref::record || place.kind != Place::arena) continue;
      const Range range{place.at, bytes_of(p_.desc(root))};
      if (range.bytes == 0) continue;
      const auto held = held_.find(range.at);
      if (held == held_.end() || held->second.bytes != range.bytes ||
          held->second.value != p_.value(root))
        broken(where, "input ", k, " is not what its producer wrote at ", range.at);
      read.push_back(range);
    }
    auto write = [&](const Range& range, bool workspace, size_t value) {
      if (range.bytes == 0) return;
      const char* what = workspace ? "its workspace" : "a result";
      if (range.at % kArenaAlign != 0 || range.at < 0 || range.at + range.bytes > plan_.arena_bytes)
        broken(where, what, " leaves the arena");
      for (const Range& r : read)
        if (range.overlaps(r) && (workspace || range != r))
          broken(where, what, " overlaps an input");
      for (const Range& r : written)
        if (range.overlaps(r)) broken(where, what, " overlaps a result");
      written.push_back(range);
      put(range, value);
    };
    for (size_t k = 0; k < s.out.size(); ++k)
      if (s.out[k].kind == Place::arena)
        write({s.out[k].at, bytes_of(p_.desc(values.out[k]))}, false, p_.value(values.out[k]));
      else if (s.out[k].kind != Place::output && s.out[k].kind != Place::none)
        broken(where, "result ", k, " has no place of its own");
    write({s.workspace_at, s.kernel->workspace_bytes}, true, SIZE_MAX);
  }

 private:
  struct Range {
    int64_t at, bytes;
    bool overlaps(const Range& o) const { return at < o.at + o.bytes && o.at < at + bytes; }
    bool operator==(const Range&) const = default;
  };
  struct Held {
    int64_t bytes;
    size_t value;
  };
  void put(const Range& range, size_t value) {
    auto it = held_.lower_bound(range.at);
    if (it != held_.begin() && std::prev(it)->first + std::prev(it)->second.bytes > range.at) --it;
    while (it != held_.end() && it->first < range.at + range.bytes) it = held_.erase(it);
    held_[range.at] = {range.bytes, value};
  }

  const Program& p_;
  const Plan& plan_;
  std::map<int64_t, Held> held_;  // by offset; ranges do not overlap
};

}  // namespace

void check_units(const Program& p, const std::vector<Unit>& units) {
  std::vector<uint8_t> done(p.size(), 0);
  for (const Unit& unit : units)
    for (uint32_t i : unit) {
      if (i >= p.size() || p.is_alias(i) || done[i])
        broken(name_of(p, unit), "record ", i, " is an alias, or in two units");
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r); root.kind == Ref::record && !done[root.index])
          broken(name_of(p, unit), "record ", i, " reads record ", root.index,
                 ", which is not computed yet");
      done[i] = 1;
    }
  for (uint32_t i = 0; i < p.size(); ++i)
    if (!done[i] && !p.is_alias(i)) broken("the units", "record ", i, " is in none");
}

void check_fused(const Program& p, const Unit& unit, const FusedStep& fused) {
  FusedCheck(p, unit, fused).run();
}

void check_memory(const Program& p, const Plan& plan, const std::vector<StepValues>& values) {
  if (values.size() != plan.steps.size())
    broken("the plan", values.size(), " units, ", plan.steps.size(), " steps");
  ArenaCheck arena(p, plan);
  std::vector<int64_t> last_read(p.tape().leaves.size(), -1), writer(plan.output_bytes.size(), -1);
  for (size_t u = 0; u < plan.steps.size(); ++u) {
    arena.step(u, values[u]);
    const PlannedStep& s = plan.steps[u];
    for (size_t k = 0; k < s.in.size(); ++k) {
      if (s.in[k].kind == Place::leaf)
        last_read[static_cast<size_t>(s.in[k].at)] = static_cast<int64_t>(u);
      if (s.in[k].kind == Place::output && writer[static_cast<size_t>(s.in[k].at)] < 0)
        broken(str("step ", u), "input ", k,
               " is a result of the program that is not computed yet");
    }
    for (const Place& place : s.out)
      if (place.kind == Place::output &&
          std::exchange(writer[static_cast<size_t>(place.at)], static_cast<int64_t>(u)) >= 0)
        broken(str("step ", u), "writes a result of the program for the second time");
  }
  for (size_t k = 0; k < writer.size(); ++k) {
    if (writer[k] < 0) broken("the plan", "result ", k, " is never written");
    if (plan.output_update[k] < 0) continue;
    const uint32_t leaf = p.tape().updates[static_cast<size_t>(plan.output_update[k])].leaf;
    if (last_read[leaf] > writer[k])
      broken(str("step ", writer[k]), "writes over leaf ", leaf, ", which step ", last_read[leaf],
             " reads");
    for (const PlannedOutput& o : plan.outputs)
      if (o.place.kind == Place::leaf && o.place.at == leaf)
        broken(str("step ", writer[k]), "writes over leaf ", leaf, ", which is a result");
  }
}

}  // namespace suanli
