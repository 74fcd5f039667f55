// SPDX-License-Identifier: Apache-2.0
// Facts about the texts of pointwise.def, for recording, planning and kernels.
#pragma once
#include "ops/schema/attributes.h"
#include "ops/schema/pointwise_math.h"

namespace suanli {

/// True if a text has only arithmetic, no function that takes tens of instructions.
bool is_arithmetic(std::string_view text);

/// The operands of a gradient text in the order in which its record takes them: those it mentions
/// of the row's operands, out, g.
struct GradientOperands {
  int count = 0;
  int8_t which[5] = {};
};
namespace detail {
constexpr GradientOperands operands_of(const PointwiseRow& row, std::string_view text) {
  const char* names[] = {row.operand[0], row.operand[1], row.operand[2], "out", "g"};
  GradientOperands o;
  for (int i = 0; i < 5; ++i)
    if (names[i] && mentions(text, names[i])) o.which[o.count++] = static_cast<int8_t>(i);
  return o;
}
struct OperandTable {
  GradientOperands of[pointwise_count][3];
};
// read while recording: no text is searched then
inline constexpr OperandTable operand_table = [] {
  OperandTable t;
  for (int r = 0; r < pointwise_count; ++r)
    for (int i = 0; i < pointwise_rows[r].arity; ++i)
      t.of[r][i] = operands_of(pointwise_rows[r], pointwise_rows[r].gradient[i]);
  return t;
}();
}  // namespace detail
constexpr const GradientOperands& gradient_operands(int row, int input) {
  return detail::operand_table.of[row][input];
}

}  // namespace suanli
