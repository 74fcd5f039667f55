// SPDX-License-Identifier: Apache-2.0
#include "plan/passes/layout_vote.h"

#include "base/core/union_find.h"
#include "ops/schema/ops.h"
#include "ops/schema/reductions.h"

namespace suanli {

/// [n, c, h, w] that a shape of at most four axes broadcasts as.
Shape as_four(const Shape& s) {
  Shape out;
  for (int i = s.rank(); i < 4; ++i) out.push_back(1);
  for (int64_t d : s) out.push_back(d);
  return out;
}

namespace {

constexpr uint32_t kNone = UINT32_MAX;

class LayoutVote {
 public:
  LayoutVote(const Program& p, const Backend& backend)
      : p_(p), backend_(backend), block_(backend.channel_block()) {}

  LayoutChoice run() {
    if (block_ == 0 || !find_members()) return {};
    vote();
    LayoutChoice choice{.block = block_, .roles = std::move(roles_)};
    for (uint32_t v = 0; v < values_.size(); ++v) {
      choice.values.push_back(values_[v].desc);
      choice.blocked.push_back(values_[v].member && values_[find(v)].votes > 0);
    }
    return choice;
  }

 private:
  struct Value {
    ValueDesc desc;
    bool member = false;  // may be blocked
    int64_t votes = 0;    // of a group's root: bytes of layout changes that blocks save
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
    if (r.op != cast_op.id() && !op_of(r.op).has(Trait::pointwise)) return false;
    if (!may_block(r.out[0])) return false;
    for (const Ref& in : r.in) {
      const Shape s = p_.desc(in).shape;
      if (s.rank() > 4) return false;
      const Shape four = as_four(s);
      if (four != r.out[0].shape && four[1] != 1 && four[2] * four[3] != 1) return false;
    }
    return true;
  }
  /// True if the result of a reduction has the plain order if x is blocked.
  bool reduction_in_blocks(const Record& r) const {
    if (reduction_row(r.op) < 0) return false;
    const ValueDesc x = p_.desc(r.in[0]);
    if (!may_block(x)) return false;
    const uint32_t axes = r.attr.as<ReduceAttr>().dim;
    return (axes >> 1 & 1) ||
           ((axes >> 2 & 1 || x.shape[2] == 1) && (axes >> 3 & 1 || x.shape[3] == 1));
  }

  /// False if there is nothing to do.
  bool find_members() {
    bool any = false;
    roles_.resize(p_.size());
    for (uint32_t i = 0; i < p_.size(); ++i) {
      const Record& r = p_.record(i);
      LayoutRole& role = roles_[i];
      if (!op_of(r.op).has(Trait::view)) role.blocked = backend_.blocked_operands(p_.step(i));
      if (role.blocked.in || role.blocked.out) {
        role.kind = LayoutRole::Kind::chain;
        any = true;
      } else if (pointwise_in_blocks(r)) role.kind = LayoutRole::Kind::pointwise;
      else if (reduction_in_blocks(r)) role.kind = LayoutRole::Kind::reduction;
      for (uint8_t k = 0; k < r.out.size(); ++k) {
        const bool member = may_block(r.out[k]) &&
                            (role.kind == LayoutRole::Kind::pointwise ||
                             (role.kind == LayoutRole::Kind::chain && role.blocked.out >> k & 1));
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
      const LayoutRole& role = roles_[i];
      switch (role.kind) {
        case LayoutRole::Kind::plain:
          for (const Ref& in : r.in) votes(in, -1);
          break;
        case LayoutRole::Kind::reduction: break;  // takes either
        case LayoutRole::Kind::pointwise:
          for (const Ref& in : r.in) {
            if (p_.desc(in).shape != r.out[0].shape) continue;
            if (const uint32_t v = member(in); v != kNone) unite(out(i, 0), v);
            else
              values_[find(out(i, 0))].votes -=
                  bytes_of(p_.desc(in));  // it would have to be laid anew
          }
          break;
        case LayoutRole::Kind::chain:
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

  const Program& p_;
  const Backend& backend_;
  const int64_t block_;
  std::vector<LayoutRole> roles_;
  std::vector<Value> values_;
  UnionFind groups_;  // values that share a layout
};

}  // namespace

LayoutChoice vote_on_layouts(const Program& program, const Backend& backend) {
  return LayoutVote(program, backend).run();
}

}  // namespace suanli
