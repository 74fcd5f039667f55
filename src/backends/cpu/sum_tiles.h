// Adding up pieces of contiguous arrays, in SIMD: what sums do with each tile.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// acc[c] += Σ_r x[r·columns + c]. f32 is added up in f32 over at most kSumBlock elements, then in f64.
void add_columns(const float* x, int64_t rows, int64_t columns, double* acc);
void add_columns(const double* x, int64_t rows, int64_t columns, double* acc);
/// Σ x, likewise.
double add_row(const float* x, int64_t n);
double add_row(const double* x, int64_t n);

/// A caller may cut its arrays at multiples of this many elements, counted from their start, without changing a bit.
constexpr int64_t kSumBlock = 512;

}  // namespace suanli::cpu
