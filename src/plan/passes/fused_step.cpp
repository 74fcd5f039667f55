// SPDX-License-Identifier: Apache-2.0
// From records to code: the values of a unit get numbers, and what has one number per row is told
// from what has one per element.
#include <algorithm>

#include "ops/schema/pointwise.h"
#include "plan/ir/rows.h"
#include "plan/passes/fuse.h"

namespace suanli {

namespace {

class Writer {
 public:
  Writer(const Program& p, const Unit& unit, const std::vector<uint8_t>& escapes)
      : p_(p), unit_(unit), values_(unit.size()) {
    for (uint32_t i : unit)
      if (!is_fusable(p, i)) lead(i);
    find_space();
    // Values are numbered after all inputs, so these are counted first.
    for (uint32_t i : unit)
      if (i != f_.op)
        for (const Ref& r : p.inputs(i))
          if (member(r) == unit.size()) input(i, r);
    for (size_t k = 0; k < unit.size(); ++k) {
      if (unit[k] != f_.op) values_[k] = write(unit[k]);
      if (!escapes[k]) continue;
      const Ref value{Ref::record, 0, unit[k]};
      if (unit[k] == f_.op) {
        f_.expr.keeps = true;
        f_.out.insert(f_.out.begin(), value);
      } else {
        f_.expr.results.push_back(values_[k]);
        f_.out.push_back(value);
      }
    }
  }
  FusedStep take() { return std::move(f_); }

 private:
  void lead(uint32_t i) {
    const Record& op = p_.record(i);
    f_.op = i;
    f_.expr.own_inputs = static_cast<int>(op.in.size());
    f_.expr.own_result = op.out[0];
    f_.in = op.in;
    for (const Ref& r : op.in) f_.in_desc.push_back(p_.desc(r));
  }

  void find_space() {
    Expr& e = f_.expr;
    e.space = space_of(p_, unit_[unit_[0] == f_.op && unit_.size() > 1]);
    for (uint32_t i : unit_)
      if (i != f_.op && space_of(p_, i).numel() > e.space.numel()) e.space = space_of(p_, i);
    bool one_kind = true, read = false;  // of reductions; inside
    for (uint32_t i : unit_) {
      if (i == f_.op) continue;
      if (const int64_t rows = space_of(p_, i).numel(); rows < e.space.numel())
        e.row_length = e.space.numel() / rows;
      if (reduces(i)) {
        one_kind = one_kind && (e.axes == 0 || e.axes == axes(i));
        e.axes = axes(i);
      }
      for (const Ref& r : p_.inputs(i))
        read = read || (member(r) < unit_.size() && reduces(unit_[member(r)]));
    }
    if (e.row_length == 0 && one_kind && !read) return;
    e.axes = 0;
    for (uint32_t i : unit_) {
      if (i == f_.op || !reduces(i)) continue;
      const int64_t row = row_of(e.space, axes(i));
      if (keeps_rows(e.space, row)) e.row_length = row;
      else e.axes = axes(i);
    }
  }

  bool reduces(uint32_t i) const { return is_reduction(p_.record(i).op); }
  uint32_t axes(uint32_t i) const { return p_.record(i).attr.as<ReduceAttr>().dim; }

  /// The position of the member whose value it is, or the unit's size.
  size_t member(const Ref& r) const {
    const Ref root = p_.root(r);
    if (root.kind != Ref::record) return unit_.size();
    auto at = std::lower_bound(unit_.begin(), unit_.end(), root.index);
    return at != unit_.end() && *at == root.index ? static_cast<size_t>(at - unit_.begin())
                                                  : unit_.size();
  }

  /// The number of an input as record i sees it.
  uint8_t input(uint32_t i, const Ref& r) {
    const Ref root = p_.root(r);
    const ValueDesc own = p_.desc(r),
                    desc{own.dtype, seen_from(f_.expr.space, space_of(p_, i), own.shape)};
    size_t k = 0;
    while (k < inputs_.size() &&
           !(same_value(inputs_[k].first, root) && inputs_[k].second == desc.shape))
      ++k;
    if (k == inputs_.size()) {
      inputs_.push_back({root, desc.shape});
      f_.in.push_back(r);
      f_.in_desc.push_back(desc);
    }
    return static_cast<uint8_t>((f_.op >= 0) + k);
  }

  /// Adds a record's instruction, if it is not there yet, and gives the number of its value.
  uint8_t write(uint32_t i) {
    const Record& record = p_.record(i);
    Expr& e = f_.expr;
    Expr::Instruction code{.op_index = Expr::kCast,
                           .gradient = -1,
                           .operands = static_cast<uint8_t>(record.in.size()),
                           .compute = DType::f32,
                           .type = record.out[0].dtype,
                           .operand = {}};
    if (const int reduction = reduction_row(record.op); reduction >= 0) {
      code.op_index = Expr::reduction(reduction);
      code.compute = wide_dtype(p_.desc(record.in[0]).dtype);
      code.per = e.axes == axes(i) ? Expr::Per::kept : Expr::Per::row;
    } else if (op_of(record.op).has(Trait::pointwise)) {
      const auto& attr = record.attr.as<PointwiseAttr>();
      code.op_index = attr.row;
      code.gradient = attr.gradient;
      code.compute = attr.compute;
    }
    if (!reduces(i) && space_of(p_, i).numel() < e.space.numel()) code.per = Expr::Per::row;
    size_t k = 0;
    for (const Ref& r : record.in) {
      const size_t at = member(r);
      code.operand[k++] = at == unit_.size() ? input(i, r) : values_[at];
    }
    const auto same = std::find(e.code.begin(), e.code.end(), code);
    const auto number = static_cast<size_t>(same - e.code.begin());
    if (same == e.code.end()) e.code.push_back(code);
    return static_cast<uint8_t>((f_.op >= 0) + inputs_.size() + number);
  }

  const Program& p_;
  const Unit& unit_;
  FusedStep f_;
  std::vector<std::pair<Ref, Shape>> inputs_;  // roots, as the code sees them
  std::vector<uint8_t> values_;                // of the members, as numbers; the op's is 0
};

}  // namespace

FusedStep fused_step(const Program& program, const Unit& unit,
                     const std::vector<uint8_t>& escapes) {
  return Writer(program, unit, escapes).take();
}

}  // namespace suanli
