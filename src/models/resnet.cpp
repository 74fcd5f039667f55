// Residual networks (He et al. 2016), with the names that torchvision gives their parts.
#include "base/text.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

/// What brings x to the shape of the block's result where that differs.
struct Downsample : nn::Module {
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
  void fields(nn::FieldVisitor& v) override {  // torchvision's is a Sequential
    v.module("0", conv);
    v.module("1", bn);
  }
  SUANLI_CALL
  Downsample(int64_t in, int64_t out, int stride) : conv(in, out, 1, {.stride = stride, .bias = false}), bn(out) {}
  Tensor forward(const Tensor& x) { return bn(conv(x)); }
  const char* type_name() const override { return "Downsample"; }
};

struct BasicBlock : nn::Module {
  nn::Conv2d conv1, conv2;
  nn::BatchNorm2d bn1, bn2;
  std::optional<Downsample> downsample;
  SUANLI_FIELDS(conv1, bn1, conv2, bn2, downsample)
  BasicBlock(int64_t in, int64_t out, int stride)
      : conv1(in, out, 3, {.stride = stride, .padding = 1, .bias = false}),
        conv2(out, out, 3, {.padding = 1, .bias = false}),
        bn1(out),
        bn2(out) {
    if (stride != 1 || in != out) downsample.emplace(in, out, stride);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = bn2(conv2(relu(bn1(conv1(x)))));
    return relu(y + (downsample ? (*downsample)(x) : x));
  }
  const char* type_name() const override { return "BasicBlock"; }
};

/// Small pictures (up to 64 pixels) get the CIFAR stem of section 4.2: one 3×3 convolution at full resolution; others 7×7 at stride 2
/// and pooling.
struct ResNet : nn::Module {
  bool small_pictures;
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  std::vector<BasicBlock> layer1, layer2, layer3, layer4;
  nn::Linear fc;
  SUANLI_FIELDS(conv1, bn1, layer1, layer2, layer3, layer4, fc)
  ResNet(const Shape& input, int64_t classes, Stem stem)
      : small_pictures(stem == Stem::small),
        conv1(input[0], 64, small_pictures ? 3 : 7, {.stride = small_pictures ? 1 : 2, .padding = small_pictures ? 1 : 3, .bias = false}),
        bn1(64),
        fc(512, classes) {
    auto stage = [](std::vector<BasicBlock>& blocks, int64_t in, int64_t out, int stride) {
      blocks.emplace_back(in, out, stride);
      blocks.emplace_back(out, out, 1);
    };
    stage(layer1, 64, 64, 1);
    stage(layer2, 64, 128, 2);
    stage(layer3, 128, 256, 2);
    stage(layer4, 256, 512, 2);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = relu(bn1(conv1(x)));
    if (!small_pictures) y = max_pool2d(y, {.kernel = 3, .stride = 2, .padding = 1});
    for (auto* stage : {&layer1, &layer2, &layer3, &layer4})
      for (BasicBlock& block : *stage) y = block(y);
    return fc(mean(y, {2, 3}));
  }
  const char* type_name() const override { return "resnet18"; }
};

}  // namespace

nn::AnyModule build_resnet18(const ModelOptions& o) {
  if (o.input_shape.rank() != 3)
    throw InputError(str("model resnet18: a sample has shape ", o.input_shape,
                         ", expected [channels, height, width]. Use --model mlp for data that are not images."));
  return ResNet(o.input_shape, o.classes, o.stem);
}

}  // namespace suanli::models
