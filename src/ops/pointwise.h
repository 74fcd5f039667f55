// How a pointwise record says which row of pointwise.def it is.
#pragma once
#include "ops/op.h"
#include "ops/pointwise_math.h"

namespace suanli {

struct PointwiseAttr {
  int16_t row;       // index in pointwise_rows
  int8_t gradient;   // -1: the value; i: the gradient of input i
  DType compute;     // what the kernel computes in
};

/// The operands of a gradient text in the order in which its record takes them: those it mentions of x, y, z, out, g.
struct GradientOperands { int count = 0; int8_t which[5]; };
constexpr GradientOperands gradient_operands(int row, int input) {
  constexpr std::string_view names[] = {"x", "y", "z", "out", "g"};
  GradientOperands o;
  for (int i = 0; i < 5; ++i)
    if (mentions(pointwise_rows[row].gradient[input], names[i])) o.which[o.count++] = static_cast<int8_t>(i);
  return o;
}

}  // namespace suanli
