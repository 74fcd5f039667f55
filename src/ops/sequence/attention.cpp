// SPDX-License-Identifier: Apache-2.0
// Scaled dot-product attention, on separate queries, keys and values and on those of one fused
// product.
#include "ops/schema/attributes.h"

#include <cmath>
#include <limits>

#include "ops/op.h"

namespace suanli {

namespace {

/// Throws unless q is [.., T, D] and k and v are [.., S, D] with the same leading axes.
void require_heads(const Infer& c, const Shape& q, const Shape& k, const Shape& v) {
  if (q.rank() < 2) c.fail("q", to_string(q), "rank 2 or more, [.., T, D]");
  bool fits = k.rank() == q.rank();
  for (int d = 0; fits && d < q.rank(); ++d) fits = d == q.rank() - 2 || k[d] == q[d];
  if (!fits) c.fail("k", to_string(k), str("[.., S, D], equal to q ", q, " except in S"));
  if (k != v) c.fail("v", to_string(v), str(k, ", the shape of k"));
  if (k.at(-2) == 0 || k.at(-1) == 0)
    c.fail("k", to_string(k), "at least one key of at least one element");
}

/// Values that the forward pass keeps of every query: m = max of its scores, and ln Σ exp(score −
/// m). Their sum, rounded, would lose the logarithm beside a large m. q [.., T, D] → [2, .., T].
Shape sums_of(const Shape& q) {
  Shape s{2};
  for (int d = 0; d + 1 < q.rank(); ++d) s.push_back(q[d]);
  return s;
}

/// Throws unless input i, the sums, has the dtype that goes with input 0.
void require_sums_dtype(const Infer& c, int i) {
  const DType wanted = wide_dtype(c.dtype(0));
  if (c.dtype(i) != wanted) c.fail_dtype(i, to_string(wanted));
}

/// Multiply-adds of `products` products over all pairs of a query and a key; a causal mask leaves
/// about half of them.
Cost attention_cost(const Step& s, const Shape& q, int64_t keys, int64_t products) {
  auto c = element_cost(s, 0);
  c.flops = 2 * products * q.numel() * keys /
            (static_cast<const AttentionAttr*>(s.attr)->is_causal ? 2 : 1);
  return c;
}

/// The probabilities [.., T, S]. `offset`: 0 if it is undefined.
Tensor weights(const Tensor& q, const Tensor& k, const AttentionAttr& a, const Tensor& offset) {
  Tensor scores = matmul(q, k, {.transpose_b = true}) * a.scale;
  if (a.is_causal) {
    Tensor query = reshape(arange(q.shape().at(-2)), {-1, 1}), key = arange(k.shape().at(-2));
    if (offset.defined()) query = query + maximum(offset, 0);
    scores = where(key <= query, scores, -std::numeric_limits<double>::infinity());
  }
  return softmax(scores, -1);
}

struct Gradients {
  Tensor q, k, v;
};

/// As ops that have gradients themselves.
Gradients recorded_gradients(const Tensor& g, const Tensor& q, const Tensor& k, const Tensor& v,
                             const AttentionAttr& a, const Tensor& offset) {
  Tensor p = weights(q, k, a, offset), along = matmul(g, v, {.transpose_b = true});
  Tensor scores = p * (along - sum(along * p, {-1}, true)) * a.scale;
  return {matmul(scores, k), matmul(scores, q, {.transpose_a = true}),
          matmul(p, g, {.transpose_a = true})};
}

/// [B, T, 3C] → queries, keys or values as [B, H, T, C/H].
Tensor part_of(const Tensor& qkv, int part, int64_t heads) {
  const int64_t b = qkv.shape()[0], t = qkv.shape()[1], c = qkv.shape()[2] / 3;
  return permute(reshape(narrow(qkv, 2, part * c, c), {b, t, heads, c / heads}), {0, 2, 1, 3});
}

/// [B, H, T, D] → [B, T, H·D].
Tensor side_by_side(const Tensor& x) {
  const Shape& s = x.shape();
  return reshape(permute(x, {0, 2, 1, 3}), {s[0], s[2], s[1] * s[3]});
}

/// Throws unless the input is [B, T, 3C] with C a multiple of the heads; gives [B, T, C].
Shape require_packed(const Infer& c, const Shape& qkv) {
  const auto& a = c.attr<AttentionAttr>();
  if (a.num_heads < 1) c.fail_argument("num_heads", str(a.num_heads), "at least 1");
  if (qkv.rank() != 3 || qkv[2] < 1 || qkv[2] % (3 * int64_t{a.num_heads}) != 0)
    c.fail("qkv", to_string(qkv), str("[B, T, 3·C], C a multiple of heads, ", a.num_heads));
  return {qkv[0], qkv[1], qkv[2] / 3};
}

Shape packed_sums(const Shape& qkv, const AttentionAttr& a) {
  return {2, qkv[0], a.num_heads, qkv[1]};
}

constexpr double kNotGiven = std::numeric_limits<double>::quiet_NaN();

/// Puts the default where no scale is given: D is the size of a head.
void complete_scale(Infer& c, int64_t d) {
  auto& a = c.attr<AttentionAttr>();
  if (std::isnan(a.scale)) a.scale = 1 / std::sqrt(static_cast<double>(d));
}

}  // namespace

/// The values, and the sums from which the gradient makes the probabilities again.
const Op scaled_dot_product_attention_op{OpSchema{
    .name = "scaled_dot_product_attention",
    .doc = "softmax(q kᵀ · scale) v over q [.., T, D], k and v [.., S, D] → [.., T, D]. The second "
           "result [2, .., T] is m = max and ln Σ exp(score − m) of each query's scores. Causal: "
           "query i sees keys 0 … i, or 0 … offset + i if that scalar is given (Vaswani et al. "
           "2017; tiles as in Dao et al. 2022). Float dtypes.",
    .inputs = {"q", "k", "v", {"offset", InputSpec::optional, kIntegralDTypes}},
    .results = {{"output"}, {"sums", dtype_of_input(0).but(kHalfDTypes, DType::f32)}},
    .attributes = &attribute_type<AttentionAttr>(),
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_same_dtype(3);
          require_heads(c, c.shape(0), c.shape(1), c.shape(2));
          if (c.inputs() == 4 && c.shape(3).rank() != 0) c.fail(3, "one integer");
          if (c.inputs() == 4 && !c.attr<AttentionAttr>().is_causal)
            c.fail_argument("is_causal", "false", "true where an offset is given");
          complete_scale(c, c.shape(0).at(-1));
          c.out(0, c.shape(0), c.dtype(0));
          c.out(1, sums_of(c.shape(0)), wide_dtype(c.dtype(0)));
        },
    .cost = [](const Step& s) { return attention_cost(s, s.in[0].shape, s.in[1].shape.at(-2), 2); },
    .slots = 8,
}};
const RegisterRules scaled_dot_product_attention_rules{OpRules{
    .op = &scaled_dot_product_attention_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<AttentionAttr>();
          Tensor g = v.grad(), q = v.in(0), k = v.in(1), values = v.in(2);
          Gradients d;
          // who decodes wants no gradient: it needs no kernel
          if (v.create_graph() || v.inputs() == 4) {
            d = recorded_gradients(g, q, k, values, a, v.inputs() == 4 ? v.in(3) : Tensor());
          } else {
            Tensor y = v.result(0), sums = v.result(1);
            const auto grads = record_all(scaled_dot_product_attention_grad_op,
                                          {&g, &q, &k, &values, &y, &sums}, a);
            d = {grads[0], grads[1], grads[2]};
          }
          if (v.needs_grad(0)) v.set_grad(0, d.q);
          if (v.needs_grad(1)) v.set_grad(1, d.k);
          if (v.needs_grad(2)) v.set_grad(2, d.v);
        },
    .saves =
        saves_in(0) | saves_in(1) | saves_in(2) | saves_in(3) | saves_result(0) | saves_result(1),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          return matmul(
              weights(in[0], in[1], attr.as<AttentionAttr>(), in.size() == 4 ? in[3] : Tensor()),
              in[2]);
        },
}};

