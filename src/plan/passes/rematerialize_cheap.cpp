// SPDX-License-Identifier: Apache-2.0
// Values that are cheaper to compute again than to keep.
#include <algorithm>

#include "base/core/union_find.h"
#include "ops/schema/pointwise.h"
#include "plan/ir/program_edits.h"
#include "plan/ir/tuning.h"
#include "plan/passes/fuse.h"
#include "plan/passes/memory.h"
#include "plan/passes/passes.h"

namespace suanli {

namespace {

bool contains(const std::vector<Ref>& refs, const Ref& r) {
  return std::any_of(refs.begin(), refs.end(), [&](const Ref& o) { return same_value(o, r); });
}

/// Ops that will be one unit: pointwise ones and reductions over one space that depend on each
/// other with nothing in between.
class Groups {
 public:
  explicit Groups(const Program& p)
      : p_(p), cast_(cast_op.id()), level_(p.size(), 0), sets_(p.size()) {
    for (uint32_t i = 0; i < p.size(); ++i) {
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r); root.kind == Ref::record)
          level_[i] = std::max(level_[i], level_[root.index] + (pointwise(root.index) ? 0 : 1));
      if (!in_tiles(i)) continue;
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r);
            root.kind == Ref::record && pointwise(root.index) && level_[root.index] == level_[i] &&
            p.desc(r).shape == space(i) && space(root.index) == space(i))
          sets_.join(find(root.index), find(i));
    }
  }
  bool pointwise(uint32_t i) const {
    return p_.record(i).op == cast_ || op_of(p_.record(i).op).has(Trait::pointwise);
  }
  bool in_tiles(uint32_t i) const { return pointwise(i) || is_reduction(p_.record(i).op); }
  Shape space(uint32_t i) const { return space_of(p_, i); }
  /// Returns the number of reductions, products, … on the longest path to it. Ops of different
  /// levels are never in one unit.
  uint32_t level(uint32_t i) const { return level_[i]; }
  uint32_t find(uint32_t i) const { return sets_.find(i); }

 private:
  const Program& p_;
  const uint16_t cast_;
  std::vector<uint32_t> level_;
  mutable UnionFind sets_;  // find() shortens paths
};

