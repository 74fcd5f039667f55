// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/sequence/attention.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples scaled_dot_product_attention_samples(scaled_dot_product_attention_op, [] {
  const Attr all = AttentionAttr{0.5, 0, false}, causal = AttentionAttr{0.5, 0, true};
  return std::vector<Sample>{
      {.inputs = {{{2, 5, 3}}, {{2, 5, 3}}, {{2, 5, 3}}}, .attr = causal},
      {.inputs = {{{2, 1, 5, 3}}, {{2, 1, 4, 3}}, {{2, 1, 4, 3}}}, .attr = all},
      {.inputs = {{{3, 2}}, {{5, 2}}, {{5, 2}}}, .attr = causal},
      {.inputs = {{{0, 4, 3}}, {{0, 4, 3}}, {{0, 4, 3}}}, .attr = causal},
      {.inputs = {{{2, 70, 8}, f32}, {{2, 70, 8}, f32}, {{2, 70, 8}, f32}}, .attr = causal},
      {.inputs = {{{3, 20, 16}, f32}, {{3, 150, 16}, f32}, {{3, 150, 16}, f32}}, .attr = all},
      {.inputs = {{{2, 1, 3}}, {{2, 6, 3}}, {{2, 6, 3}}}, .attr = causal, .slots = {4}},
      {.inputs = {{{2, 3, 4}}, {{2, 6, 4}}, {{2, 6, 4}}}, .attr = causal, .slots = {0}},
      {.inputs = {{{2, 1, 16}, f32}, {{2, 200, 16}, f32}, {{2, 200, 16}, f32}},
       .attr = causal,
       .slots = {130}},
      {.inputs = {{{2, 70, 8}, f32}, {{2, 200, 8}, f32}, {{2, 200, 8}, f32}},
       .attr = causal,
       .slots = {63}},
      {.inputs = {{{1, 3}}, {{6, 3}}, {{6, 3}}},
       .attr = all,
       .slots = {4},
       .throws = Refusal{.argument = "is_causal",
                         .given = "false",
                         .expected = "true where an offset is given",
                         .code = ErrorCode::argument}},
      {.inputs = {{{1, 3}}, {{6, 3}}, {{6, 3}}},
       .attr = causal,
       .slots = {1.5},
       .throws = Refusal{"offset", "f32", "an integer dtype", ErrorCode::dtype}},
      {.inputs = {{{2, 5, 3}}, {{2, 5, 4}}, {{2, 5, 4}}},
       .attr = all,
       .throws = Refusal{"k", "[2, 5, 4]", "[.., S, D], equal to q [2, 5, 3] except in S"}},
      {.inputs = {{{3}}, {{2, 3}}, {{2, 3}}},
       .attr = all,
       .throws = Refusal{"q", "[3]", "rank 2 or more, [.., T, D]"}},
      {.inputs = {{{5, 3}}, {{5, 3}}, {{4, 3}}},
       .attr = all,
       .throws = Refusal{"v", "[4, 3]", "[5, 3], the shape of k"}},
      {.inputs = {{{2, 5, 3}}, {{2, 0, 3}}, {{2, 0, 3}}},
       .attr = all,
       .throws = Refusal{"k", "[2, 0, 3]", "at least one key of at least one element"}},
      {.inputs = {{{5, 3}}, {{5, 3}}, {{5, 3}, f32}},
       .attr = all,
       .throws = Refusal{"v", "f32", "f64, the dtype of q", ErrorCode::dtype}}};
});

const RegisterSamples scaled_dot_product_attention_grad_samples(
    scaled_dot_product_attention_grad_op, [] {
      const Attr all = AttentionAttr{0.5, 0, false}, causal = AttentionAttr{0.5, 0, true};
      return std::vector<Sample>{
          {.inputs = {{{2, 5, 3}}, {{2, 5, 3}}, {{2, 5, 3}}, {{2, 5, 3}}, {{2, 5, 3}}, {{2, 2, 5}}},
           .attr = causal,
           .gradient = false},
          {.inputs = {{{5, 3}}, {{5, 3}}, {{4, 3}}, {{4, 3}}, {{5, 3}}, {{2, 5}}},
           .attr = all,
           .gradient = false},
          {.inputs = {{{5, 3}}, {{5, 3}}, {{4, 3}}, {{4, 3}}, {{5, 3}}, {{4}}},
           .attr = all,
           .throws =
               Refusal{"gradient, result, sums", "[5, 3], [5, 3] and [4]", "those of q [5, 3]"}}};
    });

const RegisterSamples self_attention_samples(self_attention_op, [] {
  const Attr one = AttentionAttr{0.5, 1, true}, two = AttentionAttr{0.5, 2, true},
             all = AttentionAttr{0.7, 2, false};
  return std::vector<Sample>{
      {.inputs = {{{2, 4, 12}}}, .attr = two},
      {.inputs = {{{2, 3, 6}}}, .attr = one},
      {.inputs = {{{1, 4, 18}}}, .attr = all},
      {.inputs = {{{0, 4, 12}}}, .attr = two},
      {.inputs = {{{2, 70, 48}, f32}}, .attr = two},
      {.inputs = {{{2, 4, 15}}},
       .attr = two,
       .throws = Refusal{"qkv", "[2, 4, 15]", "[B, T, 3·C], C a multiple of heads, 2"}},
      {.inputs = {{{4, 12}}},
       .attr = two,
       .throws = Refusal{"qkv", "[4, 12]", "[B, T, 3·C], C a multiple of heads, 2"}},
      {.inputs = {{{2, 4, 12}}},
       .attr = AttentionAttr{0.5, 0, true},
       .throws = Refusal{"num_heads", "0", "at least 1", ErrorCode::argument}}};
});

const RegisterSamples self_attention_grad_samples(self_attention_grad_op, [] {
  const Attr two = AttentionAttr{0.5, 2, true};
  return std::vector<Sample>{
      {.inputs = {{{2, 4, 4}}, {{2, 4, 12}}, {{2, 4, 4}}, {{2, 2, 2, 4}}},
       .attr = two,
       .gradient = false},
      {.inputs = {{{2, 4, 4}}, {{2, 4, 12}}, {{2, 4, 4}}, {{2, 4}}},
       .attr = two,
       .throws = Refusal{"gradient, result, sums", "[2, 4, 4], [2, 4, 4] and [2, 4]",
                         "those of qkv [2, 4, 12]"}}};
});

}  // namespace
}  // namespace suanli::test
