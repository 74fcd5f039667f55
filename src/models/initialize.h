// SPDX-License-Identifier: Apache-2.0
// Initializes weights where a network's paper departs from the layers' default.
#pragma once
#include <cmath>

#include "suanli/nn.h"

namespace suanli::models {

/// Weight N(0, deviation), bias 0.
template <class Layer> void initialize(Layer& layer, double deviation) {
  layer.weight.set(normal(0, deviation, layer.weight.shape()));
  if (layer.bias.defined()) layer.bias.set(zeros(layer.bias.shape()));
}

/// The deviation that keeps a signal's size backward through a convolution and a ReLU:
/// √(2/fan_out) (He et al. 2015).
inline double he_deviation(const nn::Conv2d& layer) {
  const Shape& w = layer.weight.shape();
  return std::sqrt(2.0 / static_cast<double>(w[0] * w[2] * w[3]));
}

}  // namespace suanli::models
