// SPDX-License-Identifier: Apache-2.0
// Shapes that no memory can hold are errors at the call, wherever a shape is made; sizes of -1.
#include <gtest/gtest.h>

#include <climits>

#include "suanli/suanli.h"
#include "support/errors.h"

namespace suanli {
namespace {

constexpr int64_t kBig = int64_t{1} << 32;

using test::expect_fault;

TEST(Sizes, TooLargeIsAShapeErrorAtTheCall) {
  const Tensor one = ones({1}), row = ones({1, 1}), column = ones({1 << 24, 1}), empty = zeros({0});
  flush();
  const int64_t programs = plan_stats().programs;
  struct Case {
    const char* op;
    std::function<void()> call;
    const char* expected = "at most 2^48 bytes";
  };
  const char* const none = "0 elements, as input [0] has";
  const Case cases[] = {
      {"full", [] { zeros({kBig, kBig}); }},
      {"full", [] { ones({kBig, kBig, 0}); }},
      {"full", [] { full({int64_t{1} << 60, 16}, 1.0, u8); }},
      {"full", [] { full({int64_t{1} << 46}, 1.0, f64); }},
      {"tensor", [] { tensor(std::vector<float>{}, {kBig, kBig}); }},
      {"tensor", [] { tensor_filled_by({kBig, kBig}, f32, [](void*) { FAIL(); }); }},
      {"arange", [] { arange(int64_t{1} << 60); }},
      {"uniform", [] { rand({kBig, kBig}); }},
      {"normal", [] { randn({kBig, kBig}); }},
      {"randperm", [] { randperm(int64_t{1} << 60); }},
      {"reshape", [&] { reshape(empty, {kBig, kBig}); }, none},
      {"reshape", [&] { reshape(empty, {kBig, kBig, -1}); }, none},
      {"expand", [&] { expand(row, {kBig, kBig}); }},
      {"add", [&] { expand(one, {int64_t{1} << 40}) + expand(row, {1 << 20, 1}); }},
      {"matmul", [&] { matmul(expand(column, {-1, 1}), expand(row, {1, 1 << 30})); }},
      {"cat",
       [&] {
         const Tensor half = expand(one, {int64_t{1} << 45});
         cat({half, half, half});
       }},
      {"one_hot", [&] { one_hot(zeros({1 << 10}, i64), int64_t{1} << 60); }},
      {"embedding", [&] { embedding(ones({1, 1 << 20}), zeros({1 << 20, 1 << 8}, i64)); }},
      {"conv2d", [&] { conv2d(ones({1, 1, 4, 4}), ones({1, 1, 1, 1}), {}, {.padding = 1 << 30}); }},
      {"conv2d", [&] { conv2d(ones({1, 1, 4, 4}), ones({1, 1, 1, 1}), {}, {.padding = INT_MAX}); }},
      {"uniform", [&] { nn::Linear(kBig, kBig); }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.op);
    expect_fault<ShapeError>(c.call, {.op = c.op, .expected = c.expected});
  }
  EXPECT_EQ(plan_stats().programs, programs) << "nothing was computed";
}

// Sums and products of sizes and options are those of int64_t.
TEST(Sizes, LargeOptionsOfWindowsAreUnderstood) {
  const Tensor x = ones({1, 1, 4, 4}), kernel = ones({1, 1, 2, 2});
  for (int padding : {1 << 30, INT_MAX}) {
    EXPECT_FAULT(ArgumentError, max_pool2d(x, {.kernel_size = 1, .stride = 1, .padding = padding}),
                 .op = "max_pool2d", .argument = "padding", .given = std::to_string(padding),
                 .expected = "0 to 0, half of kernel 1");
    EXPECT_FAULT(ArgumentError, avg_pool2d(x, {.kernel_size = 2, .stride = 1, .padding = padding}),
                 .op = "avg_pool2d", .argument = "padding", .given = std::to_string(padding),
                 .expected = "0 to 1, half of kernel 2");
    const std::string size = std::to_string(int64_t{2} * padding + 3);
    EXPECT_FAULT(ShapeError, conv2d(x, kernel, {}, {.padding = padding}), .op = "conv2d",
                 .argument = "result", .given = "[1, 1, " + size + ", " + size + "] of f32");
  }
  EXPECT_FAULT(ShapeError, max_pool2d(x, {.kernel_size = INT_MAX, .stride = INT_MAX}),
               .op = "max_pool2d", .argument = "kernel_size", .given = "2147483647",
               .expected = "at most 4, as input 4 with padding 0 has");
  EXPECT_FAULT(ShapeError, conv2d(x, kernel, {}, {.dilation = INT_MAX}), .op = "conv2d",
               .argument = "weight", .given = "kernel 2 at dilation 2147483647 spanning 2147483648",
               .expected = "at most 4, as input 4 with padding 0 has");
  EXPECT_FAULT(ShapeError, conv2d(x, zeros({0, 1, int64_t{1} << 40, 1}), {}, {.dilation = INT_MAX}),
               .op = "conv2d", .argument = "weight",
               .given = "kernel 1099511627776 at dilation 2147483647 spanning 9223372036854775807");
}

TEST(Sizes, PicturesWithoutPixelsAreNotPooled) {
  for (const Shape& shape : {Shape{1, 1, 0, 4}, Shape{1, 1, 4, 0}}) {
    EXPECT_FAULT(ShapeError,
                 avg_pool2d(zeros(shape), {.kernel_size = 2, .stride = 1, .padding = 1}),
                 .op = "avg_pool2d", .argument = "input", .given = to_string(shape),
                 .expected = "pictures of at least 1×1");
    EXPECT_FAULT(ShapeError,
                 max_pool2d(zeros(shape), {.kernel_size = 2, .stride = 1, .padding = 1}),
                 .op = "max_pool2d", .argument = "input", .given = to_string(shape),
                 .expected = "pictures of at least 1×1");
  }
  EXPECT_EQ(avg_pool2d(zeros({0, 1, 4, 4})).shape(), (Shape{0, 1, 2, 2}));
}

TEST(Sizes, NegativeOnesAreErrors) {
  EXPECT_FAULT(ShapeError, reshape(ones({6}), {-2, -3}), .op = "reshape", .argument = "shape",
               .given = "[-2, -3]", .expected = "no negative size");
  EXPECT_FAULT(ShapeError, expand(ones({1, 1}), {-2, 3}), .op = "expand", .argument = "shape",
               .given = "[-2, 3]", .expected = "no negative size");
  EXPECT_FAULT(ShapeError, rand({-2, -3}), .op = "uniform", .argument = "shape",
               .given = "[-2, -3]", .expected = "no negative size");
}

TEST(Sizes, LargeEmptyTensorsWork) {
  const Tensor x = zeros({0, 1 << 20});
  EXPECT_EQ(sum(x).item(), 0);
  EXPECT_EQ(reshape(x, {1 << 30, 0}).shape(), (Shape{1 << 30, 0}));
}

TEST(Sizes, ADrawThatCannotBeRecordedTakesNoNumbers) {
  manual_seed(3);
  const uint64_t before = default_generator().counter();
  EXPECT_THROW(rand({kBig, kBig}), ShapeError);
  EXPECT_THROW(randn({-1}), ShapeError);
  EXPECT_THROW(randperm(-1), ShapeError);
  for (DType dtype : {i64, u8, boolean, DType::c64, DType::f8e4m3}) {
    EXPECT_THROW(rand({4}, dtype), DTypeError);
    EXPECT_THROW(randn({4}, dtype), DTypeError);
  }
  EXPECT_THROW(dropout(ones({4, 2}, i64), 0.5, true), DTypeError);
  EXPECT_THROW(stochastic_depth(ones({4, 2}, i64), 0.5, true), DTypeError);
  EXPECT_EQ(default_generator().counter(), before);
}

TEST(Sizes, ExpandKeepsAxesOfMinusOne) {
  // torch.Tensor.expand
  const Tensor x = tensor<float>({1, 2, 3}, {3, 1});
  EXPECT_EQ(expand(x, {-1, 4}).shape(), (Shape{3, 4}));
  EXPECT_EQ(expand(x, {2, -1, 4}).shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(expand(x, {2, -1, -1}).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(expand(x, {-1, -1}).node(), x.node()) << "the same shape is the same value";
  EXPECT_EQ(expand(x, {-1, 2}).to_vector<float>(), (std::vector<float>{1, 1, 2, 2, 3, 3}));
  EXPECT_FAULT(ShapeError, expand(x, {-1, 3, 4}), .op = "expand", .argument = "shape",
               .given = "[-1, 3, 4]",
               .expected = "no -1 at axis 0, where input [3, 1] has no size to keep");
  EXPECT_FAULT(ShapeError, expand(x, {-1}), .op = "expand", .argument = "shape", .given = "[-1]");
  EXPECT_FAULT(ShapeError, expand(x, {-2, 4}), .op = "expand", .argument = "shape",
               .given = "[-2, 4]", .expected = "a shape to which input [3, 1] broadcasts");
}

// A plane's positions are i32.
TEST(Sizes, PoolingOfPlanesBeyond32Bits) {
  const Tensor x = expand(ones({1, 1, 1, 1}), {1, 1, 50000, 50000});
  EXPECT_FAULT(ShapeError, max_pool2d(x, {2}), .op = "max_pool2d", .argument = "input",
               .given = "[1, 1, 50000, 50000]",
               .expected = "planes of at most 2147483647 elements, as their positions are i32");
}

// A picture without rows has windows of padding alone; the planned tier may lay them out in blocks.
TEST(Sizes, AConvolutionOfPaddingAloneIsItsBias) {
  for (Tier tier : {Tier::cold, Tier::planned}) {
    Session session;
    session.set_tier(tier);
    const Session::Use use(session);
    const Tensor b = arange(32, f32), w = rand({32, 3, 2, 2});
    std::vector<float> one(32 * 32);
    for (size_t o = 0; o < 32; ++o) one[o * 33] = 1;
    const Tensor y = conv2d(zeros({1, 3, 0, 4}), w, b, {.padding = 1});
    ASSERT_EQ(y.shape(), (Shape{1, 32, 1, 5}));
    const auto got = conv2d(y, tensor<float>(one, {32, 32, 1, 1})).to_vector<float>();
    for (size_t o = 0; o < 32; ++o)
      for (size_t i = 0; i < 5; ++i) EXPECT_EQ(got[o * 5 + i], static_cast<float>(o));
  }
}

// Only the middle tap of a kernel meets the picture; zeros around it would fill gigabytes.
TEST(Sizes, PaddingFarLargerThanThePicture) {
  for (int far : {63, 1000, 24000}) {
    const Tensor x = uniform(-1, 1, {1, 2, 8, 8}), w = uniform(-1, 1, {3, 2, 3, 3});
    const Tensor y = conv2d(x, w, {}, {.padding = far, .dilation = far});
    ASSERT_EQ(y.shape(), (Shape{1, 3, 8, 8}));
    const auto got = y.to_vector<float>(), xs = x.to_vector<float>(), ws = w.to_vector<float>();
    for (size_t o = 0; o < 3; ++o)
      for (size_t i = 0; i < 64; ++i) {
        const double want =
            static_cast<double>(xs[i]) * static_cast<double>(ws[o * 18 + 4]) +
            static_cast<double>(xs[64 + i]) * static_cast<double>(ws[o * 18 + 9 + 4]);
        EXPECT_NEAR(static_cast<double>(got[o * 64 + i]), want, 1e-6) << far;
      }
  }
}

}  // namespace
}  // namespace suanli
