// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/norm/batch_norm.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

// No gradient: it is right for a y that was computed so, which batch_norm's own samples check.
const RegisterSamples batch_norm_result_samples(batch_norm_result_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 3}}, {{4, 3}}, {{3}}, {{3}}, {{3}}, {{3}, f64, Domain::positive}},
       .attr = NormAttr{1e-5},
       .gradient = false}};
});

const RegisterSamples batch_norm_samples(batch_norm_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{6, 3}}, {{3}}, {{3}}}, .attr = NormAttr{1e-5}},
      {.inputs = {{{3, 2, 2, 3}}, {{2}}, {{2}}}, .attr = NormAttr{1e-3}},
      {.inputs = {{{2, 3, 4}}, {{3}}, {{3}}}, .attr = NormAttr{1e-5}},
      {.inputs = {{{4, 16, 5, 5}, f32}, {{16}, f32}, {{16}, f32}}, .attr = NormAttr{1e-5}},
      {.inputs = {{{4, 3}}, {{4}}, {{3}}},
       .attr = NormAttr{1e-5},
       .throws = Refusal{"weight", "[4]", "[3], one per channel of input [4, 3]"}},
      {.inputs = {{{4}}, {{4}}, {{4}}},
       .attr = NormAttr{1e-5},
       .throws = Refusal{"input", "[4]", "rank 2 or more, [N, C, …]"}},
      {.inputs = {{{4, 3}, i64}, {{3}}, {{3}}},
       .attr = NormAttr{1e-5},
       .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
});

const RegisterSamples batch_norm_inference_samples(batch_norm_inference_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 2, 2, 3}}, {{2}}, {{2}}, {{2}}, {{2}, f64, Domain::positive}},
       .attr = NormAttr{1e-5}},
      {.inputs = {{{4, 16, 5, 5}, f32},
                  {{16}, f32},
                  {{16}, f32},
                  {{16}, f32},
                  {{16}, f32, Domain::positive}},
       .attr = NormAttr{1e-5}},
      {.inputs = {{{4, 3}}, {{3}}, {{3}}, {{3}}, {{2}}},
       .attr = NormAttr{1e-5},
       .throws = Refusal{"variance", "[2]", "[3], one per channel of input [4, 3]"}}};
});

}  // namespace
}  // namespace suanli::test
