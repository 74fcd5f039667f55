// SPDX-License-Identifier: Apache-2.0
// Regions are grown without regard to size, then cut. Growing goes through the tape backwards, so
// that a value which only one place needs is computed there (an optimizer's decayed state beside
// the gradient that it meets), not where it could be computed first.
//
// Every unit has a height: more than that of any other unit that reads it. Heights make a cycle
// through other units impossible, and checking them costs nothing, where a search for paths would
// be quadratic in a long tape. The price is that a few legal regions are not found: those that
// would need an earlier decision changed.
#include "plan/passes/fuse.h"

#include <algorithm>

#include "base/core/union_find.h"
#include "ops/schema/pointwise.h"
#include "plan/ir/rows.h"

namespace suanli {

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

struct Reader {
  uint32_t record;
  Shape shape;      // in which it sees the value
  bool same_shape;  // as it was computed
};

/// The traits that decide if regions may be joined.
struct RegionTraits {
  // over which the code runs, but for what it computes per row; of an op that leads: that of its
  // epilogue
  Shape space;
  int64_t row = 0;     // elements of a row, where something is computed per row or along rows
  uint32_t axes = 0;   // of the reductions that do not go along rows
  bool reduces = false;
  // it has an op that takes the others as its epilogue; before that of a record: it could
  bool leads = false;
  // the last record that is not fusable and that it depends on or has, counted from 1; 0: none
  uint32_t waits_for = 0;

