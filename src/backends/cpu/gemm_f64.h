// Double-precision matrix product, for the checks that need it (oneDNN has none).
#pragma once
#include <cstdint>

namespace suanli::cpu {

/// A matrix in memory: element (i, j) lies at data[i * row + j * column].
struct MatrixF64 {
  const double* data;
  int64_t row, column;
};

/// c[i * ldc + j] = Σ_k a(i, k) · b(k, j), or added to what is there. Runs on the calling thread. Every element adds its products in
/// order of k whatever m and n are: cutting a product into bands of rows or columns changes no bits.
void gemm_f64(int64_t m, int64_t n, int64_t k, MatrixF64 a, MatrixF64 b, double* c, int64_t ldc, bool accumulate, void* workspace);
/// Bytes of workspace, 64-byte aligned, that a product of at most these sizes needs.
int64_t gemm_f64_workspace(int64_t m, int64_t n, int64_t k);

}  // namespace suanli::cpu
