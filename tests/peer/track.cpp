// SPDX-License-Identifier: Apache-2.0
// Trains a model of the zoo on given weights and batches and prints every step's loss, for
// comparison with another framework.
//   peer_track MODEL DTYPE WEIGHTS.safetensors BATCHES.safetensors STEPS
// BATCHES holds x [steps, N, 1, 28, 28] f32 and y [steps, N] i64.
#include <cstdio>
#include <cstdlib>

#include "suanli/io.h"
#include "suanli/models.h"
#include "suanli/optim.h"
#include "suanli/train.h"

using namespace suanli;

int main(int argc, char** argv) try {
  if (argc != 6) {
    std::fprintf(stderr, "usage: peer_track MODEL DTYPE WEIGHTS BATCHES STEPS\n");
    return 2;
  }
  const DType dtype = dtype_from_name(argv[2]);
  const auto& entry = models::entry(argv[1]);
  nn::AnyModule model = models::make(argv[1]);
  model.load_state_dict(load_safetensors(argv[3]));
  model.to(dtype);
  Tensor xs, ys;
  for (auto& [name, t] : load_safetensors(argv[4])) (name == "x" ? xs : ys) = t;
  std::unique_ptr<optim::Optimizer> optimizer;
  if (std::string(entry.recipe.optimizer) == "adam")
    optimizer = std::make_unique<optim::Adam>(model.parameters(),
                                              optim::AdamOptions{.lr = entry.recipe.lr});
  else
    optimizer = std::make_unique<optim::SGD>(
        model.parameters(),
        optim::SGDOptions{.lr = entry.recipe.lr, .momentum = entry.recipe.momentum});
  for (int64_t i = 0; i < std::atoi(argv[5]); ++i) {
    Tensor x = cast(flatten(narrow(xs, 0, i, 1), 0, 1), dtype),
           y = flatten(narrow(ys, 0, i, 1), 0, 1);
    Tensor out = model(x),
           loss = entry.output == models::Output::logits ? cross_entropy(out, y) : nll_loss(out, y);
    loss.backward();
    optimizer->step();
    std::printf("%.17g\n",
                dtype == f64 ? loss.item<double>() : static_cast<double>(loss.item<float>()));
  }
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "peer_track: %s\n", e.what());
  return 1;
}
