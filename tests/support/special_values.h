// SPDX-License-Identifier: Apache-2.0
// Modes of the op harness for inputs that are no ordinary numbers, and for dtypes that few ops
// compute.
#pragma once
#include "support/op_harness.h"

namespace suanli::test {

/// Puts NaN of several payloads and infinities at some places of every float input, one at a time,
/// with every instruction set of this machine. Fails the current test where a result is another
/// number than the reference's, or is one where that is not.
void check_special_values(const Op& op, const Sample& sample, int number);

/// Calls with every dtype in place of the sample's own: each call computes, or throws an error that
/// names an op. None may fail when its program runs.
void check_dtypes(const Op& op, const Sample& sample, int number);

}  // namespace suanli::test
