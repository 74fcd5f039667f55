#include "plan/in_place.h"

#include "ops/pointwise.h"

namespace suanli {

bool may_write_over(const Step& step, const std::vector<Ref>& roots, size_t k, const ValueDesc& result, size_t i) {
  if (!(step.in[i].shape == result.shape) || itemsize(step.in[i].dtype) != itemsize(result.dtype)) return false;
  auto is_input = [&](size_t value) { return value < roots.size() && same_value(roots[value], roots[i]); };
  for (size_t j = 0; j < roots.size(); ++j)  // read in another order by some other name
    if (is_input(j) && !(step.in[j].shape == step.in[i].shape)) return false;
  if (!step.expr) return is_pointwise(op_def(step.op));
  const Expr& e = *step.expr;
  if (k >= e.results.size() || !(e.space == result.shape)) return false;
  for (const Expr::Sum& sum : e.sums)  // read when the tile is done
    if (is_input(sum.value)) return false;
  for (size_t c = e.results[k] - roots.size() + 1; c < e.code.size(); ++c)
    for (size_t o = 0; o < e.code[c].operands; ++o)
      if (is_input(e.code[c].operand[o])) return false;
  return true;
}

}  // namespace suanli
