// The model zoo: networks by name, each with the recipe it is known to train well with.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "suanli/nn.h"

namespace suanli::models {

/// How a network for photographs meets pictures: `small` keeps CIFAR's 32 pixels at full resolution in the first layers, `large` begins with
/// strides, as on ImageNet.
enum class Stem : uint8_t { by_size /* small for pictures of up to 64 pixels */, small, large };

struct ModelOptions {
  Shape input_shape{1, 28, 28};  ///< Of one sample: channels, height, width.
  int64_t classes = 10;  ///< Outputs; 1 for a regression.
  uint64_t seed = 0;  ///< The initial weights are a function of it (and of the sizes) alone.
  Stem stem = Stem::by_size;  ///< Of the models that have both.
};

/// What a model is trained with where the user says nothing.
struct Recipe {
  const char* optimizer;  ///< "adam" or "sgd"
  double lr, momentum;  ///< momentum is sgd's
  int64_t batch_size, epochs;
  bool normalize;  ///< Inputs are shifted and scaled to mean 0 and deviation 1 of the training data; else they stay in [0, 1].
};

/// What a model returns, and so which loss takes it.
enum class Output : uint8_t {
  logits,  ///< cross_entropy
  log_probabilities,  ///< nll_loss
};

/// One row of the zoo.
struct Entry {
  const char* name;
  const char* line;  ///< What it is, in one line.
  const char* source;  ///< Where the architecture comes from.
  Output output;
  Recipe recipe;
  nn::AnyModule (*build)(const ModelOptions& options);
  /// Sets what is computed from data before training: some thousand pictures [N, C, H, W], normalised. Null: nothing.
  void (*fit)(nn::Module& model, const Tensor& pictures) = nullptr;
};

SUANLI_API const std::vector<Entry>& entries();
/// Throws InputError with the nearest name.
SUANLI_API const Entry& entry(std::string_view name);
/// `small` or `large`: what by_size means for samples of this shape.
SUANLI_API Stem stem_for(const Shape& input_shape);
SUANLI_API const char* to_string(Stem stem);  ///< "small", "large", "by_size"
SUANLI_API Stem stem_from_text(std::string_view text);  ///< "small" or "large"; UsageError for another.
/// Seeds this thread's default generator with options.seed and builds the model. Throws InputError for a name that is not known, or
/// if the input is too small for the model or not an image.
SUANLI_API nn::AnyModule make(std::string_view name, const ModelOptions& options = {});

struct GptOptions {
  int64_t vocab = 50257, context = 1024;
  int64_t layers = 12, width = 768, heads = 12;  ///< width: a multiple of heads.
};

/// Each position attends to itself and to those before it. Input and result [B, T, width].
class SUANLI_API CausalSelfAttention : public nn::Module {
 public:
  CausalSelfAttention(int64_t width, int64_t heads);
  Tensor forward(const Tensor& x) { return c_proj(self_attention(c_attn(x), heads_, {.causal = true})); }
  const char* type_name() const override { return "CausalSelfAttention"; }
  nn::Linear c_attn, c_proj;  ///< Queries, keys and values of all heads in one product; and back.
  SUANLI_FIELDS(c_attn, c_proj)

 private:
  int64_t heads_;
};

/// Four times as wide in between, with gelu in its exact form.
class SUANLI_API GptMlp : public nn::Module {
 public:
  explicit GptMlp(int64_t width) : c_fc(width, 4 * width), c_proj(4 * width, width) {}
  Tensor forward(const Tensor& x) { return c_proj(gelu(c_fc(x))); }
  const char* type_name() const override { return "GptMlp"; }
  nn::Linear c_fc, c_proj;
  SUANLI_FIELDS(c_fc, c_proj)
};

/// Both halves normalise first and add to what they were given.
class SUANLI_API GptBlock : public nn::Module {
 public:
  explicit GptBlock(const GptOptions& o) : ln_1(o.width), attn(o.width, o.heads), ln_2(o.width), mlp(o.width) {}
  Tensor forward(const Tensor& x) {
    Tensor y = x + attn(ln_1(x));
    return y + mlp(ln_2(y));
  }
  const char* type_name() const override { return "GptBlock"; }
  nn::LayerNorm ln_1;
  CausalSelfAttention attn;
  nn::LayerNorm ln_2;
  GptMlp mlp;
  SUANLI_FIELDS(ln_1, attn, ln_2, mlp)
};

/// Everything below the output head: tokens [B, T] → [B, T, width].
class SUANLI_API GptTrunk : public nn::Module {
 public:
  explicit GptTrunk(const GptOptions& options);
  Tensor forward(const Tensor& tokens);
  const char* type_name() const override { return "GptTrunk"; }
  nn::Embedding wte, wpe;  ///< Of tokens [vocab, width] and of positions [context, width].
  std::vector<GptBlock> h;
  nn::LayerNorm ln_f;
  SUANLI_FIELDS(wte, wpe, h, ln_f)
};

/// A decoder as GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks, an output head of its own without bias, no dropout. State
/// names as nanoGPT's: transformer.wte.weight, transformer.h.0.attn.c_attn.weight, …, lm_head.weight. Weights N(0, 0.02), those of the
/// projections that add to the trunk N(0, 0.02/√(2·layers)), biases 0.
class SUANLI_API Gpt : public nn::Module {
 public:
  /// Throws InputError if an option is below 1 or the width is no multiple of the heads.
  explicit Gpt(const GptOptions& options);
  /// tokens [B, T] i64, 0 … vocab−1, T ≤ context → logits [B, T, vocab]; a position's logits are about the token after it.
  Tensor forward(const Tensor& tokens) { return lm_head(transformer(tokens)); }
  const char* type_name() const override { return "Gpt"; }
  GptTrunk transformer;
  nn::Linear lm_head;
  SUANLI_FIELDS(transformer, lm_head)
};

}  // namespace suanli::models
