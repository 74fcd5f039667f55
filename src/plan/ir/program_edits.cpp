// SPDX-License-Identifier: Apache-2.0
#include "plan/ir/program_edits.h"

#include <algorithm>
#include <numeric>

namespace suanli {

Ref ProgramEdits::add(Record r, uint32_t before) {
  added_.push_back({before, std::move(r)});
  return {Ref::record, 0, first_ + static_cast<uint32_t>(added_.size() - 1)};
}

void ProgramEdits::apply() {
  if (added_.empty()) return;
  for (const Replaced& r : replaced_)
    for (Ref& in : p_.records[r.reader].in)
      if (same_value(in, r.value)) in = r.by;
  std::vector<uint32_t> order(added_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return added_[a].before < added_[b].before; });
  std::vector<uint32_t> moved(first_ + added_.size());
  std::vector<Record> records;
  size_t next = 0;
  for (uint32_t i = 0; i < first_; ++i) {
    for (; next < order.size() && added_[order[next]].before == i; ++next) {
      moved[first_ + order[next]] = static_cast<uint32_t>(records.size());
      records.push_back(std::move(added_[order[next]].record));
    }
    moved[i] = static_cast<uint32_t>(records.size());
    records.push_back(std::move(p_.records[i]));
  }
  for (Record& r : records)
    for (Ref& in : r.in)
      if (in.kind == Ref::record) in.index = moved[in.index];
  for (ProgramOutput& l : p_.outputs)
    if (l.value.kind == Ref::record) l.value.index = moved[l.value.index];
  p_.records = std::move(records);
  p_.drop_dead();
}

}  // namespace suanli
