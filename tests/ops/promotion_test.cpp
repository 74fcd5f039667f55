// SPDX-License-Identifier: Apache-2.0
// Dtypes of results: tensors with axes decide, then 0-d tensors, then numbers, each kind by its
// category.
#include <gtest/gtest.h>

#include "suanli/suanli.h"

namespace suanli {
namespace {

constexpr DType kAll[] = {f64, f32, i64, i32, u8, boolean};

Tensor axes(DType d) { return ones({3}, d); }
Tensor point(DType d) { return ones({}, d); }

TEST(Promotion, OfATensorWithAxesAndAPoint) {
  // torch.result_type(torch.ones(3, dtype=row), torch.ones((), dtype=column)), PyTorch 2.15.
  const DType expected[][6] = {      // f64   f32   i64   i32   u8    bool
                               {f64, f64, f64, f64, f64, f64},       // f64
                               {f32, f32, f32, f32, f32, f32},       // f32
                               {f64, f32, i64, i64, i64, i64},       // i64
                               {f64, f32, i32, i32, i32, i32},       // i32
                               {f64, f32, u8, u8, u8, u8},           // u8
                               {f64, f32, i64, i32, u8, boolean}};   // bool
  for (int a = 0; a < 6; ++a)
    for (int b = 0; b < 6; ++b) {
      if (expected[a][b] == boolean) continue;  // bool · bool: the rule of each op
      EXPECT_EQ((axes(kAll[a]) * point(kAll[b])).dtype(), expected[a][b])
          << kAll[a] << "[3] · " << kAll[b] << "[]";
      EXPECT_EQ((point(kAll[b]) * axes(kAll[a])).dtype(), expected[a][b])
          << kAll[b] << "[] · " << kAll[a] << "[3]";
      EXPECT_EQ(where(ones({3}, boolean), axes(kAll[a]), point(kAll[b])).dtype(), expected[a][b])
          << kAll[a] << " " << kAll[b];
    }
}

TEST(Promotion, OfEqualKinds) {
  for (DType a : kAll)
    for (DType b : kAll) {
      if (a == boolean && b == boolean) continue;
      EXPECT_EQ((axes(a) * axes(b)).dtype(), promote(a, b)) << a << "[3] · " << b << "[3]";
      EXPECT_EQ((point(a) * point(b)).dtype(), promote(a, b)) << a << "[] · " << b << "[]";
    }
}

TEST(Promotion, NumbersAreTheWeakest) {
  for (DType d : {f64, f32, i64, i32, u8})
    for (bool with_axes : {true, false}) {
      const Tensor t = with_axes ? axes(d) : point(d);
      EXPECT_EQ((t * 2).dtype(), d) << d;
      EXPECT_EQ((t * 2.5).dtype(), is_float(d) ? d : f32) << d;
      EXPECT_EQ((2 - t).dtype(), d) << d;
      EXPECT_EQ((t * true).dtype(), d) << d;
    }
  EXPECT_EQ((axes(boolean) * 2).dtype(), i64);
  EXPECT_EQ((point(boolean) * 2.5).dtype(), f32);
  EXPECT_EQ((Tensor(2) * Tensor(2.5)).dtype(), f32);
  EXPECT_EQ((Tensor(2) * Tensor(true)).dtype(), i64);
  // A number, a point and a tensor with axes in one op.
  EXPECT_EQ(where(ones({3}, boolean), point(f64), 1.5).dtype(), f64);
  EXPECT_EQ(where(ones({3}, boolean), axes(i32), 1.5).dtype(), f32);
}

TEST(Promotion, SizesOfOneAreAxes) {
  EXPECT_EQ((ones({3}, f32) * ones({1}, f64)).dtype(), f64);
  EXPECT_EQ((ones({1}, f32) * ones({}, f64)).dtype(), f32);
  EXPECT_EQ((ones({0}, u8) * ones({}, i64)).dtype(), u8);
}

TEST(Promotion, ValuesAndGradientsFollow) {
  Tensor x = tensor<float>({1, 2, 3}), s = sum(tensor<double>({0.1}));
  x.requires_grad_();
  s.requires_grad_();
  const Tensor y = x * s;
  EXPECT_EQ(y.dtype(), f32);
  EXPECT_EQ(y.to_vector<float>()[2], 3 * 0.1f);
  const auto g = grad({sum(y)}, {x, s});
  EXPECT_EQ(g[0].dtype(), f32);
  EXPECT_EQ(g[0].to_vector<float>()[0], 0.1f);
  EXPECT_EQ(g[1].dtype(), f64);
  EXPECT_EQ(g[1].item<double>(), 6);
  // Second order, where gradients are recorded op by op.
  const Tensor first = grad({sum(square(x) * s)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(grad({sum(first)}, {s})[0].item<double>(), 12);
}

}  // namespace
}  // namespace suanli
