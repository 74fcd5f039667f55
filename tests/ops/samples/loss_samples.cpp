// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/loss.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const Input kScores{{5, 4}}, kTarget{{5}, i64, Domain::index, 4},
    kWeight{{4}, f64, Domain::positive};

/// Shapes, weights and reductions. A sample's attributes are make(ignore_index, reduction).
template <class Make> std::vector<Sample> samples_class_loss(Make make) {
  const Input pictures{{2, 3, 2, 4}}, of_pictures{{2, 2, 4}, i64, Domain::index, 3},
      weight3{{3}, f64, Domain::positive};
  return {
      {.inputs = {kScores, kTarget}, .attr = make(-100, 1)},
      {.inputs = {kScores, kTarget}, .attr = make(-100, 0)},
      {.inputs = {kScores, kTarget}, .attr = make(-100, 2)},
      {.inputs = {kScores, kTarget, kWeight}, .attr = make(-100, 1)},
      {.inputs = {kScores, kTarget, kWeight}, .attr = make(1, 0)},
      {.inputs = {kScores, kTarget, kWeight}, .attr = make(2, 2)},
      {.inputs = {kScores, {{5}, DType::i32, Domain::index, 4}}, .attr = make(2, 1)},
      {.inputs = {{{4}}, {{}, i64, Domain::index, 4}}, .attr = make(-100, 1)},
      {.inputs = {{{4}}, {{}, i64, Domain::index, 4}, kWeight}, .attr = make(-100, 0)},
      {.inputs = {pictures, of_pictures}, .attr = make(-100, 1)},
      {.inputs = {pictures, of_pictures, weight3}, .attr = make(1, 1)},
      {.inputs = {pictures, of_pictures, weight3}, .attr = make(1, 0)},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}, {{10}, f32, Domain::positive}},
       .attr = make(3, 1),
       .gradient = false},
      {.inputs = {{{1, 2}}, {{1}, i64, Domain::index, 2}}, .attr = make(-100, 1)},
      {.inputs = {kScores, kTarget, {{5}}},
       .attr = make(-100, 1),
       .throws = Refusal{"weight", "[5]"}},
      {.inputs = {kScores, {{4}, i64, Domain::index, 4}},
       .attr = make(-100, 1),
       .throws = Refusal{"target", "[4]"}},
      {.inputs = {kScores, kTarget},
       .attr = make(-100, 3),
       .throws = Refusal{"reduction", "3", "0 (none), 1 (mean) or 2 (sum)", ErrorCode::argument}},
      {.inputs = {{{}}, {{}, i64, Domain::index, 4}},
       .attr = make(-100, 1),
       .throws = Refusal{nullptr, "[]", "[C], [N, C] or [N, C, d…]"}}};
}

const RegisterSamples nll_rows_samples(nll_rows_op, [] {
  return std::vector<Sample>{
      {.inputs = {kScores, kTarget}, .attr = IgnoreAttr{}},
      {.inputs = {{{9, 4}}, {{9}, i64, Domain::index, 4}}, .attr = IgnoreAttr{1}},
      {.inputs = {{{64, 10}, f32}, {{64}, i64, Domain::index, 10}}, .attr = IgnoreAttr{3}},
      {.inputs = {kScores, {{4}, i64, Domain::index, 4}},
       .attr = IgnoreAttr{},
       .throws = Refusal{"target", "[4]"}}};
});
const RegisterSamples nll_rows_grad_samples(nll_rows_grad_op, [] {
  return std::vector<Sample>{{.inputs = {{{}}, kTarget}, .attr = IgnoreAttr{}, .shape = {5, 4}},
                             {.inputs = {{{}, f32}, {{64}, i64, Domain::index, 10}},
                              .attr = IgnoreAttr{3},
                              .shape = {64, 10}},
                             {.inputs = {{{}}, kTarget},
                              .attr = IgnoreAttr{},
                              .shape = {4, 4},
                              .throws = Refusal{"gradient, target", "[] and [5]"}}};
});

const RegisterSamples nll_loss_samples(nll_loss_op, [] {
  auto samples = samples_class_loss(
      [](int64_t ignore, int64_t reduction) { return NllLossAttr{ignore, reduction}; });
  samples.push_back({.inputs = {kScores, {{5}}},
                     .attr = NllLossAttr{},
                     .throws = Refusal{"target", "f64", "an integer dtype", ErrorCode::dtype}});
  return samples;
});

const RegisterSamples cross_entropy_samples(cross_entropy_op, [] {
  const auto plain = [](int64_t ignore, int64_t reduction) {
    return CrossEntropyAttr{ignore, reduction, 0};
  };
  const auto smoothed = [](int64_t ignore, int64_t reduction) {
    return CrossEntropyAttr{ignore, reduction, 0.1};
  };
  auto samples = samples_class_loss(plain);
  for (const Sample& s : samples_class_loss(smoothed)) samples.push_back(s);
  const Input shares{{5, 4}, f64, Domain::unit};
  for (int64_t reduction : {0, 1, 2})
    for (double smoothing : {0.0, 0.2, 1.0})
      samples.push_back(
          {.inputs = {kScores, shares}, .attr = CrossEntropyAttr{-100, reduction, smoothing}});
  samples.push_back({.inputs = {kScores, kTarget}, .attr = CrossEntropyAttr{-100, 1, 1}});
  samples.push_back({.inputs = {kScores, shares, kWeight}, .attr = CrossEntropyAttr{-100, 1, 0.1}});
  samples.push_back({.inputs = {{{4}}, {{4}, f64, Domain::unit}}, .attr = plain(-100, 1)});
  samples.push_back(
      {.inputs = {{{2, 3, 4}}, {{2, 3, 4}, f64, Domain::unit}}, .attr = plain(-100, 0)});
  samples.push_back({.inputs = {{{64, 10}, f32}, {{64, 10}, f32, Domain::unit}},
                     .attr = plain(-100, 1),
                     .gradient = false});
  samples.push_back({.inputs = {kScores, {{5}}},
                     .attr = plain(-100, 1),
                     .throws = Refusal{"target", "[5]", "[5, 4], the shape of logits"}});
  samples.push_back({.inputs = {kScores, kTarget},
                     .attr = CrossEntropyAttr{-100, 1, 1.5},
                     .throws = Refusal{"label_smoothing", "1.5", "0 to 1", ErrorCode::argument}});
  return samples;
});

const RegisterSamples mse_loss_samples(mse_loss_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 4}}, {{3, 4}}}, .attr = ReductionAttr{}},
      {.inputs = {{{3, 4}}, {{3, 4}}}, .attr = ReductionAttr{0}},
      {.inputs = {{{3, 4}}, {{3, 4}}}, .attr = ReductionAttr{2}},
      {.inputs = {{{70}, f32}, {{70}, f32}}, .attr = ReductionAttr{}, .gradient = false},
      {.inputs = {{{3, 4}}, {{4}}},
       .attr = ReductionAttr{},
       .throws = Refusal{"y", "[4]", "[3, 4], the shape of x"}}};
});

}  // namespace
}  // namespace suanli::test
