// SPDX-License-Identifier: Apache-2.0
// The model zoo: networks by name, each with the recipe it is known to train well with.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suanli/nn.h"

namespace suanli::models {

/// The first layers of a network for photographs. `small` keeps CIFAR's 32 pixels at full
/// resolution; `large` begins with strides, as for ImageNet.
enum class Stem : uint8_t { automatic /* small for pictures of up to 64 pixels */, small, large };

struct ModelOptions {
  Shape input_shape{1, 28, 28};  ///< Shape of one sample: channels, height, width.
  int64_t classes = 10;  ///< Outputs; 1 for a regression.
  uint64_t seed = 0;  ///< The initial weights are a function of it (and of the sizes) alone.
  Stem stem = Stem::automatic;  ///< For the models that have both.
};

/// Defaults of a model's training.
struct Recipe {
  const char* optimizer;  ///< "adam" or "sgd"
  double lr, momentum;  ///< momentum is sgd's
  int64_t batch_size, epochs;
  bool
      /// Inputs are shifted and scaled to mean 0 and deviation 1 of the training data; else they
      /// stay in [0, 1], but for photographs.
      normalize;
  /// Schedule of the learning rate, optim::schedule_from_name().
  const char* schedule = "constant";
  double warmup = -1, lr_start = -1, lr_end = -1;  ///< Options of the schedule; -1: its defaults.
  double weight_decay = 0, label_smoothing = 0;
  double ema = 0;  ///< Decay per step of an average of the weights; 0: none.
  /// Steps after which weights return to their average, of decay 0.95^lookahead · (step/steps)³; 0:
  /// never.
  int64_t lookahead = 0;
  const char* decay = "weights";  ///< TrainConfig::decay
  const char* lr_factors = "none";  ///< TrainConfig::lr_factors
  const char* freeze_after = "none";  ///< TrainConfig::freeze_after
  /// TrainConfig::augment, of photographs as small as CIFAR's; null: as usual for the data.
  const char* augment = nullptr;
  const char* tta = "none";  ///< TrainConfig::tta, of photographs.
};

/// The kind of a model's results, which decides its loss.
enum class Output : uint8_t {
  logits,  ///< cross_entropy
  log_probabilities,  ///< nll_loss
};

/// One row of the zoo.
struct Entry {
  const char* name;
  const char* line;  ///< Description in one line.
  const char* source;  ///< Where the architecture comes from.
  Output output;
  Recipe recipe;
  nn::AnyModule (*build)(const ModelOptions& options);
  /// Sets what is computed from data before training: some thousand pictures [N, C, H, W],
  /// normalized. Null: nothing.
  void (*fit)(nn::Module& model, const Tensor& pictures) = nullptr;
  /// Makes weights that were trained on pictures of another size fit `options`, whose stem is small
  /// or large; says what it did, "": nothing. Null: nothing depends on the size.
  std::string (*adapt)(std::vector<std::pair<std::string, Tensor>>& weights,
                       const ModelOptions& options) = nullptr;
};

SUANLI_API const std::vector<Entry>& entries();
/// Throws ArgumentError with the nearest name.
SUANLI_API const Entry& entry(std::string_view name);
/// `small` or `large`: what automatic means for samples of this shape.
SUANLI_API Stem stem_for(const Shape& input_shape);
SUANLI_API const char* to_string(Stem stem);  ///< "small", "large", "automatic"
/// "small" or "large"; ArgumentError for another.
SUANLI_API Stem stem_from_text(std::string_view text);
/// Seeds this thread's default generator with options.seed and builds the model. Throws
/// ArgumentError for a name that is not known, IoError if the input is too small for the model or
/// not an image.
SUANLI_API nn::AnyModule make(std::string_view name, const ModelOptions& options = {});

struct GptOptions {
  int64_t vocab = 50257, context = 1024;
  int64_t layers = 12, width = 768, heads = 12;  ///< width: a multiple of heads.
};

/// Keys and values that attention keeps of the tokens of a decoder: keys and values of every block,
/// [B, heads, capacity, width/heads]. They lie in cells that are written in place, and how many of
/// their rows are valid is a number, not a shape: each further token is the same program.
class SUANLI_API KvCache {
 public:
  struct Block {
    Parameter keys, values;
  };
  /// Throws ShapeError if the batch or the capacity is below 1.
  KvCache(int64_t blocks, int64_t batch, int64_t heads, int64_t capacity, int64_t size,
          DType dtype);
  int64_t length() const { return length_; }  ///< Tokens so far.
  int64_t capacity() const { return capacity_; }
  int64_t bytes() const;
  void clear() { length_ = 0; }  ///< Forgets them; the memory stays.
  void advance(int64_t tokens) { length_ += tokens; }
  std::vector<Block>& blocks() { return blocks_; }

