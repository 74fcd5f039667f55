// SPDX-License-Identifier: Apache-2.0
#include "plan/passes/schedule.h"

#include <algorithm>
#include <set>

#include "plan/passes/memory.h"

namespace suanli {

namespace {

constexpr uint32_t kNobody = UINT32_MAX;

class Scheduler {
 public:
  Scheduler(const Program& p, std::vector<Unit> units)
      : p_(p), units_(std::move(units)), unit_of_(p.size(), kNobody) {
    const size_t n = units_.size();
    inputs_.resize(n);
    waits_for_.assign(n, 0);
    done_.assign(n, 0);
    ready_.assign(n, 0);
    readers_.resize(p.values());
    unread_.assign(p.values(), 0);
    for (uint32_t u = 0; u < n; ++u)
      for (uint32_t i : units_[u]) unit_of_[i] = u;
    for (uint32_t u = 0; u < n; ++u) {
      for (uint32_t i : units_[u])
        for (const Ref& r : p.inputs(i))
          if (const Ref root = p.root(r); root.kind == Ref::record && unit_of_[root.index] != u)
            inputs_[u].push_back(p.value(root));
      std::sort(inputs_[u].begin(), inputs_[u].end());
      inputs_[u].erase(std::unique(inputs_[u].begin(), inputs_[u].end()), inputs_[u].end());
      for (size_t v : inputs_[u]) {
        readers_[v].push_back(u);
        ++unread_[v];
      }
    }
    for (uint32_t i = 0; i < p.size(); ++i)
      for (uint8_t k = 0; k < p.record(i).out.size(); ++k) {
        const Ref ref{Ref::record, k, i};
        bytes_.push_back(bytes_of(p.desc(ref)));
        kept_.push_back(p.is_output(ref));
        producer_.push_back(unit_of_[i]);
      }
    for (const ProgramOutput& l :
         p.outputs)  // written over the cell's former value, if all goes well
      if (const Ref root = p.root(l.value); l.update >= 0 && root.kind == Ref::record)
        bytes_[p.value(root)] = 0;
    after_.resize(n);
    for (uint32_t u = 0; u < n; ++u)
      for (size_t v : inputs_[u])
        if (producer_[v] != kNobody) {
          after_[producer_[v]].push_back(u);
          ++waits_for_[u];
        }
    overwriters_come_last();
  }

  std::vector<Unit> run() {
    for (uint32_t u = 0; u < units_.size(); ++u)
      if (waits_for_[u] == 0) make_ready(u);
    std::vector<Unit> ordered;
    while (!frees_.empty() || !others_.empty()) {
      auto& from = frees_.empty() ? others_ : frees_;
      const uint32_t u = from.begin()->second;
      from.erase(from.begin());
      done_[u] = 1;
      for (size_t v : inputs_[u])
        if (--unread_[v] == 1)  // the reader that is left would free it
          for (uint32_t reader : readers_[v])
            if (!done_[reader] && ready_[reader] && others_.count(key(reader)) &&
                takes(reader) <= 0) {
              others_.erase(key(reader));
              frees_.insert(key(reader));
            }
      for (uint32_t next : after_[u])
        if (--waits_for_[next] == 0) make_ready(next);
      ordered.push_back(units_[u]);
    }
    if (ordered.size() != units_.size())
      throw InternalError(Fault{.op = "schedule", .given = "the units form a cycle"});
    return ordered;
  }

 private:
  /// A unit that writes a cell's next value waits for the other readers of the former one, where
  /// that makes no cycle.
  void overwriters_come_last() {
    std::vector<std::vector<uint32_t>> readers(p_.tape().leaves.size());
    for (uint32_t u = 0; u < units_.size(); ++u)
      for (uint32_t i : units_[u])
        for (const Ref& r : p_.inputs(i))
          if (const Ref root = p_.root(r);
              root.kind == Ref::leaf &&
              (readers[root.index].empty() || readers[root.index].back() != u))
            readers[root.index].push_back(u);
    for (const ProgramOutput& l : p_.outputs) {
      const Ref root = p_.root(l.value);
      if (l.update < 0 || root.kind != Ref::record) continue;
      const uint32_t writer = unit_of_[root.index];
      for (uint32_t reader : readers[p_.tape().updates[static_cast<size_t>(l.update)].leaf])
        if (reader != writer && !reaches(writer, reader)) {
          after_[reader].push_back(writer);
          ++waits_for_[writer];
        }
    }
  }
  bool reaches(uint32_t from, uint32_t to) const {
    std::vector<uint32_t> open{from};
    std::set<uint32_t> seen{from};
    while (!open.empty()) {
      const uint32_t u = open.back();
      open.pop_back();
      if (u == to) return true;
      for (uint32_t next : after_[u])
        if (seen.insert(next).second) open.push_back(next);
    }
    return false;
  }

  using Key = std::pair<uint32_t, uint32_t>;  // first record, unit
  Key key(uint32_t u) const { return {units_[u][0], u}; }
  void make_ready(uint32_t u) {
    ready_[u] = 1;
    (takes(u) <= 0 ? frees_ : others_).insert(key(u));
  }
  /// Bytes that are held afterward and were not before.
  int64_t takes(uint32_t u) const {
    int64_t bytes = 0;
    for (uint32_t i : units_[u])
      for (uint8_t k = 0; k < p_.record(i).out.size(); ++k) {
        const size_t v = p_.value({Ref::record, k, i});
        if (!readers_[v].empty() || kept_[v]) bytes += bytes_[v];
      }
    for (size_t v : inputs_[u])
      if (unread_[v] == 1 && !kept_[v]) bytes -= bytes_[v];
    return bytes;
  }

  const Program& p_;
  std::vector<Unit> units_;
  std::vector<uint32_t> unit_of_;
  std::vector<std::vector<size_t>> inputs_;     // values read from other units, each once
  std::vector<uint32_t> waits_for_;
  std::vector<std::vector<uint32_t>> after_;    // units that have to come later
  std::vector<uint8_t> done_, ready_;
  std::vector<std::vector<uint32_t>> readers_;  // by value: units
  std::vector<uint32_t> unread_, producer_;
  std::vector<int64_t> bytes_;
  std::vector<uint8_t> kept_;
  std::set<Key> frees_, others_;
};

}  // namespace

std::vector<Unit> schedule(const Program& program, std::vector<Unit> units) {
  return Scheduler(program, std::move(units)).run();
}

}  // namespace suanli
