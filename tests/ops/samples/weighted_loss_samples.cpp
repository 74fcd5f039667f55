// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/loss/weighted_loss.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples weighted_cross_entropy_samples(weighted_cross_entropy_op, [] {
  const Attr none = SmoothingAttr{0}, some = SmoothingAttr{0.1};
  const Input scores{{5, 4}}, target{{5}, i64, Domain::index, 4},
      weight{{4}, f64, Domain::positive};
  return std::vector<Sample>{
      {.inputs = {scores, target}, .attr = some},
      {.inputs = {scores, target, weight}, .attr = none},
      {.inputs = {scores, target, weight}, .attr = some},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}, {{10}, f32, Domain::positive}},
       .attr = some,
       .gradient = false},
      {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}, .attr = SmoothingAttr{1}},
      {.inputs = {scores, target, {{5}}},
       .attr = some,
       .throws = Refusal{"weight", "[5]", "[4], one per class of logits [5, 4]"}},
      {.inputs = {scores, {{4}, i64, Domain::index, 4}},
       .attr = some,
       .throws = Refusal{"target", "[4]", "[5], one per row of logits [5, 4]"}},
      {.inputs = {scores, {{5}}},
       .attr = some,
       .throws = Refusal{"target", "f64", "i64", ErrorCode::dtype}},
      {.inputs = {scores, target},
       .attr = SmoothingAttr{1.5},
       .throws = Refusal{"label_smoothing", "1.5", "0 to 1", ErrorCode::argument}}};
});

}  // namespace
}  // namespace suanli::test
