// SPDX-License-Identifier: Apache-2.0
// Small programs that several tests run in several ways, and how their results are compared.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "suanli/suanli.h"
#include "support/tier.h"
#include "tensor/recorder.h"

namespace suanli::test {

/// n fixed numbers in [-1, 1), from a generator that has nothing to do with the library's.
inline std::vector<double> numbers(size_t n, uint64_t seed) {
  std::vector<double> out(n);
  uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (double& v : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    v = static_cast<double>(state >> 11) * 0x1p-52 - 1;
  }
  return out;
}
inline Tensor tensor_f64(const Shape& shape, uint64_t seed) {
  return tensor(numbers(static_cast<size_t>(shape.numel()), seed), shape);
}
inline Tensor tensor_f32(const Shape& shape, uint64_t seed) {
  const auto values = numbers(static_cast<size_t>(shape.numel()), seed);
  return tensor(std::vector<float>(values.begin(), values.end()), shape);
}
inline Tensor scalar(double v) { return tensor(std::vector<double>{v}, Shape{}); }

/// A classifier with dropout: 6 numbers → 3 classes.
struct Net : nn::Module {
  nn::Linear fc1{6, 16}, fc2{16, 3};
  nn::Dropout drop{0.25};
  SUANLI_FIELDS(fc1, drop, fc2)
  Tensor forward(const Tensor& x) const { return fc2(drop(relu(fc1(x)))); }
};

struct Batch {
  Tensor x, y;
};
inline Batch batch(int i, int64_t rows = 8) {
  std::vector<int64_t> labels;
  for (int64_t r = 0; r < rows; ++r) labels.push_back((r * 7 + i) % 3);
  return {tensor_f32({rows, 6}, static_cast<uint64_t>(i) + 100), tensor(labels, Shape{rows})};
}

using Bits = std::vector<std::vector<float>>;
/// All values of the module; compared with == (equal numbers, which are equal bits but for zeros'
/// signs).
inline Bits values(nn::Module& m) {
  Bits out;
  for (auto& [name, p] : m.state_dict()) out.push_back(cast(p.value(), f32).to_vector<float>());
  return out;
}

template <class M> Tensor train_step(M& net, optim::Optimizer& opt, const Batch& b) {
  Tensor loss = cross_entropy(net(b.x), b.y);
  loss.backward();
  opt.step();
  return loss;
}

/// Trains a fresh Net with Adam and returns its values and losses; `each` is called before every
/// step.
template <class Each> Bits train_net(int steps, Each&& each) {
  manual_seed(11);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  std::vector<Tensor> losses;
  for (int i = 0; i < steps; ++i) {
    each(i, net, opt);
    losses.push_back(train_step(net, opt, batch(i)));
  }
  Bits out = values(net);
  out.emplace_back();
  for (auto& l : losses) out.back().push_back(l.item());
  return out;
}
inline Bits train_net(int steps) {
  return train_net(steps, [](auto&&...) {});
}

}  // namespace suanli::test
