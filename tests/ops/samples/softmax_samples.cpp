// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/reduce/softmax.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

std::vector<Sample> samples_softmax() {
  return {{.inputs = {{{4, 7}}}, .attr = DimAttr{1}},
          {.inputs = {{{2, 3, 5}}}, .attr = DimAttr{1}},
          {.inputs = {{{0, 3}}}, .attr = DimAttr{1}},
          {.inputs = {{{1}}}, .attr = DimAttr{0}},
          {.inputs = {{{64, 10}, f32}}, .attr = DimAttr{1}},
          {.inputs = {{{3, 1031}, f32}}, .attr = DimAttr{1}},
          {.inputs = {{{5, 3}, i64}},
           .attr = DimAttr{1},
           .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
}

const RegisterSamples softmax_samples(softmax_op, samples_softmax);

const RegisterSamples log_softmax_samples(log_softmax_op, samples_softmax);

const RegisterSamples cross_entropy_rows_samples(cross_entropy_rows_op, [] {
  const Attr none = IgnoreAttr{};
  return std::vector<Sample>{
      {.inputs = {{{5, 4}}, {{5}, i64, Domain::index, 4}}, .attr = none},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}},
       .attr = none,
       .gradient = false},
      {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}, .attr = none},
      {.inputs = {{{9, 4}}, {{9}, i64, Domain::index, 4}}, .attr = IgnoreAttr{1}},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}},
       .attr = IgnoreAttr{3},
       .gradient = false},
      {.inputs = {{{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}}, .attr = none},
      {.inputs = {{{5, 4}}, {{4}, i64, Domain::index, 4}},
       .attr = none,
       .throws = Refusal{"target", "[4]"}},
      {.inputs = {{{5, 4, 3}}, {{5}, i64, Domain::index, 4}},
       .attr = none,
       .throws = Refusal{nullptr, "[5, 4, 3]", "rank 2, [N, C]"}},
      {.inputs = {{{5, 4}}, {{5}, DType::i32, Domain::index, 4}},
       .attr = none,
       .throws = Refusal{"target", "i32", "i64", ErrorCode::dtype}}};
});

const RegisterSamples cross_entropy_grad_samples(cross_entropy_grad_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{}}, {{5, 4}}, {{5}, i64, Domain::index, 4}, {{2, 5}}},
       .attr = IgnoreAttr{},
       .gradient = false},
      {.inputs = {{{}}, {{9, 4}}, {{9}, i64, Domain::index, 4}, {{2, 9}}},
       .attr = IgnoreAttr{2},
       .gradient = false},
      {.inputs = {{{}, f32}, {{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}, {{2, 3}, f32}},
       .attr = IgnoreAttr{},
       .gradient = false},
      {.inputs = {{{}}, {{5, 4}}, {{4}, i64, Domain::index, 4}, {{2, 5}}},
       .attr = IgnoreAttr{},
       .throws = Refusal{"gradient, logits, target, sums", "[], [5, 4], [4] and [2, 5]",
                         "[], [N, C], [N] and [2, N]"}}};
});

}  // namespace
}  // namespace suanli::test
