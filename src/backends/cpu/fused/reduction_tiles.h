// SPDX-License-Identifier: Apache-2.0
// Reducing pieces of contiguous arrays, in SIMD, and spreading what came of it: what reductions do
// with each tile. Compiled from the texts of reductions.def.
#pragma once
#include <cstdint>

#include "backends/cpu/numerics.h"
#include "ops/schema/reductions.h"

namespace suanli::cpu {

/// The identity of a reduction.
double start_of(ReductionOp op);
/// One partial result and another that comes after it. The largest of numbers with a NaN among them
/// is NaN.
double join(ReductionOp op, double a, double b);
/// Writes the results that n partial ones give, as `to`: f32, f64 or bool.
void finish(ReductionOp op, const double* partial, int64_t n, DType dtype, void* to);

/// acc[c] takes in x[r·columns + c] of every row r. f32 is combined in f32 over at most
/// kReductionBlock elements, then in f64.
void reduce_columns(ReductionOp op, const float* x, int64_t rows, int64_t columns, double* acc);
void reduce_columns(ReductionOp op, const double* x, int64_t rows, int64_t columns, double* acc);
/// acc[r] takes in the n elements of row r, likewise.
void reduce_rows(ReductionOp op, const float* x, int64_t rows, int64_t n, double* acc);
void reduce_rows(ReductionOp op, const double* x, int64_t rows, int64_t n, double* acc);

/// Σ x² of n elements, squared and added in f64.
double sum_of_squares(const float* x, int64_t n);
double sum_of_squares(const double* x, int64_t n);

/// The reverse: number r, n times, for every row; bits are copied.
void repeat_rows(const float* from, int64_t rows, int64_t n, float* to);
void repeat_rows(const double* from, int64_t rows, int64_t n, double* to);

/// A caller may cut its arrays at multiples of this many elements, counted from their start,
/// without changing a bit.
constexpr int64_t kReductionBlock = Numerics::reduction_block;

}  // namespace suanli::cpu