/// In: g, q, k, v, the values, the sums. Second derivatives do not come here: see layer_norm_grad.
const Op scaled_dot_product_attention_grad_op{OpSchema{
    .name = "scaled_dot_product_attention_grad",
    .doc = "Gradients of scaled_dot_product_attention for q, k and v from g, q, k, v and both "
           "results.",
    .inputs = {"gradient", "q", "k", "v", "result", "sums"},
    .results = {{"of_q"}, {"of_k"}, {"of_v"}},
    .attributes = &attribute_type<AttentionAttr>(),
    .required = "scale, is_causal",
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_same_dtype(5);
          require_sums_dtype(c, 5);
          const Shape& q = c.shape(1);
          require_heads(c, q, c.shape(2), c.shape(3));
          if (c.shape(0) != q || c.shape(4) != q || c.shape(5) != sums_of(q))
            c.fail("gradient, result, sums", str(c.shape(0), ", ", c.shape(4), " and ", c.shape(5)),
                   str("those of q ", q));
          for (int i = 0; i < 3; ++i) c.out(i, c.shape(i + 1), c.dtype(0));
        },
    .cost = [](const Step& s) { return attention_cost(s, s.in[1].shape, s.in[2].shape.at(-2), 5); },
}};

const Op self_attention_op{OpSchema{
    .name = "self_attention",
    .doc = "scaled_dot_product_attention of each head. qkv [B, T, 3·H·D] holds queries, keys and "
           "values of all heads side by side → [B, T, H·D]. The second result [2, B, H, T] is m = "
           "max and ln Σ exp(score − m) of each query's scores. Float dtypes.",
    .inputs = {"qkv"},
    .results = {{"output"}, {"sums", dtype_of_input(0).but(kHalfDTypes, DType::f32)}},
    .attributes = &attribute_type<SelfAttentionAttr>(),
    .required = "num_heads",
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          const Shape y = require_packed(c, c.shape(0));
          complete_scale(c, y[2] / c.attr<AttentionAttr>().num_heads);
          c.out(0, y, c.dtype(0));
          c.out(1, packed_sums(c.shape(0), c.attr<AttentionAttr>()), wide_dtype(c.dtype(0)));
        },
    .cost = [](const Step& s) { return attention_cost(s, s.out[0].shape, s.out[0].shape[1], 2); },
}};
const RegisterRules self_attention_rules{OpRules{
    .op = &self_attention_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<AttentionAttr>();
          Tensor g = v.grad(), qkv = v.in(0);
          if (!v.create_graph()) {
            Tensor y = v.result(0), sums = v.result(1);
            v.set_grad(0, record(self_attention_grad_op, {&g, &qkv, &y, &sums}, a));
            return;
          }
          const Shape& s = g.shape();
          Tensor heads =
              permute(reshape(g, {s[0], s[1], a.num_heads, s[2] / a.num_heads}), {0, 2, 1, 3});
          const Gradients d =
              recorded_gradients(heads, part_of(qkv, 0, a.num_heads), part_of(qkv, 1, a.num_heads),
                                 part_of(qkv, 2, a.num_heads), a, {});
          v.set_grad(0, cat({side_by_side(d.q), side_by_side(d.k), side_by_side(d.v)}, 2));
        },
    .saves = saves_in(0) | saves_result(0) | saves_result(1),
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const auto& a = attr.as<AttentionAttr>();
          Tensor q = part_of(in[0], 0, a.num_heads), k = part_of(in[0], 1, a.num_heads),
                 v = part_of(in[0], 2, a.num_heads);
          return side_by_side(record(scaled_dot_product_attention_op, {&q, &k, &v}, a));
        },
}};

