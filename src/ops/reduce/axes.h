// SPDX-License-Identifier: Apache-2.0
// The axes of a reduction: as a call names them, and as bits.
#pragma once
#include "ops/op.h"

namespace suanli {

/// Dims as bits; all if empty. Throws where an axis is out of range or named twice.
uint32_t axis_bits(const char* op, const Tensor& x, const Dims& dims);
/// The shape of what is left; reduced axes have the size 1 if they are kept.
Shape reduced(const Shape& s, const ReduceAttr& a, bool keepdim);

}  // namespace suanli
