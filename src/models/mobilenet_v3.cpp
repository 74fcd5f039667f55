// SPDX-License-Identifier: Apache-2.0
// MobileNetV3 small (Howard et al. 2019, table 2), with torchvision's names.
#include "models/zoo.h"

namespace suanli::models {

namespace {

enum class Act : uint8_t { none, relu, hardswish };

/// Convolution, normalization with the paper's constants, activation.
nn::Sequential conv_bn(int64_t in, int64_t out, int kernel, int stride, int groups, Act act) {
  nn::Sequential layers(
      nn::Conv2d(in, out, kernel,
                 {.stride = stride, .padding = kernel / 2, .groups = groups, .bias = false}),
      nn::BatchNorm2d(out, {.eps = 1e-3, .momentum = 0.01}));
  if (act == Act::relu) layers.add(nn::ReLU());
  if (act == Act::hardswish) layers.add(nn::Hardswish());
  return layers;
}

/// The nearest multiple of 8 that is not more than a tenth smaller: what the paper's code rounds
/// widths to.
int64_t multiple_of_8(int64_t channels) {
  const int64_t near = std::max<int64_t>(8, (channels + 4) / 8 * 8);
  return 10 * near < 9 * channels ? near + 8 : near;
}

/// Scales each channel by what the means of all of them say (Hu et al. 2018).
struct SqueezeExcitation : nn::Module {
  nn::Conv2d fc1, fc2;
  SUANLI_FIELDS(fc1, fc2)
  explicit SqueezeExcitation(int64_t channels)
      : fc1(channels, multiple_of_8(channels / 4), 1),
        fc2(multiple_of_8(channels / 4), channels, 1) {}
  Tensor forward(const Tensor& x) const {
    return x * hardsigmoid(fc2(relu(fc1(mean(x, {2, 3}, true)))));
  }
  const char* type_name() const override { return "SqueezeExcitation"; }
};

struct Row {  // of the paper's table
  int kernel;
  int64_t expanded, out;
  bool squeeze;
  Act act;
  int stride;
};

/// 1×1 to the expanded channels, kernel × kernel on each channel by itself, perhaps scaled, 1×1 to
/// the result, without activation.
struct InvertedResidual : nn::Module {
  nn::Sequential block;
  SUANLI_FIELDS(block)
  InvertedResidual(int64_t in, const Row& row) : adds_(row.stride == 1 && in == row.out) {
    if (row.expanded != in) block.add(conv_bn(in, row.expanded, 1, 1, 1, row.act));
    block.add(conv_bn(row.expanded, row.expanded, row.kernel, row.stride,
                      static_cast<int>(row.expanded), row.act));
    if (row.squeeze) block.add(SqueezeExcitation(row.expanded));
    block.add(conv_bn(row.expanded, row.out, 1, 1, 1, Act::none));
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = block(x);
    return adds_ ? x + y : y;
  }
  const char* type_name() const override { return "InvertedResidual"; }

 private:
  bool adds_;
};

/// The small stem leaves out the first two of the five strides, as MobileNetV2's does.
struct MobileNetV3 : nn::Module {
  nn::Sequential features, classifier;
  SUANLI_FIELDS(features, classifier)
  explicit MobileNetV3(const ModelOptions& o) {
    const int early = o.stem == Stem::small ? 1 : 2;
    constexpr Act re = Act::relu, hs = Act::hardswish;
    const Row rows[] = {
        {3, 16, 16, true, re, early}, {3, 72, 24, false, re, 2}, {3, 88, 24, false, re, 1},
        {5, 96, 40, true, hs, 2},     {5, 240, 40, true, hs, 1}, {5, 240, 40, true, hs, 1},
        {5, 120, 48, true, hs, 1},    {5, 144, 48, true, hs, 1}, {5, 288, 96, true, hs, 2},
        {5, 576, 96, true, hs, 1},    {5, 576, 96, true, hs, 1}};
    int64_t in = 16;
    features.add(
        conv_bn(channels_of_pictures("mobilenet_v3_small", o.input_shape), in, 3, early, 1, hs));
    for (const Row& row : rows) {
      features.add(InvertedResidual(in, row));
      in = row.out;
    }
    const int64_t last = 6 * in, wide = 1024;
    features.add(conv_bn(in, last, 1, 1, 1, hs));
    classifier.add(nn::Linear(last, wide))
        .add(nn::Hardswish())
        .add(nn::Dropout(0.2))
        .add(nn::Linear(wide, o.classes));
  }
  Tensor forward(const Tensor& x) const { return classifier(mean(features(x), {2, 3})); }
  const char* type_name() const override { return "mobilenet_v3_small"; }
};

}  // namespace

nn::AnyModule build_mobilenet_v3_small(const ModelOptions& o) { return MobileNetV3(o); }

}  // namespace suanli::models
