// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/random/random.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

std::vector<Sample> samples_draw() {
  std::vector<Sample> out;
  for (DType d : {f32, f64})
    for (Shape s : {Shape{1000}, Shape{3, 7}, Shape{}, Shape{0, 2}, Shape{40001}})
      out.push_back(
          {.attr = DTypeAttr{d}, .slots = {77, 5, -1.5, 2.5}, .shape = s, .gradient = false});
  return out;
}

const RegisterSamples uniform_samples(uniform_op, samples_draw);

const RegisterSamples normal_samples(normal_op, samples_draw);

const RegisterSamples permutation_samples(randperm_op, [] {
  return std::vector<Sample>{
      {.attr = DTypeAttr{i64}, .slots = {77, 5}, .shape = {1000}, .gradient = false},
      {.attr = DTypeAttr{i64}, .slots = {77, 5}, .shape = {0}, .gradient = false}};
});

}  // namespace
}  // namespace suanli::test
