// SPDX-License-Identifier: Apache-2.0
// Ops large enough that every kernel divides its work, into threads, blocks and parts.
#pragma once
#include <vector>

#include "tensor/programs.h"

namespace suanli::test {

/// Calls visit(name, values) for each: values() gives what the op computes, and its gradients, in
/// f32 or f64.
template <class Visit> void for_large_ops(DType dtype, Visit&& visit) {
  auto check = [&](const char* what, const std::vector<Shape>& shapes, auto&& f) {
    visit(what, [&] {
      auto made = [&](const Shape& s, uint64_t seed) { return cast(tensor_f32(s, seed), dtype); };
      std::vector<Parameter> p;
      std::vector<Tensor> x, out;
      for (const Shape& s : shapes) p.emplace_back(made(s, p.size() + 1));
      for (const Parameter& q : p) x.push_back(q);
      const Tensor y = f(x);
      sum(y * made(y.shape(), 9)).backward();
      out.push_back(y);
      for (const Parameter& q : p) out.push_back(q.grad());
      return out;
    });
  };
  using Tensors = const std::vector<Tensor>&;
  check("matmul", {{300, 400}, {400, 200}}, [](Tensors x) { return matmul(x[0], x[1]); });
  check("batched matmul", {{12, 70, 80}, {12, 80, 90}},
        [](Tensors x) { return matmul(x[0], x[1]); });
  check("matmul with an epilogue", {{300, 400}, {400, 200}, {200}},
        [](Tensors x) { return gelu(matmul(x[0], x[1]) + x[2]); });
  for (int64_t channels : {int64_t{3}, int64_t{32}, int64_t{64}})
    for (int stride : {1, 2})
      check(channels == 3 ? "conv2d of 3 channels" : "conv2d",
            {{8, channels, 28, 28}, {64, channels, 3, 3}}, [&](Tensors x) {
              return relu(conv2d(x[0], x[1], {}, {.stride = stride, .padding = 1}));
            });
  check("conv2d of 256 channels", {{4, 256, 12, 12}, {256, 256, 3, 3}},
        [](Tensors x) { return conv2d(x[0], x[1], {}, {.padding = 1}); });
  check("conv2d 1×1", {{8, 64, 28, 28}, {64, 64, 1, 1}},
        [](Tensors x) { return conv2d(x[0], x[1]); });
  check("depthwise conv2d", {{8, 64, 28, 28}, {64, 1, 3, 3}},
        [](Tensors x) { return conv2d(x[0], x[1], {}, {.padding = 1, .groups = 64}); });
  check("max_pool2d", {{16, 32, 40, 40}}, [](Tensors x) { return max_pool2d(x[0]); });
  check("avg_pool2d", {{16, 32, 40, 40}}, [](Tensors x) { return avg_pool2d(x[0]); });
  check("batch_norm", {{16, 32, 40, 40}, {32}, {32}},
        [](Tensors x) { return batch_norm(x[0], x[1], x[2]); });
  check("layer_norm", {{3000, 100}, {100}, {100}},
        [](Tensors x) { return layer_norm(x[0], x[1], x[2]); });
  check("softmax", {{3000, 100}}, [](Tensors x) { return softmax(x[0]); });
  check("log_softmax", {{3000, 100}}, [](Tensors x) { return log_softmax(x[0]); });
  check("attention", {{4, 4, 100, 32}, {4, 4, 100, 32}, {4, 4, 100, 32}}, [](Tensors x) {
    return scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true});
  });
  check("sum of all", {{700, 900}}, [](Tensors x) { return sum(x[0]); });
  check("sums of rows", {{700, 900}}, [](Tensors x) { return sum(x[0], {1}); });
  check("sums of columns", {{700, 900}}, [](Tensors x) { return sum(x[0], {0}); });
  check("sums of few long rows", {{2, 300000}}, [](Tensors x) { return sum(x[0], {1}); });
  check("maxima of columns", {{700, 900}}, [](Tensors x) { return amax(x[0], {0}); });
  const Tensor index = tensor(
      [] {
        std::vector<int64_t> v(20000);
        for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<int64_t>(i * 7919 % 50);
        return v;
      }(),
      Shape{20000});
  check("embedding", {{50, 32}}, [&](Tensors x) { return embedding(x[0], index); });
  check("cross_entropy", {{20000, 50}}, [&](Tensors x) { return cross_entropy(x[0], index); });
  check("transpose and concat", {{300, 400}, {300, 400}},
        [](Tensors x) { return cat({transpose(x[0], 0, 1), transpose(x[1], 0, 1)}, 1); });
}

}  // namespace suanli::test
