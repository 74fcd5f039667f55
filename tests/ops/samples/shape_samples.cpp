// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/shape/shape.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples reshape_samples(reshape_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 6}}}, .shape = {3, 4}},
      {.inputs = {{{}}}, .shape = {1, 1}},
      {.inputs = {{{0, 3}}}, .shape = {3, 0}},
      {.inputs = {{{2, 6}}},
       .shape = {5},
       .throws = Refusal{"shape", "[5]", "12 elements, as input [2, 6] has"}}};
});

const RegisterSamples transpose_samples(permute_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 5}}}, .attr = PermuteAttr{{1, 0}}},
      {.inputs = {{{2, 3, 4, 5}, f32}}, .attr = PermuteAttr{{2, 0, 3, 1}}},
      {.inputs = {{{3, 4}, i64}}, .attr = PermuteAttr{{1, 0}}},
      {.inputs = {{{0, 4}}}, .attr = PermuteAttr{{1, 0}}},
      {.inputs = {{{2, 3}, boolean, Domain::boolean}}, .attr = PermuteAttr{{1, 0}}},
      {.inputs = {{{}}}, .attr = PermuteAttr{}}};
});

const RegisterSamples expand_samples(expand_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 1}}}, .shape = {2, 3, 4}},
      {.inputs = {{{}}}, .shape = {5}},
      {.inputs = {{{1, 4}, i64}}, .shape = {3, 4}},
      {.inputs = {{{1, 3}}}, .shape = {0, 3}},
      {.inputs = {{{2, 3}}},
       .shape = {3, 2},
       .throws = Refusal{"shape", "[3, 2]", "a shape to which input [2, 3] broadcasts"}},
      {.inputs = {{{2, 3}}},
       .shape = {3},
       .throws = Refusal{"shape", "[3]", "a shape to which input [2, 3] broadcasts"}},
      {.inputs = {{{2, 3}}},
       .shape = {1, 3},
       .throws = Refusal{"shape", "[1, 3]", "a shape to which input [2, 3] broadcasts"}}};
});

const RegisterSamples slice_samples(narrow_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{5, 4}}}, .attr = NarrowAttr{0, 2, 1}, .slots = {1}},
      {.inputs = {{{3, 9, 2}}}, .attr = NarrowAttr{1, 3, 2}, .slots = {3}},
      {.inputs = {{{4}, i64}}, .attr = NarrowAttr{0, 0, 1}, .slots = {0}},
      {.inputs = {{{6}, f32}}, .attr = NarrowAttr{0, 6, 1}, .slots = {0}},
      {.inputs = {{{4}}},
       .attr = NarrowAttr{0, 5, 1},
       .slots = {0},
       .throws = Refusal{"length", "5 at step 1", "elements within axis 0 of input [4]"}},
      {.inputs = {{{4}}},
       .attr = NarrowAttr{0, 3, int64_t{1} << 62},
       .slots = {0},
       .throws = Refusal{"length", "3 at step 4611686018427387904",
                         "elements within axis 0 of input [4]"}},
      {.inputs = {{{4}}},
       .attr = NarrowAttr{0, -1, 1},
       .slots = {0},
       .throws = Refusal{"length", "-1", "at least 0", ErrorCode::argument}},
      {.inputs = {{{4}}},
       .attr = NarrowAttr{0, 1, 0},
       .slots = {0},
       .throws = Refusal{"step", "0", "at least 1", ErrorCode::argument}},
      {.inputs = {{{4}}},
       .attr = NarrowAttr{0, 1, 1},
       .slots = {0.5},
       .throws = Refusal{"start", "f32", "an integer dtype", ErrorCode::dtype}}};
});

const RegisterSamples slice_update_samples(slice_update_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{5, 4}}, {{2, 4}}}, .attr = NarrowAttr{0, 2, 1}, .slots = {1}},
      {.inputs = {{{3, 9, 2}}, {{3, 3, 2}}}, .attr = NarrowAttr{1, 3, 2}, .slots = {3}},
      {.inputs = {{{5, 4}}, {{2, 3}}},
       .attr = NarrowAttr{0, 2, 1},
       .slots = {1},
       .throws = Refusal{"update", "[2, 3]", "[2, 4]"}},
      {.inputs = {{{5, 4}}, {{2, 4}, f32}},
       .attr = NarrowAttr{0, 2, 1},
       .slots = {1},
       .throws = Refusal{"update", "f32", "f64, the dtype of input", ErrorCode::dtype}},
      {.inputs = {{{5}}, {{2}}},
       .attr = NarrowAttr{0, 2, -1},
       .slots = {1},
       .throws = Refusal{"step", "-1", "at least 1", ErrorCode::argument}},
      {.inputs = {{{2, 4}}, {{3, 4}}},
       .attr = NarrowAttr{0, 3, 1},
       .slots = {0},
       .throws = Refusal{"length", "3 at step 1", "elements within axis 0 of input [2, 4]"}}};
});

const RegisterSamples concat_samples(cat_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3}}, {{4, 3}}}, .attr = DimAttr{0}},
      {.inputs = {{{2, 3}}, {{2, 1}}, {{2, 0}}}, .attr = DimAttr{1}},
      {.inputs = {{{2, 2, 3}, f32}, {{2, 5, 3}, f32}}, .attr = DimAttr{1}},
      {.inputs = {{{3}, i64}, {{2}, i64}}, .attr = DimAttr{0}},
      {.inputs = {{{2, 3}}, {{2, 4}}},
       .attr = DimAttr{0},
       .throws = Refusal{"input 1", "[2, 4]", "[2, 3] except on axis 0, as input 0 has"}}};
});

}  // namespace
}  // namespace suanli::test
