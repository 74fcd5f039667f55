// SPDX-License-Identifier: Apache-2.0
// Vision transformer (Dosovitskiy et al. 2021) in the tiny size of Touvron et al. 2021, with the
// names of torchvision's VisionTransformer.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/text/text.h"
#include "models/initialize.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

constexpr int64_t kWidth = 192, kHidden = 768, kHeads = 3;
constexpr int kLayers = 12;
constexpr const char* kPositions = "encoder.pos_embedding";
constexpr double kEps = 1e-6;

nn::LayerNorm norm() { return nn::LayerNorm(Shape{kWidth}, nn::LayerNorm::Options{.eps = kEps}); }

struct EncoderBlock : nn::Module {
  nn::LayerNorm ln_1 = norm();
  nn::MultiheadAttention self_attention{kWidth, kHeads};
  nn::LayerNorm ln_2 = norm();
  nn::Linear expand{kWidth, kHidden}, reduce{kHidden, kWidth};
  // between the two products of torchvision's lie an activation and dropout
  void fields(nn::FieldVisitor& v) override {
    v.module("ln_1", ln_1);
    v.module("self_attention", self_attention);
    v.module("ln_2", ln_2);
    v.module("mlp.0", expand);
    v.module("mlp.3", reduce);
  }
  SUANLI_CALL
  EncoderBlock() {
    for (nn::Linear* layer : {&expand, &reduce}) {  // Glorot & Bengio 2010
      const double bound = std::sqrt(6.0 / (kWidth + kHidden));
      layer->weight.set(uniform(-bound, bound, layer->weight.shape()));
      layer->bias.set(normal(0, 1e-6, layer->bias.shape()));
    }
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = x + self_attention(ln_1(x));
    return y + reduce(gelu(expand(ln_2(y))));
  }
  const char* type_name() const override { return "EncoderBlock"; }
};

struct Encoder : nn::Module {
  Parameter pos_embedding;  // [1, 1 + patches, width]
  std::vector<EncoderBlock> blocks{kLayers};
  nn::LayerNorm ln = norm();
  void fields(nn::FieldVisitor& v) override {
    v.parameter("pos_embedding", pos_embedding);
    for (size_t i = 0; i < blocks.size(); ++i) v.module(str("layers.encoder_layer_", i), blocks[i]);
    v.module("ln", ln);
  }
  SUANLI_CALL
  explicit Encoder(int64_t tokens) : pos_embedding(normal(0, 0.02, {1, tokens, kWidth})) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = x + pos_embedding;
    for (const EncoderBlock& block : blocks) y = block(y);
    return ln(y);
  }
  const char* type_name() const override { return "Encoder"; }
};

int patch_size(const ModelOptions& o) { return o.stem == Stem::small ? 4 : 16; }

struct Grid {
  int64_t rows, columns;
  int64_t patches() const { return rows * columns; }
};
Grid grid_of(const ModelOptions& o) {
  const int patch = patch_size(o);
  const Grid grid{o.input_shape[1] / patch, o.input_shape[2] / patch};
  require_sides("vit_tiny", o.input_shape, patch);
  return grid;
}

/// Patches of 16×16 pixels; with the small stem 4×4. Remaining pixels at the right and bottom edges
/// belong to no patch.
struct VisionTransformer : nn::Module {
  Parameter class_token;
  nn::Conv2d conv_proj;
  Encoder encoder;
  nn::Linear head;
  void fields(nn::FieldVisitor& v) override {
    v.parameter("class_token", class_token);
    v.module("conv_proj", conv_proj);
    v.module("encoder", encoder);
    v.module("heads.head", head);
  }
  SUANLI_CALL
  explicit VisionTransformer(const ModelOptions& o)
      : class_token(zeros({1, 1, kWidth})),
        conv_proj(channels_of_pictures("vit_tiny", o.input_shape), kWidth, patch_size(o),
                  {.stride = patch_size(o)}),
        encoder(1 + grid_of(o).patches()),
        head(kWidth, o.classes) {
    const Shape& w = conv_proj.weight.shape();
    initialize(conv_proj, 1 / std::sqrt(static_cast<double>(w[1] * w[2] * w[3])));
    initialize(head, 0);
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = conv_proj(x);
    y = permute(flatten(y, 2), {0, 2, 1});
    y = encoder(cat({expand(class_token, {y.size(0), 1, kWidth}), y}, 1));
    return head(reshape(narrow(y, 1, 0, 1), {y.size(0), kWidth}));
  }
  const char* type_name() const override { return "vit_tiny"; }
};

/// Four weights of the values around a place that lies `t` behind the second of them: Keys 1981
/// with a = -0.75, as PyTorch and OpenCV have it.
std::array<double, 4> cubic(double t) {
  constexpr double a = -0.75;
  auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {far(1 + t), near(t), near(1 - t), far(2 - t)};
}

/// [from, to], each column the weights of one place: the first and last places of both lie on each
/// other.
std::vector<float> cubic_weights(int64_t from, int64_t to) {
  std::vector<float> weights(static_cast<size_t>(from * to));
  for (int64_t k = 0; k < to; ++k) {
    const double place =
        to > 1 ? static_cast<double>(k * (from - 1)) / static_cast<double>(to - 1) : 0;
    const auto second = static_cast<int64_t>(place);
    const std::array<double, 4> w = cubic(place - static_cast<double>(second));
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t at = std::clamp<int64_t>(second - 1 + i, 0, from - 1);
      weights[static_cast<size_t>(at * to + k)] += static_cast<float>(w[static_cast<size_t>(i)]);
    }
  }
  return weights;
}

}  // namespace

nn::AnyModule build_vit_tiny(const ModelOptions& o) { return VisionTransformer(o); }

std::string interpolate_positions(std::vector<std::pair<std::string, Tensor>>& weights,
                                  const ModelOptions& options) {
  NoGrad no_grad;
  const auto found = std::find_if(weights.begin(), weights.end(),
                                  [](const auto& w) { return w.first == kPositions; });
  if (found == weights.end() || found->second.rank() != 3 || found->second.size(0) != 1) return "";
  Tensor& positions = found->second;
  const Grid grid = grid_of(options);
  const int64_t tokens = positions.size(1) - 1, width = positions.size(2),
                side = std::llround(std::sqrt(std::max<int64_t>(0, tokens)));
  // what is no square is left to be refused
  if (tokens == grid.patches() || tokens < 1 || side * side != tokens) return "";
  const Tensor down = tensor<float>(cubic_weights(side, grid.rows), {side, grid.rows}),
               across = tensor<float>(cubic_weights(side, grid.columns), {side, grid.columns});
  // [side, side, width]: rows first, then columns
  const Tensor squares = reshape(cast(narrow(positions, 1, 1, tokens), f32), {side, side * width});
  const Tensor rows =
      reshape(matmul(down, squares, {.transpose_a = true}), {grid.rows, side, width});
  const Tensor both = matmul(reshape(permute(rows, {0, 2, 1}), {grid.rows * width, side}), across);
  const Tensor patches =
      reshape(permute(reshape(both, {grid.rows, width, grid.columns}), {0, 2, 1}),
              {1, grid.patches(), width});
  positions = cat({cast(narrow(positions, 1, 0, 1), f32), patches}, 1);
  flush();
  return str("position embeddings interpolated from ", side, "x", side, " patches to ", grid.rows,
             "x", grid.columns);
}

}  // namespace suanli::models
