// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "nn/checks.h"
#include "suanli/nn/layers.h"

namespace suanli::nn {

namespace {

constexpr const char* kName = "MultiheadAttention";

/// [B, T, H·D] → [B, H, T, D].
Tensor heads_of(const Tensor& x, int64_t heads) {
  return permute(reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads}), {0, 2, 1, 3});
}

/// A mask that is added: −∞ where `hidden` is true, or as it is.
Tensor added(const Tensor& hidden, DType dtype) {
  if (hidden.dtype() != DType::boolean) return hidden;
  const Tensor none = zeros({}, dtype);
  return where(hidden, none - std::numeric_limits<double>::infinity(), none);
}

}  // namespace

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads, Options options)
    : out_proj(embed_dim, embed_dim, {.bias = options.bias}),
      heads_(num_heads),
      dropout_(options.dropout) {
  require_positive(kName, "num_heads", num_heads);
  if (embed_dim % num_heads != 0)
    fail_argument(kName, "embed_dim", embed_dim, str("a multiple of num_heads, ", num_heads));
  // Glorot & Bengio 2010, of a [3·embed_dim, embed_dim] matrix
  const double bound = std::sqrt(6 / static_cast<double>(4 * embed_dim));
  in_proj_weight = Parameter(uniform(-bound, bound, {3 * embed_dim, embed_dim}));
  if (!options.bias) return;
  in_proj_bias = Parameter(zeros({3 * embed_dim}));
  out_proj.bias.set(zeros({embed_dim}));
}

Tensor MultiheadAttention::forward(const Tensor& x) const {
  if (x.rank() != 3) fail_input(kName, x, "[B, T, embed_dim]");
  if (dropout_ > 0 && training()) return forward(x, x, x);
  return out_proj(
      self_attention(affine(kName, x, in_proj_weight, tensor_of(in_proj_bias)), heads_));
}
Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key,
                                   const Tensor& value) const {
  return forward(query, key, value, Masks{});
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const Masks& masks) const {
  const int64_t width = in_proj_weight.shape()[1];
  for (const Tensor* x : {&query, &key, &value})
    if (x->rank() != 3) fail_input(kName, *x, str("[B, T, ", width, "]"));
  const Tensor weight = in_proj_weight, bias = tensor_of(in_proj_bias);
  const auto projected = [&](const Tensor& x, int part) {
    return heads_of(affine(kName, x, narrow(weight, 0, part * width, width),
                           bias.defined() ? narrow(bias, 0, part * width, width) : Tensor()),
                    heads_);
  };
  const Tensor q = projected(query, 0), k = projected(key, 1), v = projected(value, 2);
  const int64_t batch = q.size(0), length = q.size(2), keys = k.size(2);
  AttentionOptions o{.dropout_p = training() ? dropout_ : 0};
  const auto add = [&](const Tensor& mask, const Shape& shape, const Shape& expected) {
    if (mask.shape() != expected)
      throw ShapeError({.op = kName,
                        .argument = mask.rank() == 2 && shape[1] == 1 && shape[2] == 1
                                        ? "key_padding_mask"
                                        : "attn_mask",
                        .given = to_string(mask.shape()),
                        .expected = to_string(expected),
                        .module = module_path()});
    const Tensor more = reshape(added(mask, q.dtype()), shape);
    o.attn_mask = o.attn_mask.defined() ? o.attn_mask + more : more;
  };
  if (masks.key_padding_mask.defined())
    add(masks.key_padding_mask, {batch, 1, 1, keys}, {batch, keys});
  if (masks.attn_mask.defined()) {
    if (masks.attn_mask.rank() == 2) add(masks.attn_mask, {1, 1, length, keys}, {length, keys});
    else add(masks.attn_mask, {batch, heads_, length, keys}, {batch * heads_, length, keys});
  }
  if (masks.is_causal && o.attn_mask.defined())
    add(reshape(arange(keys), {1, keys}) > reshape(arange(length), {length, 1}),
        {1, 1, length, keys}, {length, keys});
  else o.is_causal = masks.is_causal;
  const Tensor y = permute(scaled_dot_product_attention(q, k, v, o), {0, 2, 1, 3});
  return out_proj(reshape(y, {batch, length, width}));
}

}  // namespace suanli::nn
