// SPDX-License-Identifier: Apache-2.0
// Attributes of the normalizations, shared by their definitions and the backends' kernels; and the
// 2-norm.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

struct NormAttr {
  double eps;
};

/// √Σ x² over all elements, [] f64, where no square over- or underflows.
Tensor vector_norm(const Tensor& x);

}  // namespace suanli
