// The blocked product of Goto and van de Geijn (2008): panels of b, then blocks of a, are packed so that the inner loop streams.
#include "backends/cpu/gemm_f64.h"

#include <algorithm>

#include "backends/cpu/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/gemm_f64.cpp"
#include "hwy/foreach_target.h"

#include "hwy/highway.h"

#ifndef SUANLI_CPU_GEMM_F64_BLOCKS
#define SUANLI_CPU_GEMM_F64_BLOCKS
namespace suanli::cpu {
namespace {
// Multiples of every tile (2, 4 or 8 lanes). a's block, 196 KB, stays in the smallest L2 of an AVX-512 server; b's panel is 491 KB.
constexpr int64_t kRows = 96, kColumns = 240, kDepth = 256;
constexpr int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
}  // namespace
}  // namespace suanli::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<double, 8>;
constexpr int kVectors = 3;                               // per row of a tile
constexpr int kTileRows = hn::MaxLanes(D()) == 8 ? 8 : 4;  // 24 of 32 or 12 of 16 registers accumulate
constexpr int64_t kTileColumns = kVectors * static_cast<int64_t>(hn::MaxLanes(D()));

/// kTileRows rows of a, then the next ones: element (i, k) of a band at [k * kTileRows + i], zeros below the last row.
void pack_rows(MatrixF64 a, int64_t rows, int64_t depth, double* to) {
  for (int64_t i0 = 0; i0 < rows; i0 += kTileRows, to += kTileRows * depth) {
    const int64_t here = std::min<int64_t>(kTileRows, rows - i0);
    for (int64_t i = 0; i < kTileRows; ++i) {
      const double* from = a.data + (i0 + i) * a.row;
      if (i < here)
        for (int64_t k = 0; k < depth; ++k) to[k * kTileRows + i] = from[k * a.column];
      else
        for (int64_t k = 0; k < depth; ++k) to[k * kTileRows + i] = 0;
    }
  }
}

/// kTileColumns columns of b, then the next ones: element (k, j) of a band at [k * kTileColumns + j], zeros after the last column.
void pack_columns(MatrixF64 b, int64_t depth, int64_t columns, double* to) {
  for (int64_t j0 = 0; j0 < columns; j0 += kTileColumns, to += kTileColumns * depth) {
    const int64_t here = std::min<int64_t>(kTileColumns, columns - j0);
    const double* from = b.data + j0 * b.column;
    if (b.column == 1) {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t j = 0; j < here; ++j) to[k * kTileColumns + j] = from[k * b.row + j];
        for (int64_t j = here; j < kTileColumns; ++j) to[k * kTileColumns + j] = 0;
      }
    } else {
      for (int64_t j = 0; j < kTileColumns; ++j) {
        if (j < here)
          for (int64_t k = 0; k < depth; ++k) to[k * kTileColumns + j] = from[k * b.row + j * b.column];
        else
          for (int64_t k = 0; k < depth; ++k) to[k * kTileColumns + j] = 0;
      }
    }
  }
}

/// One tile of c from one band of rows and one of columns. Tiles at the edge are computed whole, so that an element's bits do not
/// depend on its place, and only `rows` × `columns` of them are stored.
void tile(int64_t depth, const double* a, const double* b, double* c, int64_t ldc, int64_t rows, int64_t columns, bool accumulate) {
  constexpr D d;
  const size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[kTileRows][kVectors];
  alignas(64) double edge[kTileRows * kTileColumns];
  const bool whole = rows == kTileRows && columns == kTileColumns;
  double* to = c;
  int64_t stride = ldc;
  if (!whole) {
    to = edge;
    stride = kTileColumns;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < kTileColumns; ++j) edge[i * kTileColumns + j] = accumulate && j < columns ? c[i * ldc + j] : 0;
    for (int64_t i = rows * kTileColumns; i < kTileRows * kTileColumns; ++i) edge[i] = 0;
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kTileRows; ++i) {
    HWY_UNROLL(3)
    for (int j = 0; j < kVectors; ++j)
      sum[i][j] = accumulate ? hn::LoadU(d, to + i * stride + j * static_cast<int64_t>(lanes)) : hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k, a += kTileRows, b += kTileColumns) {
    const auto b0 = hn::LoadU(d, b), b1 = hn::LoadU(d, b + lanes), b2 = hn::LoadU(d, b + 2 * lanes);
    HWY_UNROLL(8)
    for (int i = 0; i < kTileRows; ++i) {
      const auto x = hn::Set(d, a[i]);
      sum[i][0] = hn::MulAdd(x, b0, sum[i][0]);
      sum[i][1] = hn::MulAdd(x, b1, sum[i][1]);
      sum[i][2] = hn::MulAdd(x, b2, sum[i][2]);
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kTileRows; ++i) {
    HWY_UNROLL(3)
    for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, to + i * stride + j * static_cast<int64_t>(lanes));
  }
  if (!whole)
    for (int64_t i = 0; i < rows; ++i) std::copy_n(edge + i * kTileColumns, columns, c + i * ldc);
}

void gemm(int64_t m, int64_t n, int64_t k, MatrixF64 a, MatrixF64 b, double* c, int64_t ldc, bool accumulate, double* workspace) {
  double* packed_a = workspace;
  double* packed_b = workspace + round_up(std::min(m, kRows), 8) * std::min(k, kDepth);
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t columns = std::min(kColumns, n - j);
    for (int64_t p = 0; p < k; p += kDepth) {
      const int64_t depth = std::min(kDepth, k - p);
      const bool add = accumulate || p > 0;
      pack_columns({b.data + p * b.row + j * b.column, b.row, b.column}, depth, columns, packed_b);
      for (int64_t i = 0; i < m; i += kRows) {
        const int64_t rows = std::min(kRows, m - i);
        pack_rows({a.data + i * a.row + p * a.column, a.row, a.column}, rows, depth, packed_a);
        for (int64_t jj = 0; jj < columns; jj += kTileColumns)
          for (int64_t ii = 0; ii < rows; ii += kTileRows)
            tile(depth, packed_a + ii * depth, packed_b + jj * depth, c + (i + ii) * ldc + j + jj, ldc,
                 std::min<int64_t>(kTileRows, rows - ii), std::min(kTileColumns, columns - jj), add);
      }
    }
  }
}

}  // namespace
void gemm_f64_dispatched(int64_t m, int64_t n, int64_t k, MatrixF64 a, MatrixF64 b, double* c, int64_t ldc, bool accumulate, double* w) {
  gemm(m, n, k, a, b, c, ldc, accumulate, w);
}
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(gemm_f64_dispatched);

void gemm_f64(int64_t m, int64_t n, int64_t k, MatrixF64 a, MatrixF64 b, double* c, int64_t ldc, bool accumulate, void* workspace) {
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, 0.0);
  HWY_DYNAMIC_DISPATCH(gemm_f64_dispatched)(m, n, k, a, b, c, ldc, accumulate, static_cast<double*>(workspace));
}

int64_t gemm_f64_workspace(int64_t m, int64_t n, int64_t k) {
  const int64_t depth = std::min(k, kDepth);
  return (round_up(std::min(m, kRows), 8) + round_up(std::min(n, kColumns), 24)) * depth * static_cast<int64_t>(sizeof(double));
}

}  // namespace suanli::cpu
#endif
