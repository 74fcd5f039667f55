// SPDX-License-Identifier: Apache-2.0
#include "plan/passes/in_place.h"

#include <algorithm>

#include "ops/schema/pointwise.h"

namespace suanli {

bool may_write_over(const Step& step, const std::vector<Ref>& roots, size_t k,
                    const ValueDesc& result, size_t i) {
  if (step.in[i].shape != result.shape || itemsize(step.in[i].dtype) != itemsize(result.dtype))
    return false;
  const size_t own = step.has_epilogue() ? static_cast<size_t>(step.expr->own_inputs) : 0;
  for (size_t j = 0; j < own; ++j)  // the op reads all of it for one block of its result
    if (same_value(roots[j], roots[i])) return false;
  // where the expression's value 0 would be
  const size_t first = step.has_epilogue() ? own - 1 : 0;
  auto is_input = [&](size_t value) {
    return value + first < roots.size() && same_value(roots[value + first], roots[i]);
  };
  for (size_t j = own; j < roots.size(); ++j)  // read in another order by some other name
    if (same_value(roots[j], roots[i]) && step.in[j].shape != step.in[i].shape) return false;
  // its other inputs are read while it writes
  if (!step.expr && k == 0 && op_of(step.op).schema().in_place == static_cast<int>(i)) {
    for (size_t j = 0; j < roots.size(); ++j)
      if (j != i && is_input(j)) return false;
    return true;
  }
  if (!step.expr) return op_of(step.op).has(Trait::pointwise);
  const Expr& e = *step.expr;
  if (e.keeps && k == 0) return false;
  k -= e.keeps;
  if (k >= e.results.size() || e.space != result.shape) return false;
  const size_t inputs = roots.size() - first, written = e.results[k] - inputs;
  if (e.code[written].per != Expr::Per::element) return false;
  auto reads = [&](const Expr::Instruction& c) {
    return std::any_of(c.operand, c.operand + c.operands, is_input);
  };
  // the order of stages: only what the result is made of is sure to come before it
  if (e.row_length > 0) {
    std::vector<uint8_t> before(e.code.size(), 0);
    before[written] = 1;
    for (size_t c = written + 1; c-- > 0;)
      for (size_t o = 0; before[c] && o < e.code[c].operands; ++o)
        if (e.code[c].operand[o] >= inputs) before[e.code[c].operand[o] - inputs] = 1;
    for (size_t c = 0; c < e.code.size(); ++c)
      if (!before[c] && reads(e.code[c])) return false;
    return true;
  }
  for (size_t c = 0; c < e.code.size(); ++c)  // a reduction reads when the tile is done
    if ((c > written || e.code[c].reduces()) && reads(e.code[c])) return false;
  return true;
}

}  // namespace suanli
