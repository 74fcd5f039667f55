// SPDX-License-Identifier: Apache-2.0
// VGG-11 (Simonyan & Zisserman 2015, configuration A), also with batch normalization (Ioffe &
// Szegedy 2015), with torchvision's names.
#include "models/initialize.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

/// The large one as in the paper, its features averaged to 7×7 for any size of picture. Small
/// pictures leave one pixel after five poolings, or less: they are pooled as long as there is
/// something to pool, and one layer classifies what is left.
struct Vgg : nn::Module {
  nn::Sequential features, classifier;
  SUANLI_FIELDS(features, classifier)

  Vgg(const char* name, const ModelOptions& o, bool normalized)
      : name_(name), small_(o.stem == Stem::small) {
    int64_t channels = channels_of_pictures(name, o.input_shape),
            side = std::min(o.input_shape[1], o.input_shape[2]);
    constexpr int kPool = 0;
    for (int width : {64, kPool, 128, kPool, 256, 256, kPool, 512, 512, kPool, 512, 512, kPool}) {
      if (width == kPool) {
        if (small_ && side < 2) continue;
        features.add(nn::MaxPool2d(2));
        side /= 2;
        continue;
      }
      nn::Conv2d convolution(channels, width, 3, {.padding = 1});
      initialize(convolution, he_deviation(convolution));
      features.add(std::move(convolution));
      if (normalized) features.add(nn::BatchNorm2d(width));
      features.add(nn::ReLU());
      channels = width;
    }
    auto linear = [&](int64_t in, int64_t out) {
      nn::Linear layer(in, out);
      initialize(layer, 0.01);
      classifier.add(std::move(layer));
    };
    if (small_) {
      linear(channels, o.classes);
      return;
    }
    for (int64_t in : {channels * kSide * kSide, int64_t{4096}}) {
      linear(in, 4096);
      classifier.add(nn::ReLU()).add(nn::Dropout());
    }
    linear(4096, o.classes);
  }
  Tensor forward(const Tensor& x) const {
    const int side = small_ ? 1 : kSide;
    return classifier(flatten(adaptive_avg_pool2d(features(x), {side, side}), 1));
  }
  const char* type_name() const override { return name_; }

 private:
  static constexpr int kSide = 7;
  const char* name_;
  bool small_;
};

}  // namespace

nn::AnyModule build_vgg11(const ModelOptions& o) { return Vgg("vgg11", o, false); }
nn::AnyModule build_vgg11_bn(const ModelOptions& o) { return Vgg("vgg11_bn", o, true); }

}  // namespace suanli::models
