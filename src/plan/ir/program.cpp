// SPDX-License-Identifier: Apache-2.0
#include "plan/ir/program.h"

#include <algorithm>

namespace suanli {

Program::Program(const Tape& tape) : tape_(&tape) {
  const std::vector<Ref> inputs = tape.refs();
  const Ref* refs = inputs.data();
  for (uint32_t i = 0; i < tape.nodes.size(); ++i) {
    Node* n = tape.nodes[i];
    Record r{n->op, n->attr, i, {refs, refs + n->n_in}, {}};
    refs += n->n_in;
    for (uint8_t k = 0; k < n->n_out; ++k) {
      r.out.push_back({n->out(k).dtype, n->out(k).shape});
      if (tape.outputs[i] >> k & 1) outputs.push_back({i, k, {Ref::record, k, i}, -1});
    }
    records.push_back(std::move(r));
  }
  for (size_t u = 0; u < tape.updates.size(); ++u)
    for (ProgramOutput& l : outputs)
      if (l.node == tape.updates[u].node && l.result == tape.updates[u].result)
        l.update = static_cast<int64_t>(u);
  index();
}

Step Program::step(size_t i) const {
  const Record& r = records[i];
  Step s{r.op, attributes_of(r.op, r.attr), {}, r.out};
  for (const Ref& in : r.in) s.in.push_back(desc(in));
  return s;
}

bool Program::trains() const {
  return tape_->writes_cells || std::any_of(tape_->nodes.begin(), tape_->nodes.end(),
                                            [](const Node* n) { return n->is(kGradient); });
}

void Program::index() {
  first_value_.clear();
  roots_.clear();
  for (uint32_t i = 0; i < size(); ++i) {
    first_value_.push_back(static_cast<uint32_t>(roots_.size()));
    for (uint8_t r = 0; r < records[i].out.size(); ++r) roots_.push_back({Ref::record, r, i});
    if (is_alias(i)) roots_.back() = root(records[i].in[0]);
  }
  is_output_.assign(roots_.size(), 0);
  for (const ProgramOutput& l : outputs)
    if (const Ref at = root(l.value); at.kind == Ref::record) is_output_[value(at)] = 1;
}

void Program::drop_dead() {
  std::vector<uint8_t> needed(size(), 0);
  for (const ProgramOutput& l : outputs)
    if (l.value.kind == Ref::record) needed[l.value.index] = 1;
  for (size_t i = size(); i-- > 0;) {
    if (!needed[i]) continue;
    // an alias' other inputs are its gradient's
    for (size_t k = 0; k < (is_alias(i) ? 1 : records[i].in.size()); ++k)
      if (const Ref& r = records[i].in[k]; r.kind == Ref::record) needed[r.index] = 1;
  }
  std::vector<uint32_t> moved(size(), 0);
  size_t kept = 0;
  for (size_t i = 0; i < size(); ++i) {
    if (!needed[i]) continue;
    if (is_alias(i)) records[i].in.resize(1);
    for (Ref& r : records[i].in)
      if (r.kind == Ref::record) r.index = moved[r.index];
    moved[i] = static_cast<uint32_t>(kept);
    if (kept != i) records[kept] = std::move(records[i]);
    ++kept;
  }
  records.resize(kept);
  for (ProgramOutput& l : outputs)
    if (l.value.kind == Ref::record) l.value.index = moved[l.value.index];
  index();
}

ValueDesc Program::desc(const Ref& r) const {
  if (r.kind == Ref::slot)
    return {is_float(tape_->slots[r.index].dtype) ? DType::f64 : DType::i64, {}};
  if (r.kind == Ref::leaf) return tape_->leaves[r.index].desc();
  if (r.kind == Ref::constant) return constants[r.index];
  return records[r.index].out[r.result];
}

std::vector<Unit> one_by_one(const Program& program) {
  std::vector<Unit> units;
  for (uint32_t i = 0; i < program.size(); ++i)
    if (!program.is_alias(i)) units.push_back({i});
  return units;
}

}  // namespace suanli