  /// True if all of it can be computed per row of another space.
  bool is_per_row(const Shape& larger) const {
    const int64_t rows = space.numel();
    if (row != 0 || reduces || leads || rows == 0 || larger.numel() % rows != 0) return false;
    const int64_t n = larger.numel() / rows;
    return keeps_rows(larger, n) && rows_of(larger, n).numel() == rows &&
           alike(space, rows_of(larger, n));
  }
  /// Reductions walk their space alike, along rows or across them in whole rows. An epilogue has
  /// one space: its op leads no other op, no reductions and nothing per row. The op does not wait
  /// for what its epilogue would take besides.
  bool agrees(const RegionTraits& o) const {
    if (leads || o.leads)
      return !(leads && o.leads) && space == o.space && !reduces && !o.reduces && row == 0 &&
             o.row == 0 && (leads ? o.waits_for <= waits_for : waits_for <= o.waits_for);
    if (axes != 0 && o.axes != 0 && axes != o.axes) return false;
    const bool same = space == o.space;
    if (!same && !is_per_row(o.space) && !o.is_per_row(space)) return false;
    const RegionTraits both = joined(o);
    return (row == 0 || row == both.row) && (o.row == 0 || o.row == both.row) &&
           (both.row == 0 || both.axes == 0 || takes_whole_rows(both.space, both.row, both.axes));
  }
  RegionTraits joined(const RegionTraits& o) const {
    RegionTraits both{space,
                      std::max(row, o.row),
                      axes | o.axes,
                      reduces || o.reduces,
                      leads || o.leads,
                      std::max(waits_for, o.waits_for)};
    if (space != o.space) {
      both.space = space.numel() < o.space.numel() ? o.space : space;
      both.row = both.space.numel() / std::min(space.numel(), o.space.numel());
    }
    return both;
  }
};

class Regions {
 public:
  Regions(const Program& p, const Backend& backend)
      : p_(p),
        n_(p.size()),
        regions_(n_),
        height_(n_, 0),
        highest_(n_, kNobody),
        last_member_(n_),
        cores_(n_),
        fusable_(n_),
        readers_(n_) {
    for (uint32_t i = 0; i < n_; ++i) {
      last_member_[i] = i;
      RegionTraits& c = cores_[i];
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r); root.kind == Ref::record)
          c.waits_for = std::max(c.waits_for, cores_[root.index].waits_for);
      if (p.is_alias(i)) continue;
      fusable_[i] = is_fusable(p, i);
      if (!fusable_[i]) {
        c.waits_for = i + 1;
        c.leads = backend.takes_epilogue(p.step(i));
      }
      c.space = space_of(p, i);
      if (reduces(i)) {
        const uint32_t axes = p.record(i).attr.as<ReduceAttr>().dim;
        const int64_t row = row_of(c.space, axes);
        c.reduces = true;
        if (keeps_rows(c.space, row)) c.row = row;
        else c.axes = axes;
      }
      for (const Ref& r : p.inputs(i)) {
        const Ref root = p.root(r);
        if (root.kind == Ref::record)
          readers_[root.index].push_back(
              {i, p.desc(r).shape, p.desc(r).shape == p.desc(root).shape});
      }
    }
    others_before_.assign(n_ + 1, 0);
    for (uint32_t i = 0; i < n_; ++i)
      others_before_[i + 1] = others_before_[i] + (!fusable_[i] && !p_.is_alias(i));
    last_reader_of_leaf_.assign(p.tape().leaves.size(), kNobody);
    last_reader_of_value_.assign(p.values(), kNobody);
    if (!p.trains()) find_epilogues();
    for (uint32_t i = static_cast<uint32_t>(n_); i-- > 0;)
      if (!p_.is_alias(i)) place(i);
  }

  /// Members in tape order; regions by their first member.
  std::vector<Unit> collect() {
    std::vector<Unit> regions;
    std::vector<uint32_t> index(n_, kNobody);
    for (uint32_t i = 0; i < n_; ++i) {
      if (p_.is_alias(i)) continue;
      uint32_t& at = index[find(i)];
      if (at == kNobody) {
        at = static_cast<uint32_t>(regions.size());
        regions.emplace_back();
      }
      regions[at].push_back(i);
    }
    return regions;
  }

  const std::vector<Reader>& readers(uint32_t i) const { return readers_[i]; }
  /// In which shape the code of i's region sees an input of i.
  Shape seen(uint32_t i, const Ref& r) {
    const Shape& shape = p_.desc(r).shape;
    return fusable_[i] ? seen_from(cores_[find(i)].space, space(i), shape) : shape;
  }

 private:
  uint32_t find(uint32_t i) { return regions_.find(i); }
  bool reduces(uint32_t i) const { return fusable_[i] && is_reduction(p_.record(i).op); }
  const Shape& shape(uint32_t i) const { return p_.record(i).out[0].shape; }
  Shape space(uint32_t i) const { return space_of(p_, i); }
  /// True if a region may be given this height, which is not below its own: all who feed it must
  /// stay above.
  bool may_rise(uint32_t region, uint32_t height) const {
    return height_[region] == height || highest_[region] > height;
  }

  void unite(uint32_t a, uint32_t b) {
    regions_.join(a, b);
    height_[a] = std::max(height_[a], height_[b]);
    highest_[a] = std::min(highest_[a], highest_[b]);
    last_member_[a] = std::max(last_member_[a], last_member_[b]);
    cores_[a] = cores_[a].joined(cores_[b]);
  }

  /// True if the code of a reader can take i's value from where it is computed.
  bool connects(uint32_t i, const Reader& r) {
    if (!fusable_[r.record]) return false;
    const Shape own = space(r.record);
    const RegionTraits& region = cores_[find(r.record)];
    // To an epilogue it makes no difference in which shape it sees the elements. A rematerialized
    // value is to be computed later.
    if (cores_[i].leads) return own == r.shape && !p_.record(r.record).again;
    if (!fusable_[i]) return false;
    const RegionTraits& mine = cores_[i];
    if (!reduces(i) && r.same_shape && own == shape(i)) return true;
    // A number per row: read by code that runs over the elements, or by other code that runs over
    // the rows.
    if (!alike(r.shape, shape(i))) return false;
    const bool per_element = own == region.space && row_of(own, r.shape) != 0;
    if (reduces(i) && mine.row == 0) return false;
    if (reduces(i))
      return per_element ? own == mine.space && row_of(own, r.shape) == mine.row
                         : alike(r.shape, own);
    return per_element || (alike(r.shape, own) && own != region.space);
  }

  /// Finds records that can be an epilogue in place of their op's result, which has no other
  /// reader.
  void find_epilogues() {
    ends_epilogue_.assign(n_, 0);
    for (uint32_t i = 0; i < n_; ++i) {
      if (!fusable_[i] || reduces(i)) continue;
      for (const Ref& r : p_.inputs(i))
        if (const Ref root = p_.root(r); root.kind == Ref::record &&
                                         readers_[root.index].size() == 1 && !p_.is_output(root) &&
                                         p_.desc(r).shape == shape(i))
          ends_epilogue_[i] |= cores_[root.index].leads || ends_epilogue_[root.index];
    }
  }
  /// Reductions that read what is written for others anyway leave it to an epilogue, which would be
  /// cut off from its op by them.
  void leave_to_epilogue(std::vector<uint32_t>& near, std::vector<uint32_t>& far) const {
    if (near.size() + far.size() < 2) return;
    std::erase_if(near, [&](uint32_t region) {
      if (!reduces(region) || last_member_[region] != region) return false;
      far.push_back(region);
      return true;
    });
  }

  void place(uint32_t i) {
    std::vector<uint32_t> near, far;  // regions of readers that i may join, and of others
    const bool early = frees_inputs(i);
    for (const Reader& r : readers_[i]) {
      bool joins = connects(i, r);
      // the first reader decides in which shape the epilogue sees the result
      if (joins && cores_[i].leads) {
        if (near.empty()) cores_[i].space = r.shape;
        joins = r.shape == cores_[i].space;
      }
      // Schedule accumulations early: joined with a reader that waits for others, one
      // would keep them all until then (the gradients of a weight that is used many times).
      if (early && others_before_[r.record] > others_before_[i]) joins = false;
      (joins ? near : far).push_back(find(r.record));
    }
    for (auto* regions : {&near, &far}) {
      std::sort(regions->begin(), regions->end());
      regions->erase(std::unique(regions->begin(), regions->end()), regions->end());
    }
    // A region may also read it in another shape: then the value has to be in memory.
    std::erase_if(
        near, [&](uint32_t region) { return std::binary_search(far.begin(), far.end(), region); });
    if (!ends_epilogue_.empty() && ends_epilogue_[i]) leave_to_epilogue(near, far);
    RegionTraits core_now = cores_[i];
    std::erase_if(near, [&](uint32_t region) {  // of those that may not be together, the first
      if (!core_now.agrees(cores_[region])) {
        far.push_back(region);
        return true;
      }
      core_now = core_now.joined(cores_[region]);
      return false;
    });
    for (uint32_t region : far) height_[i] = std::max(height_[i], height_[region] + 1);
    for (uint32_t region : near) height_[i] = std::max(height_[i], height_[region]);
    const uint32_t height = height_[i];
    for (uint32_t region : near)
      if (may_rise(region, height)) unite(i, region);
      else far.push_back(region);
    for (uint32_t region : far) highest_[region] = std::min(highest_[region], height);
    if (fusable_[i] && !p_.record(i).again) join_who_reads_the_same(i);
  }

  /// True if two inputs or more of the result's size have no other reader.
  bool frees_inputs(uint32_t i) const {
    int dying = 0;
    for (const Ref& r : p_.inputs(i)) {
      const Ref root = p_.root(r);
      dying += root.kind == Ref::record && !fusable_[root.index] &&
               readers_[root.index].size() == 1 && !p_.is_output(root) &&
               p_.desc(r).shape == shape(i);
    }
    return dying >= 2 || (dying == 1 && accumulates(i));
  }
  /// Adds to what was added before.
  bool accumulates(uint32_t i) const {
    for (const Ref& r : p_.inputs(i))
      if (const Ref root = p_.root(r); root.kind == Ref::record && root.index != i &&
                                       p_.record(root.index).op == p_.record(i).op &&
                                       readers_[root.index].size() == 1)
        return true;
    return false;
  }

  /// Reading a large input once is worth a joint step; sharing a bias or a number is not.
  void join_who_reads_the_same(uint32_t i) {
    for (const Ref& r : p_.inputs(i)) {
      const Ref root = p_.root(r);
      if (root.kind == Ref::slot || root.kind == Ref::constant || p_.desc(r).shape != space(i))
        continue;
      uint32_t& last = root.kind == Ref::leaf ? last_reader_of_leaf_[root.index]
                                              : last_reader_of_value_[p_.value(root)];
      if (last != kNobody && space(last) == space(i)) {
        const uint32_t a = find(i), b = find(last), low = height_[a] < height_[b] ? a : b;
        if (a != b && cores_[a].space == cores_[b].space &&
            may_rise(low, std::max(height_[a], height_[b])) && cores_[a].agrees(cores_[b]))
          unite(a, b);
      }
      last = i;
    }
  }

  const Program& p_;
  size_t n_;
  UnionFind regions_;
  std::vector<uint32_t> height_;
  // per region: the height of the lowest region that feeds it and is placed already
  std::vector<uint32_t> highest_;
  std::vector<uint32_t> last_member_;  // of a region
  std::vector<RegionTraits> cores_;
  std::vector<uint8_t> ends_epilogue_;  // by record; empty in a program that trains
  std::vector<uint8_t> fusable_;
  std::vector<uint32_t> others_before_;  // how many records that are not fused come before
  std::vector<std::vector<Reader>> readers_;
  std::vector<uint32_t> last_reader_of_leaf_, last_reader_of_value_;
};

