// Regions are grown without regard to size, then cut. Growing goes through the tape backwards, so that a value which only one place
// needs is computed there (an optimiser's decayed state beside the gradient that it meets), not where it could be computed first.
//
// Every unit has a height: more than that of any other unit that reads it. Heights make a cycle through other units impossible, and
// checking them costs nothing, where a search for paths would be quadratic in a long tape. The price is that a few legal regions are
// not found: those that would need an earlier decision changed.
#include "plan/fuse.h"

#include <algorithm>

#include "ops/pointwise.h"

namespace suanli {

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

bool computed_in_tiles(DType d) { return d <= DType::boolean && d != DType::f16 && d != DType::bf16 && (d < DType::u64 || d > DType::u16); }

uint16_t sum_op() {
  static const uint16_t op = op_id("sum");
  return op;
}

struct Reader {
  uint32_t record;
  Shape shape;      // in which it sees the value
  bool same_shape;  // as it was computed
};

class Regions {
 public:
  Regions(const Program& p, const Backend& backend)
      : p_(p),
        n_(p.size()),
        parent_(n_),
        height_(n_, 0),
        highest_(n_, kNobody),
        sums_(n_, 0),
        fusable_(n_),
        leads_(n_),
        waits_for_(n_, 0),
        readers_(n_) {
    for (uint32_t i = 0; i < n_; ++i) {
      parent_[i] = i;
      for (const Ref& r : p.inputs(i))
        if (const Ref root = p.root(r); root.kind == Ref::record) waits_for_[i] = std::max(waits_for_[i], waits_for_[root.index]);
      if (p.is_alias(i)) continue;
      fusable_[i] = is_fusable(p, i);
      if (!fusable_[i]) waits_for_[i] = i + 1, leads_[i] = backend.takes_epilogue(p.step(i));
      if (is_sum(i))
        sums_[i] = uint64_t{p.record(i).attr.as<ReduceAttr>().axes} << 8 | static_cast<uint64_t>(p.record(i).out[0].dtype) | 1 << 7;
      for (const Ref& r : p.inputs(i)) {
        const Ref root = p.root(r);
        if (root.kind == Ref::record) readers_[root.index].push_back({i, p.desc(r).shape, p.desc(r).shape == p.desc(root).shape});
      }
    }
    others_before_.assign(n_ + 1, 0);
    for (uint32_t i = 0; i < n_; ++i) others_before_[i + 1] = others_before_[i] + (!fusable_[i] && !p.is_alias(i));
    last_reader_of_leaf_.assign(p.tape().leaves.size(), kNobody);
    last_reader_of_value_.assign(p.values(), kNobody);
    for (uint32_t i = static_cast<uint32_t>(n_); i-- > 0;)
      if (!p.is_alias(i)) place(i);
  }

  /// Members in tape order; regions by their first member.
  std::vector<Unit> collect() {
    std::vector<Unit> regions;
    std::vector<uint32_t> index(n_, kNobody);
    for (uint32_t i = 0; i < n_; ++i) {
      if (p_.is_alias(i)) continue;
      uint32_t& at = index[find(i)];
      if (at == kNobody) at = static_cast<uint32_t>(regions.size()), regions.emplace_back();
      regions[at].push_back(i);
    }
    return regions;
  }

  const std::vector<Reader>& readers(uint32_t i) const { return readers_[i]; }

