// SPDX-License-Identifier: Apache-2.0
// Ops on tensors. suanli/pointwise.h declares the pointwise ops (add, exp, relu, gelu, where, …),
// suanli/reductions.h the reductions. Both are generated from the tables that also give their
// kernels and gradients. docs/ops.md lists all ops.
#pragma once
#include <optional>

#include "suanli/ops/composites.h"
#include "suanli/ops/conv.h"
#include "suanli/ops/creation.h"
#include "suanli/ops/index.h"
#include "suanli/ops/losses.h"
#include "suanli/ops/shape.h"
#include "suanli/pointwise.h"
#include "suanli/reductions.h"
#include "suanli/tensor.h"

namespace suanli {

// ---- pointwise: inputs broadcast as in NumPy, dtypes are promoted as in PyTorch -----------------
inline Tensor operator+(const Tensor& x, const Tensor& y) { return add(x, y); }
inline Tensor operator-(const Tensor& x, const Tensor& y) { return sub(x, y); }
inline Tensor operator*(const Tensor& x, const Tensor& y) { return mul(x, y); }
inline Tensor operator/(const Tensor& x, const Tensor& y) { return div(x, y); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator<(const Tensor& x, const Tensor& y) { return lt(x, y); }
inline Tensor operator<=(const Tensor& x, const Tensor& y) { return le(x, y); }
inline Tensor operator>(const Tensor& x, const Tensor& y) { return gt(x, y); }
inline Tensor operator>=(const Tensor& x, const Tensor& y) { return ge(x, y); }
inline Tensor operator==(const Tensor& x, const Tensor& y) { return eq(x, y); }
inline Tensor operator!=(const Tensor& x, const Tensor& y) { return ne(x, y); }
// Both sides are computed, as these are tensors.
inline Tensor operator&&(const Tensor& x, const Tensor& y) { return logical_and(x, y); }
inline Tensor operator||(const Tensor& x, const Tensor& y) { return logical_or(x, y); }
inline Tensor operator!(const Tensor& x) { return logical_not(x); }
inline Tensor& operator+=(Tensor& x, const Tensor& y) { return x = add(x, y); }
inline Tensor& operator-=(Tensor& x, const Tensor& y) { return x = sub(x, y); }
inline Tensor& operator*=(Tensor& x, const Tensor& y) { return x = mul(x, y); }
inline Tensor& operator/=(Tensor& x, const Tensor& y) { return x = div(x, y); }

/// x / y rounded to an integer: toward zero (trunc), or down (floor). Integers stay integers, and
/// n/0 is 0. For floats, the quotient is first rounded to its dtype. No gradient flows.
enum class Rounding : uint8_t { trunc, floor };
inline Tensor div(const Tensor& x, const Tensor& y, Rounding rounding) {
  return rounding == Rounding::trunc ? div_trunc(x, y) : div_floor(x, y);
}
/// div(x, y, Rounding::floor).
inline Tensor floor_divide(const Tensor& x, const Tensor& y) { return div_floor(x, y); }

inline Tensor operator%(const Tensor& x, const Tensor& y) { return remainder(x, y); }
inline Tensor operator&(const Tensor& x, const Tensor& y) { return bitwise_and(x, y); }
inline Tensor operator|(const Tensor& x, const Tensor& y) { return bitwise_or(x, y); }
inline Tensor operator^(const Tensor& x, const Tensor& y) { return bitwise_xor(x, y); }
inline Tensor operator<<(const Tensor& x, const Tensor& y) { return bitwise_left_shift(x, y); }
inline Tensor operator>>(const Tensor& x, const Tensor& y) { return bitwise_right_shift(x, y); }
/// The bits that x does not have; for bools: not.
SUANLI_API Tensor bitwise_not(const Tensor& x);
inline Tensor operator~(const Tensor& x) { return bitwise_not(x); }
/// x with one bound.
inline Tensor clamp(const Tensor& x, const Tensor& min) { return clamp_min(x, min); }
inline Tensor clamp(const Tensor& x, std::nullopt_t, const Tensor& max) {
  return clamp_max(x, max);
}
/// x with `nan`, `posinf` and `neginf` in the place of NaN, ∞ and -∞; for infinities by default the
/// largest and the smallest number of the dtype. The numbers are scalar slots.
SUANLI_API Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = {},
                             std::optional<double> neginf = {});
/// input + value·tensor1·tensor2, and input + value·tensor1/tensor2.
SUANLI_API Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
                          const Tensor& value = 1);