/// Cuts regions in tape order into units that keep the bounds. Where there is a choice the cut goes
/// where the fewest values cross it, so that of several updates in one region none is torn; but no
/// unit gets smaller than half of what would fit.
class Cutter {
 public:
  Cutter(const Program& p, Regions& regions, const std::vector<uint32_t>& region_of)
      : p_(p), regions_(regions), region_of_(region_of), position_(p.size(), kNobody) {}

  void cut(const Unit& region, std::vector<Unit>& units) {
    for (size_t start = 0; start < region.size();) {
      const size_t length = region.size() == 1 ? 1 : next_length(region, start);
      units.emplace_back(region.begin() + static_cast<ptrdiff_t>(start),
                         region.begin() + static_cast<ptrdiff_t>(start + length));
      start += length;
    }
  }

 private:
  struct Input {
    Ref root;
    Shape shape;
  };
  /// Returns the number of members from `start` on that become one unit. A longer prefix may take
  /// fewer pointers (what was an output is now read inside), so all of them are looked at.
  size_t next_length(const Unit& region, size_t start) {
    const size_t most = std::min<size_t>(region.size() - start, Expr::kMaxInstructions);
    std::vector<int> unread(most), unread_in_region(most), crossing(most, -1);
    std::vector<Input> inputs;
    size_t outputs = 0, largest = 0;
    int crossing_now = 0;
    for (size_t k = 0; k < most; ++k) {
      const uint32_t i = region[start + k];
      for (const Ref& r : p_.inputs(i)) {
        const Ref root = p_.root(r);
        if (root.kind == Ref::record && position_[root.index] != kNobody) {
          const uint32_t at = position_[root.index];
          if (--unread_in_region[at] == 0) --crossing_now;
          if (--unread[at] == 0 && !p_.is_output(root)) --outputs;
          continue;
        }
        const Shape shape = regions_.seen(i, r);
        if (std::none_of(inputs.begin(), inputs.end(), [&](const Input& o) {
              return same_value(o.root, root) && o.shape == shape;
            }))
          inputs.push_back({root, shape});
      }
      position_[i] = static_cast<uint32_t>(k);
      for (const Reader& r : regions_.readers(i)) {
        ++unread[k];
        unread_in_region[k] += region_of_[r.record] == region_of_[i];
      }
      outputs += unread[k] > 0 || p_.is_output({Ref::record, 0, i});
      crossing_now += unread_in_region[k] > 0;
      if (inputs.size() + outputs > Expr::kMaxPointers) continue;
      crossing[k] = crossing_now;
      largest = k;
    }
    for (size_t k = 0; k < most; ++k) position_[region[start + k]] = kNobody;
    size_t best = largest;
    for (size_t k = largest; k-- > largest / 2;)
      if (crossing[k] >= 0 && crossing[k] < crossing[best]) best = k;
    return best + 1;
  }