/// Chains of cheap pointwise ops that compute a value again. A chain starts from at most two values
/// of the same size that lie in memory anyway. Small operands are not counted.
class Chains {
 public:
  struct Chain {
    bool ok = false;
    std::vector<Ref> bases;
    int64_t ops = 0;
  };
  explicit Chains(const Program& p) : p_(p), groups_(p), chains_(p.size()), readers_(p.size()) {
    for (uint32_t i = 0; i < p.size(); ++i) {
      if (p.is_alias(i)) continue;
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r);
            root.kind == Ref::record &&
            (readers_[root.index].empty() || readers_[root.index].back() != i))
          readers_[root.index].push_back(i);
    }
    for (uint32_t i = 0; i < p.size(); ++i) chains_[i] = make(i);
  }
  const Groups& groups() const { return groups_; }
  const Chain& of(uint32_t i) const { return chains_[i]; }
  /// The readers of any result of a record, through aliases; in order.
  const std::vector<uint32_t>& readers(uint32_t i) const { return readers_[i]; }
  int64_t bytes(const Ref& r) const { return bytes_of(p_.desc(r)); }

  /// Clones the chain of a value in front of a record, anew for each call.
  Ref clone(uint32_t i, uint32_t before, ProgramEdits& to) const {
    Record r = p_.record(i);
    for (Ref& in : r.in)
      if (expands(i, in)) in = clone(p_.root(in).index, before, to);
    r.again = true;
    return to.add(std::move(r), before);
  }

 private:
  bool large(uint32_t i, const Ref& in) const {
    return p_.desc(in).shape.numel() * 8 > p_.record(i).out[0].shape.numel();
  }
  bool expands(uint32_t i, const Ref& in) const {
    const Ref root = p_.root(in);
    return root.kind == Ref::record && large(i, in) && p_.desc(in).shape == p_.desc(root).shape &&
           chains_[root.index].ok && (chains_[root.index].bases.size() == 1 || !in_memory(root));
  }
  /// True if a value of that size is in memory whatever happens to this chain.
  bool in_memory(const Ref& root) const {
    if (root.kind != Ref::record || !groups_.pointwise(root.index) || p_.is_output(root))
      return true;
    return std::any_of(readers_[root.index].begin(), readers_[root.index].end(), [&](uint32_t r) {
      return !groups_.pointwise(r) || groups_.find(r) != groups_.find(root.index);
    });
  }
  bool cheap(uint32_t i) const {
    const Record& r = p_.record(i);
    if (!groups_.pointwise(i)) return false;
    if (!op_of(r.op).has(Trait::pointwise)) return true;  // a cast
    const auto& attr = r.attr.as<PointwiseAttr>();
    const PointwiseRow& row = pointwise_rows[attr.row];
    return is_arithmetic(attr.gradient < 0 ? row.value : row.gradient[attr.gradient]);
  }
  Chain make(uint32_t i) const {
    Chain c;
    if (!cheap(i) || bytes_of(p_.record(i).out[0]) < tuning_.cheap_tracked_bytes) return c;
    c.ops = 1;
    for (const Ref& in : p_.inputs(i)) {
      if (p_.desc(in).shape.rank() == 0 || !large(i, in)) continue;
      const Ref root = p_.root(in);
      if (expands(i, in)) {
        c.ops += chains_[root.index].ops;
        for (const Ref& b : chains_[root.index].bases)
          if (!contains(c.bases, b)) c.bases.push_back(b);
      } else if (!in_memory(root)) {
        return Chain();
      } else if (!contains(c.bases, root)) {
        c.bases.push_back(root);
      }
    }
    c.ok = !c.bases.empty() && c.bases.size() <= static_cast<size_t>(tuning_.cheap_bases) &&
           c.ops <= tuning_.cheap_ops;
    return c;
  }

  const PlanTuning& tuning_ = plan_tuning();
  const Program& p_;
  Groups groups_;
  std::vector<Chain> chains_;
  std::vector<std::vector<uint32_t>> readers_;
};

/// A large value that is read, and read again much later (by a gradient), is computed again there
/// if what it is computed from is still around: memory for two passes over it.
void drop_between_readers(Program& p) {
  const PlanTuning& tuning = plan_tuning();
  const Chains chains(p);
  ProgramEdits insertions(p);
  std::vector<uint8_t> dropped(p.size(), 0);
  for (uint32_t i = 0; i < p.size(); ++i) {
    const Chains::Chain& chain = chains.of(i);
    const Ref value{Ref::record, 0, i};
    const auto& readers = chains.readers(i);
    if (!chain.ok || p.is_alias(i) || bytes_of(p.record(i).out[0]) < tuning.cheap_bytes ||
        p.is_output(value) || readers.size() < 2)
      continue;
    size_t late = 0;
    for (size_t k = 1; k < readers.size(); ++k)
      if (int64_t{readers[k]} - int64_t{readers[k - 1]} >= tuning.cheap_distance &&
          (late == 0 || readers[k] - readers[k - 1] > readers[late] - readers[late - 1]))
        late = k;
    if (late == 0) continue;
    const bool around = std::all_of(chain.bases.begin(), chain.bases.end(), [&](const Ref& b) {
      if (b.kind != Ref::record || p.is_output(b)) return true;
      return !dropped[b.index] && !chains.readers(b.index).empty() &&
             chains.readers(b.index).back() >= readers.back();
    });
    // Readers under another name would need that alias cloned too.
    const bool direct = std::all_of(
        readers.begin() + static_cast<ptrdiff_t>(late), readers.end(), [&](uint32_t reader) {
          return std::all_of(p.inputs(reader).begin(), p.inputs(reader).end(), [&](const Ref& in) {
            return !same_value(p.root(in), value) || same_value(in, value);
          });
        });
    if (!around || !direct) continue;
    dropped[i] = 1;
    const Ref again = chains.clone(i, readers[late], insertions);
    for (size_t k = late; k < readers.size(); ++k) insertions.replace(readers[k], value, again);
  }
  insertions.apply();
}

