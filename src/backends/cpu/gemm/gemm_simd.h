// SPDX-License-Identifier: Apache-2.0
// The inner parts of the matrix product, on one thread: packing, the product of packed operands
// tile by tile, and dot products of rows. gemm.h puts them together.
#pragma once
#include <algorithm>
#include <cstdint>

#include "backends/cpu/simd/prefetch.h"
#include "backends/cpu/tuning.h"

namespace suanli::cpu {

/// One operand of c = a · b: its element for row i of c (a) or column i of c (b) at depth k lies at
/// data[i * along + k * deep]. One of the two steps is 1.
template <class T> struct GemmOperand {
  const T* data;
  int64_t along, deep;
  GemmOperand at(int64_t i, int64_t k) const { return {data + i * along + k * deep, along, deep}; }
  /// Its first rows or columns, as far as `depth`.
  Fetch fetch(int64_t count, int64_t depth) const {
    constexpr int64_t size = sizeof(T);
    return deep == 1 ? Fetch(data, count, depth * size, along * size)
                     : Fetch(data, depth, count * size, deep * size);
  }
};

/// The tile of c that is summed in registers, for the instruction set of this machine: `rows` of a
/// by `columns`, which are whole vectors of `lanes`.
struct GemmTile {
  int64_t rows, columns, lanes;
};
template <class T> GemmTile gemm_tile();

/// a's rows in panels of at most a tile's rows, all of nearly the same height h: panel after panel,
/// element (i, k) of one at [k * h + i]. Takes rows × depth elements and writes up to a vector
/// more.
template <class T> void gemm_pack_rows(GemmOperand<T> a, int64_t rows, int64_t depth, T* to);
/// b's columns in panels of a tile's columns, the last one filled up to whole vectors: element (k,
/// j) of a panel of w columns at [k * w + j].
template <class T> void gemm_pack_columns(GemmOperand<T> b, int64_t columns, int64_t depth, T* to);

/// c[i * c_row + j] = Σ_k a(i, k) · b(k, j), or added to what is there. Every element is summed in
/// order of k, wherever it lies.
template <class T> struct GemmBlock {
  int64_t rows, columns, depth;
  const T* a;  // packed
  const T* b;  // packed; or, where b_row is set, rows of b in memory, b_row elements apart
  int64_t b_row;
  // where b_row is set: the first panel of a packs b here as it reads it, the others find it here;
  // null: all read it in memory
  T* pack_b;
  T* c;
  int64_t c_row;
  bool add;
  bool far_b = false;  // b does not lie in L2 yet: its panels are fetched one ahead
  int64_t near_bytes = 0;  // of b that stay in L1 beside a's panel
};
/// Meanwhile fetches into L2 what is needed afterward, as far as there is time.
template <class T> void gemm_multiply(const GemmBlock<T>& block, Fetches& fetches);

/// The same where rows of a and columns of b are contiguous (a.deep = b.deep = 1), as dot products
/// without packing: pays where there are few rows or few columns.
template <class T> struct GemmDot {
  int64_t rows, columns, depth;
  GemmOperand<T> a, b;
  T* c;
  int64_t c_row;
  bool add;
  // gemm_dot_scratch() elements, 64-byte aligned: between blocks of depth, sums wait here; or null
  T* sums;
};
/// The order of summation follows from `depth` alone, with or without blocks of depth.
template <class T> void gemm_dot(const GemmDot<T>& product);
/// Rows of the longer operand, and depth, that one block takes: the sums of a strip stay in L2 (128
/// KB for 16 rows), and so does a block of the shorter operand.
constexpr int64_t kGemmDotStrip = CpuTuning::gemm_dot_strip,
                  kGemmDotDepth = CpuTuning::gemm_dot_depth;
/// Elements of scratch; 0 where blocks do not pay: the longer operand is read once anyway, or the
/// shorter one stays in L2 as a whole.
template <class T> int64_t gemm_dot_scratch(int64_t rows, int64_t columns, int64_t depth) {
  const int64_t shorter = std::min(rows, columns), longer = std::max(rows, columns);
  if (shorter <= 4 || depth <= kGemmDotDepth ||
      shorter * depth * static_cast<int64_t>(sizeof(T)) <= CpuTuning::gemm_dot_bytes)
    return 0;
  return shorter * std::min(longer, kGemmDotStrip) * gemm_tile<T>().lanes;
}

}  // namespace suanli::cpu