  const Program& p_;
  Regions& regions_;
  const std::vector<uint32_t>& region_of_;
  std::vector<uint32_t> position_;
};

}  // namespace

Shape space_of(const Program& p, uint32_t i) {
  const Record& r = p.record(i);
  return is_reduction(r.op) ? p.desc(r.in[0]).shape : r.out[0].shape;
}

bool is_fusable(const Program& p, size_t i) {
  const Record& r = p.record(i);
  if (is_reduction(r.op))
    return is_float(p.desc(r.in[0]).dtype) && p.desc(r.in[0]).shape.numel() > 0;
  if (r.op != cast_op.id() && !op_of(r.op).has(Trait::pointwise)) return false;
  if (!contains(kNumberDTypes, r.out[0].dtype)) return false;
  for (const Ref& in : r.in)
    if (!contains(kNumberDTypes, p.desc(in).dtype)) return false;
  return true;
}

std::vector<Unit> fuse(const Program& program, const Backend& backend) {
  Regions regions(program, backend);
  const std::vector<Unit> found = regions.collect();
  std::vector<uint32_t> region_of(program.size(), kNobody);
  for (uint32_t r = 0; r < found.size(); ++r)
    for (uint32_t i : found[r]) region_of[i] = r;
  Cutter cutter(program, regions, region_of);
  std::vector<Unit> units;
  for (const Unit& region : found) cutter.cut(region, units);
  return units;
}

}  // namespace suanli