SUANLI_API Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2,
                          const Tensor& value = 1);

/// Converts x to `dtype`. Float → integer truncates, any dtype → bool is x ≠ 0, and f16 and bf16
/// are rounded to nearest even. Other ops support f64 and f32, and integers where they make sense.
/// They throw DTypeError at the call for another dtype.
SUANLI_API Tensor cast(const Tensor& x, DType dtype);
inline Tensor to(const Tensor& x, DType dtype) { return cast(x, dtype); }

// ---- reductions ---------------------------------------------------------------------------------
// suanli/reductions.h declares the reductions (sum, prod, amax, amin, any, all, norm), and is
// generated from their table. `dim` names the reduced dimensions, all if it is empty. With
// `keepdim` they stay, of size 1.
/// sum / count. Float dtypes. The mean of no elements is NaN.
SUANLI_API Tensor mean(const Tensor& x, const Dims& dim = {}, bool keepdim = false);
/// The index (i64) of the first largest element along `dim`, or in the flattened x without `dim`.
/// A NaN counts as the largest.
SUANLI_API Tensor argmax(const Tensor& x, std::optional<int> dim = {}, bool keepdim = false);
/// The index (i64) of the first smallest element; a NaN counts as the smallest.
SUANLI_API Tensor argmin(const Tensor& x, std::optional<int> dim = {}, bool keepdim = false);
/// The largest (smallest) elements along a dimension and their indices (i64).
struct Extremes {
  Tensor values, indices;
};
/// The largest elements along `dim`, each with its first index. The gradient goes to that index.
SUANLI_API Extremes max(const Tensor& x, int dim, bool keepdim = false);
SUANLI_API Extremes min(const Tensor& x, int dim, bool keepdim = false);  ///< The smallest.
/// The largest of all elements, as amax(x).
inline Tensor max(const Tensor& x) { return amax(x); }
inline Tensor min(const Tensor& x) { return amin(x); }
/// The larger element, as maximum(x, y).
inline Tensor max(const Tensor& x, const Tensor& y) { return maximum(x, y); }
inline Tensor min(const Tensor& x, const Tensor& y) { return minimum(x, y); }
/// ln Σ exp(x), computed without overflow.
SUANLI_API Tensor logsumexp(const Tensor& x, const Dims& dim, bool keepdim = false);
/// x summed to `shape`, the inverse of broadcasting. Gradients of broadcasts use it.
SUANLI_API Tensor sum_to(const Tensor& x, const Shape& shape);

// ---- products and convolution -------------------------------------------------------------------
struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;  ///< Reads the last two dimensions swapped.
};
/// Matrix product: [.., M, K] × [.., K, N] → [.., M, N]. Leading dimensions broadcast. A vector
/// counts as a row on the left and a column on the right, and the result lacks that dimension. f16,
/// bf16 and f32 accumulate in f32; integers are multiplied element by element and summed in i64.
SUANLI_API Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

/// The mean and (biased) variance of each channel, [C].
struct BatchStatistics {
  Tensor mean, variance;
};
/// (x − mean) / √(variance + eps) · weight + bias, with the statistics of each channel of x [N, C,
/// …] over all other axes (Ioffe & Szegedy 2015). weight and bias are [C] and have x's dtype.
/// `statistics` receives the statistics, without gradient.
SUANLI_API Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             double eps = 1e-5, BatchStatistics* statistics = nullptr);
/// The same with given statistics, as in evaluation.
SUANLI_API Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const BatchStatistics& fixed, double eps = 1e-5);

