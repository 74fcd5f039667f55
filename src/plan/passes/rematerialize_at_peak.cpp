// SPDX-License-Identifier: Apache-2.0
#include "plan/passes/rematerialize_at_peak.h"

#include <algorithm>
#include <cmath>

#include "ops/schema/pointwise.h"
#include "plan/ir/program_edits.h"
#include "plan/ir/step_info.h"
#include "plan/ir/tuning.h"
#include "plan/passes/fuse.h"
#include "plan/passes/memory.h"

namespace suanli {

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

class Recomputation {
 public:
  Recomputation(Program& p, const std::vector<Unit>& units, const std::vector<int64_t>& alive)
      : p_(p),
        alive_(alive),
        peak_(static_cast<uint32_t>(std::max_element(alive.begin(), alive.end()) - alive.begin())),
        unit_of_(p.size(), kNobody),
        fusable_(p.size(), 0),
        work_(p.size(), 0),
        readers_(p.values()),
        later_(p.size()),
        chosen_(p.size(), 0) {
    for (uint32_t u = 0; u < units.size(); ++u)
      for (uint32_t i : units[u]) unit_of_[i] = u;
    for (uint32_t i = 0; i < p.size(); ++i) {
      if (p.is_alias(i)) continue;
      fusable_[i] = is_fusable(p, i);
      // Fused code takes the FLOPs, and reads values that are in memory.
      work_[i] = fusable_[i] ? work({flops_of(p.record(i)), 0}) : work(step_cost(p.step(i)));
      for (const Ref& in : p.inputs(i)) {
        const Ref root = p.root(in);
        if (root.kind != Ref::record || unit_of_[root.index] == unit_of_[i]) continue;
        readers_[p.value(root)].add(unit_of_[i], peak_);
        if (unit_of_[i] > peak_ && (later_[root.index].empty() || later_[root.index].back() != i))
          later_[root.index].push_back(i);
      }
    }
  }

  /// Local search: takes values in and out as long as that pays, and more than `enough` bytes are
  /// needed.
  void choose(double price, int64_t enough) {
    struct Candidate {
      uint32_t record;
      double saves;  // bytes per work
    };
    std::vector<Candidate> candidates;
    for (uint32_t i = 0; i < p_.size(); ++i) {
      const int64_t bytes = saved_by(i);
      if (bytes == 0 || bytes < alive_[peak_] / tuning_.peak_share) continue;
      chosen_[i] = 1;
      if (const Outcome alone = outcome(); alone.possible)
        candidates.push_back({i, static_cast<double>(bytes) / alone.work});
      chosen_[i] = 0;
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.saves > b.saves; });
    double best = outcome().log_memory;
    bool changed = true;
    for (int64_t pass = 0; changed && pass < tuning_.peak_passes; ++pass) {
      changed = false;
      for (const Candidate& c : candidates) {
        chosen_[c.record] ^= 1;
        const Outcome o = outcome();
        const double value = price * o.work + o.log_memory;
        if (!o.possible || value >= best - tuning_.peak_gain) {
          chosen_[c.record] ^= 1;
          continue;
        }
        if (o.most <= enough) return;
        best = value;
        changed = true;
      }
    }
  }

