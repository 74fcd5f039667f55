// The builders that the registry names. One declaration per architecture; sizes come from the options.
#pragma once
#include "suanli/models.h"

namespace suanli::models {

nn::AnyModule build_linear(const ModelOptions& options);
nn::AnyModule build_mlp(const ModelOptions& options);
nn::AnyModule build_cnn_b(const ModelOptions& options);
nn::AnyModule build_cnn_c(const ModelOptions& options);
nn::AnyModule build_resnet18(const ModelOptions& options);

}  // namespace suanli::models
