// SPDX-License-Identifier: Apache-2.0
// A GPT-2-like decoder.
#include <bit>
#include <cmath>

#include "base/text/text.h"
#include "models/initialize.h"
#include "ops/op.h"
#include "suanli/models.h"

namespace suanli::models {

namespace {

GptOptions checked(const GptOptions& o) {
  for (int64_t n : {o.vocab, o.context, o.layers, o.width, o.heads})
    if (n < 1 || o.width % o.heads != 0)
      throw IoError({.op = "Gpt",
                     .argument = "options",
                     .given = str("vocab ", o.vocab, ", context ", o.context, ", layers ", o.layers,
                                  ", width ", o.width, ", heads ", o.heads),
                     .expected = "at least 1 each and a width that is a multiple of the heads"});
  return o;
}

}  // namespace

KvCache::KvCache(int64_t blocks, int64_t batch, int64_t heads, int64_t capacity, int64_t size,
                 DType dtype)
    : capacity_(capacity) {
  if (batch < 1 || capacity < 1)
    throw ShapeError({.op = "KvCache",
                      .argument = batch < 1 ? "batch" : "capacity",
                      .given = str(batch < 1 ? batch : capacity),
                      .expected = "at least 1"});
  const Tensor nothing = zeros({batch, heads, capacity, size}, dtype);
  for (int64_t i = 0; i < blocks; ++i)
    blocks_.push_back({Parameter(nothing, false), Parameter(nothing + 0, false)});
}

int64_t KvCache::bytes() const {
  int64_t bytes = 0;
  for (const Block& b : blocks_)
    bytes += (b.keys.numel() + b.values.numel()) * itemsize(b.keys.dtype());
  return bytes;
}

CausalSelfAttention::CausalSelfAttention(int64_t width, int64_t heads)
    : c_attn(width, 3 * width), c_proj(width, width), heads_(heads) {}

Tensor CausalSelfAttention::forward(const Tensor& x, KvCache::Block& cache,
                                    const Tensor& position) const {
  const int64_t b = x.shape()[0], t = x.shape()[1], width = x.shape()[2];
  // [3, B, H, T, D]
  const Tensor qkv =
      permute(reshape(c_attn(x), {b, t, 3, heads_, width / heads_}), {2, 0, 3, 1, 4});
  auto part = [&](int64_t which) {
    return reshape(narrow(qkv, 0, which, 1), {b, heads_, t, width / heads_});
  };
  cache.keys.set(slice_update(cache.keys, part(1), 2, position));
  cache.values.set(slice_update(cache.values, part(2), 2, position));
  const Tensor y = scaled_dot_product_attention(part(0), cache.keys, cache.values,
                                                {.is_causal = true, .offset = position});
  return c_proj(reshape(permute(y, {0, 2, 1, 3}), {b, t, width}));
}

GptTrunk::GptTrunk(const GptOptions& o)
    : wte(o.vocab, o.width), wpe(o.context, o.width), ln_f(o.width) {
  for (int64_t i = 0; i < o.layers; ++i) h.emplace_back(o);
}

Tensor GptTrunk::forward(const Tensor& tokens) const {
  const int64_t context = wpe.weight.shape()[0];
  if (tokens.rank() != 2 || tokens.shape()[1] > context)
    throw ShapeError({.op = "GptTrunk",
                      .argument = "tokens",
                      .given = to_string(tokens.shape()),
                      .expected = str("[B, T] with T up to the context, ", context),
                      .module = scope_path(Recorder::current().scope())});
  Tensor x = wte(tokens) + wpe(arange(tokens.shape()[1]));
  for (const GptBlock& block : h) x = block(x);
  return ln_f(x);
}

Tensor GptTrunk::forward(const Tensor& tokens, KvCache& cache) const {
  const int64_t room = std::min(cache.capacity(), wpe.weight.shape()[0]) - cache.length();
  if (tokens.rank() != 2 || tokens.shape()[1] > room || cache.blocks().size() != h.size())
    throw ShapeError(
        {.op = "GptTrunk",
         .argument = "tokens",
         .given = str(tokens.shape(), " and a cache of ", cache.blocks().size(), " blocks with ",
                      cache.length(), " of ", cache.capacity(), " tokens"),
         .expected = str("[B, T] with T up to ", room, " and a cache of ", h.size(),
                         " blocks, for a context of ", wpe.weight.shape()[0]),
         .module = scope_path(Recorder::current().scope())});
  const int64_t length = cache.length();
  const Tensor position = length;
  Tensor x = wte(tokens) + wpe(arange(length, length + tokens.shape()[1]));
  for (size_t i = 0; i < h.size(); ++i) x = h[i](x, cache.blocks()[i], position);
  cache.advance(tokens.shape()[1]);
  return ln_f(x);
}

Tensor Gpt::forward(const Tensor& tokens, KvCache& cache) const {
  const Tensor x = transformer(tokens, cache);
  return lm_head(reshape(narrow(x, 1, x.shape()[1] - 1, 1), {x.shape()[0], x.shape()[2]}));
}

KvCache Gpt::cache(int64_t batch, int64_t capacity) const {
  return KvCache(options_.layers, batch, options_.heads, capacity, options_.width / options_.heads,
                 lm_head.weight.dtype());
}

Tensor Gpt::generate(const Tensor& tokens, int64_t max_new_tokens) const {
  if (tokens.rank() != 2 || tokens.numel() == 0 || max_new_tokens < 0 ||
      tokens.shape()[1] + max_new_tokens > options_.context)
    throw ShapeError({.op = "Gpt.generate",
                      .argument = "tokens",
                      .given = str(tokens.shape(), " and ", max_new_tokens, " new ones"),
                      .expected = str("[B, T] with T ≥ 1, in all no more than the context, ",
                                      options_.context)});
  NoGrad no_grad;
  // Capacities are powers of two, so that texts of many lengths share their programs.
  const int64_t most = tokens.shape()[1] + max_new_tokens;
  KvCache kept = cache(
      tokens.shape()[0],
      std::min(options_.context, static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(most)))));
  std::vector<Tensor> all{tokens};
  for (int64_t i = 0; i < max_new_tokens; ++i) {
    all.push_back(reshape(argmax((*this)(all.back(), kept), -1), {tokens.shape()[0], 1}));
    flush();
  }
  return cat(all, 1);
}

Gpt::Gpt(const GptOptions& options)
    : transformer(checked(options)),
      lm_head(options.width, options.vocab, {.bias = false}),
      options_(options) {
  constexpr double kDeviation = 0.02;
  // it is added to 2·layers times
  const double into_trunk = kDeviation / std::sqrt(2.0 * static_cast<double>(options.layers));
  for (nn::Embedding* table : {&transformer.wte, &transformer.wpe})
    table->weight.set(normal(0, kDeviation, table->weight.shape()));
  for (GptBlock& block : transformer.h) {
    initialize(block.attn.c_attn, kDeviation);
    initialize(block.attn.c_proj, into_trunk);
    initialize(block.mlp.c_fc, kDeviation);
    initialize(block.mlp.c_proj, into_trunk);
  }
  initialize(lm_head, kDeviation);
  flush();
}

}  // namespace suanli::models
