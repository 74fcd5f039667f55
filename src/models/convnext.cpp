// SPDX-License-Identifier: Apache-2.0
// ConvNeXt (Liu et al. 2022) in its tiny size, with torchvision's names.
#include "models/initialize.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

constexpr double kEps = 1e-6;

Tensor channels_last(const Tensor& x) { return permute(x, {0, 2, 3, 1}); }
Tensor channels_first(const Tensor& x) { return permute(x, {0, 3, 1, 2}); }

/// Over the channels of [N, C, H, W].
struct LayerNorm2d : nn::LayerNorm {
  explicit LayerNorm2d(int64_t channels) : nn::LayerNorm(Shape{channels}, Options{.eps = kEps}) {}
  Tensor forward(const Tensor& x) const {
    return channels_first(nn::LayerNorm::forward(channels_last(x)));
  }
  const char* type_name() const override { return "LayerNorm2d"; }
  SUANLI_CALL
};

nn::Conv2d convolution(int64_t in, int64_t out, int kernel, const nn::Conv2d::Options& options) {
  nn::Conv2d layer(in, out, kernel, options);
  initialize(layer, 0.02);
  return layer;
}
nn::Linear linear(int64_t in, int64_t out) {
  nn::Linear layer(in, out);
  initialize(layer, 0.02);
  return layer;
}

/// 7×7 on each channel by itself, then a two-layer network on each pixel's channels, scaled per
/// channel and added.
struct CnBlock : nn::Module {
  nn::Conv2d depthwise;
  nn::LayerNorm norm;
  nn::Linear expand, reduce;
  nn::StochasticDepth stochastic_depth;
  Parameter layer_scale;
  // torchvision's is a Sequential with permutations and activations in between
  void fields(nn::FieldVisitor& v) override {
    v.parameter("layer_scale", layer_scale);
    v.module("block.0", depthwise);
    v.module("block.2", norm);
    v.module("block.3", expand);
    v.module("block.5", reduce);
    v.module("stochastic_depth", stochastic_depth);
  }
  SUANLI_CALL
  CnBlock(int64_t width, double drop)
      : depthwise(convolution(width, width, 7, {.padding = 3, .groups = static_cast<int>(width)})),
        norm(Shape{width}, nn::LayerNorm::Options{.eps = kEps}),
        expand(linear(width, 4 * width)),
        reduce(linear(4 * width, width)),
        stochastic_depth(drop),
        layer_scale(full({width, 1, 1}, 1e-6)) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = reduce(gelu(expand(norm(channels_last(depthwise(x))))));
    return x + stochastic_depth(channels_first(y) * layer_scale);
  }
  const char* type_name() const override { return "CNBlock"; }
};

/// The large stem reads patches of 4×4 pixels, the small one of 2×2. Blocks are dropped with a
/// probability that grows to 0.1 with depth.
struct ConvNeXt : nn::Module {
  nn::Sequential features, classifier;
  SUANLI_FIELDS(features, classifier)
  explicit ConvNeXt(const ModelOptions& o) {
    struct Stage {
      int64_t width;
      int blocks;
    };
    constexpr Stage kStages[] = {{96, 3}, {192, 3}, {384, 9}, {768, 3}};
    constexpr double kDrop = 0.1;
    constexpr int kBlocks = 3 + 3 + 9 + 3;
    const int patch = o.stem == Stem::small ? 2 : 4;
    int64_t in = kStages[0].width;
    features.add(nn::Sequential(convolution(channels_of_pictures("convnext_tiny", o.input_shape),
                                            in, patch, {.stride = patch}),
                                LayerNorm2d(in)));
    int block = 0;
    for (const Stage& s : kStages) {
      if (s.width != in)
        features.add(nn::Sequential(LayerNorm2d(in), convolution(in, s.width, 2, {.stride = 2})));
      in = s.width;
      nn::Sequential stage;
      for (int i = 0; i < s.blocks; ++i, ++block)
        stage.add(CnBlock(in, kDrop * block / (kBlocks - 1.0)));
      features.add(std::move(stage));
    }
    classifier.add(LayerNorm2d(in)).add(nn::Flatten()).add(linear(in, o.classes));
  }
  Tensor forward(const Tensor& x) const { return classifier(mean(features(x), {2, 3}, true)); }
  const char* type_name() const override { return "convnext_tiny"; }
};

}  // namespace

nn::AnyModule build_convnext_tiny(const ModelOptions& o) { return ConvNeXt(o); }

}  // namespace suanli::models
