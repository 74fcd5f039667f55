// SPDX-License-Identifier: Apache-2.0
// Reducing pieces of contiguous arrays, in SIMD, and spreading what came of it: what reductions do
// with each tile.
#pragma once
#include <cstdint>

#include "backends/cpu/numerics.h"

namespace suanli::cpu {

enum class Reduction : uint8_t { sum, max };

/// The identity of a reduction.
double start_of(Reduction kind);
/// One partial result and another that comes after it. The largest of numbers with a NaN among them
/// is NaN.
double join(Reduction kind, double a, double b);

/// acc[c] takes in x[r·columns + c] of every row r. f32 is added up in f32 over at most
/// kReductionBlock elements, then in f64.
void reduce_columns(Reduction kind, const float* x, int64_t rows, int64_t columns, double* acc);
void reduce_columns(Reduction kind, const double* x, int64_t rows, int64_t columns, double* acc);
/// acc[r] takes in the n elements of row r, likewise.
void reduce_rows(Reduction kind, const float* x, int64_t rows, int64_t n, double* acc);
void reduce_rows(Reduction kind, const double* x, int64_t rows, int64_t n, double* acc);

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
