// A GPT-2-like decoder.
#include <cmath>

#include "base/text.h"
#include "models/initialize.h"
#include "ops/op.h"
#include "suanli/models.h"

namespace suanli::models {

namespace {

GptOptions checked(const GptOptions& o) {
  for (int64_t n : {o.vocab, o.context, o.layers, o.width, o.heads})
    if (n < 1 || o.width % o.heads != 0)
      throw InputError(str("model gpt: vocab ", o.vocab, ", context ", o.context, ", layers ", o.layers, ", width ", o.width, ", heads ",
                           o.heads, ": at least 1 each and a width that is a multiple of the heads are expected"));
  return o;
}

}  // namespace

CausalSelfAttention::CausalSelfAttention(int64_t width, int64_t heads) : c_attn(width, 3 * width), c_proj(width, width), heads_(heads) {}

GptTrunk::GptTrunk(const GptOptions& o) : wte(o.vocab, o.width), wpe(o.context, o.width), ln_f(o.width) {
  for (int64_t i = 0; i < o.layers; ++i) h.emplace_back(o);
}

Tensor GptTrunk::forward(const Tensor& tokens) {
  const int64_t context = wpe.weight.shape()[0];
  if (tokens.rank() != 2 || tokens.shape()[1] > context)
    throw ShapeError(str("[GptTrunk] tokens have shape ", tokens.shape(), "; [B, T] with T up to the context, ", context, ", is expected",
                         where_am_i()));
  Tensor x = wte(tokens) + wpe(arange(tokens.shape()[1]));
  for (GptBlock& block : h) x = block(x);
  return ln_f(x);
}

Gpt::Gpt(const GptOptions& options) : transformer(checked(options)), lm_head(options.width, options.vocab, {.bias = false}) {
  constexpr double kDeviation = 0.02;
  const double into_trunk = kDeviation / std::sqrt(2.0 * static_cast<double>(options.layers));  // it is added to 2·layers times
  for (nn::Embedding* table : {&transformer.wte, &transformer.wpe}) table->weight.set(normal(table->weight.shape(), 0, kDeviation));
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
