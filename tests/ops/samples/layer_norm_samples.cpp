// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/norm/layer_norm.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples layer_norm_samples(layer_norm_op, [] {
  const Attr eps = NormAttr{1e-5};
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}, {{7}}, {{7}}}, .attr = eps},
      {.inputs = {{{2, 3, 5}}, {{3, 5}}}, .attr = eps},
      {.inputs = {{{5}}, {{5}}, {{5}}}, .attr = NormAttr{0.1}},
      {.inputs = {{{0, 3}}, {{3}}, {{3}}}, .attr = eps},
      {.inputs = {{{70, 40}, f32}, {{40}, f32}, {{40}, f32}}, .attr = eps},
      {.inputs = {{{3, 1031}, f32}, {{1031}, f32}}, .attr = eps},
      {.inputs = {{{4, 7}}, {{4}}, {{4}}},
       .attr = eps,
       .throws = Refusal{"weight", "[4]", "the last axes of input [4, 7]"}},
      {.inputs = {{{4, 7}}, {{7}}, {{6}}},
       .attr = eps,
       .throws = Refusal{"bias", "[6]", "[7], the shape of weight"}},
      {.inputs = {{{4, 7}}, {{7}, f32}},
       .attr = eps,
       .throws = Refusal{"weight", "f32", "f64, the dtype of input", ErrorCode::dtype}},
      {.inputs = {{{4, 7}, i64}, {{7}}},
       .attr = eps,
       .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
});

const RegisterSamples layer_norm_grad_samples(layer_norm_grad_op, [] {
  const Attr eps = NormAttr{1e-5};
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}, {{4, 7}}, {{7}}}, .attr = eps, .gradient = false},
      {.inputs = {{{2, 3, 5}}, {{2, 3, 5}}, {{3, 5}}}, .attr = eps, .gradient = false},
      {.inputs = {{{0, 3}}, {{0, 3}}, {{3}}}, .attr = eps, .gradient = false},
      {.inputs = {{{300, 40}, f32}, {{300, 40}, f32}, {{40}, f32}}, .attr = eps, .gradient = false},
      {.inputs = {{{4, 7}}, {{4, 6}}, {{6}}},
       .attr = eps,
       .throws = Refusal{"gradient", "[4, 7]", "[4, 6], the shape of input"}}};
});

}  // namespace
}  // namespace suanli::test
