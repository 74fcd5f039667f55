// SPDX-License-Identifier: Apache-2.0
// Relates shapes with one number per element of a space to shapes with one number per row of it.
#pragma once
#include "suanli/base.h"

namespace suanli {

/// Returns the number of elements in a row of `space` where a value of the shape `seen` has one
/// number per row: its innermost axes are 1, the others equal the space's. Returns 0 for other
/// shapes.
int64_t row_of(const Shape& space, const Shape& seen);
/// The same of what a reduction over axes (as bits) leaves.
int64_t row_of(const Shape& space, uint32_t axes);

/// True if rows of that many elements stay in a cache of the thread that computes them, and leave
/// work for several threads where it pays.
bool keeps_rows(const Shape& space, int64_t row);
/// True if a reduction over axes, in the order in which it adds up alone, can be made of whole rows
/// one after the other.
bool takes_whole_rows(const Shape& space, int64_t row, uint32_t axes);

/// True if two shapes differ only in axes of one element.
bool alike(const Shape& a, const Shape& b);

/// The shape in which an input that broadcasts to `own` broadcasts to `space`, for code that runs
/// over `own`: the same axes but for some of one element, or the outer ones of the space.
Shape seen_from(const Shape& space, const Shape& own, const Shape& input);

}  // namespace suanli