 private:
  uint32_t find(uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  bool is_sum(uint32_t i) const { return fusable_[i] && p_.record(i).op == sum_op(); }
  const Shape& shape(uint32_t i) const { return p_.record(i).out[0].shape; }
  /// What a record's code runs over.
  Shape space(uint32_t i) const { return is_sum(i) ? p_.desc(p_.record(i).in[0]).shape : shape(i); }
  /// Whether a region may be given this height, which is not below its own: all who feed it must stay above.
  bool may_rise(uint32_t region, uint32_t height) const { return height_[region] == height || highest_[region] > height; }

  void unite(uint32_t a, uint32_t b) {
    parent_[b] = a;
    height_[a] = std::max(height_[a], height_[b]);
    highest_[a] = std::min(highest_[a], highest_[b]);
    sums_[a] |= sums_[b];
    leads_[a] |= leads_[b];
    waits_for_[a] = std::max(waits_for_[a], waits_for_[b]);
  }
  /// What decides whether regions may be together: sums walk their space alike; an op leads no other op and no sums, and does not wait for
  /// what its epilogue would take besides.
  struct Core {
    uint64_t sums;
    bool led;
    uint32_t waits_for;
    bool agrees(const Core& o) const {
      if (led || o.led) return !(led && o.led) && sums == 0 && o.sums == 0 && (led ? o.waits_for <= waits_for : waits_for <= o.waits_for);
      return sums == 0 || o.sums == 0 || sums == o.sums;
    }
    void join(const Core& o) { sums |= o.sums, led |= o.led, waits_for = std::max(waits_for, o.waits_for); }
  };
  Core core(uint32_t region) const { return {sums_[region], leads_[region] != 0, waits_for_[region]}; }

  void place(uint32_t i) {
    std::vector<uint32_t> near, far;  // regions of readers that i may join, and of others
    Shape epilogue_space;
    const bool early = frees_inputs(i);
    for (const Reader& r : readers_[i]) {
      bool joins = r.same_shape && fusable_[i] && !is_sum(i) && fusable_[r.record] && space(r.record) == shape(i);
      // To an epilogue it makes no difference in which shape it sees the elements; but all of it runs over the same one. What is computed
      // again is to be computed later.
      if (leads_[i] && fusable_[r.record] && space(r.record) == r.shape && !p_.record(r.record).again) {
        if (near.empty()) epilogue_space = r.shape;
        joins = r.shape == epilogue_space;
      }
      // What makes one value of several goes ahead: joined with a reader that waits for others it would keep them all until then (the
      // gradients of a weight that is used many times).
      if (early && others_before_[r.record] > others_before_[i]) joins = false;
      (joins ? near : far).push_back(find(r.record));
    }
    for (auto* regions : {&near, &far}) {
      std::sort(regions->begin(), regions->end());
      regions->erase(std::unique(regions->begin(), regions->end()), regions->end());
    }
    // A region may also read it in another shape: then the value has to be in memory.
    std::erase_if(near, [&](uint32_t region) { return std::binary_search(far.begin(), far.end(), region); });
    Core core_now = core(i);
    std::erase_if(near, [&](uint32_t region) {  // of those that may not be together, the first
      if (!core_now.agrees(core(region))) return far.push_back(region), true;
      core_now.join(core(region));
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

  /// Whether two inputs or more of the result's size have no other reader.
  bool frees_inputs(uint32_t i) const {
    int dying = 0;
    for (const Ref& r : p_.inputs(i)) {
      const Ref root = p_.root(r);
      dying += root.kind == Ref::record && !fusable_[root.index] && readers_[root.index].size() == 1 && !p_.leaves(root) &&
               p_.desc(r).shape == shape(i);
    }
    return dying >= 2 || (dying == 1 && accumulates(i));
  }
  /// Adds to what was added before.
  bool accumulates(uint32_t i) const {
    for (const Ref& r : p_.inputs(i))
      if (const Ref root = p_.root(r);
          root.kind == Ref::record && root.index != i && p_.record(root.index).op == p_.record(i).op && readers_[root.index].size() == 1)
        return true;
    return false;
  }

  /// Reading a large input once is worth a joint step; sharing a bias or a number is not.
  void join_who_reads_the_same(uint32_t i) {
    for (const Ref& r : p_.inputs(i)) {
      const Ref root = p_.root(r);
      if (root.kind == Ref::slot || !(p_.desc(r).shape == space(i))) continue;
      uint32_t& last = root.kind == Ref::leaf ? last_reader_of_leaf_[root.index] : last_reader_of_value_[p_.value(root)];
      if (last != kNobody && space(last) == space(i)) {
        const uint32_t a = find(i), b = find(last), low = height_[a] < height_[b] ? a : b;
        if (a != b && may_rise(low, std::max(height_[a], height_[b])) && core(a).agrees(core(b))) unite(a, b);
      }
      last = i;
    }
  }

  const Program& p_;
  size_t n_;
  std::vector<uint32_t> parent_, height_;
  std::vector<uint32_t> highest_;  // per region: the height of the lowest region that feeds it and is placed already
  std::vector<uint64_t> sums_;  // per region: axes and dtype of its sums; 0: it has none
  std::vector<uint8_t> fusable_;
  std::vector<uint8_t> leads_;  // per region: it has an op that takes the others as its epilogue; before that per record: it could
  std::vector<uint32_t>
      waits_for_;  // per region: the last record that is not fusable and that it depends on or has, counted from 1; 0: none
  std::vector<uint32_t> others_before_;  // how many records that are not fused come before
  std::vector<std::vector<Reader>> readers_;
  std::vector<uint32_t> last_reader_of_leaf_, last_reader_of_value_;
};

/// Cuts regions in tape order into units that keep the bounds. Where there is a choice the cut goes where the fewest values cross it,
/// so that of several updates in one region none is torn; but no unit gets smaller than half of what would fit.
class Cutter {
 public:
  Cutter(const Program& p, const Regions& regions, const std::vector<uint32_t>& region_of)
      : p_(p), regions_(regions), region_of_(region_of), position_(p.size(), kNobody) {}

  void cut(const Unit& region, std::vector<Unit>& units) {
    for (size_t start = 0; start < region.size();) {
      const size_t length = region.size() == 1 ? 1 : next_length(region, start);
      units.emplace_back(region.begin() + static_cast<ptrdiff_t>(start), region.begin() + static_cast<ptrdiff_t>(start + length));
      start += length;
    }
  }

 private:
  struct Input {
    Ref root;
    Shape shape;
  };
  /// How many members from `start` on become one unit. A longer prefix may take fewer pointers (what was an output is now read inside),
  /// so all of them are looked at.
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
          if (--unread[at] == 0 && !p_.leaves(root)) --outputs;
          continue;
        }
        const Shape shape = p_.desc(r).shape;
        if (std::none_of(inputs.begin(), inputs.end(), [&](const Input& o) { return same_value(o.root, root) && o.shape == shape; }))
          inputs.push_back({root, shape});
      }
      position_[i] = static_cast<uint32_t>(k);
      for (const Reader& r : regions_.readers(i)) ++unread[k], unread_in_region[k] += region_of_[r.record] == region_of_[i];
      outputs += unread[k] > 0 || p_.leaves({Ref::record, 0, i});
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
  const Regions& regions_;
  const std::vector<uint32_t>& region_of_;
  std::vector<uint32_t> position_;
};

}  // namespace

bool is_fusable(const Program& p, size_t i) {
  static const uint16_t cast_op = op_id("cast");
  const Record& r = p.record(i);
  if (r.op == sum_op()) return (r.out[0].dtype == DType::f32 || r.out[0].dtype == DType::f64) && p.desc(r.in[0]).shape.numel() > 0;
  if (r.op != cast_op && !is_pointwise(op_def(r.op))) return false;
  if (!computed_in_tiles(r.out[0].dtype)) return false;
  for (const Ref& in : r.in)
    if (!computed_in_tiles(p.desc(in).dtype)) return false;
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

FusedUnit fused_unit(const Program& program, const Unit& unit, const std::vector<uint8_t>& escapes) {
  FusedUnit f;
  for (uint32_t i : unit)
    if (!is_fusable(program, i)) f.op = i;
  if (f.op >= 0) {
    const Record& op = program.record(static_cast<size_t>(f.op));
    f.expr.own_inputs = static_cast<int>(op.in.size());
    f.expr.own_result = op.out[0];
    f.in = op.in;
  }
  const size_t first = f.op >= 0;  // the number of the first input
  std::vector<std::pair<Ref, ValueDesc>> inputs;  // roots, as they are seen
  auto input = [&](const Ref& r) -> size_t {
    const Ref root = program.root(r);
    const ValueDesc desc = program.desc(r);
    for (size_t k = 0; k < inputs.size(); ++k)
      if (const Ref& o = inputs[k].first; same_value(o, root) && inputs[k].second.shape == desc.shape) return first + k;
    inputs.push_back({root, desc});
    f.in.push_back(r);
    return first + inputs.size() - 1;
  };
  auto member = [&](const Ref& r) -> size_t {  // the position of the member whose value it is, or the unit's size
    const Ref root = program.root(r);
    if (root.kind != Ref::record) return unit.size();
    auto at = std::lower_bound(unit.begin(), unit.end(), root.index);
    return at != unit.end() && *at == root.index ? static_cast<size_t>(at - unit.begin()) : unit.size();
  };
  // Values are numbered after all inputs, so these are counted first.
  for (uint32_t i : unit)
    if (i != f.op)
      for (const Ref& r : program.inputs(i))
        if (member(r) == unit.size()) input(r);
  std::vector<uint8_t> values;  // of the members, as numbers
  std::vector<Ref> sums;
  for (uint32_t i : unit) {
    const Record& record = program.record(i);
    if (i == f.op) {
      values.push_back(0);
      if (escapes[values.size() - 1]) f.expr.keeps = true, f.out.insert(f.out.begin(), {Ref::record, 0, i});
      continue;
    }
    auto operand = [&](const Ref& r) {
      const size_t at = member(r);
      return at == unit.size() ? static_cast<uint8_t>(input(r)) : values[at];
    };
    if (record.op == sum_op()) {
      const uint8_t value = operand(record.in[0]);
      f.expr.sums.push_back({value, record.attr.as<ReduceAttr>().axes});
      f.expr.space = program.desc(record.in[0]).shape;
      sums.push_back({Ref::record, 0, i});
      values.push_back(value);  // never read: a sum's readers are outside
      continue;
    }
    Expr::Instruction code{Expr::kCast, -1, static_cast<uint8_t>(record.in.size()), DType::f32, record.out[0].dtype, {}};
    if (is_pointwise(op_def(record.op))) {
      const auto& attr = record.attr.as<PointwiseAttr>();
      code.row = attr.row, code.gradient = attr.gradient, code.compute = attr.compute;
    }
    size_t k = 0;
    for (const Ref& r : record.in) code.operand[k++] = operand(r);
    f.expr.space = record.out[0].shape;
    const auto same = std::find(f.expr.code.begin(), f.expr.code.end(), code);
    values.push_back(static_cast<uint8_t>(first + inputs.size() + static_cast<size_t>(same - f.expr.code.begin())));
    if (same == f.expr.code.end()) f.expr.code.push_back(code);
    if (escapes[values.size() - 1]) {
      f.expr.results.push_back(values.back());
      f.out.push_back({Ref::record, 0, i});
    }
  }
  f.out.insert(f.out.end(), sums.begin(), sums.end());
  return f;
}

}  // namespace suanli
