// SPDX-License-Identifier: Apache-2.0
// The 2-norm.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

/// √Σ x² over all elements, [] f64, where no square over- or underflows.
Tensor vector_norm(const Tensor& x);

}  // namespace suanli
