// SPDX-License-Identifier: Apache-2.0
// Samples and references of the ops in src/ops/pointwise/composites.cpp.
#include <cmath>

#include "support/op_reference_arrays.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

/// f of the operands of each element.
template <class F, class Scale = std::nullptr_t>
std::vector<Array> each(const Call& c, DType dtype, F&& f, Scale scale = nullptr) {
  std::vector<Shape> shapes;
  for (const Array& a : c.in) shapes.push_back(a.shape);
  Array y = filled(broadcast_shape(shapes), dtype);
  for (size_t i = 0; i < y.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), y.shape);
    Real operand[4] = {};
    for (size_t k = 0; k < c.in.size(); ++k)
      operand[k] = c.in[k].v[broadcast_from(at, c.in[k].shape)];
    y.v[i] = f(operand);
    if constexpr (!std::is_same_v<Scale, std::nullptr_t>) y.scale.push_back(scale(operand));
  }
  return {y};
}

const RegisterSamples bitwise_not_samples(
    bitwise_not_op,
    [] {
      return std::vector<Sample>{
          {.inputs = {{{4, 5}, i64}}, .gradient = false},
          {.inputs = {{{7}, i32}}, .gradient = false},
          {.inputs = {{{2, 3}, boolean, Domain::boolean}}, .gradient = false},
          {.inputs = {{{4}, f32}},
           .throws = Refusal{"input", "f32", "an integer dtype", ErrorCode::dtype}}};
    },
    {[](const Call& c) {
       const bool flag = c.in[0].dtype == boolean;
       return each(c, c.in[0].dtype, [&](const Real* x) { return flag ? 1 - x[0] : -x[0] - 1; });
     },
     0, 0});

const RegisterSamples nan_to_num_samples(nan_to_num_op,
                                         [] {
                                           return std::vector<Sample>{
                                               {.inputs = {{{4, 5}}}, .slots = {0, 9, -8}},
                                               {.inputs = {{{37}, f32}}, .slots = {0.5, 9, -8}},
                                               {.inputs = {{{}}}, .slots = {0, 9, -8}},
                                               {.inputs = {{{4}, i64}},
                                                .slots = {0, 9, -8},
                                                .throws = Refusal{"input", "i64", "a float dtype",
                                                                  ErrorCode::dtype}}};
                                         },
                                         {[](const Call& c) {
                                            return each(c, c.in[0].dtype, [](const Real* x) {
                                              if (std::isnan(x[0])) return x[1];
                                              if (std::isinf(x[0])) return x[0] > 0 ? x[2] : x[3];
                                              return x[0];
                                            });
                                          },
                                          0, 0});

std::vector<Sample> of_three() {
  return std::vector<Sample>{
      {.inputs = {{{4, 5}}, {{4, 5}}, {{4, 5}, f64, Domain::nonzero}}, .slots = {0.5}},
      {.inputs = {{{3, 1, 5}}, {{2, 1}}, {{1, 5}, f64, Domain::nonzero}}, .slots = {2}},
      {.inputs = {{{37}, f32}, {{37}, f32}, {{1}, f32, Domain::nonzero}}, .slots = {-1.5}},
      {.inputs = {{{4, 3}}, {{4, 2}}, {{4, 3}}},
       .slots = {1},
       .throws =
           Refusal{"input, tensor1", "[4, 3] and [4, 2]", "sizes that broadcast, not 3 and 2"}}};
}
const RegisterSamples addcmul_samples(
    addcmul_op, of_three,
    {[](const Call& c) {
       return each(
           c, c.in[0].dtype, [](const Real* x) { return x[0] + x[3] * x[1] * x[2]; },
           [](const Real* x) { return std::fabs(x[0]) + std::fabs(x[3] * x[1] * x[2]); });
     },
     1e-6, 1e-14});
const RegisterSamples addcdiv_samples(
    addcdiv_op, of_three,
    {[](const Call& c) {
       return each(
           c, c.in[0].dtype, [](const Real* x) { return x[0] + x[3] * x[1] / x[2]; },
           [](const Real* x) { return std::fabs(x[0]) + std::fabs(x[3] * x[1] / x[2]); });
     },
     1e-6, 1e-14});

}  // namespace
}  // namespace suanli::test
