// SPDX-License-Identifier: Apache-2.0
// The model zoo: networks by name, each with a recipe that trains it well.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suanli/nn.h"

namespace suanli::models {

/// The first layers of an image network. `small` keeps CIFAR's 32 pixels at full resolution.
/// `large` begins with strides, as for ImageNet.
enum class Stem : uint8_t { automatic /* small for pictures of up to 64 pixels */, small, large };

struct ModelOptions {
  Shape input_shape{1, 28, 28};  ///< Shape of one sample: channels, height, width.
  int64_t classes = 10;  ///< The number of outputs; 1 for a regression.
  uint64_t seed = 0;  ///< The initial weights depend only on the seed and the sizes.
  Stem stem = Stem::automatic;  ///< For the models that have both stems.
};

/// The default training settings of a model.
struct Recipe {
  const char* optimizer;  ///< "adam" or "sgd"
  double lr, momentum;  ///< momentum is for sgd
  int64_t batch_size, epochs;
  /// Normalizes inputs to mean 0 and standard deviation 1 of the training data. If false, inputs
  /// stay in [0, 1], except photographs.
  bool normalize;
  /// The learning rate schedule, see optim::schedule_from_name().
  const char* schedule = "constant";
  double warmup = -1, lr_start = -1, lr_end = -1;  ///< Options of the schedule; -1: its defaults.
  double weight_decay = 0, label_smoothing = 0;
  double ema = 0;  ///< Decay per step of the moving average of the weights; 0: no average.
  /// The number of steps after which the weights are set to their average, with decay
  /// 0.95^lookahead · (step/steps)³. 0: never.
  int64_t lookahead = 0;
  const char* decay = "weights";  ///< TrainConfig::decay
  const char* lr_factors = "none";  ///< TrainConfig::lr_factors
  const char* freeze_after = "none";  ///< TrainConfig::freeze_after
  /// TrainConfig::augment, for photographs as small as CIFAR's; null: the usual one for the data.
  const char* augment = nullptr;
  const char* tta = "none";  ///< TrainConfig::tta, for photographs.
};

/// The kind of a model's outputs, which decides its loss.
enum class Output : uint8_t {
  logits,  ///< cross_entropy
  log_probabilities,  ///< nll_loss
};

/// One row of the zoo.
struct Entry {
  const char* name;
  const char* line;  ///< A description in one line.
  const char* source;  ///< The source of the architecture.
  Output output;
  Recipe recipe;
  nn::AnyModule (*build)(const ModelOptions& options);
  /// Sets the weights that are computed from data before training. `pictures` are some thousand
  /// normalized pictures [N, C, H, W]. Null: there are none.
  void (*fit)(nn::Module& model, const Tensor& pictures) = nullptr;
  /// Adapts weights that were trained on pictures of another size to `options`, which has a small
  /// or large stem. Returns a description of the change; "" if nothing changed. Null: no weight
  /// depends on the size.
  std::string (*adapt)(std::vector<std::pair<std::string, Tensor>>& weights,
                       const ModelOptions& options) = nullptr;
};

SUANLI_API const std::vector<Entry>& entries();
/// Throws ArgumentError with the nearest name.
SUANLI_API const Entry& entry(std::string_view name);
/// Returns `small` or `large`, the stem that `automatic` selects for samples of this shape.
SUANLI_API Stem stem_for(const Shape& input_shape);
SUANLI_API const char* to_string(Stem stem);  ///< "small", "large", "automatic"
/// Parses "small" or "large". Throws ArgumentError for another text.
SUANLI_API Stem stem_from_text(std::string_view text);
/// Seeds this thread's default generator with options.seed and builds the model. Throws
/// ArgumentError for an unknown name, and IoError if the input is too small for the model or is not
/// an image.
SUANLI_API nn::AnyModule make(std::string_view name, const ModelOptions& options = {});

struct GptOptions {
  int64_t vocab = 50257, context = 1024;
  int64_t layers = 12, width = 768, heads = 12;  ///< width is a multiple of heads.
};

/// The keys and values of a decoder's earlier tokens, for every block: [B, heads, capacity,
/// width/heads]. They lie in cells that are written in place. The number of valid rows is a number,
/// not a shape, so every further token runs the same program.
class SUANLI_API KvCache {
 public:
  struct Block {
    Parameter keys, values;
  };
  /// Throws ShapeError if the batch or the capacity is below 1.
  KvCache(int64_t blocks, int64_t batch, int64_t heads, int64_t capacity, int64_t size,
          DType dtype);
  int64_t length() const { return length_; }  ///< The number of tokens in the cache.
  int64_t capacity() const { return capacity_; }
  int64_t bytes() const;
  void clear() { length_ = 0; }  ///< Forgets the tokens and keeps the memory.
  void advance(int64_t tokens) { length_ += tokens; }
  std::vector<Block>& blocks() { return blocks_; }