// ---- shape --------------------------------------------------------------------------------------
/// The same elements in row-major order under another shape. One size may be -1 and is then
/// computed.
SUANLI_API Tensor reshape(const Tensor& x, const Shape& shape);
/// Merges the dimensions from `start_dim` to `end_dim` into one.
SUANLI_API Tensor flatten(const Tensor& x, int start_dim = 0, int end_dim = -1);
/// The dimensions in the order `dims`.
SUANLI_API Tensor permute(const Tensor& x, const Dims& dims);
/// Swaps two dimensions.
SUANLI_API Tensor transpose(const Tensor& x, int dim0, int dim1);
/// Broadcasts to `shape`. A size of -1 keeps x's size.
SUANLI_API Tensor expand(const Tensor& x, const Shape& shape);
/// `length` elements along `dim`, from `start` in steps of `step` ≥ 1. `start` may be a tensor. It
/// is a scalar slot: another start gives the same program. A constant start is checked at the call;
/// a computed one is clamped into range.
SUANLI_API Tensor narrow(const Tensor& x, int dim, const Tensor& start, int64_t length,
                         int64_t step = 1);
/// x with `update` written over narrow(x, dim, start, update.size(dim), step).
SUANLI_API Tensor slice_update(const Tensor& x, const Tensor& update, int dim, const Tensor& start,
                               int64_t step = 1);
/// Joins tensors along `dim`, in their common dtype. All other sizes are equal.
SUANLI_API Tensor cat(const std::vector<Tensor>& tensors, int dim = 0);

// ---- indexing -----------------------------------------------------------------------------------
// index_ops.h has more.
/// y[.., i, ..] = x[.., index[.., i, ..], ..] along `dim`. index is i64 and has x's rank; its
/// other sizes are at most x's. An index out of range throws IoError when the op runs.
SUANLI_API Tensor gather(const Tensor& x, int dim, const Tensor& index);
/// x with src added at index along `dim`: y[.., index[.., i, ..], ..] += src[.., i, ..], the
/// transpose of gather. Values at equal indices are added in order.
SUANLI_API Tensor scatter_add(const Tensor& x, int dim, const Tensor& index, const Tensor& src);
/// Rows of `table` [V, D] selected by index [..] i64 → [.., D]. An index out of range throws
/// IoError when the op runs.
SUANLI_API Tensor embedding(const Tensor& table, const Tensor& index);
/// index [..] i64 → [.., num_classes], 1 at the index. An index out of range throws IoError when
/// the op runs.
SUANLI_API Tensor one_hot(const Tensor& index, int64_t num_classes, DType dtype = f32);

// ---- normalization ------------------------------------------------------------------------------
/// (x − mean)/√(variance + eps) · weight + bias, with mean and variance (divided by n) over x's
/// last axes, as many as weight has (Ba et al. 2016). weight and bias have the shape of these axes;
/// bias may be undefined. Float dtypes; all have the same dtype.
SUANLI_API Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                             double eps = 1e-5);

/// (x − mean)/√(variance + eps) · weight + bias, with mean and variance (divided by n) over each of
/// `num_groups` groups of channels of a sample of x [N, C, …] (Wu & He 2018). weight and bias are
/// [C] or undefined.
SUANLI_API Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight = {},
                             const Tensor& bias = {}, double eps = 1e-5);
/// The same over every channel of a sample (Ulyanov et al. 2016).
SUANLI_API Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                                double eps = 1e-5);
/// x / √(mean of x² + eps) · weight over the last axes, of the sizes `normalized_shape` (Zhang &
/// Sennrich 2019). weight has this shape, or is undefined. Without eps, that of x's dtype.
SUANLI_API Tensor rms_norm(const Tensor& x, const Shape& normalized_shape,
                           const Tensor& weight = {}, std::optional<double> eps = {});

