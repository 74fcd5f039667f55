// SPDX-License-Identifier: Apache-2.0
// Values at the edges: NaN, infinities, ties, wrap-around, empty tensors, large numbers, wrong
// indices.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "ops/schema/pointwise.h"
#include "suanli/autograd.h"
#include "support/errors.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(),
                 kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min(),
                  kMax = std::numeric_limits<int64_t>::max();

using I64s = std::vector<int64_t>;
using F64s = std::vector<double>;

Tensor reals(const F64s& v) { return tensor(v, {static_cast<int64_t>(v.size())}); }
Tensor integers(const I64s& v) { return tensor(v, {static_cast<int64_t>(v.size())}); }
Tensor in_dtype(const F64s& v, const Shape& shape, DType d) { return cast(tensor(v, shape), d); }
F64s read(const Tensor& t) { return cast(t, f64).to_vector<double>(); }
I64s read_integers(const Tensor& t) { return t.to_vector<int64_t>(); }

/// The op, whose start may be a tensor and whose numbers wrap around.
I64s range_of(int64_t n, const Tensor& start) {
  const Shape shape{n};
  return read_integers(record(arange_op, {&start}, DTypeAttr{i64}, &shape));
}

// ---- NaN ----------------------------------------------------------------------------------------

/// A row of pointwise.def by name.
Tensor call_row(const PointwiseRow& row, const Tensor& x, const Tensor& y, const Tensor& z) {
  for (const Op* op : all_ops())
    if (std::string_view(op->name()) == row.name) {
      std::vector<Tensor> inputs{x, y, z};
      inputs.resize(static_cast<size_t>(row.tensors));
      for (int i = row.tensors; i < row.arity; ++i) inputs.emplace_back(attribute_of(row, i));
      return record(*op, inputs,
                    PointwiseAttr{static_cast<int16_t>(&row - pointwise_rows), -1, f64});
    }
  throw StateError(Fault{.argument = "row", .given = row.name});
}

TEST(NotANumber, PassesThroughEveryPointwiseOp) {
  constexpr size_t n = 37;  // whole vectors and a tail
  for (const PointwiseRow& row : pointwise_rows) {
    if (row.cls == PointwiseClass::Compare || row.cls == PointwiseClass::Logic ||
        row.cls == PointwiseClass::Select || row.cls == PointwiseClass::Bits ||
        row.cls == PointwiseClass::Integers)
      continue;
    const bool small = row.domain == PointwiseDomain::Unit || row.domain == PointwiseDomain::Share;
    for (DType d : {f64, f32})
      for (int bad = 0; bad < row.tensors; ++bad) {
        F64s v[3] = {F64s(n, small ? 0.5 : 1.5), F64s(n, 2.5), F64s(n, 3.5)};
        for (size_t at : {size_t{0}, size_t{9}, n - 1}) v[bad][at] = kNan;
        const auto y = read(
            call_row(row, in_dtype(v[0], {n}, d), in_dtype(v[1], {n}, d), in_dtype(v[2], {n}, d)));
        for (size_t i = 0; i < n; ++i)
          EXPECT_EQ(std::isnan(y[i]), std::isnan(v[bad][i]))
              << row.name << " " << name(d) << " at " << i;
      }
  }
}

TEST(NotANumber, IsNotEqualToAnything) {
  const Tensor x = reals({kNan, 1, kNan}), y = reals({kNan, kNan, 2});
  EXPECT_EQ(read(x == y), (F64s{0, 0, 0}));
  EXPECT_EQ(read(x != y), (F64s{1, 1, 1}));
  for (const Tensor& t : {x<y, x <= y, x> y, x >= y}) EXPECT_EQ(read(t), (F64s{0, 0, 0}));
  EXPECT_EQ(read(isfinite(reals({kNan, kInf, -kInf, 0, 1e308}))), (F64s{0, 0, 0, 1, 1}));
}

TEST(NotANumber, PowFollowsC) {
  EXPECT_EQ(read(pow(reals({1, kNan}), reals({kNan, 0}))), (F64s{1, 1}));
}

TEST(NotANumber, WhereTakesOnlyTheSideItChooses) {
  Tensor bad = reals({kNan, kNan});
  EXPECT_EQ(read(where(tensor(std::vector<bool>{true, true}, {2}), reals({1, 2}), bad)),
            (F64s{1, 2}));
}

TEST(NotANumber, WinsInReductionsWhereverItStands) {
  for (DType d : {f64, f32})
    for (size_t at : {size_t{0}, size_t{5}, size_t{16}, size_t{40}}) {
      F64s v(2 * 41, 1.0);
      v[at] = kNan;
      const Tensor x = in_dtype(v, {2, 41}, d), columns = transpose(x, 0, 1);
      for (const Tensor& y : {amax(x, {1}), amax(columns, {0}), sum(x, {1}), sum(columns, {0})}) {
        const auto r = read(y);
        EXPECT_TRUE(std::isnan(r[0])) << name(d) << " at " << at;
        EXPECT_FALSE(std::isnan(r[1])) << name(d) << " at " << at;
      }
      EXPECT_TRUE(std::isnan(read(max(x))[0]));
      EXPECT_EQ(read_integers(argmax(x, 1)), (I64s{static_cast<int64_t>(at), 0}));
      EXPECT_EQ(read_integers(argmax(columns, 0)), (I64s{static_cast<int64_t>(at), 0}));
      const auto soft = read(softmax(x, 1));
      for (size_t i = 0; i < 82; ++i) EXPECT_EQ(std::isnan(soft[i]), i < 41);
    }
}

