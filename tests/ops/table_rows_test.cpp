// SPDX-License-Identifier: Apache-2.0
// The rows of reductions.def are fused alike, and attributes of pointwise rows are scalar slots.
#include <gtest/gtest.h>

#include "ops/op.h"
#include "ops/schema/reductions.h"
#include "suanli/autograd.h"
#include "suanli/plan.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

using F64s = std::vector<double>;

Tensor row(int op, const Tensor& x, uint32_t dims, bool keep) {
  return record(reduction_op(static_cast<ReductionOp>(op)), {&x}, ReduceAttr{dims, keep});
}
/// The kernels of the programs that f records and reads.
template <class F> int64_t kernels(F&& f) {
  const InTier planned(Tier::planned);
  flush();
  const int64_t before = plan_stats().kernels;
  f();
  flush();
  return plan_stats().kernels - before;
}

TEST(Reductions, AreOneKernelWithWhatTheyTake) {
  for (int op = 0; op < reduction_count; ++op)
    for (DType dtype : {f32, f64})
      for (uint32_t dims : {1u, 2u, 3u, 4u, 5u, 7u}) {
        const Tensor x = full({3, 5, 40}, 0.75, dtype);
        Tensor y;
        bits(x);
        EXPECT_EQ(kernels([&] { y = row(op, square(x) - 0.5, dims, false); }), 1)
            << reduction_rows[op].name << " in " << name(dtype) << " over " << dims;
      }
}

TEST(Reductions, AreReadInTheKernelThatMakesThemWhereTheyGoAlongRows) {
  for (int op = 0; op < reduction_count; ++op)
    for (DType dtype : {f32, f64}) {
      const Tensor x = full({6, 40}, 0.75, dtype);
      Tensor y;
      bits(x);
      EXPECT_EQ(kernels([&] { y = exp(x) * row(op, x - 0.5, 2, true); }), 1)
          << reduction_rows[op].name << " in " << name(dtype);
    }
}

TEST(Reductions, OfBoolsAndIntegersAreExact) {
  const int64_t large = int64_t{1} << 61;
  const Tensor x = tensor(std::vector<int64_t>{large, -3, 5, large + 1}, {2, 2});
  EXPECT_EQ(prod(x).dtype(), i64);
  EXPECT_EQ(prod(x, {1}).to_vector<int64_t>(),
            (std::vector<int64_t>{static_cast<int64_t>(static_cast<uint64_t>(large) * uint64_t(-3)),
                                  static_cast<int64_t>(static_cast<uint64_t>(large + 1) * 5)}));
  EXPECT_EQ(amin(x, {0}).to_vector<int64_t>(), (std::vector<int64_t>{5, -3}));
  EXPECT_EQ(prod(cast(x, boolean)).item<int64_t>(), 1);
  EXPECT_EQ(any(cast(x, u8)).dtype(), boolean);
  EXPECT_EQ(cast(all(cast(x, DType::i32), {1}), i64).to_vector<int64_t>(),
            (std::vector<int64_t>{0, 1}));  // 2⁶¹ is 0 in 32 bits
}

