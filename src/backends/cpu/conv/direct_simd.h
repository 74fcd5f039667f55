// SPDX-License-Identifier: Apache-2.0
// The inner part of the direct convolution: result rows, many pixels or channels at a time.
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// Result rows of one sample: y(o, p, q) = bias(o) + Σ_k w(o, k) · x[p · x_row + q · stride +
/// offset[k]], summed in order of k.
struct DirectRows {
  int64_t channels, rows, columns, depth;  // of y; depth: products per element
  const int32_t* offset;
  // weights as they come: w(o, k) = w[o · w_step + w_offset[k]]
  const int32_t* w_offset;
  int64_t w_step;
  int64_t x_row, stride;
  // elements of y from one channel to the next where it is plain, else from block to block
  int64_t y_step;
  int64_t block;  // channels of y that lie side by side; 0: plain, and stride is 1
};

/// Lanes of a vector. Plain rows have at least as many columns, blocks are a multiple of them.
int64_t direct_lanes();
/// Lays the weights out for direct_rows(): channels × depth elements.
void direct_pack(const DirectRows& shape, const float* w, float* packed);
/// `bias` may be null. Reads of x only what the sums name.
void direct_rows(const DirectRows& shape, const float* x, const float* packed, const float* bias,
                 float* y);

}  // namespace suanli::cpu
