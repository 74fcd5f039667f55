// SPDX-License-Identifier: Apache-2.0
// Prints the results of the C++ column of docs/from_pytorch.md, for idioms_pytorch.py. One tensor a
// line: row, dtype, shape, elements.
#include <cmath>
#include <cstdio>
#include <exception>

#include "suanli/suanli.h"

using namespace suanli;

namespace {

Tensor ramp(const Shape& shape, int step, int shift) {
  std::vector<float> values;
  for (int j = 0; j < shape.numel(); ++j)
    values.push_back(static_cast<float>((j * step + shift) % 23 - 11) / 8);
  return tensor(values, shape);
}

struct Inputs {
  Tensor x = ramp({2, 3, 4}, 5, 1), m = ramp({3, 4}, 7, 2), s = ramp({4, 4}, 9, 3),
         v = ramp({4}, 6, 4), w = ramp({4}, 11, 5), p = abs(ramp({2, 3}, 3, 6)) + 0.5f,
         i = tensor<int64_t>({2, 0, 1}), n = tensor<int32_t>({3, -7, 3, 5}), b = m > 0.25,
         k = tensor<bool>({true, false, true, true});
};

void show(int row, const Tensor& t) {
  std::printf("%d %s [", row, name(t.dtype()));
  for (int i = 0; i < t.rank(); ++i)
    std::printf("%s%lld", i ? "," : "", static_cast<long long>(t.size(i)));
  std::printf("]");
  if (t.is_floating_point())
    for (double value : t.to_vector<double>()) std::printf(" %.17g", value);
  else
    for (int64_t value : t.to_vector<int64_t>())
      std::printf(" %lld", static_cast<long long>(value));
  std::printf("\n");
}
void show(int row, const std::vector<Tensor>& all) {
  for (const Tensor& t : all) show(row, t);
}
void show(int row, const Sorted& s) { show(row, std::vector{s.values, s.indices}); }
void show(int row, const Extremes& e) { show(row, std::vector{e.values, e.indices}); }
void show(int row, const VarMean& v) { show(row, std::vector{v.var, v.mean}); }
void show(int row, bool value) { show(row, tensor(value)); }

template <class F> void run(int row, F&& idiom) {
  try {
    show(row, idiom());
  } catch (const std::exception& e) { std::printf("%d error %s\n", row, e.what()); }
}

}  // namespace

int main() {
#include "idioms.inc"
  return 0;
}
