// SPDX-License-Identifier: Apache-2.0
// Trains a network that is written as words, on given weights and batches, and prints every step's
// loss, for comparison with another framework.
//   peer_parts PARTS DTYPE WEIGHTS.safetensors BATCHES.safetensors MASKS.safetensors
//   PARTS, for example: "conv 1 8 3 1 1 gelu pool 1 1 flatten linear 8 10"
// BATCHES holds x [steps, N, C, H, W] f32 and y [steps, N] i64. The words of `add P … end` are a
// branch that is added to what it is given and dropped with probability P, at most one with P > 0;
// MASKS gets what its samples were multiplied by, [steps, N].
#include <cstdio>
#include <sstream>

#include "suanli/io.h"
#include "suanli/nn.h"
#include "suanli/optim.h"
#include "suanli/train.h"

using namespace suanli;

namespace {

double drop_share = 0;

nn::Sequential network_from(std::istream& words);

struct Add : nn::Module {
  nn::Sequential inner;
  nn::StochasticDepth drop;
  SUANLI_FIELDS(inner)
  Add(double p, nn::Sequential branch) : inner(std::move(branch)), drop(p) {}
  Tensor forward(const Tensor& x) const { return x + drop(inner(x)); }
};
struct Flatten : nn::Module {
  Tensor forward(const Tensor& x) const { return flatten(x, 1); }
  SUANLI_CALL
};
/// [N, C, H, W] → [N, H·W, C]
struct Tokens : nn::Module {
  Tensor forward(const Tensor& x) const { return permute(flatten(x, 2), {0, 2, 1}); }
  SUANLI_CALL
};

nn::AnyModule layer_from(const std::string& word, std::istream& words) {
  auto number = [&words] {
    double value = 0;
    if (!(words >> value)) throw ArgumentError({.argument = "layer", .given = "no number"});
    return value;
  };
  auto whole = [&] { return static_cast<int>(number()); };
  if (word == "conv") {
    const int in = whole(), out = whole(), kernel = whole(), stride = whole(), groups = whole();
    return nn::Conv2d(in, out, kernel, {.stride = stride, .padding = kernel / 2, .groups = groups});
  }
  if (word == "linear") {
    const int in = whole(), out = whole();
    return nn::Linear(in, out);
  }
  if (word == "pool") {
    const int height = whole(), width = whole();
    return nn::AdaptiveAvgPool2d({height, width});
  }
  if (word == "add") {
    const double p = number();
    drop_share = std::max(drop_share, p);
    return Add(p, network_from(words));
  }
  if (word == "batch_norm") return nn::BatchNorm2d(whole());
  if (word == "layer_norm") return nn::LayerNorm(Shape{whole()});
  if (word == "relu") return nn::ReLU();
  if (word == "relu6") return nn::ReLU6();
  if (word == "gelu") return nn::GELU();
  if (word == "silu") return nn::SiLU();
  if (word == "hardswish") return nn::Hardswish();
  if (word == "hardsigmoid") return nn::Hardsigmoid();
  if (word == "flatten") return Flatten();
  if (word == "tokens") return Tokens();
  throw ArgumentError({.argument = "layer", .given = word});
}

nn::Sequential network_from(std::istream& words) {
  nn::Sequential network;
  for (std::string word; words >> word && word != "end";) network.add(layer_from(word, words));
  return network;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) {
    std::fprintf(stderr, "usage: peer_parts WORDS DTYPE WEIGHTS BATCHES MASKS\n");
    return 2;
  }
  std::istringstream words(argv[1]);
  const DType dtype = dtype_from_name(argv[2]);
  nn::Sequential model = network_from(words);
  model.load_state_dict(load_safetensors(argv[3]));
  model.to(dtype);
  Tensor xs, ys;
  for (auto& [name, t] : load_safetensors(argv[4])) (name == "x" ? xs : ys) = t;
  optim::SGD optimizer(model.parameters(), {.lr = 0.05, .momentum = 0.9, .nesterov = true});
  std::vector<Tensor> masks;
  for (int64_t i = 0; i < xs.size(0); ++i) {
    const Tensor x = cast(flatten(narrow(xs, 0, i, 1), 0, 1), dtype),
                 y = flatten(narrow(ys, 0, i, 1), 0, 1);
    const auto stream = static_cast<uint64_t>(i);
    manual_seed(7, stream);
    masks.push_back(
        reshape(stochastic_depth(ones({y.numel()}, dtype), drop_share), {1, y.numel()}).detach());
    manual_seed(7, stream);  // the branch draws the same again
    const Tensor loss = cross_entropy(model(x), y);
    loss.backward();
    optimizer.step();
    std::printf("%.17g\n",
                dtype == f64 ? loss.item<double>() : static_cast<double>(loss.item<float>()));
  }
  save_safetensors(argv[5], {{"mask", cat(masks)}});
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "peer_parts: %s\n", e.what());
  return 1;
}
