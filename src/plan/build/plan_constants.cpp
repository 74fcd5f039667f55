// SPDX-License-Identifier: Apache-2.0
#include "plan/build/plan_constants.h"

#include <algorithm>

#include "plan/build/assemble.h"
#include "plan/passes/fuse.h"
#include "plan/passes/schedule.h"

namespace suanli {

namespace {

/// The number of `index` in a list of what was met so far.
uint32_t number_of(uint32_t index, std::vector<uint32_t>& met) {
  const auto at = std::find(met.begin(), met.end(), index);
  if (at == met.end()) {
    met.push_back(index);
    return static_cast<uint32_t>(met.size() - 1);
  }
  return static_cast<uint32_t>(at - met.begin());
}

/// Writes down what the program computes and what its kernels freeze, with leaves and slots
/// numbered as they are met: programs that have constants in common share them.
void write_key(const Program& p, PlannedConstants& to) {
  TapeEncoding words;
  auto add = [&](uint32_t word) {
    uint32_t* w = words.room(1);
    *w = word;
    words.wrote(w + 1);
  };
  auto add_desc = [&](const ValueDesc& d) {
    words.wrote(write_desc(words.room(kDescWords), d.dtype, d.shape));
  };
  auto add_ref = [&](const Ref& r) {
    const uint32_t index = r.kind == Ref::leaf   ? number_of(r.index, to.leaves)
                           : r.kind == Ref::slot ? number_of(r.index, to.slots)
                                                 : r.index;
    add(r.kind | uint32_t{r.result} << 8);
    add(index);
    if (r.kind != Ref::record) add_desc(p.desc(r));
  };
  for (const Record& r : p.records) {
    add(r.op);
    add(static_cast<uint32_t>(r.in.size()));
    add(static_cast<uint32_t>(r.out.size()));
    uint32_t attr[sizeof(Attr) / 4];
    std::memcpy(attr, r.attr.bytes, sizeof attr);
    for (uint32_t word : attr) add(word);
    for (const Ref& in : r.in) add_ref(in);
    for (const ValueDesc& out : r.out) add_desc(out);
  }
  for (const ProgramOutput& o : p.outputs) add_ref(o.value);
  add(static_cast<uint32_t>(p.device().kind));
  add(static_cast<uint32_t>(p.device().index));
  add(static_cast<uint32_t>(pool_threads()));
  add(static_cast<uint32_t>(backend(p.device()).instruction_set()));
  to.key = {hash_of(words.all(), 1), hash_of(words.all(), 2)};
}

}  // namespace

std::unique_ptr<PlannedConstants> plan_constants(const Program& constants, KernelTable& kernels) {
  auto made = std::make_unique<PlannedConstants>();
  write_key(constants, *made);
  const std::vector<Unit> units = schedule(constants, fuse(constants, backend(constants.device())));
  made->plan = assemble(constants, units, Tier::planned, kernels);
  return made;
}

}  // namespace suanli
