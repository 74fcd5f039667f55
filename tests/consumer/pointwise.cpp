// SPDX-License-Identifier: Apache-2.0
// Programs get the pointwise ops as declarations, and no macro of the table that they come from.
#include <suanli/suanli.h>

#include <cstdio>

#if defined(UNARY) || defined(BINARY) || defined(TERNARY) || defined(REDUCTION)
#error "macros of the table of pointwise ops are left"
#endif
#if __has_include(<suanli/pointwise.def>)
#error "the table of pointwise ops is installed"
#endif

int main() {
  // The names of the macros are the program's own.
  enum Arity { UNARY = 1, BINARY, TERNARY };
  const suanli::Tensor x = suanli::full({2}, 3.0);
  const suanli::Tensor y = suanli::where(x > 2.0, suanli::square(x), suanli::maximum(x, x));
  const double sum = suanli::sum(y).item<double>();
  std::printf("%g\n", sum);
  return sum == 18 && TERNARY == 3 ? 0 : 1;
}