TEST(NotANumber, WinsInPoolsAndItsPlaceGetsTheGradient) {
  for (DType d : {f64, f32})
    for (size_t at = 0; at < 4; ++at) {
      F64s v = {1, 2, 3, 4, 5, 6, 7, 8};
      v[at] = kNan;
      Tensor x = in_dtype(v, {1, 2, 2, 2}, d);
      x.requires_grad_();
      Tensor y = max_pool2d(x);
      const auto r = read(y);
      EXPECT_TRUE(std::isnan(r[0]));
      EXPECT_EQ(r[1], 8);
      F64s expected(8, 0.0);
      expected[at] = expected[7] = 1;
      EXPECT_EQ(read(grad({y}, {x}, {ones(y.shape(), d)})[0]), expected);
    }
}

TEST(NotANumber, StaysInItsRowOfAProduct) {
  const auto y =
      read(matmul(tensor<double>({1, kNan, 3, 4}, {2, 2}), tensor<double>({1, 0, 0, 1}, {2, 2})));
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_EQ(y[2], 3);
  EXPECT_EQ(y[3], 4);
}

// ---- large numbers and infinities ---------------------------------------------------------------

TEST(Large, SoftmaxOfTenThousands) {
  for (DType d : {f64, f32}) {
    Tensor x = in_dtype({1e4, 0, -1e4, 1e4, 1e4, 1e4, -1e4, -1e4, -1e4}, {3, 3}, d);
    EXPECT_EQ(
        read(softmax(x)),
        read(in_dtype({1, 0, 0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 1 / 3.0}, {9}, d)));
    const auto l = read(log_softmax(x));
    EXPECT_EQ(F64s(l.begin(), l.begin() + 3), (F64s{0, -1e4, -2e4}));
    for (size_t i = 3; i < 9; ++i) EXPECT_NEAR(l[i], -std::log(3.0), 1e-3);
    x.requires_grad_();
    for (const Tensor& y : {softmax(x), softmax(transpose(x, 0, 1), 0)})
      // rows sum to 1 whatever x is
      for (double g : read(grad({y}, {x}, {ones({3, 3}, d)})[0])) EXPECT_LT(std::fabs(g), 1e-6);
    const auto g = read(grad({log_softmax(x)}, {x}, {ones({3, 3}, d)})[0]);  // 1 − 3 softmax
    EXPECT_EQ(F64s(g.begin(), g.begin() + 3), (F64s{-2, 1, 1}));
    for (size_t i = 3; i < 9; ++i) EXPECT_NEAR(g[i], 0, 1e-6);
    EXPECT_EQ(read(cross_entropy(in_dtype({1e4, -1e4}, {1, 2}, d), integers({1})))[0], 2e4);
  }
}

TEST(Large, PointwiseLimits) {
  struct Case {
    const char* what;
    Tensor got;
    F64s want;
  };
  const Tensor ends = reals({-kInf, -1e4, 1e4, kInf});
  const Case cases[] = {
      {"exp", exp(ends), {0, 0, kInf, kInf}},
      {"sigmoid", sigmoid(ends), {0, 0, 1, 1}},
      {"tanh", tanh(ends), {-1, -1, 1, 1}},
      {"erf", erf(ends), {-1, -1, 1, 1}},
      {"softplus", softplus(ends), {0, 0, 1e4, kInf}},
      {"relu", relu(ends), {0, 0, 1e4, kInf}},
      {"sign", sign(ends), {-1, -1, 1, 1}},
      {"floor", floor(ends), {-kInf, -1e4, 1e4, kInf}},
      {"abs", abs(ends), {kInf, 1e4, 1e4, kInf}},
      {"reciprocal", reciprocal(reals({-kInf, kInf, 0.5})), {0, 0, 2}},
      {"log", log(reals({0, 1, kInf})), {-kInf, 0, kInf}},
      {"log1p", log1p(reals({-1, 1e-20, kInf})), {-kInf, 1e-20, kInf}},
      {"sqrt", sqrt(reals({0, 4, kInf})), {0, 2, kInf}},
      {"rsqrt", rsqrt(reals({0, 4, kInf})), {kInf, 0.5, 0}},
      {"pow", pow(reals({0, 2, kInf, 2}), reals({0, -kInf, 1, 10})), {1, 0, kInf, 1024}},
      {"div", reals({1, -1, 0}) / reals({0, 0, 1}), {kInf, -kInf, 0}},
      {"maximum", maximum(ends, 5.0), {5, 5, 1e4, kInf}},
      {"max", max(reals({-kInf, -kInf})), {-kInf}},
      {"sigmoid's gradient far out stays finite",
       [] {
         Tensor x = reals({-800, 800}).requires_grad_();
         return grad({sigmoid(x) + softplus(x)}, {x}, {ones({2}, f64)})[0];
       }(),
       {0, 1}}};
  for (const Case& c : cases) EXPECT_EQ(read(c.got), c.want) << c.what;
}

