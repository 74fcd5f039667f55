// SPDX-License-Identifier: Apache-2.0
// The inputs that losses over classes take.
#pragma once
#include "base/text/text.h"
#include "ops/op.h"

namespace suanli {

/// Throws unless input 0 is [N, C] of a float dtype and input 1 is [N].
inline void require_classes(const Infer& c) {
  c.require_float(0);
  const Shape& x = c.shape(0);
  c.require_rank(0, 2, "[N, C]");
  if (c.shape(1) != Shape{x[0]})
    c.fail(1, str(Shape{x[0]}, ", one per row of ", c.argument(0), " ", x));
}

}  // namespace suanli
