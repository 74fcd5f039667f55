#include "plan/program.h"

namespace suanli {

Program::Program(const Tape& tape) : tape_(tape) {
  uint32_t refs = 0;
  for (size_t i = 0; i < size(); ++i) {
    first_value_.push_back(static_cast<uint32_t>(roots_.size()));
    first_ref_.push_back(refs);
    refs += record(i)->n_in;
    for (int r = 0; r < record(i)->n_out; ++r) roots_.push_back({Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)});
    if (is_alias(i)) roots_.back() = root(inputs(i)[0]);
  }
  leaves_.assign(roots_.size(), 0);
  for (size_t i = 0; i < size(); ++i)
    for (int r = 0; r < record(i)->n_out; ++r) {
      const Ref at = root({Ref::record, static_cast<uint8_t>(r), static_cast<uint32_t>(i)});
      if (tape.outputs[i] >> r & 1 && at.kind == Ref::record) leaves_[value(at)] = 1;
    }
}

bool Program::is_alias(size_t i) const { return op_def(record(i)->op).alias; }

ValueDesc Program::desc(const Ref& r) const {
  if (r.kind == Ref::slot) return {is_float(tape_.slot_dtypes[r.index]) ? DType::f64 : DType::i64, {}};
  if (r.kind == Ref::leaf) return tape_.leaf_descs[r.index];
  const Result& result = record(r.index)->out(r.result);
  return {result.dtype, result.shape};
}

std::vector<Unit> one_by_one(const Program& program) {
  std::vector<Unit> units;
  for (uint32_t i = 0; i < program.size(); ++i)
    if (!program.is_alias(i)) units.push_back({i});
  return units;
}

}  // namespace suanli
