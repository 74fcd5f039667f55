// SPDX-License-Identifier: Apache-2.0
#include <numeric>
#include <optional>

#include "base/core/union_find.h"
#include "ops/schema/pointwise.h"
#include "plan/passes/passes.h"

namespace suanli {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

/// [n, c, h, w] that a shape of at most four axes broadcasts as.
Shape as_four(const Shape& s) {
  Shape out;
  for (int i = s.rank(); i < 4; ++i) out.push_back(1);
  for (int64_t d : s) out.push_back(d);
  return out;
}

class Layouts {
 public:
  Layouts(Program& p, const Backend& backend)
      : p_(p),
        backend_(backend),
        block_(backend.channel_block()),
        cast_(cast_op.id()),
        sum_(sum_op.id()),
        reshape_(reshape_op.id()) {}

  void run() {
    if (block_ == 0 || !find_members()) return;
    vote();
    std::vector<Record> old = std::move(p_.records);
    std::vector<Ref> moved_plain(values_.size()), moved_blocked(values_.size());
    plain_ = std::move(moved_plain);
    blocked_ = std::move(moved_blocked);
    have_plain_.assign(values_.size(), 0);
    have_blocked_.assign(values_.size(), 0);
    p_.records.clear();
    for (uint32_t i = 0; i < old.size(); ++i) rewrite(i, std::move(old[i]));
    for (ProgramOutput& l : p_.outputs) l.value = plain(l.value);
    p_.drop_dead();
  }

 private:
  /// The values that may be blocked, and the groups that share a layout.
  struct Value {
    ValueDesc desc;
    bool member = false;   // may be blocked
    int64_t votes = 0;     // of a group's root: bytes of layout changes that blocks save
  };
  enum class Kind : uint8_t { plain, pointwise, sum, chain };
  struct Role {
    Kind kind = Kind::plain;
    BlockedOperands blocked;
  };

  uint32_t find(uint32_t v) { return groups_.find(v); }
  void unite(uint32_t a, uint32_t b) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    groups_.join(a, b);
    values_[a].votes += values_[b].votes;
  }
  bool may_block(const ValueDesc& d) const {
    return d.shape.rank() == 4 && d.shape[1] % block_ == 0 && d.shape.numel() > 0;
  }
  /// The value that a ref is, if it is one that may be blocked.
  uint32_t member(const Ref& r) const {
    if (r.kind != Ref::record) return kNone;
    const uint32_t v = static_cast<uint32_t>(p_.value(r));
    return values_[v].member ? v : kNone;
  }
  uint32_t out(uint32_t i, uint8_t k) const {
    return static_cast<uint32_t>(p_.value({Ref::record, k, i}));
  }

  /// True if the op can be done in blocks if its result [N, C, H, W] is blocked: every operand has
  /// the result's shape, or broadcasts along the channel's axis or along all pixels.
  bool pointwise_in_blocks(const Record& r) const {
    if (r.op != cast_ && !op_of(r.op).has(Trait::pointwise)) return false;
    if (!may_block(r.out[0])) return false;
    for (const Ref& in : r.in) {
      const Shape s = p_.desc(in).shape;
      if (s.rank() > 4) return false;
      const Shape four = as_four(s);
      if (four != r.out[0].shape && four[1] != 1 && four[2] * four[3] != 1) return false;
    }
    return true;
  }
  /// True if the result of a sum has the plain order if x is blocked.
  bool sum_in_blocks(const Record& r) const {
    if (r.op != sum_) return false;
    const ValueDesc x = p_.desc(r.in[0]);
    if (!may_block(x)) return false;
    const uint32_t axes = r.attr.as<ReduceAttr>().axes;
    return (axes >> 1 & 1) ||
           ((axes >> 2 & 1 || x.shape[2] == 1) && (axes >> 3 & 1 || x.shape[3] == 1));
  }

  /// False if there is nothing to do.
  bool find_members() {
    bool any = false;
    roles_.resize(p_.size());
    for (uint32_t i = 0; i < p_.size(); ++i) {
      const Record& r = p_.record(i);
      Role& role = roles_[i];
      if (!op_of(r.op).has(Trait::view)) role.blocked = backend_.blocked_operands(p_.step(i));
      if (role.blocked.in || role.blocked.out) {
        role.kind = Kind::chain;
        any = true;
      } else if (pointwise_in_blocks(r)) role.kind = Kind::pointwise;
      else if (sum_in_blocks(r)) role.kind = Kind::sum;
      for (uint8_t k = 0; k < r.out.size(); ++k) {
        const bool member =
            may_block(r.out[k]) && (role.kind == Kind::pointwise ||
                                    (role.kind == Kind::chain && role.blocked.out >> k & 1));
        values_.push_back({r.out[k], member});
        groups_.add();
      }
    }
    return any;
  }