  /// True if there was anything to do.
  bool apply() {
    if (std::find(chosen_.begin(), chosen_.end(), 1) == chosen_.end()) return false;
    const std::vector<uint8_t> again = outcome().again;
    // Each in front of its first reader behind the peak, be it one that is computed again itself.
    std::vector<uint32_t> before(p_.size(), kNobody);
    for (uint32_t i = static_cast<uint32_t>(p_.size()); i-- > 0;) {
      if (!again[i]) continue;
      if (!later_[i].empty()) before[i] = std::min(before[i], later_[i].front());
      for (const Ref& in : p_.inputs(i))
        if (const Ref root = p_.root(in); root.kind == Ref::record && again[root.index])
          before[root.index] = std::min(before[root.index], before[i]);
    }
    ProgramEdits insertions(p_);
    std::vector<Ref> made(p_.size());
    for (uint32_t i = 0; i < p_.size(); ++i) {
      if (!again[i]) continue;
      Record r = p_.record(i);
      for (Ref& in : r.in) in = renamed(in, before[i], again, made, insertions);
      r.again = true;
      made[i] = insertions.add(std::move(r), before[i]);
    }
    for (uint32_t i = 0; i < p_.size(); ++i)
      if (again[i])
        for (uint32_t reader : later_[i])
          for (const Ref& in : p_.inputs(reader))
            if (const Ref root = p_.root(in); root.kind == Ref::record && root.index == i)
              insertions.replace(reader, in, renamed(in, reader, again, made, insertions));
    insertions.apply();
    return true;
  }

 private:
  /// Units that read a value, its own apart.
  struct Readers {
    uint32_t early = kNobody;  // the last one up to the peak
    uint32_t late = kNobody, last = kNobody;  // the first and the last one behind it
    bool at_peak = false;
    void add(uint32_t unit, uint32_t peak) {
      if (unit <= peak) {
        early = early == kNobody ? unit : std::max(early, unit);
        at_peak |= unit == peak;
      } else {
        late = std::min(late, unit);
        last = last == kNobody ? unit : std::max(last, unit);
      }
    }
  };
  /// The outcome of rematerializing the chosen values.
  struct Outcome {
    bool possible = true;
    double work = 0;
    int64_t most = 0;  // bytes at the fullest moment
    // the same smoothly: a mean over all units in which only the fullest ones count
    double log_memory = 0;
    // by record: the chosen ones, and what they are made of and is not held
    std::vector<uint8_t> again;
  };
  Outcome outcome() const {
    Outcome o{.again = chosen_};
    // the unit in front of which it is computed again
    std::vector<uint32_t> when(p_.size(), kNobody);
    std::vector<uint32_t> until(p_.values(), 0);  // held longer for that
    std::vector<int64_t> change(alive_.size() + 1, 0);
    auto hold = [&](int64_t bytes, uint32_t from, uint32_t to) {  // both included
      if (from <= to) {
        change[from] += bytes;
        change[to + 1] -= bytes;
      }
    };
    for (uint32_t i = static_cast<uint32_t>(p_.size()); i-- > 0;) {
      if (!o.again[i]) continue;
      o.possible &= !op_of(p_.record(i).op).has(Trait::random);
      o.work += work_[i];
      for (uint8_t k = 0; k < p_.record(i).out.size(); ++k)
        if (const Readers& r = readers_[p_.value({Ref::record, k, i})]; r.late != kNobody)
          when[i] = std::min(when[i], r.late);
      for (uint8_t k = 0; k < p_.record(i).out.size(); ++k) {
        const Ref value{Ref::record, k, i};
        const int64_t bytes = bytes_of(p_.desc(value));
        const Readers& r = readers_[p_.value(value)];
        if (r.last != kNobody) {
          hold(-bytes, (r.early == kNobody ? unit_of_[i] : r.early) + 1, when[i] - 1);
          if (fusable_[i]) o.work += work({0, bytes});
        } else if (!fusable_[i]) {
          hold(bytes, when[i], when[i]);
        }
      }
      for (const Ref& in : p_.inputs(i)) {
        const Ref root = p_.root(in);
        const bool held = root.kind != Ref::record || (!o.again[root.index] && is_held(root));
        if (fusable_[i] && (held || !fusable_[root.index]))
          o.work += work({0, bytes_of(p_.desc(in))});
        if (root.kind != Ref::record) continue;
        if (held) until[p_.value(root)] = std::max(until[p_.value(root)], when[i]);
        else {
          o.again[root.index] = 1;
          when[root.index] = std::min(when[root.index], when[i]);
        }
      }
    }
    for (uint32_t i = 0; i < p_.size(); ++i)
      for (uint8_t k = 0; k < p_.record(i).out.size(); ++k)
        if (const Ref value{Ref::record, k, i}; until[p_.value(value)] && !p_.is_output(value))
          hold(bytes_of(p_.desc(value)), readers_[p_.value(value)].last + 1,
               until[p_.value(value)]);
    measure(o, change);
    return o;
  }
  void measure(Outcome& o, const std::vector<int64_t>& change) const {
    double total = 0;
    int64_t more = 0;
    for (size_t u = 0; u < alive_.size(); ++u) {
      const int64_t alive = alive_[u] + (more += change[u]);
      o.most = std::max(o.most, alive);
      double share = static_cast<double>(alive) / static_cast<double>(alive_[peak_]);
      for (int k = 0; k < 5; ++k) share *= share;  // to the 32nd power
      total += share;
    }
    o.log_memory = std::log(total) / 32;
  }

