// SPDX-License-Identifier: Apache-2.0
// Random programs: all kinds of ops, dtypes and shapes in one.
#pragma once
#include <iterator>
#include <string>
#include <vector>

#include "tensor/programs.h"

namespace suanli::test {

inline std::string bits(const Tensor& t) {
  return {static_cast<const char*>(detail::host_data(t, t.dtype())),
          static_cast<size_t>(t.numel() * itemsize(t.dtype()))};
}

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  size_t below(size_t n) {  // splitmix64
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<size_t>((z ^ (z >> 31)) % n);
  }

 private:
  uint64_t state_;
};

inline Tensor any_float(Draw& d, const Tensor& x) {
  switch (d.below(12)) {
    case 0: return exp(x * 0.1);
    case 1: return tanh(x);
    case 2: return relu(x);
    case 3: return sqrt(abs(x));
    case 4: return gelu(x);
    case 5: return sigmoid(x);
    case 6: return x.dtype() == boolean ? logical_not(x) : -x;
    case 7: return square(x) * 0.5;
    case 8: return x / 3.0;
    case 9: return floor(x * 4.0);
    case 10: return log1p(abs(x));
    default: return 1.5 - x;
  }
}

inline Tensor any_pair(Draw& d, const Tensor& x, const Tensor& y) {
  switch (d.below(7)) {
    case 0: return x + y;
    case 1: return x.dtype() == boolean && y.dtype() == boolean ? x != y : x - y;
    case 2: return x * y;
    case 3: return x / (abs(y) + 1);
    case 4: return maximum(x, y);
    case 5: return minimum(x, y);
    default: return where(x < y, x, y);
  }
}

/// A program over tensors that broadcast to one another, of several dtypes, with reductions,
/// products and other shapes in between.
inline std::vector<Tensor> random_program(uint64_t seed) {
  Draw d(seed);
  const bool large = seed % 16 == 0;  // more than a tile, and than a thread's share
  const int64_t rows = large ? 300 : 6, columns = large ? 301 : 5;
  const Shape shapes[] = {{rows, columns}, {rows, columns}, {rows, columns},
                          {columns},       {rows, 1},       {}};
  const DType dtypes[] = {f32, f32, f32, f64, i64, i32, u8, boolean};
  std::vector<Tensor> pool;
  for (uint64_t k = 0; k < 5; ++k) {
    Tensor leaf = tensor_f32(shapes[k < 2 ? 0 : d.below(std::size(shapes))], seed * 8 + k) * 4.0;
    pool.push_back(k < 2 ? leaf : cast(leaf, dtypes[d.below(std::size(dtypes))]));
  }
  flush();
  Parameter w(pool[0]);
  pool[0] = w;
  auto any = [&]() -> const Tensor& {
    return pool[d.below(3) ? pool.size() - 1 - d.below(std::min<size_t>(6, pool.size()))
                           : d.below(pool.size())];
  };
  const size_t length = 10 + d.below(60);
  for (size_t k = 0; k < length; ++k) {
    const Tensor x = any(), y = any();
    Tensor z;
    switch (d.below(16)) {
      case 0: z = x.rank() ? sum(x, {x.rank() - 1}, true) : sum(x); break;
      case 1: z = x.rank() ? amax(cast(x, f32), {0}, true) : x; break;
      case 2: z = x.rank() == 2 ? transpose(transpose(x, 0, 1) + 1, 0, 1) : x; break;
      case 3: z = reshape(reshape(x, {-1}) * 2, x.shape()); break;
      case 4: z = cast(x, dtypes[d.below(std::size(dtypes))]); break;
      case 5: z = where(cast(x, boolean), y, cast(x, y.dtype())); break;
      case 6: z = x == y; break;
      case 7: z = logical_or(cast(x, boolean), y > 0); break;
      case 8: z = x.rank() == 2 && x.shape()[1] == columns ? softmax(cast(x, f32)) : x; break;
      case 9:
      case 10: z = any_float(d, cast(x, x.dtype() == f64 ? f64 : f32)); break;
      default: z = any_pair(d, x, y);
    }
    pool.push_back(z);
  }
  std::vector<Tensor> out;
  for (size_t k = 0; k < 4; ++k) out.push_back(any());
  if (seed % 3 == 0) {
    Tensor total = sum(pool.back().dtype() == f64 ? cast(pool.back(), f32)
                                                  : cast(pool.back(), f32) * Tensor(w));
    if (total.requires_grad()) {
      total.backward();
      if (w.grad().defined()) out.push_back(w.grad());
    }
  }
  return out;
}

}  // namespace suanli::test
