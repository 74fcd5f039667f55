// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce/axes.h"

namespace suanli {

uint32_t axis_bits(const char* op, const Tensor& x, const Dims& dims) {
  const int rank = x.rank();
  if (dims.empty()) return rank == 0 ? 0 : (1u << rank) - 1;
  uint32_t bits = 0;
  for (int a : dims) {
    const uint32_t bit = 1u << checked_axis(op, x, a);
    if (bits & bit)
      throw ShapeError({.op = op,
                        .argument = "dim",
                        .given = to_string(dims),
                        .expected = str("each axis of shape ", x.shape(), " at most once"),
                        .module = module_path()});
    bits |= bit;
  }
  return bits;
}

Shape reduced(const Shape& s, const ReduceAttr& a, bool keepdim) {
  Shape out;
  for (int i = 0; i < s.rank(); ++i)
    if (!(a.dim >> i & 1)) out.push_back(s[i]);
    else if (keepdim) out.push_back(1);
  return out;
}

}  // namespace suanli
