// SPDX-License-Identifier: Apache-2.0
// Values that weights may hold: finite numbers, which fit the dtype that the model computes with.
#pragma once
#include <string>

#include "suanli/tensor.h"

namespace suanli {

/// The first of `values` that is not finite in dtype `as`, "nan", "inf" or "1e39"; "" if there is
/// none.
std::string not_finite(const Tensor& values, DType as);
/// Throws IoError for one. `place` is its argument: file and name.
void require_finite(const Tensor& values, DType as, const std::string& place,
                    const std::string& remedy);

}  // namespace suanli
