// SPDX-License-Identifier: Apache-2.0
// vmap: a function of one example, called for a batch of them.
//
//   auto norms = vmap([](const Tensor& x) { return sqrt(sum(square(x))); });
//   Tensor y = norms(batch);   // [B, …] → [B]
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "suanli/tensor.h"

namespace suanli {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

/// A function that calls f for every slice of its inputs along `in_dims`, and stacks the results
/// along their first dimension. An input without a dimension is the same in every call. Empty
/// in_dims mean 0 for all. f is called once: what it records for one example is recorded for all of
/// them, op by op. So f may call grad(), which gives a gradient for each example, but neither
/// backward() nor what writes a parameter.
/// Random draws inside of f are the same for all examples. Throws StateError if f reads a value,
/// ShapeError if the sizes along in_dims differ.
SUANLI_API TensorFunction vmap(TensorFunction f, std::vector<std::optional<int>> in_dims = {});
/// The same for a function of one tensor.
SUANLI_API std::function<Tensor(const Tensor&)> vmap(std::function<Tensor(const Tensor&)> f,
                                                     int in_dim = 0);

}  // namespace suanli
