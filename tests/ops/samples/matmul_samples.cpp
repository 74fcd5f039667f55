// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/linalg/matmul.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples matmul_samples(matmul_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{3, 5}}, {{5, 4}}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{5, 3}}, {{5, 4}}}, .attr = MatmulAttr{true, false}},
      {.inputs = {{{3, 5}}, {{4, 5}}}, .attr = MatmulAttr{false, true}},
      {.inputs = {{{5, 3}}, {{4, 5}}}, .attr = MatmulAttr{true, true}},
      {.inputs = {{{2, 3, 5}}, {{5, 4}}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{2, 1, 3, 5}}, {{3, 5, 2}}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{64, 130}, f32}, {{130, 70}, f32}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{130, 64}, f32}, {{70, 130}, f32}}, .attr = MatmulAttr{true, true}},
      {.inputs = {{{1, 300}, f32}, {{300, 200}, f32}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{3, 0}}, {{0, 4}}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{0, 3}}, {{3, 4}}}, .attr = MatmulAttr{false, false}},
      {.inputs = {{{8, 784}, f32}, {{1000, 128}, f32}},
       .attr = MatmulAttr{false, false},
       .throws =
           Refusal{"a, b", "[8, 784] and [1000, 128]", "equal inner sizes, not 784 and 1000"}},
      {.inputs = {{{5, 3}}, {{4, 6}}},
       .attr = MatmulAttr{true, true},
       .throws = Refusal{"a, b", "[5, 3]ᵀ and [4, 6]ᵀ", "equal inner sizes, not 5 and 6"}},
      {.inputs = {{{3, 2, 4}}, {{2, 4, 5}}},
       .attr = MatmulAttr{false, false},
       .throws =
           Refusal{"a, b", "[3, 2, 4] and [2, 4, 5]", "leading sizes that broadcast, not 3 and 2"}},
      {.inputs = {{{3, 4}}, {{4, 5}, f32}},
       .attr = MatmulAttr{false, false},
       .throws = Refusal{"a, b", "f64 and f32", "one dtype", ErrorCode::dtype}},
      {.inputs = {{{3}}, {{3, 4}}},
       .attr = MatmulAttr{false, false},
       .throws = Refusal{"a", "[3]", "rank 2 or more"}}};
});

}  // namespace
}  // namespace suanli::test
