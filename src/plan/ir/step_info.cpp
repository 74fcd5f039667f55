// SPDX-License-Identifier: Apache-2.0
#include "plan/ir/step_info.h"

#include "base/text/text.h"
#include "ops/schema/pointwise.h"
#include "ops/schema/reductions.h"

namespace suanli {

Cost step_cost(const Step& s) {
  auto cost_alone = [](const Step& step) {
    return op_of(step.op).schema().cost ? op_of(step.op).schema().cost(step)
                                        : element_cost(step, 1);
  };
  if (!s.expr) return cost_alone(s);
  const Expr& e = *s.expr;
  int64_t flops = s.has_epilogue() ? cost_alone(s.alone()).flops : 0;
  for (const Expr::Instruction& i : e.code) {
    const bool of_rows = i.per == Expr::Per::row && !i.reduces();
    if (i.op_index != Expr::kCast)
      flops += of_rows ? e.space.numel() / e.row_length : e.space.numel();
  }
  return {flops, element_cost(s, 0).bytes};
}

std::string step_name(const Step& step) {
  const Op& op = op_of(step.op);
  auto named = [](int row, int gradient) {
    std::string name;
    if (row == Expr::kCast) name = "cast";
    else if (row < Expr::kCast) name = reduction_rows[Expr::reduction(0) - row].name;
    else name = pointwise_rows[row].name;
    return gradient < 0 ? name : str(name, ".g", "xyz"[gradient]);
  };
  if (step.expr) {
    std::string ops = step.has_epilogue() ? "then" : "";
    for (const Expr::Instruction& i : step.expr->code)
      ops += (ops.empty() ? "" : ops == "then" ? " " : ", ") + named(i.op_index, i.gradient);
    return str(op.name(), "(", ops, ")");
  }
  if (!op.has(Trait::pointwise)) return op.name();
  const auto& attr = *static_cast<const PointwiseAttr*>(step.attr);
  return attr.gradient < 0 ? op.name() : named(attr.row, attr.gradient);
}

}  // namespace suanli
