// SPDX-License-Identifier: Apache-2.0
// The second half of choose_layouts(): rewrites the records for the layouts that won the vote.
#include "ops/schema/ops.h"
#include "plan/passes/layout_vote.h"

namespace suanli {

namespace {

/// Makes refs of the old program refs to the new one, with layout changes where they meet.
class LayoutRewriter {
 public:
  LayoutRewriter(Program& p, LayoutChoice choice)
      : p_(p),
        choice_(std::move(choice)),
        plain_(choice_.values.size()),
        blocked_(choice_.values.size()),
        have_plain_(choice_.values.size()),
        have_blocked_(choice_.values.size()) {}

  void run() {
    std::vector<Record> old = std::move(p_.records);
    p_.records.clear();
    for (uint32_t i = 0; i < old.size(); ++i) rewrite(i, std::move(old[i]));
    for (ProgramOutput& l : p_.outputs) l.value = plain(l.value);
    p_.drop_dead();
  }

 private:
  bool chosen(const Ref& r) const { return r.kind == Ref::record && choice_.blocked[at(r)]; }

  Ref add(Record r) {
    p_.records.push_back(std::move(r));
    return {Ref::record, 0, static_cast<uint32_t>(p_.records.size() - 1)};
  }
  Shape blocked_shape(const Shape& s) const {
    return {s[0], s[1] / choice_.block, s[2], s[3], choice_.block};
  }
  // of the old program: the index of values was made before the rewriting
  size_t at(const Ref& r) const { return p_.value(r); }

  ValueDesc old_desc(const Ref& r) const {
    if (r.kind == Ref::record) return choice_.values[at(r)];
    return p_.desc(r);
  }
  Ref plain(const Ref& r) {
    if (r.kind != Ref::record) return r;
    if (!have_plain_[at(r)]) {
      plain_[at(r)] = add({kOpReorder,
                           {},
                           p_.records[blocked_[at(r)].index].node,
                           {blocked_[at(r)]},
                           {choice_.values[at(r)]}});
      have_plain_[at(r)] = 1;
    }
    return plain_[at(r)];
  }
  Ref blocked(const Ref& r, uint32_t node) {
    const ValueDesc d = old_desc(r);
    const ValueDesc wanted{d.dtype, blocked_shape(d.shape)};
    if (r.kind != Ref::record) return add({kOpReorder, {}, node, {r}, {wanted}});
    if (!have_blocked_[at(r)]) {
      blocked_[at(r)] = add({kOpReorder, {}, node, {plain_[at(r)]}, {wanted}});
      have_blocked_[at(r)] = 1;
    }
    return blocked_[at(r)];
  }
  /// An operand of a pointwise op in blocks.
  Ref operand(const Ref& r, const Shape& result, uint32_t node) {
    const ValueDesc d = old_desc(r);
    if (d.shape == result) return blocked(r, node);
    if (d.shape.numel() == 1) return plain(r);
    const Shape s = as_four(d.shape);
    const Shape five = s[1] == 1 ? Shape{s[0], 1, s[2], s[3], 1}
                                 : Shape{s[0], s[1] / choice_.block, 1, 1, choice_.block};
    return add({reshape_op.id(), {}, node, {plain(r)}, {{d.dtype, five}}});
  }

  void rewrite(uint32_t i, Record r) {
    const LayoutRole& role = choice_.roles[i];
    const bool in_blocks = role.kind == LayoutRole::Kind::pointwise && chosen({Ref::record, 0, i});
    if (role.kind == LayoutRole::Kind::reduction && chosen(r.in[0]))
      return rewrite_reduction(i, std::move(r));
    const Shape result = r.out[0].shape;
    for (size_t k = 0; k < r.in.size(); ++k) {
      const bool takes = role.kind == LayoutRole::Kind::chain && role.blocked.in >> k & 1 &&
                         (role.blocked.together ? chosen({Ref::record, 0, i}) : chosen(r.in[k]));
      r.in[k] = in_blocks ? operand(r.in[k], result, r.node)
                : takes   ? blocked(r.in[k], r.node)
                          : plain(r.in[k]);
    }
    for (uint8_t k = 0; k < r.out.size(); ++k) {
      const Ref old{Ref::record, k, i};
      const Ref now{Ref::record, k, static_cast<uint32_t>(p_.records.size())};
      if (chosen(old)) {
        r.out[k].shape = blocked_shape(r.out[k].shape);
        blocked_[at(old)] = now;
        have_blocked_[at(old)] = 1;
      } else {
        plain_[at(old)] = now;
        have_plain_[at(old)] = 1;
      }
    }
    p_.records.push_back(std::move(r));
  }

  /// Over [N, C/b, H, W, b], without the reduced axes; the result gets its own shape by an alias.
  void rewrite_reduction(uint32_t i, Record r) {
    const Ref old{Ref::record, 0, i};
    const ValueDesc result = r.out[0];
    const uint32_t axes = r.attr.as<ReduceAttr>().dim;
    r.in[0] = blocked(r.in[0], r.node);
    const uint32_t wide = axes | (axes >> 1 & 1) << 4;
    r.attr = ReduceAttr{wide, false};
    const Shape x = p_.records[r.in[0].index].out[r.in[0].result].shape;
    Shape kept;
    for (int a = 0; a < 5; ++a)
      if (!(wide >> a & 1)) kept.push_back(x[a]);
    r.out[0].shape = kept;
    const uint32_t node = r.node;
    const Ref reduced = add(std::move(r));
    plain_[at(old)] = add({reshape_op.id(), {}, node, {reduced}, {result}});
    have_plain_[at(old)] = 1;
  }

  Program& p_;
  const LayoutChoice choice_;
  std::vector<Ref> plain_, blocked_;  // by old value
  std::vector<uint8_t> have_plain_, have_blocked_;
};

}  // namespace

void choose_layouts(Program& program, const Backend& backend) {
  LayoutChoice choice = vote_on_layouts(program, backend);
  if (choice.block != 0) LayoutRewriter(program, std::move(choice)).run();
}

}  // namespace suanli
