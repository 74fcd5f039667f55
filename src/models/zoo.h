// SPDX-License-Identifier: Apache-2.0
// The builders that the registry names. One declaration per architecture; sizes come from the
// options.
#pragma once
#include "suanli/models.h"

namespace suanli::models {

/// Throws the IoError of a model that does not take the samples.
[[noreturn]] void refuse_input(const char* model, const Shape& input, std::string expected,
                               const char* remedy);
/// Throws it for pictures [channels, height, width] with a side below `least`.
void require_sides(const char* model, const Shape& input, int64_t least);
/// The channels of a sample that is a picture; IoError for one that is not.
int64_t channels_of_pictures(const char* model, const Shape& input);

nn::AnyModule build_linear(const ModelOptions& options);
nn::AnyModule build_mlp(const ModelOptions& options);
nn::AnyModule build_cnn_b(const ModelOptions& options);
nn::AnyModule build_cnn_c(const ModelOptions& options);
nn::AnyModule build_cnn_a(const ModelOptions& options);
nn::AnyModule build_vgg11(const ModelOptions& options);
nn::AnyModule build_vgg11_bn(const ModelOptions& options);
nn::AnyModule build_cnn_bn(const ModelOptions& options);
nn::AnyModule build_resnet18(const ModelOptions& options);
nn::AnyModule build_resnet34(const ModelOptions& options);
nn::AnyModule build_resnet50(const ModelOptions& options);
nn::AnyModule build_mobilenet_v2(const ModelOptions& options);
nn::AnyModule build_mobilenet_v3_small(const ModelOptions& options);
nn::AnyModule build_convnext_tiny(const ModelOptions& options);
nn::AnyModule build_vit_tiny(const ModelOptions& options);
nn::AnyModule build_airbench(const ModelOptions& options);
nn::AnyModule build_tabular(const ModelOptions& options);
/// Sets the first layer's filters from pictures [N, C, H, W], normalized as in training:
/// eigenvectors of the covariance of their 2×2 patches over √(eigenvalue + 5·10⁻⁴), and their
/// negatives.
void whiten_airbench(nn::Module& model, const Tensor& pictures);

/// Position embeddings of another grid of patches are interpolated: bicubic, the corners in place,
/// as torchvision's interpolate_embeddings().
std::string interpolate_positions(std::vector<std::pair<std::string, Tensor>>& weights,
                                  const ModelOptions& options);

}  // namespace suanli::models
