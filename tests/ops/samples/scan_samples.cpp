// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/scan/scan.cpp.
#include "support/op_reference_arrays.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

template <class Combine> std::vector<Array> scanned(const Call& c, Combine&& combine) {
  const auto axis = static_cast<size_t>(c.attr.as<DimAttr>().dim);
  Array y = c.in[0];
  if (!is_float(y.dtype)) y.dtype = DType::i64;
  for (Real v : y.v) y.scale.push_back(std::max<Real>(1, std::fabs(v)));
  for (size_t i = 0; i < y.v.size(); ++i) {
    Index at = unravel(static_cast<int64_t>(i), y.shape);
    if (at[axis]-- == 0) continue;
    const size_t before = ravel(at, y.shape);
    y.v[i] = combine(y.v[before], y.v[i]);
    y.scale[i] = combine(y.scale[before], y.scale[i]);
  }
  return {y};
}

std::vector<Array> cumsum(const Call& c) {
  return scanned(c, [](Real a, Real b) { return a + b; });
}
std::vector<Array> cumprod(const Call& c) {
  return scanned(c, [](Real a, Real b) { return a * b; });
}

std::vector<Sample> samples() {
  return {{.inputs = {{{7}}}, .attr = DimAttr{0}},
          {.inputs = {{{3, 5, 2}}}, .attr = DimAttr{1}},
          {.inputs = {{{30, 4}, f32}}, .attr = DimAttr{0}},
          {.inputs = {{{6, 3}, i64}}, .attr = DimAttr{1}, .gradient = false},
          {.inputs = {{{9}, boolean, Domain::boolean}}, .attr = DimAttr{0}, .gradient = false},
          {.inputs = {{{8}, u8, Domain::index, 4}}, .attr = DimAttr{0}, .gradient = false},
          {.inputs = {{{3, 0}}}, .attr = DimAttr{1}},
          {.inputs = {{{0, 3}}}, .attr = DimAttr{1}}};
}

const RegisterSamples cumsum_samples(cumsum_op, samples, {cumsum, 1e-6});
const RegisterSamples cumprod_samples(cumprod_op, samples, {cumprod, 1e-6});

}  // namespace
}  // namespace suanli::test
