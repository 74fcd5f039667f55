// SPDX-License-Identifier: Apache-2.0
// Trains a network of your own on drawn digits, with everything a run needs: progress, checkpoints,
// a run folder that can be resumed.
//   trainer              starts runs/<date>-my_net-<n>
//   trainer RUN          goes on with that run where it was stopped or killed
#include <cstdio>

#include "suanli/train.h"

using namespace suanli;

struct Net : nn::Module {
  nn::Conv2d conv1{1, 16, 3}, conv2{16, 32, 3};
  nn::Dropout dropout{0.2};
  nn::Linear fc{32 * 5 * 5, 10};
  SUANLI_FIELDS(conv1, conv2, dropout, fc)

  Tensor forward(const Tensor& x) const {  // [N, 1, 28, 28] → logits [N, 10]
    auto y = max_pool2d(relu(conv1(x)));
    y = max_pool2d(relu(conv2(y)));
    return fc(dropout(flatten(y, 1)));
  }
};

int main(int argc, char** argv) try {
  TrainConfig config;
  config.data = "glyphs";
  config.model = "my_net";  // a name for the run folder
  config.epochs = 2;
  config.optimizer = "adam";
  config.lr = 2e-3;

  manual_seed(1);
  Trainer trainer = argc > 1 ? Trainer::resume(argv[1], Net()) : Trainer(Net(), config);
  trainer.on_epoch = [](const EpochReport& r) {
    std::printf("epoch %d/%d  train loss %.4f  val accuracy %.2f%%\n", static_cast<int>(r.epoch),
                static_cast<int>(r.epochs), r.train_loss, 100 * r.val_accuracy);
  };
  TrainResult result = trainer.run();
  std::printf("test accuracy %.2f%%, everything is in %s\n", 100 * result.test_accuracy,
              result.run.c_str());
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
