// SPDX-License-Identifier: Apache-2.0
// Trains a classifier on a folder with one sub-folder of pictures per class, then names the class
// of pictures.
//   folder_classifier PHOTOS [EPOCHS [PICTURE …]]
// Spells out the work of `suanli train` with a Trainer: views of the pictures, normalization by the
// training data, and classes drawn equally often.
#include <cstdio>
#include <cstdlib>

#include "suanli/dataset.h"
#include "suanli/image.h"
#include "suanli/loader.h"
#include "suanli/nn.h"
#include "suanli/optim.h"

using namespace suanli;

constexpr int64_t kSide = 48;

struct Net : nn::Module {
  nn::Conv2d conv1, conv2, conv3;
  nn::BatchNorm2d bn1{16}, bn2{32}, bn3{64};
  nn::Linear fc;
  SUANLI_FIELDS(conv1, bn1, conv2, bn2, conv3, bn3, fc)

  Net(int64_t channels, int64_t classes)
      : conv1(channels, 16, 3, {.padding = 1}),
        conv2(16, 32, 3, {.padding = 1}),
        conv3(32, 64, 3, {.padding = 1}),
        fc(64, classes) {}
  Tensor forward(const Tensor& x) const {  // [N, channels, 48, 48] → logits [N, classes]
    auto y = max_pool2d(relu(bn1(conv1(x))));
    y = max_pool2d(relu(bn2(conv2(y))));
    y = max_pool2d(relu(bn3(conv3(y))));
    return fc(mean(y, {2, 3}));
  }
};

/// One number per channel as a tensor that fits beside [N, C, H, W].
Tensor by_channel(const std::vector<double>& numbers) {
  const std::vector<float> values(numbers.begin(), numbers.end());
  return tensor<float>(values, {static_cast<int64_t>(values.size()), 1, 1});
}

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: folder_classifier PHOTOS [EPOCHS [PICTURE …]]\n");
    return 2;
  }
  manual_seed(1);
  const data::Splits splits = data::open(
      "folder:" + std::string(argv[1]) + "?size=" + std::to_string(kSide), {.val_fraction = 0.2});
  for (const std::string& note : splits.notes) std::printf("%s\n", note.c_str());
  const data::Info& info = splits.train->info();
  const Tensor mean = by_channel(info.mean), stddev = by_channel(info.stddev);

  Net net(info.input_shape[0], info.classes);
  optim::Adam opt(net.parameters(), {.lr = 2e-3});
  data::Loader loader(splits.train,
                      {.batch_size = 32,
                       .augment = data::augment_from_text("resized_crop,flip,color_jitter=0.2"),
                       .sampler = data::balanced_sampler(*splits.train, 1)});
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 10;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    for (auto& [x, y] : loader) {
      cross_entropy(net((x - mean) / stddev), y).backward();
      opt.step();
    }
    const InferenceMode inference;
    int64_t right = 0;
    for (auto& [x, y] : data::Loader(splits.val, {.batch_size = 64}))
      right += sum(argmax(net((x - mean) / stddev), -1) == y).item<int64_t>();
    std::printf("epoch %d: %lld of %lld right\n", epoch, static_cast<long long>(right),
                static_cast<long long>(splits.val->size()));
  }

  const InferenceMode inference;
  for (int i = 3; i < argc; ++i) {
    const Tensor picture = data::read_picture(
        argv[i],
        {.channels = static_cast<int>(info.input_shape[0]), .height = kSide, .width = kSide});
    const Tensor shares =
        softmax(net((reshape(picture, {1, info.input_shape[0], kSide, kSide}) - mean) / stddev));
    const auto best = static_cast<size_t>(argmax(shares, -1).item<int64_t>());
    std::printf("%s: %s %.0f%%\n", argv[i], info.class_names[best].c_str(),
                100 * static_cast<double>(shares.data<float>()[best]));
  }
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "folder_classifier: %s\n", e.what());
  return 1;
}