TEST(Reductions, GradientsOfProductsAreExactBesideZeros) {
  Tensor x = tensor(F64s{2, 3, 4, 0, 3, 5, 0, 0, 7}, {3, 3});
  x.requires_grad_();
  EXPECT_EQ(grad({sum(prod(x, {1}))}, {x})[0].to_vector<double>(),
            (F64s{12, 8, 6, 15, 0, 0, 0, 0, 0}));
  EXPECT_EQ(grad({prod(x)}, {x})[0].to_vector<double>(), F64s(9, 0));
  // Σ wᵢ ∂(abc)/∂xᵢ = w₀bc + w₁ac + w₂ab
  const Tensor w = tensor(F64s{1, 2, 3}, {3});
  const Tensor g = grad({sum(prod(x, {1}))}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(g.to_vector<double>(), (F64s{12, 8, 6, 15, 0, 0, 0, 0, 0}));
  EXPECT_EQ(grad({sum(g * w)}, {x})[0].to_vector<double>(),
            (F64s{2 * 4 + 3 * 3, 4 + 3 * 2, 3 + 2 * 2, 2 * 5 + 3 * 3, 5, 3, 2 * 7, 7, 0}));
}

TEST(Reductions, NormHasASubgradientAtZero) {
  Tensor x = tensor(F64s{0, 0, 3, 4}, {2, 2});
  x.requires_grad_();
  EXPECT_EQ(grad({sum(norm(x, {1}))}, {x})[0].to_vector<double>(), (F64s{0, 0, 0.6, 0.8}));
}

TEST(PointwiseAttributes, AnotherValueIsTheSameProgram) {
  const Tensor x = tensor(F64s{-2, -0.5, 0, 0.5, 2}, {5});
  const auto program = [&](double a) {
    Tensor z = x.detach();
    z.requires_grad_();
    const Tensor y = leaky_relu(z, a) + elu(z, a) + softplus(z, a, 10 * a) + hardtanh(z, -a, a) +
                     threshold(z, a, -a) + nan_to_num(z, a);
    return grad({sum(y)}, {z})[0].to_vector<double>();
  };
  program(0.25);
  const int64_t before = plan_stats().plans;
  for (double a : {0.5, 0.125, 1.0}) program(a);
  EXPECT_EQ(plan_stats().plans, before);
  EXPECT_EQ(leaky_relu(x, 0.5).to_vector<double>(), (F64s{-1, -0.25, 0, 0.5, 2}));
  EXPECT_EQ(hardtanh(x, -1, 0.25).to_vector<double>(), (F64s{-1, -0.5, 0, 0.25, 0.25}));
  EXPECT_EQ(threshold(x, 0, 9).to_vector<double>(), (F64s{9, 9, 9, 0.5, 2}));
}

TEST(Clamp, TakesOneBoundOrTwo) {
  const Tensor x = tensor(F64s{-2, 0.5, 3}, {3});
  EXPECT_EQ(clamp(x, 0, 1).to_vector<double>(), (F64s{0, 0.5, 1}));
  EXPECT_EQ(clamp(x, 0).to_vector<double>(), (F64s{0, 0.5, 3}));
  EXPECT_EQ(clamp(x, std::nullopt, 1).to_vector<double>(), (F64s{-2, 0.5, 1}));
}

TEST(Bits, OperatorsAreThoseOfPyTorch) {
  using I64s = std::vector<int64_t>;
  const Tensor x = tensor(I64s{12, -7}, {2}), y = tensor(I64s{10, 2}, {2});
  EXPECT_EQ((x & y).to_vector<int64_t>(), (I64s{8, 0}));
  EXPECT_EQ((x | y).to_vector<int64_t>(), (I64s{14, -5}));
  EXPECT_EQ((x ^ y).to_vector<int64_t>(), (I64s{6, -5}));
  EXPECT_EQ((~x).to_vector<int64_t>(), (I64s{-13, 6}));
  EXPECT_EQ((x << 1).to_vector<int64_t>(), (I64s{24, -14}));
  EXPECT_EQ((x >> 1).to_vector<int64_t>(), (I64s{6, -4}));
  EXPECT_EQ((x % 5).to_vector<int64_t>(), (I64s{2, 3}));
  EXPECT_EQ(((x > 0) & (y > 5)).dtype(), boolean);
}

TEST(Extremes, HaveTheirFirstIndex) {
  const Tensor x = tensor(F64s{3, 1, 1, 0, 5, 5}, {2, 3});
  const auto [values, indices] = min(x, 1);
  EXPECT_EQ(values.to_vector<double>(), (F64s{1, 0}));
  EXPECT_EQ(indices.to_vector<int64_t>(), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(argmin(x).item<int64_t>(), 3);
  EXPECT_EQ(argmin(x, 0, true).shape(), (Shape{1, 3}));
}

TEST(PointwiseAttributes, DoNotChangeADType) {
  const Tensor x = full({3}, 2.0, f32);
  EXPECT_EQ(leaky_relu(x, 0.3).dtype(), f32);
  EXPECT_EQ(leaky_relu(cast(x, i64), 0.3).dtype(), f32);
  EXPECT_EQ(clamp(cast(x, i64), 0, 1).dtype(), i64);
  EXPECT_EQ(clamp(cast(x, i64), 0.5, 1.5).dtype(), f32);
}

}  // namespace
}  // namespace suanli::test
