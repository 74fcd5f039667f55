// SPDX-License-Identifier: Apache-2.0
// A data set of your own: anything that can fill a picture and name its class. Here rings and
// crosses are drawn; a camera, a database or a simulator would do as well. The loader reads it on
// threads, mirrors and turns the pictures, and mixes them in pairs.
#include <cmath>
#include <cstdio>

#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "suanli/nn.h"
#include "suanli/optim.h"

using namespace suanli;

class Shapes final : public data::Dataset {
 public:
  static constexpr int64_t kSide = 24;

  Shapes(int64_t size, int64_t first) : size_(size), first_(first) {
    info_.kind = "shapes";
    info_.source = "shapes";
    info_.input_shape = {1, kSide, kSide};
    info_.classes = 2;
    info_.class_names = {"ring", "cross"};
  }
  int64_t size() const override { return size_; }
  const data::Info& info() const override { return info_; }

  /// May be called from several threads at once: nothing here changes.
  void read(int64_t index, float* x, int64_t* y) const override {
    const int64_t number = first_ + index;
    *y = number % 2;
    const auto phase = static_cast<double>(number);
    const double row = 12 + 4 * std::sin(phase * 1.7), column = 12 + 4 * std::sin(phase * 2.9),
                 size = 5 + 2 * std::sin(phase * 0.7);
    for (int64_t r = 0; r < kSide; ++r)
      for (int64_t c = 0; c < kSide; ++c) {
        const double down = static_cast<double>(r) - row, right = static_cast<double>(c) - column;
        const double far = *y == 0 ? std::abs(std::hypot(down, right) - size)
                                   : std::max(std::min(std::abs(down), std::abs(right)),
                                              std::max(std::abs(down), std::abs(right)) - size);
        *x++ = static_cast<float>(std::exp(-far * far));
      }
  }

 private:
  int64_t size_, first_;
  data::Info info_;
};

struct Net : nn::Module {
  nn::Conv2d conv1{1, 8, 3}, conv2{8, 16, 3};
  nn::Linear fc{16 * 4 * 4, 2};
  SUANLI_FIELDS(conv1, conv2, fc)

  Tensor forward(const Tensor& x) const {
    return fc(flatten(max_pool2d(relu(conv2(max_pool2d(relu(conv1(x)))))), 1));
  }
};

int main() try {
  manual_seed(1);
  const auto train = std::make_shared<Shapes>(2000, 0), test = std::make_shared<Shapes>(500, 2000);
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 2e-3});

  data::Loader loader(train, {.batch_size = 50,
                              .shuffle = true,
                              .threads = 1,
                              .augment = {.flip = 0.5, .rotation = 20, .mixup = 0.2}});
  for (int epoch = 0; epoch < 3; ++epoch)
    for (auto& [x, y] : loader) {  // y [N, 2]: how much of each class is in the mixed picture
      cross_entropy(net(x), y).backward();
      opt.step();
    }

  const InferenceMode inference;
  int64_t right = 0;
  for (auto& [x, y] : data::Loader(test, {.batch_size = 500}))
    right += sum(argmax(net(x), -1) == y).item<int64_t>();
  std::printf("test accuracy %.1f%%\n",
              100.0 * static_cast<double>(right) / static_cast<double>(test->size()));
  return right * 10 > test->size() * 9 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "custom_dataset: %s\n", e.what());
  return 1;
}
