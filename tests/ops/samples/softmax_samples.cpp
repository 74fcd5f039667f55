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

/// `targets`: as errors name their dtypes.
std::vector<Sample> samples_class_loss(const char* targets) {
  return {
      {.inputs = {{{5, 4}}, {{5}, i64, Domain::index, 4}}},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}}, .gradient = false},
      {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}},
      {.inputs = {{{5, 4}}, {{4}, i64, Domain::index, 4}}, .throws = Refusal{"target", "[4]"}},
      {.inputs = {{{5, 4, 3}}, {{5}, i64, Domain::index, 4}},
       .throws = Refusal{nullptr, "[5, 4, 3]", "rank 2, [N, C]"}},
      {.inputs = {{{5, 4}}, {{5}}}, .throws = Refusal{"target", "f64", targets, ErrorCode::dtype}}};
}

const RegisterSamples nll_loss_samples(nll_loss_op,
                                       [] { return samples_class_loss("an integer dtype"); });

const RegisterSamples cross_entropy_samples(cross_entropy_op, [] {
  auto samples = samples_class_loss("i64");
  samples.push_back({.inputs = {{{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}}});
  samples.push_back({.inputs = {{{5, 4}}, {{5}, DType::i32, Domain::index, 4}},
                     .throws = Refusal{"target", "i32", "i64", ErrorCode::dtype}});
  return samples;
});

const RegisterSamples cross_entropy_grad_samples(cross_entropy_grad_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{}}, {{5, 4}}, {{5}, i64, Domain::index, 4}, {{2, 5}}}, .gradient = false},
      {.inputs = {{{}, f32}, {{3, 1031}, f32}, {{3}, i64, Domain::index, 1031}, {{2, 3}, f32}},
       .gradient = false},
      {.inputs = {{{}}, {{5, 4}}, {{4}, i64, Domain::index, 4}, {{2, 5}}},
       .throws = Refusal{"gradient, logits, target, sums", "[], [5, 4], [4] and [2, 5]",
                         "[], [N, C], [N] and [2, N]"}}};
});

const RegisterSamples soft_cross_entropy_samples(soft_cross_entropy_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{5, 4}}, {{5, 4}, f64, Domain::unit}}},
      {.inputs = {{{64, 10}, f32}, {{64, 10}, f32, Domain::unit}}, .gradient = false},
      {.inputs = {{{1, 2}}, {{1, 2}, f64, Domain::unit}}},
      {.inputs = {{{5, 4}}, {{5}}},
       .throws = Refusal{"target", "[5]", "[5, 4], the shape of logits"}}};
});

const RegisterSamples mse_loss_samples(mse_loss_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 4}}, {{3, 4}}}},
      {.inputs = {{{70}, f32}, {{70}, f32}}, .gradient = false},
      {.inputs = {{{3, 4}}, {{4}}}, .throws = Refusal{"y", "[4]", "[3, 4], the shape of x"}}};
});

}  // namespace
}  // namespace suanli::test
