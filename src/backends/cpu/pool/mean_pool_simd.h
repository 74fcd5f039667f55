// SPDX-License-Identifier: Apache-2.0
// Means over the windows of planes, on the calling thread. T: float, double.
#pragma once
#include <cstdint>
#include <vector>

namespace suanli::cpu {

/// The windows of one plane. Result (i, j) is the sum over rows row_begin[i] … row_end[i]−1 and
/// over `column_length[j]` columns from column_begin[j] on, divided by row_divisor[i] ·
/// column_divisor[j]. Columns are counted from `left` zeros in front of the plane.
struct MeanWindows {
  int64_t height, width;    // of the plane
  int64_t left, padded;     // zeros in front of a row, and its length with those at both ends
  // the length of all column windows if they begin one column apart; else 0
  int64_t kernel;
  std::vector<int64_t> row_begin, row_end, column_begin, column_length;
  std::vector<double> row_divisor, column_divisor;

  int64_t rows() const { return static_cast<int64_t>(row_begin.size()); }
  int64_t columns() const { return static_cast<int64_t>(column_begin.size()); }
  /// Elements of workspace that a thread needs.
  int64_t workspace() const { return padded + columns() + 32; }
};

template <class T> void mean_pool(const T* x, const MeanWindows& w, T* y, int64_t planes,
                                  T* workspace);
/// x = Σ over the windows that an element is in of g divided by the window's divisors.
template <class T> void mean_pool_grad(const T* g, const MeanWindows& w, T* x, int64_t planes,
                                       T* workspace);

}  // namespace suanli::cpu
