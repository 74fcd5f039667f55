// SPDX-License-Identifier: Apache-2.0
// The generic harness: runs one sample of one op through every mode that a backend has to keep, and
// counts what it did.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"
#include "support/op_reference.h"
#include "support/op_samples.h"
#include "support/tier.h"

namespace suanli::test {

enum class Mode {
  shape,  // dtype and shape as the reference has them
  error,  // what must fail does, with the parts that the sample states
  value,  // against the reference
  immutable,  // the inputs' bits are what they were
  // gradients: against differences of the reference in long double, and by gradcheck()
  first_order,
  second_order,
  // a gradient's own kernel (create_graph off) against its text over Tensors (create_graph on)
  one_kernel,
  single,  // gradients in f32 against those in f64
  saved,  // reading the result before backward() changes no bit of the gradients
  eager,  // flushed after every op: the same bits
  planned,  // fused or one kernel per op: the same bits
  threads,  // planned for one, two, three and five threads: the same bits
  // written where an input lay that nobody reads any more, if the op allows it: the same bits
  in_place,
  decompose,  // the composite of simpler ops gives the same
  special,  // NaN of several payloads and infinities among the inputs: see special_values.h
  float_dtypes,  // in f64, f32, f16 and bf16: see float_dtypes.h
  dtypes,  // of every dtype: computed, or refused at the call: see special_values.h
  tunings,  // tuned with the least and the most values there can be: the same bits
  count
};
const char* name(Mode mode);

/// Fails the current test (without ending it) for every mode that does not hold.
void check_sample(const Op& op, const Sample& sample, int number);

/// Inputs for the number-th sample of an op, and a call on such inputs.
std::vector<Tensor> inputs_of(const Op& op, const Sample& sample, int number);
std::vector<Tensor> call(const Op& op, const Sample& sample, const std::vector<Tensor>& inputs);

/// "op harness: 62 ops, 410 samples: shape 390, value 390, … not yet: onnx 390, …" of this process.
std::string summary();

void count(Mode mode);

struct Inputs {
  std::vector<Array> arrays;  // slots behind
  std::vector<Tensor> tensors;
  size_t slots = 0;
  /// The values for which pointwise_gradient's operands were made: x, y, z, and the incoming
  /// gradient.
  std::vector<Array> operands;
};
/// Irregular numbers, the same in every run and on every machine.
Inputs draw_inputs(const Op& op, const Sample& s, int number);
/// All results of a call.
std::vector<Tensor> call(const Op& op, const Sample& s, const std::vector<Tensor>& inputs);

Tensor to_tensor(const Array& a);
Array to_array(const Tensor& t);
/// The value's bytes.
std::string bits(const Tensor& t);
/// The largest |got − want| / max(scale, tiny); infinite where one is NaN or infinite and the other
/// is not equal to it.
double worst_error(const Array& got, const Array& want);

}  // namespace suanli::test
