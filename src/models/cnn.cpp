// SPDX-License-Identifier: Apache-2.0
// Small convolutional networks for small pictures: convolution, ReLU, pooling, once or twice; then
// two fully connected layers.
#include "base/text/text.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

/// The size of one sample after some valid convolutions, each followed by 2×2 pooling.
struct Trunk {
  int64_t channels, features;
};

Trunk trunk(const char* model, const Shape& input, int kernel, int stages, int64_t width) {
  const int64_t channels = channels_of_pictures(model, input);
  // backwards from one pixel: pooling takes twice as many, the convolution k − 1 more
  int64_t least = 1;
  for (int stage = 0; stage < stages; ++stage) least = 2 * least + kernel - 1;
  require_sides(model, input, least);
  int64_t left[2] = {input[1], input[2]};
  for (int64_t& side : left)
    for (int stage = 0; stage < stages; ++stage) side = (side - kernel + 1) / 2;
  return {channels, width * left[0] * left[1]};
}

/// A 3×3 convolution to 32 channels, 128 hidden units; logits.
struct CnnA : nn::Module {
  nn::Conv2d conv1;
  nn::Linear fc1, fc2;
  SUANLI_FIELDS(conv1, fc1, fc2)
  CnnA(Trunk t, int64_t classes)
      : conv1(t.channels, 32, 3), fc1(t.features, 128), fc2(128, classes) {}
  Tensor forward(const Tensor& x) const {
    return fc2(relu(fc1(flatten(max_pool2d(relu(conv1(x)), {2}), 1))));
  }
  const char* type_name() const override { return "cnn_a"; }
};

/// 3×3 convolutions to 32 and 64 channels, 128 hidden units; log-probabilities.
struct CnnB : nn::Module {
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2;
  SUANLI_FIELDS(conv1, conv2, fc1, fc2)
  CnnB(Trunk t, int64_t classes)
      : conv1(t.channels, 32, 3), conv2(32, 64, 3), fc1(t.features, 128), fc2(128, classes) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = max_pool2d(relu(conv1(x)), {2});
    y = max_pool2d(relu(conv2(y)), {2});
    return log_softmax(fc2(relu(fc1(flatten(y, 1)))));
  }
  const char* type_name() const override { return "cnn_b"; }
};

/// 5×5 convolutions to 10 and 20 channels, 50 hidden units; logits.
struct CnnC : nn::Module {
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2;
  SUANLI_FIELDS(conv1, conv2, fc1, fc2)
  CnnC(Trunk t, int64_t classes)
      : conv1(t.channels, 10, 5), conv2(10, 20, 5), fc1(t.features, 50), fc2(50, classes) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = max_pool2d(relu(conv1(x)), {2});
    y = max_pool2d(relu(conv2(y)), {2});
    return fc2(relu(fc1(flatten(y, 1))));
  }
  const char* type_name() const override { return "cnn_c"; }
};

}  // namespace

nn::AnyModule build_cnn_a(const ModelOptions& o) {
  return CnnA(trunk("cnn_a", o.input_shape, 3, 1, 32), o.classes);
}
nn::AnyModule build_cnn_b(const ModelOptions& o) {
  return CnnB(trunk("cnn_b", o.input_shape, 3, 2, 64), o.classes);
}
nn::AnyModule build_cnn_c(const ModelOptions& o) {
  return CnnC(trunk("cnn_c", o.input_shape, 5, 2, 20), o.classes);
}

}  // namespace suanli::models