// ---- conventions of gradients at kinks and ties -------------------------------------------------

F64s gradient_at(const std::function<Tensor(const Tensor&)>& f, const F64s& at,
                 bool create_graph = false) {
  Tensor x = reals(at);
  x.requires_grad_();
  return read(grad({sum(f(x))}, {x}, {}, {.create_graph = create_graph})[0]);
}

TEST(Kinks, HaveTheGradientsOfPyTorch) {
  for (bool create_graph : {false, true}) {
    EXPECT_EQ(gradient_at([](const Tensor& x) { return relu(x); }, {-1, 0, 2}, create_graph),
              (F64s{0, 0, 1}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return abs(x); }, {-3, 0, 2}, create_graph),
              (F64s{-1, 0, 1}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return max(x); }, {1, 3, 3, 3}, create_graph),
              (F64s{0, 1 / 3.0, 1 / 3.0, 1 / 3.0}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return maximum(x, reals({0, 2, 2})); }, {1, 2, 1},
                          create_graph),
              (F64s{1, 0.5, 0}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return maximum(reals({0, 2, 2}), x); }, {1, 2, 1},
                          create_graph),
              (F64s{1, 0.5, 0}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return minimum(x, reals({0, 2, 2})); }, {1, 2, 1},
                          create_graph),
              (F64s{0, 0.5, 1}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return minimum(reals({0, 2, 2}), x); }, {1, 2, 1},
                          create_graph),
              (F64s{0, 0.5, 1}));
    EXPECT_EQ(gradient_at([](const Tensor& x) { return pow(x, 0.0); }, {0, 2}, create_graph),
              (F64s{0, 0}));
    EXPECT_EQ(
        gradient_at([](const Tensor& x) { return pow(reals({0, 1}), x); }, {2, 2}, create_graph),
        (F64s{0, 0}));
  }
}

TEST(Kinks, EqualMaximaOfAPoolGoToTheFirst) {
  Tensor x = ones({1, 1, 2, 4}, f64);
  x.requires_grad_();
  EXPECT_EQ(read(grad({sum(max_pool2d(x))}, {x})[0]), (F64s{1, 0, 1, 0, 0, 0, 0, 0}));
}

TEST(Kinks, OverlappingWindowsAddUp) {
  Tensor x = tensor<double>({0, 0, 0, 0, 9, 0, 0, 0, 0}, {1, 1, 3, 3});
  x.requires_grad_();
  EXPECT_EQ(read(grad({sum(max_pool2d(x, {.kernel_size = 2, .stride = 1}))}, {x})[0]),
            (F64s{0, 0, 0, 0, 4, 0, 0, 0, 0}));
}

// ---- integers -----------------------------------------------------------------------------------

TEST(Integers, WrapAround) {
  EXPECT_EQ(read_integers(integers({kMax, kMin}) + integers({1, -1})), (I64s{kMin, kMax}));
  EXPECT_EQ(read_integers(integers({kMin}) - integers({1})), (I64s{kMax}));
  EXPECT_EQ(read_integers(integers({kMax, int64_t{1} << 32}) * integers({2, int64_t{1} << 32})),
            (I64s{-2, 0}));
  EXPECT_EQ(read_integers(-integers({kMin, 5})), (I64s{kMin, -5}));
  EXPECT_EQ(read_integers(abs(integers({kMin, -5}))), (I64s{kMin, 5}));
  EXPECT_EQ(read_integers(square(integers({int64_t{1} << 32, -3}))), (I64s{0, 9}));
  EXPECT_EQ(read_integers(sum(integers({kMax, 1}))), (I64s{kMin}));
  EXPECT_EQ(read_integers(sum(tensor<int64_t>({kMax, kMin, 1, -1}, {2, 2}), {0})),
            (I64s{kMin, kMax}));
  EXPECT_EQ(read_integers(sum(tensor<int64_t>({kMax, 1, kMin, -1}, {2, 2}), {1})),
            (I64s{kMin, kMax}));
  EXPECT_EQ(read_integers(scatter_add(integers({kMax}), 0, integers({0, 0}), integers({1, 1}))),
            (I64s{kMin + 1}));
  EXPECT_EQ(range_of(2, kMax), (I64s{kMax, kMin}));
  EXPECT_EQ(read_integers(pow(integers({2, 2, 3, -2}), integers({63, 64, 41, 3}))),
            (I64s{kMin, 0, -420491770248316829, -8}));
  EXPECT_EQ(read_integers(cast(in_dtype({200, 255}, {2}, u8) + in_dtype({100, 1}, {2}, u8), i64)),
            (I64s{44, 0}));
}

TEST(Integers, DivisionIsTrueDivision) {
  // torch.tensor([…]) / torch.tensor([…]) and what it does with Python numbers and bools.
  const Tensor q = integers({7, -7, 1, 0, 5}) / integers({2, 2, 3, 3, 0});
  EXPECT_EQ(q.dtype(), f32);
  EXPECT_EQ(read(q), (F64s{3.5, -3.5, static_cast<double>(1.0f / 3.0f), 0, kInf}));
  EXPECT_EQ(read(sum(arange(10) < 7) / 10), (F64s{static_cast<double>(0.7f)})) << "an accuracy";
  EXPECT_EQ(read(1 / integers({4})), (F64s{0.25}));
  EXPECT_EQ(read(tensor(std::vector<bool>{true}, {1}) / tensor(std::vector<bool>{true}, {1})),
            (F64s{1}));
  for (DType d : {u8, i32, i64, boolean})
    EXPECT_EQ((in_dtype({1}, {1}, d) / in_dtype({1}, {1}, d)).dtype(), f32) << d;
  EXPECT_EQ((integers({1}) / reals({2})).dtype(), f64);
  Tensor x = integers({3});
  x /= 2;
  EXPECT_EQ(read(x), (F64s{1.5}));
}

