// SPDX-License-Identifier: Apache-2.0
// Errors of layers.
#pragma once
#include <string>
#include <utility>

#include "base/text/text.h"
#include "suanli/nn/module.h"
#include "tensor/guards.h"

namespace suanli::nn {

[[noreturn]] inline void fail_input(const char* layer, const Tensor& x, std::string expected,
                                    std::string remedy = {}) {
  throw ShapeError({.op = layer,
                    .argument = "input",
                    .given = to_string(x.shape()),
                    .expected = std::move(expected),
                    .module = module_path(),
                    .remedy = std::move(remedy)});
}
[[noreturn]] inline void fail_argument(const char* layer, const char* argument, int64_t given,
                                       std::string expected) {
  throw ArgumentError(
      {.op = layer, .argument = argument, .given = str(given), .expected = std::move(expected)});
}
inline void require_positive(const char* layer, const char* argument, int64_t given) {
  if (given < 1) fail_argument(layer, argument, given, "at least 1");
}
/// The tensor of a parameter, undefined where the parameter is.
inline Tensor tensor_of(const Parameter& p) { return p.defined() ? Tensor(p) : Tensor(); }

/// PyTorch's default for Linear and convolutions (Kaiming uniform with a = √5, LeCun et al. 1998):
/// uniform in ±1/√fan_in.
Parameter uniform_init(const Shape& shape, int64_t fan_in);

/// x Wᵀ + b of x [.., in]: one product however many leading axes there are, so that the weight's
/// gradient is one product too. b may be undefined.
Tensor affine(const char* layer, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace suanli::nn