  int64_t flops_of(const Record& r) const {
    const int64_t elements = r.out[0].shape.numel();
    if (!op_of(r.op).has(Trait::pointwise)) return elements;
    const auto& attr = r.attr.as<PointwiseAttr>();
    const PointwiseRow& row = pointwise_rows[attr.row];
    return elements * (is_arithmetic(attr.gradient < 0 ? row.value : row.gradient[attr.gradient])
                           ? 1
                           : tuning_.function_flops);
  }
  /// True if a value is in memory at the peak and behind it.
  bool is_held(const Ref& root) const {
    return unit_of_[root.index] <= peak_ &&
           (p_.is_output(root) || readers_[p_.value(root)].last != kNobody);
  }
  /// Bytes that need not be held at the peak if a record's results are computed again behind it.
  int64_t saved_by(uint32_t i) const {
    if (p_.is_alias(i) || unit_of_[i] >= peak_ || later_[i].empty()) return 0;
    int64_t bytes = 0;
    for (uint8_t k = 0; k < p_.record(i).out.size(); ++k) {
      const Ref value{Ref::record, k, i};
      if (p_.is_output(value)) return 0;
      if (const Readers& r = readers_[p_.value(value)]; r.last != kNobody && !r.at_peak)
        bytes += bytes_of(p_.desc(value));
    }
    return bytes;
  }

  /// The input of a reader in front of `before`: the rematerialized value,
  /// under the name by which it is read.
  Ref renamed(const Ref& in, uint32_t before, const std::vector<uint8_t>& again,
              const std::vector<Ref>& made, ProgramEdits& insertions) const {
    const Ref root = p_.root(in);
    if (root.kind != Ref::record || !again[root.index]) return in;
    if (!p_.is_alias(in.index)) return {Ref::record, in.result, made[in.index].index};
    Record alias = p_.record(in.index);
    alias.in[0] = renamed(alias.in[0], before, again, made, insertions);
    return insertions.add(std::move(alias), before);
  }

  const PlanTuning& tuning_ = plan_tuning();
  Program& p_;
  const std::vector<int64_t>& alive_;  // by unit: bytes
  const uint32_t peak_;
  std::vector<uint32_t> unit_of_;  // by record
  std::vector<uint8_t> fusable_;  // by record
  std::vector<double> work_;  // by record
  std::vector<Readers> readers_;  // by value
  std::vector<std::vector<uint32_t>> later_;  // by record: who reads its results behind the peak
  std::vector<uint8_t> chosen_;  // by record
};

}  // namespace

double work(const Cost& cost) {
  return static_cast<double>(std::max(cost.bytes, cost.flops / plan_tuning().byte_flops));
}

bool rematerialize_at_peak(Program& program, const std::vector<Unit>& units,
                           const std::vector<int64_t>& alive, double price, int64_t enough) {
  Recomputation r(program, units, alive);
  r.choose(price, enough);
  return r.apply();
}

}  // namespace suanli
