// SPDX-License-Identifier: Apache-2.0
// Runs a recipe on given weights and writes what another framework needs to follow it. One batch
// (or one accumulated step) is all the data, so that their order does not matter.
//   peer_recipe CONFIG.toml WEIGHTS.safetensors DATA.safetensors
// Writes DATA: x and y of the training samples. Prints the loss of every step; the run folder of
// CONFIG holds the kept weights.
#include <cstdio>
#include <cstring>

#include "suanli/io.h"
#include "suanli/loader.h"
#include "suanli/train.h"
#include "train/settings/config.h"

using namespace suanli;

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: peer_recipe CONFIG WEIGHTS DATA\n");
    return 2;
  }
  TrainConfig config = config_from_toml(argv[1]);
  config.out = "run";
  nn::AnyModule model = models::make(config.model);
  model.load_state_dict(load_safetensors(argv[2]));
  config.model = "own";
  Trainer trainer(std::move(model), config);
  data::Loader all(trainer.data().train, {.batch_size = trainer.data().train->size()});
  for (auto& [x, y] : all) save_safetensors(argv[3], {{"x", x}, {"y", y}});
  trainer.on_step = [](const StepReport& r) { std::printf("%.9g\n", r.batch_loss); };
  trainer.run();
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "peer_recipe: %s\n", e.what());
  return 1;
}
