// Shapes that no memory can hold are errors at the call, wherever a shape is made; sizes of -1.
#include <gtest/gtest.h>

#include "suanli/suanli.h"

namespace suanli {
namespace {

constexpr int64_t kBig = int64_t{1} << 32;

template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const ShapeError& e) { return e.what(); } catch (const std::exception& e) {
    return std::string("another exception: ") + e.what();
  }
  return "nothing was thrown";
}

TEST(Sizes, TooLargeIsAShapeErrorAtTheCall) {
  const Tensor one = ones({1}), row = ones({1, 1}), column = ones({1 << 24, 1}), empty = zeros({0});
  flush();
  const int64_t programs = plan_stats().programs;
  struct Case {
    const char* op;
    std::function<void()> call;
  };
  const Case cases[] = {
      {"full", [] { zeros({kBig, kBig}); }},
      {"full", [] { ones({kBig, kBig, 0}); }},
      {"full", [] { full({int64_t{1} << 60, 16}, 1.0, u8); }},
      {"full", [] { full({int64_t{1} << 46}, 1.0, f64); }},
      {"tensor", [] { tensor(std::vector<float>{}, {kBig, kBig}); }},
      {"tensor", [] { tensor_filled_by({kBig, kBig}, f32, [](void*) { FAIL(); }); }},
      {"arange", [] { arange(int64_t{1} << 60); }},
      {"uniform", [] { uniform({kBig, kBig}); }},
      {"normal", [] { normal({kBig, kBig}); }},
      {"permutation", [] { permutation(int64_t{1} << 60); }},
      {"reshape", [&] { reshape(empty, {kBig, kBig}); }},
      {"reshape", [&] { reshape(empty, {kBig, kBig, -1}); }},
      {"expand", [&] { expand(row, {kBig, kBig}); }},
      {"add", [&] { expand(one, {int64_t{1} << 40}) + expand(row, {1 << 20, 1}); }},
      {"matmul", [&] { matmul(expand(column, {-1, 1}), expand(row, {1, 1 << 30})); }},
      {"concat",
       [&] {
         const Tensor half = expand(one, {int64_t{1} << 45});
         concat({half, half, half});
       }},
      {"one_hot", [&] { one_hot(zeros({1 << 10}, i64), int64_t{1} << 60); }},
      {"embedding", [&] { embedding(ones({1, 1 << 20}), zeros({1 << 20, 1 << 8}, i64)); }},
      {"max_pool2d", [&] { max_pool2d(ones({1, 1, 1 << 12, 1 << 12}), {.kernel = 1, .stride = 1, .padding = 1 << 30}); }},
      {"conv2d", [&] { conv2d(ones({1, 1, 4, 4}), ones({1, 1, 1, 1}), {}, {.padding = 1 << 30}); }},
      {"uniform", [&] { nn::Linear(kBig, kBig); }},
  };
  for (const Case& c : cases) {
    const std::string text = error_of(c.call);
    EXPECT_EQ(text.find(std::string("[") + c.op + "]"), 0u) << text;
  }
  EXPECT_EQ(plan_stats().programs, programs) << "nothing was computed";
}

TEST(Sizes, NegativeOnesAreErrors) {
  EXPECT_NE(error_of([] { reshape(ones({6}), {-2, -3}); }).find("[reshape]"), std::string::npos);
  EXPECT_NE(error_of([] { expand(ones({1, 1}), {-2, 3}); }).find("[expand]"), std::string::npos);
  EXPECT_NE(error_of([] { uniform({-2, -3}); }).find("[uniform]"), std::string::npos);
}

TEST(Sizes, LargeEmptyTensorsWork) {
  const Tensor x = zeros({0, 1 << 20});
  EXPECT_EQ(sum(x).item(), 0);
  EXPECT_EQ(reshape(x, {1 << 30, 0}).shape(), (Shape{1 << 30, 0}));
}

TEST(Sizes, ADrawThatCannotBeRecordedTakesNoNumbers) {
  manual_seed(3);
  const uint64_t before = default_generator().counter();
  EXPECT_THROW(uniform({kBig, kBig}), ShapeError);
  EXPECT_THROW(normal({-1}), ShapeError);
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
  EXPECT_NE(error_of([&] { expand(x, {-1, 3, 4}); }).find("[expand] shape [-1, 3, 4] has -1 at axis 0"), std::string::npos);
  EXPECT_NE(error_of([&] { expand(x, {-1}); }).find("[expand]"), std::string::npos);
  EXPECT_NE(error_of([&] { expand(x, {-2, 4}); }).find("[expand]"), std::string::npos);
}

}  // namespace
}  // namespace suanli