TEST(Integers, RoundedDivisionNeverTraps) {
  const Tensor x = integers({7, -7, 7, -7, 0, 5, kMin, kMin, 6, -6}),
               y = integers({2, 2, -2, -2, 3, 0, -1, 0, -3, 3});
  const Tensor trunc = div(x, y, Rounding::trunc), floor = div(x, y, Rounding::floor);
  EXPECT_EQ(trunc.dtype(), i64);
  EXPECT_EQ(read_integers(trunc), (I64s{3, -3, -3, 3, 0, 0, kMin, 0, -2, -2}));
  EXPECT_EQ(read_integers(floor), (I64s{3, -4, -4, 3, 0, 0, kMin, 0, -2, -2}));
  EXPECT_EQ(div(in_dtype({9}, {1}, u8), 2, Rounding::floor).dtype(), u8);
  EXPECT_EQ(div(integers({9}), 2.0, Rounding::floor).dtype(), f32);
  for (DType d : {f32, f64}) {
    const Tensor a = in_dtype({7, -7, 7, -7, 0.5, -0.5, 1}, {7}, d),
                 b = in_dtype({2, 2, -2, -2, 1, 1, 0}, {7}, d);
    EXPECT_EQ(read(div(a, b, Rounding::trunc)), (F64s{3, -3, -3, 3, 0, 0, kInf})) << d;
    EXPECT_EQ(read(div(a, b, Rounding::floor)), (F64s{3, -4, -4, 3, 0, -1, kInf})) << d;
  }
  // The rounded quotient counts, though 3 · y is above the first x.
  const Tensor a = in_dtype({3.2815787603227045, 1, 0.7}, {3}, f64),
               b = in_dtype({1.093859586774235, 0.1, 0.01}, {3}, f64);
  EXPECT_EQ(read(div(a, b, Rounding::floor)), (F64s{3, 10, 70}));
}

TEST(Integers, PowersBelowZero) {
  EXPECT_EQ(read_integers(pow(integers({0, 1, -1, -1, 2}), integers({-1, -5, -3, -2, -1}))),
            (I64s{0, 1, -1, 1, 0}));
}

TEST(Integers, KeepAll64Bits) {
  const int64_t big = (int64_t{1} << 62) + 1;
  EXPECT_EQ(read_integers(integers({big}) + 1), (I64s{big + 1}));
  EXPECT_EQ(read_integers(maximum(integers({big}), integers({big - 1}))), (I64s{big}));
  EXPECT_EQ(read_integers(where(integers({1}) > 0, integers({big}), 0)), (I64s{big}));
  EXPECT_EQ(read(integers({big}) > integers({big - 1})), (F64s{1}));
  EXPECT_EQ(read_integers(max(integers({big - 1, big}))), (I64s{big}));
  EXPECT_EQ(read_integers(argmax(integers({big - 1, big, big}), -1)), (I64s{1}));
  EXPECT_EQ(read_integers(full({1}, big, i64)), (I64s{big}));
  EXPECT_EQ(read_integers(arange(big, big + 2)), (I64s{big, big + 1}));
}

TEST(Dtypes, ArePromoted) {
  const Tensor b = tensor(std::vector<bool>{true}, {1}), u = in_dtype({1}, {1}, u8),
               i = integers({1}), s = tensor({1.0f}), d = reals({1});
  struct Case {
    Tensor got;
    DType want;
  };
  const Case cases[] = {{b + b, boolean},
                        {u + b, u8},
                        {u + i, i64},
                        {i + s, f32},
                        {i + d, f64},
                        {s + d, f64},
                        {i + 1, i64},
                        {i + 1.5, f32},
                        {u + 1, u8},
                        {s + 1.5, f32},
                        {d + 1.5, f64},
                        {d + 1, f64},
                        {b + 1, i64},
                        {exp(i), f32},
                        {i / i, f32},
                        {i / 2.0, f32},
                        {i < d, boolean},
                        {sum(u), i64},
                        {sum(b), i64},
                        {where(b, i, d), f64},
                        {where(b, d, 1), f64},
                        {where(b, 1.0, i), f32},
                        {maximum(b, b), boolean},
                        {minimum(b, b), boolean},
                        {b * b, boolean},
                        {sign(b), boolean},
                        {floor(i), i64},
                        {floor(u), u8},
                        {floor(s), f32},
                        {logical_and(s, i), boolean}};
  for (const Case& c : cases) EXPECT_STREQ(name(c.got.dtype()), name(c.want)) << &c - cases;
}

