// SPDX-License-Identifier: Apache-2.0
// MobileNetV2 (Sandler et al. 2018), with torchvision's names.
#include "models/zoo.h"

namespace suanli::models {

namespace {

/// Convolution, normalization, ReLU6.
nn::Sequential conv_bn_relu6(int64_t in, int64_t out, int kernel, int stride, int groups) {
  return nn::Sequential(
      nn::Conv2d(in, out, kernel,
                 {.stride = stride, .padding = kernel / 2, .groups = groups, .bias = false}),
      nn::BatchNorm2d(out), nn::ReLU6());
}

/// 1×1 to `expansion` times the channels, 3×3 on each channel by itself, 1×1 to the result, without
/// activation.
struct InvertedResidual : nn::Module {
  nn::Sequential conv;
  SUANLI_FIELDS(conv)
  InvertedResidual(int64_t in, int64_t out, int stride, int expansion)
      : adds_(stride == 1 && in == out) {
    const int64_t hidden = in * expansion;
    if (expansion != 1) conv.add(conv_bn_relu6(in, hidden, 1, 1, 1));
    conv.add(conv_bn_relu6(hidden, hidden, 3, stride, static_cast<int>(hidden)));
    conv.add(nn::Conv2d(hidden, out, 1, {.bias = false})).add(nn::BatchNorm2d(out));
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = conv(x);
    return adds_ ? x + y : y;
  }
  const char* type_name() const override { return "InvertedResidual"; }

 private:
  bool adds_;
};

/// The small stem leaves out the first two of the five strides, the usual form for CIFAR.
struct MobileNetV2 : nn::Module {
  nn::Sequential features, classifier;
  SUANLI_FIELDS(features, classifier)
  explicit MobileNetV2(const ModelOptions& o) {
    struct Stage {
      int expansion;
      int64_t channels;
      int blocks, stride;
    };
    const int early = o.stem == Stem::small ? 1 : 2;
    const Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, early}, {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2},    {6, 320, 1, 1}};
    int64_t in = 32;
    features.add(
        conv_bn_relu6(channels_of_pictures("mobilenet_v2", o.input_shape), in, 3, early, 1));
    for (const Stage& s : stages)
      for (int i = 0; i < s.blocks; ++i, in = s.channels)
        features.add(InvertedResidual(in, s.channels, i == 0 ? s.stride : 1, s.expansion));
    constexpr int64_t kLast = 1280;
    features.add(conv_bn_relu6(in, kLast, 1, 1, 1));
    classifier.add(nn::Dropout(0.2)).add(nn::Linear(kLast, o.classes));
  }
  Tensor forward(const Tensor& x) const { return classifier(mean(features(x), {2, 3})); }
  const char* type_name() const override { return "mobilenet_v2"; }
};

}  // namespace

nn::AnyModule build_mobilenet_v2(const ModelOptions& o) { return MobileNetV2(o); }

}  // namespace suanli::models
