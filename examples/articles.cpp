// SPDX-License-Identifier: Apache-2.0
// The three networks of the articles side by side, trained alike on the same data.
//   articles [DATA [SAMPLES]]     DATA as data::open() takes it, by default drawn glyphs;
//                                 SAMPLES training samples, by default all
#include <cstdio>
#include <cstdlib>

#include "suanli/train.h"

using namespace suanli;

int main(int argc, char** argv) try {
  std::printf("network  parameters  test accuracy   seconds\n");
  for (const char* name : {"cnn_a", "cnn_b", "cnn_c"}) {
    TrainConfig config;
    config.data = argc > 1 ? argv[1] : "glyphs?train=3000&test=500";
    config.limit = argc > 2 ? std::atoll(argv[2]) : 0;
    config.model = name;
    config.epochs = 3;
    config.optimizer = "adam";
    config.lr = 1e-3;
    config.batch_size = 64;  // the same for all
    Trainer trainer(config);
    const TrainResult result = trainer.run();
    std::printf("%-7s %11lld %13.2f%% %9.1f\n", name,
                static_cast<long long>(trainer.model().parameter_count()),
                100 * result.test_accuracy, result.seconds);
    if (result.test_accuracy < 0.5) return 1;
  }
} catch (const Error& e) {
  std::fprintf(stderr, "articles: %s\n", e.what());
  return 1;
}