  void vote() {
    auto votes = [&](const Ref& r, int64_t sign) {
      if (const uint32_t v = member(r); v != kNone)
        values_[find(v)].votes += sign * bytes_of(values_[v].desc);
    };
    for (uint32_t i = 0; i < p_.size(); ++i) {
      const Record& r = p_.record(i);
      const Role& role = roles_[i];
      switch (role.kind) {
        case Kind::plain:
          for (const Ref& in : r.in) votes(in, -1);
          break;
        case Kind::sum: break;  // takes either
        case Kind::pointwise:
          for (const Ref& in : r.in) {
            if (p_.desc(in).shape != r.out[0].shape) continue;
            if (const uint32_t v = member(in); v != kNone) unite(out(i, 0), v);
            else
              values_[find(out(i, 0))].votes -=
                  bytes_of(p_.desc(in));  // it would have to be laid anew
          }
          break;
        case Kind::chain:
          if (role.blocked.together) {  // takes blocks and gives blocks, or neither
            for (size_t k = 0; k < r.in.size(); ++k)
              if (const uint32_t v = member(r.in[k]); role.blocked.in >> k & 1) {
                if (v != kNone) unite(out(i, 0), v);
                else values_[find(out(i, 0))].votes -= bytes_of(p_.desc(r.in[k]));
              }
            for (uint8_t k = 1; k < r.out.size(); ++k) unite(out(i, 0), out(i, k));
            break;
          }
          for (size_t k = 0; k < r.in.size(); ++k)
            if (role.blocked.in >> k & 1) votes(r.in[k], 1);
          for (uint8_t k = 0; k < r.out.size(); ++k)
            if (role.blocked.out >> k & 1) votes({Ref::record, k, i}, 1);
      }
    }
    for (const ProgramOutput& l : p_.outputs) votes(l.value, -1);
  }
  bool chosen(const Ref& r) {
    const uint32_t v = member(r);
    return v != kNone && values_[find(v)].votes > 0;
  }

  // ---- rewriting: refs of the old program to refs of the new one --------------------------------

  Ref add(Record r) {
    p_.records.push_back(std::move(r));
    return {Ref::record, 0, static_cast<uint32_t>(p_.records.size() - 1)};
  }
  Shape blocked_shape(const Shape& s) const { return {s[0], s[1] / block_, s[2], s[3], block_}; }
  // of the old program: the index of values was made before the rewriting
  size_t at(const Ref& r) const { return p_.value(r); }

  ValueDesc old_desc(const Ref& r) const {
    if (r.kind == Ref::record) return values_[at(r)].desc;
    return p_.desc(r);
  }
  Ref plain(const Ref& r) {
    if (r.kind != Ref::record) return r;
    if (!have_plain_[at(r)]) {
      plain_[at(r)] = add({kOpReorder,
                           {},
                           p_.records[blocked_[at(r)].index].node,
                           {blocked_[at(r)]},
                           {values_[at(r)].desc}});
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
    const Shape five =
        s[1] == 1 ? Shape{s[0], 1, s[2], s[3], 1} : Shape{s[0], s[1] / block_, 1, 1, block_};
    return add({reshape_, {}, node, {plain(r)}, {{d.dtype, five}}});
  }

  void rewrite(uint32_t i, Record r) {
    const Role& role = roles_[i];
    const bool in_blocks = role.kind == Kind::pointwise && chosen({Ref::record, 0, i});
    if (role.kind == Kind::sum && chosen(r.in[0])) return rewrite_sum(i, std::move(r));
    const Shape result = r.out[0].shape;
    for (size_t k = 0; k < r.in.size(); ++k) {
      const bool takes = role.kind == Kind::chain && role.blocked.in >> k & 1 &&
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
  void rewrite_sum(uint32_t i, Record r) {
    const Ref old{Ref::record, 0, i};
    const ValueDesc result = r.out[0];
    const uint32_t axes = r.attr.as<ReduceAttr>().axes;
    r.in[0] = blocked(r.in[0], r.node);
    const uint32_t wide = axes | (axes >> 1 & 1) << 4;
    r.attr = ReduceAttr{wide, false};
    const Shape x = p_.records[r.in[0].index].out[r.in[0].result].shape;
    Shape kept;
    for (int a = 0; a < 5; ++a)
      if (!(wide >> a & 1)) kept.push_back(x[a]);
    r.out[0].shape = kept;
    const uint32_t node = r.node;
    const Ref sum = add(std::move(r));
    plain_[at(old)] = add({reshape_, {}, node, {sum}, {result}});
    have_plain_[at(old)] = 1;
  }

  Program& p_;
  const Backend& backend_;
  const int64_t block_;
  const uint16_t cast_, sum_, reshape_;
  std::vector<Role> roles_;
  std::vector<Value> values_;
  UnionFind groups_;  // values that share a layout
  std::vector<Ref> plain_, blocked_;  // by old value
  std::vector<uint8_t> have_plain_, have_blocked_;
};

}  // namespace

void choose_layouts(Program& program, const Backend& backend) { Layouts(program, backend).run(); }

}  // namespace suanli
