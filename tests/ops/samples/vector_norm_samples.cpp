// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/norm/vector_norm.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples vector_norm_samples(vector_norm_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}},
      {.inputs = {{{2, 3, 5}, f32}}},
      {.inputs = {{{}}}},
      {.inputs = {{{0, 3}}}, .gradient = false},
      {.inputs = {{{200'000}, f32}}, .gradient = false},
      {.inputs = {{{70'001}}}, .gradient = false},
      {.inputs = {{{3}, i64}},
       .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
});

}  // namespace
}  // namespace suanli::test
