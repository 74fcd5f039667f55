// SPDX-License-Identifier: Apache-2.0
// A network of your own in a plain loop: trains on drawn glyphs, prints the test accuracy.
#include <cstdio>

#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/nn.h"
#include "suanli/optim.h"

using namespace suanli;

struct Net : nn::Module {
  nn::Conv2d conv1{1, 10, 5}, conv2{10, 20, 5};
  nn::Linear fc1{320, 50}, fc2{50, 10};
  SUANLI_FIELDS(conv1, conv2, fc1, fc2)

  Tensor forward(const Tensor& x) const {
    auto y = max_pool2d(relu(conv1(x)));
    y = max_pool2d(relu(conv2(y)));
    return fc2(relu(fc1(flatten(y, 1))));
  }
};

int main() try {
  manual_seed(1);
  auto splits = data::open("glyphs?train=4000&test=1000");
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 2e-3});

  data::Loader loader(splits.train, {.batch_size = 64, .shuffle = true});
  for (int epoch = 0; epoch < 3; ++epoch) {
    Tensor total = 0.0;
    int steps = 0;
    for (auto& [x, y] : loader) {
      auto loss = cross_entropy(net(x), y);
      loss.backward();
      opt.step();
      total += loss.detach();
      ++steps;
    }
    std::printf("epoch %d: loss %.4f\n", epoch + 1, static_cast<double>(total.item()) / steps);
  }

  const InferenceMode inference;
  int64_t right = 0, seen = 0;
  for (auto& [x, y] : data::Loader(splits.test, {.batch_size = 500})) {
    right += sum(argmax(net(x), -1) == y).item<int64_t>();
    seen += y.size(0);
  }
  std::printf("test accuracy %.2f%%\n",
              100.0 * static_cast<double>(right) / static_cast<double>(seen));
  return right * 10 > seen * 8 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "minimal: %s\n", e.what());
  return 1;
}
