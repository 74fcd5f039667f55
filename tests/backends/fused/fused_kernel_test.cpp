// SPDX-License-Identifier: Apache-2.0
// The executor's broadcasting, conversions and threads, casts and strided copies, against naive
// loops.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "backends/cpu/fused/fused_kernel.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/pointwise.h"
#include "support/tier.h"

using namespace suanli;
using namespace suanli::cpu;
using suanli::test::Threads;

namespace {

const double kInf = std::numeric_limits<double>::infinity(),
             kNan = std::numeric_limits<double>::quiet_NaN();

/// Integers in -20 … 20 as any dtype: exact in all of them (bool: 0 or 1).
std::vector<uint8_t> draw(const ValueDesc& v, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int64_t> values(static_cast<size_t>(v.shape.numel()));
  for (int64_t& x : values)
    x = static_cast<int64_t>(random() % 41) - (v.dtype == DType::u8 ? 0 : 20);
  std::vector<uint8_t> bytes(values.size() * static_cast<size_t>(itemsize(v.dtype)) + 1);
  converter(DType::i64, v.dtype)(values.data(), bytes.data(), values.size());
  return bytes;
}
double read(DType dtype, const uint8_t* data, int64_t index) {
  double x;
  converter(dtype, DType::f64)(data + index * itemsize(dtype), &x, 1);
  return x;
}
/// The element of `in` that broadcasts to the output's flat index.
int64_t source(const Shape& in, const Shape& out, int64_t flat) {
  int64_t index = 0, stride = 1;
  for (int axis = out.rank() - 1, k = in.rank() - 1; axis >= 0; flat /= out[axis--]) {
    if (k < 0) continue;
    if (in[k] != 1) index += flat % out[axis] * stride;
    stride *= in[k--];
  }
  return index;
}

/// A row of pointwise.def, or the gradient of its input `gradient`.
PointwiseAttr row(PointwiseOp op, DType compute, int gradient = -1) {
  return {static_cast<int16_t>(op), static_cast<int8_t>(gradient), compute};
}

const Shape big{140, 1100};  // two threads' worth, tile borders inside rows
struct Mix {
  Shape a, b;
};
const Mix mixes[] = {{{}, {}},
                     {{5}, {5}},
                     {{3, 4}, {4}},
                     {{3, 1}, {1, 4}},
                     {{2, 3, 4}, {3, 1}},
                     {{0, 3}, {3}},
                     {{4, 1, 0}, {}},
                     {big, {}},
                     {big, {1100}},
                     {big, {140, 1}},
                     {{1100}, big},
                     {big, big},
                     {{7, 1, 5000}, {6, 1}},
                     {{40, 3, 300}, {1, 3, 1}},
                     {{50000, 3}, {3}},
                     {{50000, 3}, {50000, 1}},
                     {{2, 40000, 2}, {2, 1, 2}},
                     {{2, 1, 2, 1, 2, 1, 2, 1}, {2, 1, 2, 1, 2, 1, 2}},
                     {{3, 9000}, {1, 9000}}};

TEST(PointwiseExecutor, BroadcastsAndConverts) {
  const DType dtypes[] = {DType::f32, DType::f64, DType::i64, DType::i32,
                          DType::i16, DType::i8,  DType::u8,  DType::boolean};
  unsigned pick = 0;
  for (const Mix& mix : mixes)
    for (int round = 0; round < 6; ++round, ++pick) {
      const DType computes[] = {DType::f64, DType::f32, DType::i64}, compute = computes[pick % 3];
      ValueDesc a{dtypes[pick * 3 % 8], mix.a}, b{dtypes[(pick * 5 + 1) % 8], mix.b};
      if (round < 2) a.dtype = b.dtype = compute;
      ValueDesc out{round % 2 ? DType::f32 : DType::i32, broadcast(mix.a, mix.b)};
      std::vector<uint8_t> x = draw(a, pick), y = draw(b, pick + 1000),
                           got(static_cast<size_t>(out.shape.numel() * 4) + 1, 0xA5), again = got;
      const void* in[] = {x.data(), y.data()};
      void* to[] = {got.data()};
      auto kernel = make_pointwise(row(PointwiseOp::sub, compute), {a, b}, out);
      {
        Threads two(2);
        kernel->run(in, to, nullptr);
      }
      for (int64_t i = 0; i < out.shape.numel(); ++i) {
        const double want = read(a.dtype, x.data(), source(a.shape, out.shape, i)) -
                            read(b.dtype, y.data(), source(b.shape, out.shape, i));
        ASSERT_EQ(read(out.dtype, got.data(), i), want)
            << to_string(a.shape) << to_string(a.dtype) << " - " << to_string(b.shape)
            << to_string(b.dtype) << " at " << i;
      }
      EXPECT_EQ(got.back(), 0xA5);
      to[0] = again.data();
      {
        Threads one(1);
        kernel->run(in, to, nullptr);
      }
      EXPECT_EQ(got, again);
    }
}

TEST(PointwiseExecutor, ComparesIntoBool) {
  const ValueDesc a{DType::f32, {3, 5000}}, b{DType::i32, {5000}}, out{DType::boolean, {3, 5000}};
  std::vector<uint8_t> x = draw(a, 1), y = draw(b, 2), got(15000);
  const void* in[] = {x.data(), y.data()};
  void* to[] = {got.data()};
  make_pointwise(row(PointwiseOp::lt, DType::f32), {a, b}, out)->run(in, to, nullptr);
  for (int64_t i = 0; i < 15000; ++i)
    ASSERT_EQ(got[static_cast<size_t>(i)],
              read(a.dtype, x.data(), i) < read(b.dtype, y.data(), i % 5000));
}

TEST(PointwiseExecutor, WritesInPlaceAndTakesWhatTheGradientMentions) {
  std::vector<float> x(10000, 3), g(10000, 2);
  const void* in[] = {x.data(), g.data()};  // square's gradient does not mention `out`
  void* to[] = {g.data()};
  const ValueDesc v{DType::f32, {100, 100}};
  auto kernel = make_pointwise(row(PointwiseOp::square, DType::f32, 0), {v, v}, v);
  kernel->run(in, to, nullptr);
  EXPECT_EQ(g, std::vector<float>(10000, 12));
  kernel->run(in, to, nullptr);
  EXPECT_EQ(g, std::vector<float>(10000, 72));
}

// An intermediate u8 wraps, a bool is 0 or 1, and results may be read on: as if each op had written
// memory.
TEST(PointwiseExecutor, FusedValuesAreRoundedAsInMemory) {
  const auto row = [](PointwiseOp op) { return static_cast<int16_t>(op); };
  const ValueDesc a{DType::i32, {3, 7000}}, b{DType::u8, {7000}}, c{DType::f32, {3, 1}};
  Expr expr;
  // 3: a·b mod 256
  expr.code = {{row(PointwiseOp::mul), -1, 2, DType::i64, DType::u8, {0, 1}},
               {row(PointwiseOp::gt), -1, 2, DType::f32, DType::boolean, {3, 2}},  // 4: · > c
               {Expr::kCast, -1, 1, DType::f32, DType::f64, {4}},  // 5
               {row(PointwiseOp::where), -1, 3, DType::f64, DType::f64, {4, 3, 5}},  // 6
               {row(PointwiseOp::square), 0, 2, DType::f64, DType::f64, {6, 2}}};  // 7: 2·c·(6)
  expr.results = {3, 7, 4};
  expr.space = a.shape;
  Step step;
  step.in = {a, b, c};

  step.out = {{DType::u8, a.shape}, {DType::f64, a.shape}, {DType::boolean, a.shape}};
  step.expr = &expr;
  std::vector<uint8_t> x = draw(a, 1), y = draw(b, 2), z = draw(c, 3), product(21000), flag(21000);
  std::vector<double> last(21000);
  const void* in[] = {x.data(), y.data(), z.data()};
  void* to[] = {product.data(), last.data(), flag.data()};
  make_fused(step)->run(in, to, nullptr);
  for (int64_t i = 0; i < 21000; ++i) {
    const double limit = read(c.dtype, z.data(), i / 7000);
    const auto want = static_cast<uint8_t>(
        static_cast<int64_t>(read(a.dtype, x.data(), i) * read(b.dtype, y.data(), i % 7000)));
    const auto at = static_cast<size_t>(i);
    ASSERT_EQ(product[at], want) << i;
    ASSERT_EQ(flag[at], want > limit) << i;
    ASSERT_EQ(last[at], 2 * limit * (want > limit ? want : 0)) << i;
  }
}

TEST(PointwiseExecutor, RefusesWhatDoesNotFit) {
  const PointwiseAttr add = row(PointwiseOp::add, DType::f32);
  EXPECT_THROW(make_pointwise(add, {{DType::f32, {3}}, {DType::f32, {4}}}, {DType::f32, {3}}),
               ShapeError);
  EXPECT_THROW(make_pointwise(add, {{DType::c64, {3}}, {DType::f32, {3}}}, {DType::f32, {3}}),
               DTypeError);
  EXPECT_EQ(
      make_pointwise(row(PointwiseOp::exp, DType::i64), {{DType::i64, {3}}}, {DType::i64, {3}}),
      nullptr);
}

// ---- casts and copies ---------------------------------------------------------------------------

TEST(Cast, TruncatesSaturatesAndWraps) {
  const double from[] = {2.9, -2.9, 300, -300, kNan, kInf, -kInf, 0, 0.25};
  auto cast = [&](DType to, auto zero) {
    std::vector<decltype(zero)> out(std::size(from));
    const void* in[] = {from};
    void* result[] = {out.data()};
    const Shape shape{static_cast<int64_t>(std::size(from))};
    make_cast({DType::f64, shape}, {to, shape})->run(in, result, nullptr);
    return out;
  };
  EXPECT_EQ(cast(DType::i8, int8_t{}), (std::vector<int8_t>{2, -2, 127, -128, 0, 127, -128, 0, 0}));
  EXPECT_EQ(cast(DType::u8, uint8_t{}), (std::vector<uint8_t>{2, 0, 255, 0, 0, 255, 0, 0, 0}));
  EXPECT_EQ(cast(DType::boolean, uint8_t{}), (std::vector<uint8_t>{1, 1, 1, 1, 1, 1, 1, 0, 1}));
  const int64_t most = std::numeric_limits<int64_t>::max(),
                least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(cast(DType::i64, int64_t{}),
            (std::vector<int64_t>{2, -2, 300, -300, 0, most, least, 0, 0}));
  const int32_t wide[] = {300, -1, 256};
  uint8_t narrow[3];
  converter(DType::i32, DType::u8)(wide, narrow, 3);
  EXPECT_EQ(std::vector<uint8_t>(narrow, narrow + 3), (std::vector<uint8_t>{44, 255, 0}));
  const uint8_t odd_bool[] = {0, 1, 255};
  converter(DType::boolean, DType::u8)(odd_bool, narrow, 3);
  EXPECT_EQ(std::vector<uint8_t>(narrow, narrow + 3), (std::vector<uint8_t>{0, 1, 1}));
  EXPECT_THROW(make_cast({DType::f32, {1}}, {DType::c64, {1}}), DTypeError);
}

TEST(StridedCopy, MatchesNaiveLoops) {
  struct Case {
    Shape out;
    std::array<int64_t, 8> strides;
    int64_t start, size;
  };
  const Case cases[] = {{{}, {}, 3, 4},
                        {{5}, {1}, 2, 7},
                        {{5}, {-1}, 4, 5},  // flip
                        {{5}, {0}, 1, 2},  // expand
                        {{0, 3}, {3, 1}, 0, 1},
                        {{130, 70}, {1, 130}, 0, 130 * 70},  // transpose
                        {{300, 500}, {1, 300}, 0, 300 * 500},  // two threads' worth
                        {{4, 5, 6, 7}, {42, 1, 7, 0}, 1, 400},
                        {{6, 50, 40, 30}, {60000, 1, 1500, 50}, 0, 360000},  // NCHW from NHWC
                        {{100, 3}, {10, 2}, 1, 1000},  // slice with steps
                        {{3, 4, 5}, {-20, 5, -1}, 44, 60},
                        {{64, 1, 1000}, {1000, 7, 1}, 0, 64000}};
  for (const Case& c : cases) {
    std::vector<float> in(static_cast<size_t>(c.size)), want(static_cast<size_t>(c.out.numel())),
        got(want.size() + 1, -5);
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
    for (size_t i = 0; i < want.size(); ++i) {
      int64_t rest = static_cast<int64_t>(i), at = c.start;
      for (int axis = c.out.rank() - 1; axis >= 0; rest /= c.out[axis--])
        at += rest % c.out[axis] * c.strides[static_cast<size_t>(axis)];
      want[i] = in.at(static_cast<size_t>(at));
    }
    auto kernel = make_strided_copy(DType::f32, c.out, c.strides);
    for (int threads : {1, 2}) {
      Threads use(threads);
      std::fill(got.begin(), got.end(), -5.f);
      kernel->run_at(in.data() + c.start, got.data());
      EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin())) << to_string(c.out);
      EXPECT_EQ(got.back(), -5.f);
    }
  }
}

}  // namespace