/// In: g, qkv, the values, the sums.
const Op self_attention_grad_op{OpSchema{
    .name = "self_attention_grad",
    .doc = "Gradient of self_attention for qkv from g, qkv and both results.",
    .inputs = {"gradient", "qkv", "result", "sums"},
    .attributes = &attribute_type<SelfAttentionAttr>(),
    .required = "scale, num_heads, is_causal",
    .traits = Trait::internal,
    .dtypes = kFloatDTypes,
    .infer =
        [](Infer& c) {
          c.require_same_dtype(3);
          require_sums_dtype(c, 3);
          const Shape y = require_packed(c, c.shape(1));
          if (c.shape(0) != y || c.shape(2) != y ||
              c.shape(3) != packed_sums(c.shape(1), c.attr<AttentionAttr>()))
            c.fail("gradient, result, sums", str(c.shape(0), ", ", c.shape(2), " and ", c.shape(3)),
                   str("those of qkv ", c.shape(1)));
          c.out(0, c.shape(1), c.dtype(0));
        },
    .cost = [](const Step& s) { return attention_cost(s, s.in[0].shape, s.in[0].shape[1], 5); },
}};

namespace {

[[noreturn]] void fail_option(const char* op, const char* option, std::string given,
                              std::string expected) {
  throw ArgumentError({.op = op,
                       .argument = option,
                       .given = std::move(given),
                       .expected = std::move(expected),
                       .module = module_path()});
}

/// With a mask or dropout, as ops on all scores.
Tensor masked_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionOptions& o, const AttentionAttr& a) {
  const char* op = scaled_dot_product_attention_op.name();
  if (!(o.dropout_p >= 0 && o.dropout_p < 1))
    fail_option(op, "dropout_p", str(o.dropout_p), "at least 0 and below 1");
  if (o.offset.defined())
    fail_option(op, "offset", "an offset", "none beside attn_mask or dropout");
  if (!o.attn_mask.defined()) return matmul(dropout(weights(q, k, a, {}), o.dropout_p), v);
  if (o.is_causal) fail_option(op, "is_causal", "true", "false beside attn_mask");
  const DType dtype = o.attn_mask.dtype();
  if (dtype != DType::boolean && !is_float(dtype))
    throw DTypeError({.op = op,
                      .argument = "attn_mask",
                      .given = name(dtype),
                      .expected = "bool or a float dtype",
                      .module = module_path()});
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Tensor scores = matmul(q, k, {.transpose_b = true}) * a.scale;
  scores = dtype == DType::boolean ? where(o.attn_mask, scores, -kInfinity) : scores + o.attn_mask;
  const Dims last = -1;
  const Tensor blind = amax(scores, last, true) == -kInfinity;
  const Tensor p = where(blind, 0.0, softmax(where(blind, 0.0, scores), -1));
  return matmul(o.dropout_p > 0 ? dropout(p, o.dropout_p) : p, v);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& o) {
  const AttentionAttr attr{o.scale.value_or(kNotGiven), 0, o.is_causal};
  if (o.attn_mask.defined() || o.dropout_p != 0) {
    check(scaled_dot_product_attention_op, {&q, &k, &v}, attr);
    const double usual = 1 / std::sqrt(static_cast<double>(q.size(-1)));
    return masked_attention(q, k, v, o, AttentionAttr{o.scale.value_or(usual), 0, o.is_causal});
  }
  return o.offset.defined() ? record(scaled_dot_product_attention_op, {&q, &k, &v, &o.offset}, attr)
                            : record(scaled_dot_product_attention_op, {&q, &k, &v}, attr);
}
Tensor self_attention(const Tensor& qkv, int64_t num_heads, const AttentionOptions& o) {
  if (num_heads < 1 || num_heads > INT32_MAX)
    throw ArgumentError({.op = self_attention_op.name(),
                         .argument = "num_heads",
                         .given = str(num_heads),
                         .expected = str("1 to ", INT32_MAX),
                         .module = module_path()});
  if (o.attn_mask.defined() || o.dropout_p != 0)
    fail_option(self_attention_op.name(), "attn_mask", "a mask or dropout",
                "none: use scaled_dot_product_attention");
  return record(
      self_attention_op, {&qkv},
      AttentionAttr{o.scale.value_or(kNotGiven), static_cast<int32_t>(num_heads), o.is_causal});
}

}  // namespace suanli
