// SPDX-License-Identifier: Apache-2.0
// A module that answers differently in training mode and in eval mode.
#pragma once
#include "tensor/programs.h"

namespace suanli::test {

/// Holds a layer of each kind that asks for its mode.
struct Moody : nn::Module {
  nn::Linear fc1{6, 16}, fc2{16, 3};
  nn::BatchNorm1d norm{16};
  nn::Dropout drop{0.5};
  nn::StochasticDepth depth{0.5};
  SUANLI_FIELDS(fc1, norm, drop, depth, fc2)
  Tensor forward(const Tensor& x) const { return fc2(depth(drop(relu(norm(fc1(x)))))); }
};

inline Moody moody() {
  manual_seed(21);
  Moody net;
  net.norm.running_mean.set(tensor_f32({16}, 5));
  net.norm.running_var.set(abs(tensor_f32({16}, 6)) + 0.5);
  flush();
  return net;
}

/// Without InferenceMode, as the mode of the modules alone says.
inline std::vector<float> answer_in_eval_mode(const Tensor& x) {
  Moody net = moody();
  net.eval();
  NoGrad off;
  return net(x).to_vector<float>();
}

}  // namespace suanli::test
