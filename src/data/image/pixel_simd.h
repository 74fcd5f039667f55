// SPDX-License-Identifier: Apache-2.0
// Weighted sums of bytes, many at a time: the kernel of resizing, blurring and color.
#pragma once
#include <cstdint>

namespace suanli::data {

/// out[k] = Σ weights[i] · rows[i][k] for k < n. rows and weights: `count` of them.
void mix_rows(const uint8_t* const* rows, const float* weights, int count, int64_t n, float* out);
/// The same, rounded to the nearest byte, below 0 and above 255 cut off. `out` must be none of the
/// rows.
void mix_rows(const uint8_t* const* rows, const float* weights, int count, int64_t n, uint8_t* out);
/// The same of rows of floats.
void mix_rows(const float* const* rows, const float* weights, int count, int64_t n, uint8_t* out);

/// Pixel x of n, channel c: planes[c][x] = Σ weights[x · count + i] · row[(first[x] + i) · channels
/// + c], rounded and cut off likewise. channels: 1 or 3; `row` must be readable one float past its
/// end.
void mix_columns(const float* row, const int64_t* first, const float* weights, int count,
                 int64_t channels, int64_t n, uint8_t* const* planes);

/// out = bytes / 255, rounded once, as PyTorch's ToTensor gives it; a product with 1/255 differs in
/// the last bit.
void fractions(const uint8_t* bytes, int64_t n, float* out);

}  // namespace suanli::data
