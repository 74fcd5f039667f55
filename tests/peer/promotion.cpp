// SPDX-License-Identifier: Apache-2.0
// Dtypes of x * y for all pairs of kinds, and of x / y: one line each, for promotion_pytorch.py.
#include <cstdio>

#include "suanli/suanli.h"

using namespace suanli;

int main() {
  const DType all[] = {f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean};
  const char* kinds[] = {"axes", "point", "number"};
  for (DType a : all)
    for (DType b : all)
      for (int ka = 0; ka < 3; ++ka)
        for (int kb = 0; kb < 3; ++kb) {
          auto make = [](DType d, int kind) {
            if (kind < 2) return ones(kind == 0 ? Shape{3} : Shape{}, d);
            return is_float(d) ? Tensor(1.0) : d == boolean ? Tensor(true) : Tensor(1);
          };
          const Tensor x = make(a, ka), y = make(b, kb);
          const DType chosen = where(ones({3}, boolean), x, y).dtype();
          std::printf("%s %s %s %s %s %s\n", name(a), kinds[ka], name(b), kinds[kb], name(chosen),
                      name((x / y).dtype()));
        }
}
