// SPDX-License-Identifier: Apache-2.0
// Residual networks (He et al. 2016), with the names that torchvision gives their parts.
#include <vector>

#include "models/zoo.h"

namespace suanli::models {

namespace {

/// The projection of x to the shape of the block's result, where that differs.
struct Downsample : nn::Module {
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
  void fields(nn::FieldVisitor& v) override {  // torchvision's is a Sequential
    v.module("0", conv);
    v.module("1", bn);
  }
  SUANLI_CALL
  Downsample(int64_t in, int64_t out, int stride)
      : conv(in, out, 1, {.stride = stride, .bias = false}), bn(out) {}
  Tensor forward(const Tensor& x) const { return bn(conv(x)); }
  const char* type_name() const override { return "Downsample"; }
};

/// Two 3×3 convolutions.
struct BasicBlock : nn::Module {
  static constexpr int64_t kExpansion = 1;
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d bn1, bn2;
  std::optional<Downsample> downsample;
  SUANLI_FIELDS(conv1, bn1, conv2, bn2, downsample)
  BasicBlock(int64_t in, int64_t width, int stride)
      : conv1(in, width, 3, {.stride = stride, .padding = 1, .bias = false}),
        conv2(width, width, 3, {.padding = 1, .bias = false}),
        bn1(width),
        bn2(width) {
    if (stride != 1 || in != width) downsample.emplace(in, width, stride);
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = bn2(conv2(relu(bn1(conv1(x)))));
    return relu(y + (downsample ? (*downsample)(x) : x));
  }
  const char* type_name() const override { return "BasicBlock"; }
};

/// 1×1 to a quarter of the channels, 3×3, and back. The 3×3 has the stride, as in torchvision and
/// not as in the paper.
struct Bottleneck : nn::Module {
  static constexpr int64_t kExpansion = 4;
  nn::Conv2d conv1, conv2, conv3;
  nn::BatchNorm2d bn1, bn2, bn3;
  std::optional<Downsample> downsample;
  SUANLI_FIELDS(conv1, bn1, conv2, bn2, conv3, bn3, downsample)
  Bottleneck(int64_t in, int64_t width, int stride)
      : conv1(in, width, 1, {.bias = false}),
        conv2(width, width, 3, {.stride = stride, .padding = 1, .bias = false}),
        conv3(width, kExpansion * width, 1, {.bias = false}),
        bn1(width),
        bn2(width),
        bn3(kExpansion * width) {
    if (stride != 1 || in != kExpansion * width) downsample.emplace(in, kExpansion * width, stride);
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = relu(bn2(conv2(relu(bn1(conv1(x))))));
    return relu(bn3(conv3(y)) + (downsample ? (*downsample)(x) : x));
  }
  const char* type_name() const override { return "Bottleneck"; }
};

/// The small stem is that of section 4.2: one 3×3 convolution at full resolution; the large one 7×7
/// at stride 2 and pooling.
template <class Block> struct ResNet : nn::Module {
  const char* name;
  bool small;
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  std::vector<Block> layer1, layer2, layer3, layer4;
  nn::Linear fc;
  SUANLI_FIELDS(conv1, bn1, layer1, layer2, layer3, layer4, fc)
  ResNet(const char* name, const ModelOptions& o, const std::array<int, 4>& blocks)
      : name(name),
        small(o.stem == Stem::small),
        conv1(channels_of_pictures(name, o.input_shape), 64, small ? 3 : 7,
              {.stride = small ? 1 : 2, .padding = small ? 1 : 3, .bias = false}),
        bn1(64),
        fc(512 * Block::kExpansion, o.classes) {
    int64_t in = 64, width = 64;
    size_t stage = 0;
    for (auto* layer : {&layer1, &layer2, &layer3, &layer4}) {
      for (int i = 0; i < blocks[stage]; ++i, in = Block::kExpansion * width)
        layer->emplace_back(in, width, i == 0 && stage > 0 ? 2 : 1);
      width *= 2;
      ++stage;
    }
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = relu(bn1(conv1(x)));
    if (!small) y = max_pool2d(y, {.kernel_size = 3, .stride = 2, .padding = 1});
    for (auto* layer : {&layer1, &layer2, &layer3, &layer4})
      for (const Block& block : *layer) y = block(y);
    return fc(mean(y, {2, 3}));
  }
  const char* type_name() const override { return name; }
};

}  // namespace

nn::AnyModule build_resnet18(const ModelOptions& o) {
  return ResNet<BasicBlock>("resnet18", o, {2, 2, 2, 2});
}
nn::AnyModule build_resnet34(const ModelOptions& o) {
  return ResNet<BasicBlock>("resnet34", o, {3, 4, 6, 3});
}
nn::AnyModule build_resnet50(const ModelOptions& o) {
  return ResNet<Bottleneck>("resnet50", o, {3, 4, 6, 3});
}

}  // namespace suanli::models
