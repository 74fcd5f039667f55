// SPDX-License-Identifier: Apache-2.0
// A convolutional network for small pictures that batch normalization lets train fast.
#include <algorithm>

#include "base/text/text.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

/// 3×3 convolution that keeps the size, batch normalization, ReLU, 2×2 pooling.
struct Stage : nn::Module {
  nn::Conv2d conv;
  nn::BatchNorm2d bn;
  SUANLI_FIELDS(conv, bn)
  Stage(int64_t in, int64_t out) : conv(in, out, 3, {.padding = 1, .bias = false}), bn(out) {}
  Tensor forward(const Tensor& x) const { return max_pool2d(relu(bn(conv(x))), {2}); }
};

/// Stages to 32, 64 and 128 channels, dropout, one fully connected layer; logits.
struct CnnBn : nn::Module {
  Stage stage1, stage2, stage3;
  nn::Dropout drop{0.2};
  nn::Linear fc;
  SUANLI_FIELDS(stage1, stage2, stage3, drop, fc)
  CnnBn(const Shape& input, int64_t classes)
      : stage1(input[0], 32),
        stage2(32, 64),
        stage3(64, 128),
        fc(128 * (input[1] / 8) * (input[2] / 8), classes) {}
  Tensor forward(const Tensor& x) const { return fc(drop(flatten(stage3(stage2(stage1(x))), 1))); }
  const char* type_name() const override { return "cnn_bn"; }
};

}  // namespace

nn::AnyModule build_cnn_bn(const ModelOptions& o) {
  constexpr int64_t kMinSide = 8;  // three poolings
  channels_of_pictures("cnn_bn", o.input_shape);
  require_sides("cnn_bn", o.input_shape, kMinSide);
  return CnnBn(o.input_shape, o.classes);
}

}  // namespace suanli::models
