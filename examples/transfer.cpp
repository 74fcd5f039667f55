// SPDX-License-Identifier: Apache-2.0
// Transfer learning: a network that knows many pictures learns from few new ones, and is compared
// with one that begins from nothing.
//   transfer                          drawn digits, then 100 others; nothing is needed
//   transfer DATA                     drawn digits, then 100 samples of DATA: mnist:DIR
//   transfer DATA WEIGHTS MODEL       all of DATA, with weights of that model: safetensors,
//                                     or a state dict by PyTorch
#include <cstdio>
#include <string>

#include "suanli/train.h"

using namespace suanli;

/// Trains quietly and returns what it reached.
TrainResult train(const TrainConfig& config) {
  Trainer trainer(config);
  for (const std::string& note : trainer.data().notes) std::printf("  %s\n", note.c_str());
  return trainer.run();
}

double accuracy(const TrainResult& r) {
  return r.test_accuracy == r.test_accuracy ? r.test_accuracy : r.val_accuracy;
}

int main(int argc, char** argv) try {
  if (argc == 3 || argc > 4) {
    std::fprintf(stderr, "usage: transfer [DATA [WEIGHTS MODEL]]\n");
    return 2;
  }
  TrainConfig config;
  config.epochs = 12;
  config.data = argc > 1 ? argv[1] : "glyphs?train=1000&test=500&seed=7";
  if (argc == 4) {
    config.weights = argv[2];
    config.model = argv[3];
  } else {
    TrainConfig many;
    many.data = "glyphs?train=4000&test=500";
    many.model = "cnn_b";
    many.epochs = 2;
    std::printf("first 4000 drawn digits\n");
    const TrainResult first = train(many);
    std::printf("  test accuracy %.1f%%\n", 100 * accuracy(first));
    config.model = "cnn_b";
    config.batch_size = 20;
    config.limit = 100;
    config.weights = first.run + "/model.safetensors";
  }

  std::printf(
      "the new pictures, with the weights of before; all but the last layer at a tenth of the "
      "learning rate\n");
  config.backbone_lr = 0.1;
  const double with = accuracy(train(config));
  std::printf("  accuracy %.1f%%\nthe same pictures, from nothing\n", 100 * with);
  config.weights.clear();
  config.backbone_lr = 1;
  const double without = accuracy(train(config));
  std::printf("  accuracy %.1f%%\n", 100 * without);
  return with > without ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "transfer: %s\n", e.what());
  return 1;
}
