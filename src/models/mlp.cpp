// SPDX-License-Identifier: Apache-2.0
// Fully connected models. Any input shape: a sample is flattened first.
#include "models/zoo.h"

namespace suanli::models {

namespace {

struct Linear : nn::Module {
  nn::Linear fc;
  SUANLI_FIELDS(fc)
  explicit Linear(const ModelOptions& o) : fc(o.input_shape.numel(), o.classes) {}
  Tensor forward(const Tensor& x) const { return fc(flatten(x, 1)); }
  const char* type_name() const override { return "linear"; }
};

struct Mlp : nn::Module {
  nn::Linear fc1, fc2, fc3;
  SUANLI_FIELDS(fc1, fc2, fc3)
  explicit Mlp(const ModelOptions& o)
      : fc1(o.input_shape.numel(), 256), fc2(256, 128), fc3(128, o.classes) {}
  Tensor forward(const Tensor& x) const { return fc3(relu(fc2(relu(fc1(flatten(x, 1)))))); }
  const char* type_name() const override { return "mlp"; }
};

}  // namespace

nn::AnyModule build_linear(const ModelOptions& options) { return Linear(options); }
nn::AnyModule build_mlp(const ModelOptions& options) { return Mlp(options); }

}  // namespace suanli::models