// ---- attention ----------------------------------------------------------------------------------
struct AttentionOptions {
  /// Broadcasts to [.., T, S]. Bool: true where a query sees a key; a float dtype: added to the
  /// scores. A query that sees no key gives zeros. It excludes is_causal and offset, and then all
  /// T × S scores are in memory. self_attention does not support it.
  Tensor attn_mask = {};
  double dropout_p = 0;  ///< The share of probabilities that are dropped, as with attn_mask.
  bool is_causal = false;  ///< Query i sees only keys 0 … i.
  std::optional<double> scale = {};  ///< 1/√D if not given.
  /// One integer, with `is_causal`: query i sees keys 0 … offset + i. Use it after earlier tokens
  /// whose keys are kept. It is a scalar slot: another number gives the same program.
  /// self_attention does not support it.
  Tensor offset = {};
};
/// softmax(q kᵀ · scale) v (Vaswani et al. 2017). q [.., T, D], k and v [.., S, D] with the same
/// leading axes → [.., T, D]. Float dtypes. No T × S matrix is ever in memory: the gradient
/// recomputes the probabilities tile by tile.
SUANLI_API Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                               const AttentionOptions& options = {});
/// The same for `num_heads` heads that lie side by side, as one Linear gives them: qkv
/// [B, T, 3·H·D] with queries first, then keys, then values → [B, T, H·D]. No head is moved in
/// memory.
SUANLI_API Tensor self_attention(const Tensor& qkv, int64_t num_heads,
                                 const AttentionOptions& options = {});

// ---- softmax ------------------------------------------------------------------------------------
/// exp(x − max x) / Σ exp(x − max x) along `dim`.
SUANLI_API Tensor softmax(const Tensor& x, int dim = -1);
/// x − max x − log Σ exp(x − max x) along `dim`.
SUANLI_API Tensor log_softmax(const Tensor& x, int dim = -1);

// ---- random (from this thread's default generator unless one is given) --------------------------
/// Uniform in [low, high).
SUANLI_API Tensor uniform(double low, double high, const Shape& shape, DType dtype = f32,
                          Generator* generator = nullptr);
/// Uniform in [0, 1).
inline Tensor rand(const Shape& shape, DType dtype = f32, Generator* generator = nullptr) {
  return uniform(0, 1, shape, dtype, generator);
}
/// Normal with this mean and standard deviation.
SUANLI_API Tensor normal(double mean, double std, const Shape& shape, DType dtype = f32,
                         Generator* generator = nullptr);
/// Normal with mean 0 and standard deviation 1.
inline Tensor randn(const Shape& shape, DType dtype = f32, Generator* generator = nullptr) {
  return normal(0, 1, shape, dtype, generator);
}
SUANLI_API Tensor rand_like(const Tensor& x);  ///< rand() of x's shape and dtype.
SUANLI_API Tensor randn_like(const Tensor& x);  ///< randn() of x's shape and dtype.
/// Integers in [low, high).
SUANLI_API Tensor randint(int64_t low, int64_t high, const Shape& shape, DType dtype = i64,
                          Generator* generator = nullptr);
inline Tensor randint(int64_t high, const Shape& shape, DType dtype = i64,
                      Generator* generator = nullptr) {
  return randint(0, high, shape, dtype, generator);
}
/// 1 with the probability that x has at each place, else 0.
SUANLI_API Tensor bernoulli(const Tensor& x, Generator* generator = nullptr);
/// [.., n] i64: indices drawn with the weights x [.., K].
SUANLI_API Tensor multinomial(const Tensor& x, int64_t n, bool replacement = false,
                              Generator* generator = nullptr);
/// [n] i64: 0 … n-1 in random order.
SUANLI_API Tensor randperm(int64_t n, Generator* generator = nullptr);
/// Sets elements to zero with probability p and scales the others by 1/(1−p). If `training` is
/// false, returns x.
SUANLI_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true,
                          Generator* generator = nullptr);
/// The same for complete samples x [N, …]: each is dropped or kept as one (torchvision's mode
/// "row"; Huang et al. 2016).
SUANLI_API Tensor stochastic_depth(const Tensor& x, double p, bool training = true,
                                   Generator* generator = nullptr);

}  // namespace suanli