 private:
  std::vector<Block> blocks_;
  int64_t length_ = 0, capacity_;
};

/// Each position attends to itself and to earlier positions. Input and result are [B, T, width].
class SUANLI_API CausalSelfAttention : public nn::Module {
 public:
  CausalSelfAttention(int64_t width, int64_t heads);
  Tensor forward(const Tensor& x) const {
    return c_proj(self_attention(c_attn(x), heads_, {.is_causal = true}));
  }
  /// x follows `position` tokens whose keys and values are in the cache. Adds its own keys and
  /// values to the cache.
  Tensor forward(const Tensor& x, KvCache::Block& cache, const Tensor& position) const;
  const char* type_name() const override { return "CausalSelfAttention"; }
  /// c_attn gives queries, keys and values of all heads; c_proj projects back.
  nn::Linear c_attn, c_proj;
  SUANLI_FIELDS(c_attn, c_proj)

 private:
  int64_t heads_;
};

/// A hidden layer four times as wide, with the exact form of gelu.
class SUANLI_API GptMlp : public nn::Module {
 public:
  explicit GptMlp(int64_t width) : c_fc(width, 4 * width), c_proj(4 * width, width) {}
  Tensor forward(const Tensor& x) const { return c_proj(gelu(c_fc(x))); }
  const char* type_name() const override { return "GptMlp"; }
  nn::Linear c_fc, c_proj;
  SUANLI_FIELDS(c_fc, c_proj)
};

/// Both halves normalize their input first and add their result to it.
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

/// All layers below the output head: tokens [B, T] → [B, T, width].
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

/// A decoder like GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks, a separate
/// output head without bias, no dropout. State names are nanoGPT's: transformer.wte.weight,
/// transformer.h.0.attn.c_attn.weight, …, lm_head.weight. Weights are N(0, 0.02). Those of the
/// projections that add to the trunk are N(0, 0.02/√(2·layers)). Biases are 0.
class SUANLI_API Gpt : public nn::Module {
 public:
  /// Throws IoError if an option is below 1, or if the width is not a multiple of the heads.
  explicit Gpt(const GptOptions& options);
  /// tokens [B, T] i64, 0 … vocab−1, T ≤ context → logits [B, T, vocab]. The logits of a position
  /// predict the next token.
  Tensor forward(const Tensor& tokens) const { return lm_head(transformer(tokens)); }
  /// Returns the logits [B, vocab] for the token after `tokens` [B, T]. `tokens` follow the tokens
  /// in the cache and are added to it. Throws ShapeError if the cache or the context has no room.
  Tensor forward(const Tensor& tokens, KvCache& cache) const;
  /// An empty cache with room for `capacity` tokens.
  KvCache cache(int64_t batch, int64_t capacity) const;
  /// Appends `max_new_tokens` tokens to `tokens` [B, T], T ≥ 1 → [B, T + max_new_tokens] i64. Each
  /// is the most likely token (greedy decoding). Flushes after each. Throws ShapeError if the sum
  /// is larger than the context.
  Tensor generate(const Tensor& tokens, int64_t max_new_tokens) const;
  const char* type_name() const override { return "Gpt"; }
  GptTrunk transformer;
  nn::Linear lm_head;
  SUANLI_FIELDS(transformer, lm_head)

 private:
  GptOptions options_;
};

}  // namespace suanli::models
