// SPDX-License-Identifier: Apache-2.0
// The end of a loss.
#pragma once
#include "ops/op.h"

namespace suanli {

/// One number of each element: as it is, its mean, or its sum.
inline Tensor reduced(const char* op, const Tensor& x, Reduction reduction) {
  switch (reduction) {
    case Reduction::none: return x;
    case Reduction::mean: return mean(x);
    case Reduction::sum: return sum(x);
    case Reduction::batchmean: break;
  }
  throw ArgumentError({.op = op,
                       .argument = "reduction",
                       .given = "batchmean",
                       .expected = "none, mean or sum",
                       .module = module_path()});
}

}  // namespace suanli
