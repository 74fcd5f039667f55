// SPDX-License-Identifier: Apache-2.0
// Samples in every float dtype: f64 and f32 by the reference's tolerance, f16 and bf16 in units in
// the last place.
#pragma once
#include "support/op_samples.h"

namespace suanli::test {

/// Runs a sample with its float inputs (and the dtype that its attributes name) in each float
/// dtype: results against the reference on the rounded inputs, gradients against those in f64, in
/// both tiers, with one and three threads, with NaN and infinities.
void check_float_dtypes(const Op& op, const Sample& sample, int number);

}  // namespace suanli::test