 private:
  std::vector<Block> blocks_;
  int64_t length_ = 0, capacity_;
};

/// Each position attends to itself and to those before it. Input and result [B, T, width].
class SUANLI_API CausalSelfAttention : public nn::Module {
 public:
  CausalSelfAttention(int64_t width, int64_t heads);
  Tensor forward(const Tensor& x) const {
    return c_proj(self_attention(c_attn(x), heads_, {.causal = true}));
  }
  /// x follows `position` tokens whose keys and values are in the cache, and adds its own.
  Tensor forward(const Tensor& x, KvCache::Block& cache, const Tensor& position) const;
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
  Tensor forward(const Tensor& x) const { return c_proj(gelu(c_fc(x))); }
  const char* type_name() const override { return "GptMlp"; }
  nn::Linear c_fc, c_proj;
  SUANLI_FIELDS(c_fc, c_proj)
};

/// Both halves normalize first and add to what they were given.
class SUANLI_API GptBlock : public nn::Module {
 public:
  explicit GptBlock(const GptOptions& o)
      : ln_1(o.width), attn(o.width, o.heads), ln_2(o.width), mlp(o.width) {}
  Tensor forward(const Tensor& x) const {
    Tensor y = x + attn(ln_1(x));
    return y + mlp(ln_2(y));
  }
  Tensor forward(const Tensor& x, KvCache::Block& cache, const Tensor& position) const {
    Tensor y = x + attn(ln_1(x), cache, position);
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
  Tensor forward(const Tensor& tokens) const;
  Tensor forward(const Tensor& tokens, KvCache& cache) const;
  const char* type_name() const override { return "GptTrunk"; }
  nn::Embedding wte, wpe;  ///< Tokens [vocab, width] and positions [context, width].
  std::vector<GptBlock> h;
  nn::LayerNorm ln_f;
  SUANLI_FIELDS(wte, wpe, h, ln_f)
};

/// A decoder as GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks, an output head of
/// its own without bias, no dropout. State names as nanoGPT's: transformer.wte.weight,
/// transformer.h.0.attn.c_attn.weight, …, lm_head.weight. Weights N(0, 0.02), those of the
/// projections that add to the trunk N(0, 0.02/√(2·layers)), biases 0.
class SUANLI_API Gpt : public nn::Module {
 public:
  /// Throws IoError if an option is below 1 or the width is no multiple of the heads.
  explicit Gpt(const GptOptions& options);
  /// tokens [B, T] i64, 0 … vocab−1, T ≤ context → logits [B, T, vocab]; a position's logits are
  /// about the token after it.
  Tensor forward(const Tensor& tokens) const { return lm_head(transformer(tokens)); }
  /// The logits [B, vocab] about the token after `tokens` [B, T], which themselves follow what the
  /// cache holds; the cache takes them in. Throws ShapeError if there is no room, in the cache or
  /// in the context.
  Tensor forward(const Tensor& tokens, KvCache& cache) const;
  /// An empty cache with room for `capacity` tokens.
  KvCache cache(int64_t batch, int64_t capacity) const;
  /// tokens [B, T], T ≥ 1, and `max_new_tokens` more, each the most likely one (greedy decoding) →
  /// [B, T + max_new_tokens] i64. Flushes after each. The sum is at most the context, else
  /// ShapeError.
  Tensor generate(const Tensor& tokens, int64_t max_new_tokens) const;
  const char* type_name() const override { return "Gpt"; }
  GptTrunk transformer;
  nn::Linear lm_head;
  SUANLI_FIELDS(transformer, lm_head)

 private:
  GptOptions options_;
};

}  // namespace suanli::models
