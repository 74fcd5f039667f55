// SPDX-License-Identifier: Apache-2.0
// The rows of pointwise.def at large and small arguments: value, first and second derivative,
// against the row's reference.
#pragma once
#include "ops/schema/pointwise.h"

namespace suanli::test {

/// True for a row with jumps everywhere: differences over steps larger than its teeth see another
/// function.
inline bool has_teeth(const PointwiseRow& row) {
  return mentions(row.value, "trunc") || mentions(row.value, "fmod");
}

/// Fails the current test where a row, or a derivative that is recorded for it, is not what the
/// reference and its differences in long double give. Returns how many derivatives were compared;
/// the differences of some points are too inexact.
int check_extreme_arguments(const PointwiseRow& row, DType dtype);

}  // namespace suanli::test
