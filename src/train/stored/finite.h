// SPDX-License-Identifier: Apache-2.0
// Values that weights may hold: finite numbers, which fit the dtype that the model computes with.
#pragma once
#include <string>

#include "suanli/tensor.h"

namespace suanli {

/// "holds nan", "holds inf" or "holds 1e39, which does not fit f32": why `values` are no weights of
/// dtype `as`; "" where they are.
std::string not_finite(const Tensor& values, DType as);

}  // namespace suanli