/// Between two groups lies a sum, a product, …: a value of the one that the other reads would have
/// to be written. Where the other reads what it is made of anyway, it computes it once more
/// instead.
void compute_where_read(Program& p, const Backend& backend) {
  const PlanTuning& tuning = plan_tuning();
  const Chains chains(p);
  const Groups& groups = chains.groups();
  const bool trains = p.trains();
  // Reading such a value costs what reading its base would, which then is in no memory.
  auto in_epilogue = [&](uint32_t i) {
    const Chains::Chain& chain = chains.of(i);
    if (trains || chain.bases.size() != 1 || chain.bases[0].kind != Ref::record) return false;
    const uint32_t base = chain.bases[0].index;
    if (groups.in_tiles(base) || p.is_output(chain.bases[0]) ||
        !backend.takes_epilogue(p.step(base)))
      return false;
    const auto& readers = chains.readers(base);
    return std::all_of(readers.begin(), readers.end(), [&](uint32_t r) {
      return groups.pointwise(r) && groups.find(r) == groups.find(i);
    });
  };
  std::vector<std::vector<uint32_t>> members(p.size());
  for (uint32_t i = 0; i < p.size(); ++i)
    if (groups.in_tiles(i)) members[groups.find(i)].push_back(i);
  ProgramEdits insertions(p);
  for (const auto& group_members : members) {
    std::vector<Ref> read, candidates;
    for (uint32_t i : group_members)
      for (const Ref& in : p.inputs(i)) {
        const Ref root = p.root(in);
        if (root.kind == Ref::slot || p.desc(in).shape != groups.space(i) ||
            bytes_of(p.desc(root)) < tuning.cheap_tracked_bytes)
          continue;
        if (root.kind == Ref::record && groups.pointwise(root.index) &&
            groups.find(root.index) == groups.find(i))
          continue;
        const bool candidate =
            root.kind == Ref::record && same_value(in, root) && chains.of(root.index).ok &&
            groups.level(root.index) < groups.level(i) &&
            (p.is_output(root) ||
             std::any_of(
                 chains.readers(root.index).begin(), chains.readers(root.index).end(),
                 [&](uint32_t r) { return groups.find(r) != groups.find(i); }));
        auto& list = candidate ? candidates : read;
        if (!contains(list, root)) list.push_back(root);
      }
    std::stable_sort(candidates.begin(), candidates.end(), [&](const Ref& a, const Ref& b) {
      return chains.of(a.index).bases.size() < chains.of(b.index).bases.size();
    });
    auto ops = static_cast<int64_t>(group_members.size());
    for (const Ref& c : candidates) {
      const Chains::Chain& chain = chains.of(c.index);
      int64_t more = 0;
      for (const Ref& b : chain.bases)
        if (!contains(read, b)) more += chains.bytes(b);
      // A value that is written for others is read again, unless everything that it is made of
      // is read here already.
      const bool written =
          p.is_output(c) ||
          std::any_of(chains.readers(c.index).begin(), chains.readers(c.index).end(),
                      [&](uint32_t r) { return !groups.in_tiles(r); });
      if (more > (written ? 0 : chains.bytes(c)) || in_epilogue(c.index) ||
          ops + chain.ops > tuning.cheap_group_ops) {
        read.push_back(c);
        continue;
      }
      for (const Ref& b : chain.bases)
        if (!contains(read, b)) read.push_back(b);
      ops += chain.ops;
      for (uint32_t i : group_members)
        if (contains(p.record(i).in, c))
          insertions.replace(i, c, chains.clone(c.index, i, insertions));
    }
  }
  insertions.apply();
}

}  // namespace

void rematerialize_cheap(Program& program, const Backend& backend) {
  compute_where_read(program, backend);
  drop_between_readers(program);  // sees who is read late now
}

}  // namespace suanli
