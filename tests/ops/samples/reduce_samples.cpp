// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/reduce/reduce.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples sum_samples(sum_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}, .attr = ReduceAttr{3, false}},
      {.inputs = {{{4, 7}}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{2, 3, 5}}}, .attr = ReduceAttr{2, true}},
      {.inputs = {{{2, 3, 4, 5}}}, .attr = ReduceAttr{13, false}},
      {.inputs = {{{}}}, .attr = ReduceAttr{0, false}},
      {.inputs = {{{0, 3}}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{6, 1031}, f32}}, .attr = ReduceAttr{2, false}},
      {.inputs = {{{1031, 6}, f32}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{70000}, f32}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{5, 4}, i64}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{5, 4}, boolean, Domain::boolean}}, .attr = ReduceAttr{2, false}}};
});

const RegisterSamples max_samples(amax_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}, f64, Domain::distinct}}, .attr = ReduceAttr{3, false}},
      {.inputs = {{{4, 7}, f64, Domain::distinct}}, .attr = ReduceAttr{1, true}},
      {.inputs = {{{2, 3, 5}, f64, Domain::distinct}}, .attr = ReduceAttr{5, false}},
      {.inputs = {{{}, f64, Domain::distinct}}, .attr = ReduceAttr{0, false}},
      {.inputs = {{{3, 1031}, f32, Domain::distinct}}, .attr = ReduceAttr{2, false}},
      {.inputs = {{{5, 4}, i64, Domain::distinct}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{3, 0}, f64}},
       .attr = ReduceAttr{2, false},
       .throws = Refusal{"input", "[3, 0]", "at least one element on axis 1"}}};
});

const RegisterSamples mean_samples(mean_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}, .attr = ReduceAttr{3, false}},
      {.inputs = {{{2, 3, 5}}}, .attr = ReduceAttr{5, true}},
      {.inputs = {{{6, 100}, f32}}, .attr = ReduceAttr{2, false}},
      {.inputs = {{{}}}, .attr = ReduceAttr{0, false}},
      {.inputs = {{{3}, i64}},
       .attr = ReduceAttr{1, false},
       .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
});

const RegisterSamples argmax_samples(argmax_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}, .attr = DimAttr{1}, .gradient = false},
      {.inputs = {{{2, 3, 5}, f32}}, .attr = DimAttr{1}, .gradient = false},
      {.inputs = {{{6}, i64}}, .attr = DimAttr{0}, .gradient = false},
      {.inputs = {{{2, 0}}},
       .attr = DimAttr{1},
       .throws = Refusal{"input", "[2, 0]", "at least one element on axis 1"}}};
});

}  // namespace
}  // namespace suanli::test