TEST(Dtypes, BoolsAreAddedAsOr) {
  const Tensor a = tensor(std::vector<bool>{false, false, true, true}, {4}),
               b = tensor(std::vector<bool>{false, true, false, true}, {4});
  EXPECT_EQ(read(a + b), (F64s{0, 1, 1, 1}));
  EXPECT_EQ(read(maximum(a, b)), (F64s{0, 1, 1, 1}));
  EXPECT_EQ(read(a * b), (F64s{0, 0, 0, 1}));
  EXPECT_EQ(read(minimum(a, b)), (F64s{0, 0, 0, 1}));
  EXPECT_EQ(read(cast(a + b, i64) + 1), (F64s{1, 2, 2, 2})) << "1, not 2, where both are true";
}

TEST(Dtypes, NumbersAreTrueUnlessTheyAreZero) {
  const Tensor a = reals({0, -0.0, 1e-200, kNan, kNan, 2, 0.5}),
               b = reals({0, kNan, 1e-200, kNan, 0, -2, 0});
  EXPECT_EQ(read(logical_and(a, b)), (F64s{0, 0, 1, 1, 0, 1, 0}));
  EXPECT_EQ(read(logical_or(a, b)), (F64s{0, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(read(logical_not(a)), (F64s{1, 1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(read(logical_and(integers({int64_t{1} << 32, 0}), integers({int64_t{1} << 32, 1}))),
            (F64s{1, 0}))
      << "no product overflows";
}

TEST(Dtypes, FloorOfIntegersIsTheIntegers) {
  EXPECT_EQ(read_integers(floor(integers({-3, 0, kMax}))), (I64s{-3, 0, kMax}));
}

TEST(Dtypes, CastTruncates) {
  EXPECT_EQ(read_integers(cast(reals({-1.9, 1.9, kNan, -0.0}), i64)), (I64s{-1, 1, 0, 0}));
  EXPECT_EQ(read(cast(reals({kNan, 0, -0.0, 1e-300, -kInf}), boolean)), (F64s{1, 0, 0, 1, 1}));
  EXPECT_EQ(read(cast(reals({1e300, 1 + 0x1p-30}), f32)), (F64s{kInf, 1}));
}

TEST(Dtypes, TensorsOfAnyDtypeServeAsTheNumberOfAFill) {
  for (DType d : {f64, f32, i64, DType::i32, u8, boolean})
    EXPECT_EQ(read(full({2}, reshape(in_dtype({1}, {1}, d), {}), f64)), (F64s{1, 1})) << name(d);
  for (DType d : {i64, DType::i32, u8}) {
    EXPECT_EQ(range_of(2, reshape(in_dtype({1}, {1}, d), {})), (I64s{1, 2})) << name(d);
    EXPECT_EQ(read(narrow(reals({5, 6, 7}), 0, reshape(in_dtype({1}, {1}, d), {}), 2)),
              (F64s{6, 7}))
        << name(d);
  }
}

TEST(Dtypes, OneHotOfNarrowIntegers) {
  for (DType d : {DType::i8, DType::i16, DType::i32, i64, u8})
    for (DType to : {DType::i8, DType::i16, u8, i64, f32, DType::f16})
      EXPECT_EQ(read(one_hot(in_dtype({2, 0}, {2}, d), 3, to)), (F64s{0, 0, 1, 1, 0, 0}))
          << name(d) << " " << name(to);
  EXPECT_EQ(one_hot(integers({0}), 2, DType::i16).dtype(), DType::i16);
}

// ---- nothing, and what is not there -------------------------------------------------------------

TEST(Empty, ReductionsOfNothing) {
  EXPECT_EQ(read(sum(zeros({0, 2}), {0})), (F64s{0, 0}));
  EXPECT_EQ(read(sum(zeros({0}))), (F64s{0}));
  EXPECT_TRUE(std::isnan(read(mean(zeros({0})))[0]));
  EXPECT_EQ(matmul(zeros({0, 3}), zeros({3, 0})).shape(), (Shape{0, 0}));
  EXPECT_EQ(read(matmul(ones({2, 0}), ones({0, 1}))), (F64s{0, 0}));
  EXPECT_FAULT(ShapeError, max(zeros({3, 0})), .op = "amax", .argument = "input", .given = "[3, 0]",
               .expected = "at least one element on axis 1");
  EXPECT_FAULT(ShapeError, softmax(Tensor(1.0), 0), .op = "softmax", .argument = "dim",
               .given = "0", .expected = "none for rank 0, as [] has");
}

TEST(Errors, IndicesAreChecked) {
  EXPECT_FAULT(IoError, read(gather(reals({1, 2}), 0, integers({0, 2}))), .op = "gather",
               .argument = "index", .given = "2 at position 1", .expected = "0…1, for 2 entries");
  EXPECT_FAULT(IoError, read(embedding(ones({3, 2}), integers({-1}))), .op = "embedding",
               .argument = "index", .given = "-1 at position 0", .expected = "0…2, for 3 entries");
  EXPECT_FAULT(IoError, read(scatter_add(reals({1}), 0, integers({7}), reals({1}))),
               .op = "scatter_add", .argument = "index", .given = "7 at position 0",
               .expected = "0, for 1 entry");
  EXPECT_FAULT(IoError, read(one_hot(integers({0, 3}), 3)), .op = "one_hot", .argument = "index",
               .given = "3 at position 1", .expected = "0…2, for 3 entries");
  EXPECT_FAULT(IoError, read(one_hot(integers({-1}), 3)), .op = "one_hot", .argument = "index",
               .given = "-1 at position 0", .expected = "0…2, for 3 entries");
  EXPECT_FAULT(IoError, read(cross_entropy(ones({2, 3}), integers({2, 3}))), .op = "cross_entropy",
               .argument = "target", .given = "3 at position 1", .expected = "0…2, for 3 classes");
}

TEST(Errors, SayWhatWasGiven) {
  const Tensor x = ones({2, 3});
  EXPECT_FAULT(ShapeError, x + ones({2, 4}), .op = "add", .argument = "x, y",
               .given = "[2, 3] and [2, 4]", .expected = "sizes that broadcast, not 3 and 4");
  EXPECT_FAULT(ShapeError, where(x == x, ones({2, 3}), ones({5, 1, 2})), .op = "where",
               .argument = "x, y, z", .given = "[2, 3], [2, 3] and [5, 1, 2]",
               .expected = "sizes that broadcast, not 3 and 2");
  EXPECT_FAULT(ShapeError, sum(x, {2}), .op = "sum", .argument = "dim", .given = "2",
               .expected = "-2 to 1 for rank 2, as [2, 3] has");
  EXPECT_FAULT(ShapeError, sum(x, {0, -2}), .op = "sum", .argument = "dim", .given = "[0, -2]",
               .expected = "each axis of shape [2, 3] at most once");
  for (const auto& [op, call] : std::map<std::string, std::function<void()>>{
           {"argmax", [&] { argmax(x, -3); }},
           {"softmax", [&] { softmax(x, -3); }},
           {"log_softmax", [&] { log_softmax(x, -3); }},
           {"flip", [&] { flip(x, -3); }},
           {"gather", [&] { gather(x, -3, integers({0})); }},
           {"scatter_add", [&] { scatter_add(x, -3, integers({0}), x); }},
           {"narrow", [&] { narrow(x, -3, 0, 1); }},
           {"slice_update", [&] { slice_update(x, x, -3, 0); }},
           {"cat", [&] { cat({x, x}, -3); }}})
    expect_fault<ShapeError>(call, {.op = op,
                                    .argument = "dim",
                                    .given = "-3",
                                    .expected = "-2 to 1 for rank 2, as [2, 3] has"});
  EXPECT_FAULT(ShapeError, flatten(x, 0, 2), .op = "flatten", .argument = "end_dim", .given = "2",
               .expected = "-2 to 1 for rank 2, as [2, 3] has");
  EXPECT_FAULT(ShapeError, flatten(x, -1, 0), .op = "flatten", .argument = "start_dim, end_dim",
               .given = "-1 and 0 of shape [2, 3]", .expected = "axes in rising order");
  EXPECT_FAULT(DTypeError, mean(integers({1})), .op = "mean", .argument = "input", .given = "i64",
               .expected = "a float dtype", .remedy = "Convert it with cast(x, f32).");
  EXPECT_FAULT(ShapeError, reshape(x, {-1, -1}), .op = "reshape", .argument = "shape",
               .given = "[-1, -1]", .expected = "at most one size of -1");
  EXPECT_FAULT(ShapeError, reshape(x, {4, -1}), .op = "reshape", .argument = "shape",
               .given = "[4, -1]", .expected = "6 elements, as input [2, 3] has");
  EXPECT_FAULT(ShapeError, reshape(x, {kMax, 2}), .op = "reshape", .argument = "shape",
               .given = "[9223372036854775807, 2]", .expected = "6 elements, as input [2, 3] has");
  EXPECT_FAULT(ShapeError, permute(x, {0, 0}), .op = "permute", .argument = "dims",
               .given = "[0, 0]", .expected = "each of the 2 axes of shape [2, 3] once");
  EXPECT_FAULT(ShapeError, sum_to(x, {2}), .op = "sum_to", .argument = "shape", .given = "[2]",
               .expected = "a shape that broadcasts to input [2, 3]");
  EXPECT_FAULT(ShapeError, narrow(x, 1, 2, 2), .op = "narrow", .argument = "start", .given = "2",
               .expected = "a start of 2 elements at step 1 within axis 1 of input [2, 3]");
  EXPECT_FAULT(ShapeError, narrow(x, 1, -4, 1), .op = "narrow", .argument = "start", .given = "-4",
               .expected = "a start of 1 element at step 1 within axis 1 of input [2, 3]");
  EXPECT_FAULT(ArgumentError, cat({}), .op = "cat", .argument = "tensors", .given = "no tensors",
               .expected = "at least one tensor");
  EXPECT_FAULT(DTypeError, (x == x) - (x == x), .op = "sub", .argument = "x, y", .given = "bool",
               .expected = "numbers",
               .remedy = "Write logical_not(x) or x != y, or convert with cast(x, i64).");
  EXPECT_FAULT(DTypeError, -(x == x), .op = "neg", .argument = "input", .given = "bool",
               .expected = "numbers");
  EXPECT_FAULT(DTypeError, where(x, x, x), .op = "where", .argument = "x", .given = "f32",
               .expected = "bool", .remedy = "Write x != 0 for a condition.");
  EXPECT_FAULT(DTypeError, matmul(x, cast(ones({3, 1}), f64)), .op = "matmul", .argument = "a, b",
               .given = "f32 and f64", .expected = "one dtype");
  EXPECT_FAULT(ShapeError, cross_entropy(x, integers({1, 2, 3})), .op = "cross_entropy",
               .argument = "target", .given = "[3]",
               .expected = "[2], one per row of logits [2, 3]");
  EXPECT_FAULT(ShapeError, mse_loss(x, ones({3, 2})), .op = "mse_loss", .argument = "y",
               .given = "[3, 2]", .expected = "[2, 3], the shape of x");
  EXPECT_FAULT(ArgumentError, dropout(x, 1.5), .op = "dropout", .argument = "p", .given = "1.5",
               .expected = "a probability from 0 to 1");
  EXPECT_FAULT(ArgumentError, dropout(x, kNan), .op = "dropout", .argument = "p", .given = "nan");
  const Tensor one = ones({1, 1, 3, 3}), kernel = ones({1, 1, 2, 2});
  EXPECT_FAULT(ArgumentError, conv2d(one, kernel, {}, {.stride = 0}), .op = "conv2d",
               .argument = "stride", .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, conv2d(one, kernel, {}, {.padding = -1}), .op = "conv2d",
               .argument = "padding", .given = "-1", .expected = "at least 0");
  EXPECT_FAULT(ArgumentError, conv2d(one, kernel, {}, {.dilation = 0}), .op = "conv2d",
               .argument = "dilation", .given = "0", .expected = "at least 1");
  EXPECT_FAULT(ArgumentError, conv2d(one, kernel, {}, {.groups = -2}), .op = "conv2d",
               .argument = "groups", .given = "-2", .expected = "at least 1");
  EXPECT_FAULT(ShapeError, conv2d(ones({1, 4, 3, 3}), ones({3, 2, 2, 2}), {}, {.groups = 2}),
               .op = "conv2d", .argument = "weight", .given = "3 output channels in [3, 2, 2, 2]",
               .expected = "a multiple of groups, 2");
  EXPECT_FAULT(ShapeError, conv2d(ones({1, 1, 3, 3}), ones({2, 1, 2, 2}), ones({3})),
               .op = "conv2d", .argument = "bias", .given = "[3]",
               .expected = "[2], one per output channel");
  EXPECT_FAULT(ShapeError, rand({-1}), .op = "uniform", .argument = "shape", .given = "[-1]",
               .expected = "no negative size");
  EXPECT_FAULT(ArgumentError, arange(-1), .op = "arange", .argument = "end", .given = "-1",
               .expected = "a number that steps of 1 from 0 lead to");
  EXPECT_FAULT(StateError, exp(Tensor()), .op = "exp", .argument = "input",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(StateError, conv2d(one, Tensor()), .op = "conv2d", .argument = "weight",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(StateError, mse_loss(x, Tensor()), .op = "mse_loss", .argument = "y",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(DTypeError, one_hot(x, 3), .op = "one_hot", .argument = "index", .given = "f32",
               .expected = "an integer dtype");
}

// ---- functions written with ops -----------------------------------------------------------------

TEST(Composites, AgreeWithTheirDefinitions) {
  const Tensor x = tensor<double>({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor t = integers({2, 0});
  const double z0 = std::exp(1) + std::exp(2) + std::exp(3),
               z1 = std::exp(4) + std::exp(5) + std::exp(6);
  struct Case {
    const char* what;
    Tensor got;
    F64s want;
  };
  const Case cases[] = {
      {"mean", mean(x), {3.5}},
      {"mean over rows", mean(x, {0}), {2.5, 3.5, 4.5}},
      {"mean keeps axes", mean(x, {-1}, true), {2, 5}},
      {"sum_to", sum_to(x, {1, 3}), {5, 7, 9}},
      {"sum_to of leading axes", sum_to(x, {3}), {5, 7, 9}},
      {"sum_to a scalar", sum_to(x, {}), {21}},
      {"flatten", flatten(x), {1, 2, 3, 4, 5, 6}},
      {"one_hot", one_hot(t, 3), {0, 0, 1, 1, 0, 0}},
      {"nll_loss", nll_loss(x, t), {-3.5}},
      {"mse_loss", mse_loss(x, x + 2.0), {4}},
      {"permute", transpose(x, 0, 1), {1, 4, 2, 5, 3, 6}},
      {"slice from the end", narrow(x, 1, -2, 2), {2, 3, 5, 6}},
      {"slice by a step", narrow(x, -1, 0, 2, 2), {1, 3, 4, 6}},
      {"slice_update", slice_update(x, zeros({2, 1}, f64), 1, 1), {1, 0, 3, 4, 0, 6}},
      {"a computed start is clamped",
       narrow(x, 1, integers({9}).rank() ? reshape(integers({9}), {}) : Tensor(), 2),
       {2, 3, 5, 6}},
      {"scatter_add",
       scatter_add(reals({1, 0}), 0, integers({1, 1, 0}), reals({1, 2, 4})),
       {5, 3}}};
  for (const Case& c : cases) EXPECT_EQ(read(c.got), c.want) << c.what;
  EXPECT_NEAR(cross_entropy(x, t).item<double>(), (std::log(z0) - 3 + std::log(z1) - 4) / 2, 1e-14);
  EXPECT_NEAR(cross_entropy(x, one_hot(t, 3, f64)).item<double>(),
              (std::log(z0) - 3 + std::log(z1) - 4) / 2, 1e-14);
  EXPECT_EQ(one_hot(t, 3).shape(), (Shape{2, 3}));
  EXPECT_EQ(flatten(ones({2, 3, 4, 5}), 1, 2).shape(), (Shape{2, 12, 5}));
}

TEST(Composites, HaveGradients) {
  auto draw = [](const Shape& shape, double phase) {
    F64s v;
    for (int64_t i = 0; i < shape.numel(); ++i)
      v.push_back(std::sin(phase + 1.7 * static_cast<double>(i)));
    return tensor(v, shape);
  };
  const Tensor x = draw({3, 4}, 0), y = draw({3, 4}, 1), t = integers({1, 3, 0});
  using Fs = const std::vector<Tensor>&;
  EXPECT_LE(gradcheck([&](Fs v) { return cross_entropy(v[0], t); }, {x}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return cross_entropy(v[0], v[1]); }, {x, y}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return nll_loss(v[0], t); }, {x}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return mse_loss(v[0], v[1]); }, {x, y}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return mean(v[0], {1}) * mean(v[0], {1}); }, {x}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return sum_to(v[0] * v[1], {4}); }, {x, y}, true), 1e-6);
  EXPECT_LE(gradcheck([&](Fs v) { return matmul(reshape(v[0], {2, 1, 6}), permute(v[1], {0, 1})); },
                      {x, draw({6, 2}, 2)}, true),
            1e-6);
}

// ---- random -------------------------------------------------------------------------------------

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};
Moments moments(const F64s& v) {
  Moments m;
  const double n = static_cast<double>(v.size());
  for (double x : v) m.mean += x / n;
  for (double x : v) m.variance += (x - m.mean) * (x - m.mean) / n;
  for (double x : v) m.skew += std::pow((x - m.mean) / std::sqrt(m.variance), 3) / n;
  for (double x : v) m.kurtosis += std::pow((x - m.mean) / std::sqrt(m.variance), 4) / n;
  return m;
}

// Standard errors with n = 100,000: mean of uniform 0.0009, of normal 0.0032; variance 0.0045, skew
// 0.0077, kurtosis 0.0155.
TEST(Random, MomentsAreThoseOfTheDistributions) {
  for (DType d : {f32, f64}) {
    Generator g(11);
    const auto u = read(uniform(-1.0, 3.0, {100'000}, d, &g));
    const Moments mu = moments(u);
    EXPECT_NEAR(mu.mean, 1, 0.02);
    EXPECT_NEAR(mu.variance, 16 / 12.0, 0.03);
    EXPECT_NEAR(mu.kurtosis, 1.8, 0.03);
    for (double x : u) EXPECT_TRUE(x >= -1 && x < 3);
    const Moments mn = moments(read(normal(2.0, 3.0, {100'000}, d, &g)));
    EXPECT_NEAR(mn.mean, 2, 0.05);
    EXPECT_NEAR(mn.variance, 9, 0.25);
    EXPECT_NEAR(mn.skew, 0, 0.04);
    EXPECT_NEAR(mn.kurtosis, 3, 0.08);
  }
}

TEST(Random, PermutationIsOne) {
  Generator g(5);
  auto p = read_integers(randperm(1000, &g)), q = read_integers(randperm(1000, &g));
  EXPECT_NE(p, q);
  std::sort(p.begin(), p.end());
  for (size_t i = 0; i < p.size(); ++i) EXPECT_EQ(p[i], static_cast<int64_t>(i));
}

TEST(Random, DrawsAdvanceTheCounterByTheirSizeEvenIfDead) {
  Generator g(3);
  rand({5}, f32, &g);
  EXPECT_EQ(g.counter(), 2u);
  randn({5}, f64, &g);
  EXPECT_EQ(g.counter(), 5u);
  const Tensor after = rand({4}, f64, &g);
  Generator h(3);
  h.set_state(3, 5);
  EXPECT_EQ(bits(after), bits(rand({4}, f64, &h)));
  drop_pending();
}

TEST(Random, DroppedProgramsGiveTheDrawsBack) {
  Generator g(3);
  const Tensor lost = rand({8}, f32, &g);
  drop_pending();
  EXPECT_EQ(g.counter(), 0u);
}

TEST(Random, DropoutKeepsTheMeanAndScales) {
  manual_seed(1);
  Tensor x = ones({20'000});
  x.requires_grad_();
  Tensor y = dropout(x, 0.25);
  const auto v = read(y), g = read(grad({sum(y)}, {x})[0]);
  double kept = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    EXPECT_TRUE(v[i] == 0 || v[i] == static_cast<float>(1 / 0.75)) << v[i];
    EXPECT_EQ(v[i], g[i]);
    kept += v[i] != 0;
  }
  EXPECT_NEAR(kept / 20'000, 0.75, 0.02);
  EXPECT_EQ(read(sum(dropout(x, 1.0)))[0], 0);
  EXPECT_EQ(read(sum(dropout(x, 0.0)))[0], 20'000);
  EXPECT_EQ(bits(dropout(x, 0.5, false)), bits(x));
}

}  // namespace
}  // namespace suanli::test
