// What a step is called and what it costs, for everything that is told to people.
#include <algorithm>

#include "ops/pointwise.h"
#include "plan/plan.h"

namespace suanli {

Cost step_cost(const Step& s) {
  auto cost_alone = [](const Step& step) { return op_def(step.op).cost ? op_def(step.op).cost(step) : element_cost(step, 1); };
  if (!s.expr) return cost_alone(s);
  const auto ops = std::count_if(s.expr->code.begin(), s.expr->code.end(), [](const auto& i) { return i.row != Expr::kCast; });
  const int64_t own = s.has_epilogue() ? cost_alone(s.alone()).flops : 0;
  return {own + (ops + static_cast<int64_t>(s.expr->sums.size())) * s.expr->space.numel(), element_cost(s, 0).bytes};
}

std::string step_name(const Step& step) {
  const OpDef& def = op_def(step.op);
  auto named = [](int row, int gradient) {
    std::string name = row == Expr::kCast ? "cast" : pointwise_rows[row].name;
    return gradient < 0 ? name : str(name, ".g", "xyz"[gradient]);
  };
  if (step.expr) {
    std::string ops = step.has_epilogue() ? "then" : "";
    for (const Expr::Instruction& i : step.expr->code) ops += (ops.empty() ? "" : ops == "then" ? " " : ", ") + named(i.row, i.gradient);
    for (size_t k = 0; k < step.expr->sums.size(); ++k) ops += ops.empty() ? "sum" : ", sum";
    return str(def.name, "(", ops, ")");
  }
  if (!is_pointwise(def)) return def.name;
  const auto& attr = *static_cast<const PointwiseAttr*>(step.attr);
  return attr.gradient < 0 ? def.name : named(attr.row, attr.gradient);
}

std::string describe(const Plan& plan) {
  std::string text;
  for (const PlannedStep& s : plan.steps) {
    const ValueDesc& out = s.step.out[0];
    text += str(step_name(s.step), " ", out.dtype, out.shape, " ", s.in.size(), " in ", s.out.size(), " out\n");
  }
  return text;
}

}  // namespace suanli
