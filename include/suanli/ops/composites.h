// SPDX-License-Identifier: Apache-2.0
// Statistics, norms, running sums, comparisons of tensors, and products of vectors and matrices.
// suanli/ops.h includes this header.
#pragma once
#include "suanli/tensor.h"

namespace suanli {

namespace detail {
SUANLI_API Tensor norm_of_order(const Tensor& x, double p, const Dims& dim, bool keepdim);
}  // namespace detail

// `dim` names the reduced dimensions, all if it is empty. With `keepdim` they stay, of size 1.
/// Σ (x − mean)² / (n − 1), or / n if `unbiased` is false.
SUANLI_API Tensor var(const Tensor& x, const Dims& dim = {}, bool unbiased = true,
                      bool keepdim = false);
SUANLI_API Tensor std(const Tensor& x, const Dims& dim = {}, bool unbiased = true,
                      bool keepdim = false);
template <class B> requires std::is_same_v<B, bool>
Tensor var(const Tensor& x, B unbiased) {
  return var(x, Dims(), unbiased);
}
template <class B> requires std::is_same_v<B, bool>
Tensor std(const Tensor& x, B unbiased) {
  return std(x, Dims(), unbiased);
}
struct VarMean {
  Tensor var, mean;
};
SUANLI_API VarMean var_mean(const Tensor& x, const Dims& dim = {}, bool unbiased = true,
                            bool keepdim = false);
/// The p-norm (Σ |x|ᵖ)^(1/p). p = ∞ and -∞: the largest and the smallest |x|; p = 0: the number of
/// nonzero elements. The gradient is 0 where the norm is 0.
template <class P> requires std::is_arithmetic_v<P>
Tensor norm(const Tensor& x, P p, const Dims& dim = {}, bool keepdim = false) {
  return detail::norm_of_order(x, static_cast<double>(p), dim, keepdim);
}
/// x / max(norm(x), eps) along `dim`.
SUANLI_API Tensor normalize(const Tensor& x, double p = 2, int dim = 1, double eps = 1e-12);
/// The number (i64) of nonzero elements.
SUANLI_API Tensor count_nonzero(const Tensor& x, const Dims& dim = {});

/// y[i] = x[0] + … + x[i] along `dim`, summed in f64. Integers and bool are summed in i64.
SUANLI_API Tensor cumsum(const Tensor& x, int dim);
/// y[i] = x[0]·…·x[i] along `dim`.
SUANLI_API Tensor cumprod(const Tensor& x, int dim);
/// x[i+1] − x[i] along `dim`.
SUANLI_API Tensor diff(const Tensor& x, int dim = -1);

/// |x − y| ≤ atol + rtol·|y|, or x = y. With `equal_nan` two NaN count as equal.
SUANLI_API Tensor isclose(const Tensor& x, const Tensor& y, double rtol = 1e-5, double atol = 1e-8,
                          bool equal_nan = false);
/// True if isclose() holds for all elements. Waits for the value.
SUANLI_API bool allclose(const Tensor& x, const Tensor& y, double rtol = 1e-5, double atol = 1e-8,
                         bool equal_nan = false);
/// True if shapes and all elements are equal. Waits for the value.
SUANLI_API bool equal(const Tensor& x, const Tensor& y);

/// [.., N, K] × [.., K, M] for exactly two (mm) or three (bmm) dimensions.
SUANLI_API Tensor mm(const Tensor& a, const Tensor& b);
SUANLI_API Tensor bmm(const Tensor& a, const Tensor& b);
/// Matrix [N, K] times vector [K].
SUANLI_API Tensor mv(const Tensor& matrix, const Tensor& vector);
/// Σ a·b of two vectors.
SUANLI_API Tensor dot(const Tensor& a, const Tensor& b);
/// [N] and [M] → [N, M].
SUANLI_API Tensor outer(const Tensor& a, const Tensor& b);
/// x Wᵀ + bias for x [.., in], weight [out, in] and bias [out] or undefined.
SUANLI_API Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// The p-norms of all differences of rows: [.., N, K] and [.., M, K] → [.., N, M].
SUANLI_API Tensor cdist(const Tensor& a, const Tensor& b, double p = 2);
/// The Kronecker product of two tensors.
SUANLI_API Tensor kron(const Tensor& a, const Tensor& b);
/// beta·x + alpha·(a × b). beta = 0 leaves x out.
SUANLI_API Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta = 1,
                        double alpha = 1);
SUANLI_API Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta = 1,
                          double alpha = 1);
/// Sums of products in Einstein's notation: "ij,jk->ik", with "..." and any number of operands.
SUANLI_API Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);
/// Sums over the last `dims` dimensions of a and the first ones of b.
SUANLI_API Tensor tensordot(const Tensor& a, const Tensor& b, int dims = 2);
/// Sums over these pairs of dimensions.
SUANLI_API Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& dims_a,
                            const Dims& dims_b);

}  // namespace suanli
