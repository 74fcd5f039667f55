// Vision transformer (Dosovitskiy et al. 2021) in the tiny size of Touvron et al. 2021, with the names of torchvision's VisionTransformer.
#include "base/text.h"
#include "models/initialize.h"
#include "models/zoo.h"

namespace suanli::models {

namespace {

constexpr int64_t kWidth = 192, kHidden = 768, kHeads = 3;
constexpr int kLayers = 12;
constexpr double kEps = 1e-6;

nn::LayerNorm norm() { return nn::LayerNorm(Shape{kWidth}, nn::LayerNorm::Options{.eps = kEps}); }

struct EncoderBlock : nn::Module {
  nn::LayerNorm ln_1 = norm();
  nn::MultiheadAttention self_attention{kWidth, kHeads};
  nn::LayerNorm ln_2 = norm();
  nn::Linear expand{kWidth, kHidden}, reduce{kHidden, kWidth};
  void fields(nn::FieldVisitor& v) override {  // between the two products of torchvision's lie an activation and dropout
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
      layer->weight.set(uniform(layer->weight.shape(), -bound, bound));
      layer->bias.set(normal(layer->bias.shape(), 0, 1e-6));
    }
  }
  Tensor forward(const Tensor& x) {
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
  explicit Encoder(int64_t tokens) : pos_embedding(normal({1, tokens, kWidth}, 0, 0.02)) {}
  Tensor forward(const Tensor& x) {
    Tensor y = x + pos_embedding;
    for (EncoderBlock& block : blocks) y = block(y);
    return ln(y);
  }
  const char* type_name() const override { return "Encoder"; }
};

/// Patches of 16×16 pixels; with the small stem 4×4. What is left at the right and bottom edge belongs to no patch.
struct VisionTransformer : nn::Module {
  int patch;
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
      : patch(o.stem == Stem::small ? 4 : 16),
        class_token(zeros({1, 1, kWidth})),
        conv_proj(channels_of_pictures("vit_tiny", o.input_shape), kWidth, patch, {.stride = patch}),
        encoder(1 + patches(o.input_shape)),
        head(kWidth, o.classes) {
    const Shape& w = conv_proj.weight.shape();
    initialize(conv_proj, 1 / std::sqrt(static_cast<double>(w[1] * w[2] * w[3])));
    initialize(head, 0);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = conv_proj(x);
    y = transpose(flatten(y, 2), {0, 2, 1});
    y = encoder(concat({expand(class_token, {y.size(0), 1, kWidth}), y}, 1));
    return head(reshape(slice(y, 1, 0, 1), {y.size(0), kWidth}));
  }
  const char* type_name() const override { return "vit_tiny"; }

 private:
  int64_t patches(const Shape& input) const {
    const int64_t n = input[1] / patch * (input[2] / patch);
    if (n < 1)
      throw InputError(str("model vit_tiny: pictures of ", input[1], "x", input[2], " are too small for patches of ", patch, "x", patch,
                           ". Use --model mlp."));
    return n;
  }
};

}  // namespace

nn::AnyModule build_vit_tiny(const ModelOptions& o) { return VisionTransformer(o); }

}  // namespace suanli::models
