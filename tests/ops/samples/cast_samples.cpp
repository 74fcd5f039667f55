// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/pointwise/cast.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

/// Values that both dtypes hold.
Domain cast_domain(DType from, DType to) {
  if (from == u8) return Domain::index;
  if (from == boolean) return Domain::boolean;
  return to == u8 ? Domain::positive : Domain::real;
}

const RegisterSamples cast_samples(cast_op, [] {
  std::vector<Sample> out;
  for (DType from : {f64, f32, i64, u8, boolean})
    for (DType to : {f64, f32, i64, u8, boolean})
      out.push_back({.inputs = {{{3, 5}, from, cast_domain(from, to), 200}},
                     .attr = DTypeAttr{to},
                     .gradient = from == f64 && to == f64});
  out.push_back({.inputs = {{{0, 2}, f32}}, .attr = DTypeAttr{f64}, .gradient = false});
  return out;
});

const RegisterSamples full_samples(full_op, [] {
  return std::vector<Sample>{
      {.inputs = {}, .attr = DTypeAttr{f32}, .slots = {2.5}, .shape = {3, 4}, .gradient = false},
      {.inputs = {}, .attr = DTypeAttr{i64}, .slots = {7}, .shape = {}, .gradient = false},
      {.inputs = {{{}, f64}}, .attr = DTypeAttr{f64}, .shape = {2, 3}},
      {.inputs = {}, .attr = DTypeAttr{f64}, .slots = {-1}, .shape = {0, 2}, .gradient = false},
      {.inputs = {{{2}, f64}},
       .attr = DTypeAttr{f64},
       .shape = {2},
       .throws = Refusal{"value", "[2]", "a scalar"}}};
});

const RegisterSamples arange_samples(arange_op, [] {
  return std::vector<Sample>{
      {.inputs = {}, .attr = DTypeAttr{i64}, .slots = {3}, .shape = {5}, .gradient = false},
      {.inputs = {}, .attr = DTypeAttr{f64}, .slots = {0.5}, .shape = {4}, .gradient = false},
      {.inputs = {}, .attr = DTypeAttr{i64}, .slots = {0}, .shape = {0}, .gradient = false}};
});

}  // namespace
}  // namespace suanli::test
