// SPDX-License-Identifier: Apache-2.0
// The loops around the products of a matmul.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "ops/schema/attributes.h"
#include "runtime/step.h"

namespace suanli::cpu {

/// A matmul as a loop over equal products. Strides count elements; those of a broadcast operand are
/// 0.
struct Product {
  struct Axis {
    int64_t size, a, b;
  };

  Product(const Shape& a_shape, const Shape& b_shape, const Shape& out, const MatmulAttr& attr)
      : a_transposed(attr.transpose_a), b_transposed(attr.transpose_b) {
    const int rank = out.rank();
    m = out[rank - 2];
    n = out[rank - 1];
    k = a_shape[a_shape.rank() - (attr.transpose_a ? 2 : 1)];
    int64_t a_stride = m * k, b_stride = k * n;
    for (int i = 3; i <= rank; ++i) {  // leading axes, the last one first
      const int64_t size = out[rank - i],
                    a_size = i <= a_shape.rank() ? a_shape[a_shape.rank() - i] : 1,
                    b_size = i <= b_shape.rank() ? b_shape[b_shape.rank() - i] : 1;
      const Axis axis{size, a_size == 1 ? 0 : a_stride, b_size == 1 ? 0 : b_stride};
      a_stride *= a_size;
      b_stride *= b_size;
      if (size == 1) continue;
      if (!outer.empty() && axis.a == outer.back().a * outer.back().size &&
          axis.b == outer.back().b * outer.back().size)
        outer.back().size *= size;
      else outer.push_back(axis);
    }
    if (outer.empty()) return;
    // one b for all: a taller product
    if (outer[0].b == 0 && !attr.transpose_a && outer[0].a == m * k) {
      m *= outer[0].size;
      outer.erase(outer.begin());
    }
  }

  int64_t products() const {
    int64_t all = 1;
    for (const Axis& axis : outer) all *= axis.size;
    return all;
  }
  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) *
           static_cast<double>(products());
  }
  /// Where the operands of one of them begin.
  std::pair<int64_t, int64_t> at(int64_t product) const {
    std::pair<int64_t, int64_t> begin{0, 0};
    for (const Axis& axis : outer) {
      begin.first += product % axis.size * axis.a;
      begin.second += product % axis.size * axis.b;
      product /= axis.size;
    }
    return begin;
  }

  int64_t m, n, k;
  bool a_transposed, b_transposed;
  std::vector<Axis> outer;  // the innermost first
};

/// oneDNN's product of bf16, accumulated in f32; null where the machine has no instructions for it,
/// or there is nothing to multiply.
std::unique_ptr<Kernel> make_bf16_matmul(const Step& step);

}  // namespace suanli::cpu
