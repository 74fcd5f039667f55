// Handles, reading, printing; dtypes and broadcasting of what ops are given.
#include <sstream>

#include "gtest/gtest.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Tensor, MakingAndReading) {
  Tensor t = tensor<int64_t>({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.shape(), Shape{6});
  EXPECT_EQ(t.dtype(), i64);
  EXPECT_EQ(t.to_vector<int64_t>(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  Tensor f = {1.5f, -2.0f};
  EXPECT_EQ(f.dtype(), f32);
  EXPECT_EQ(f.to_vector<float>(), (std::vector<float>{1.5f, -2.0f}));
  Tensor b = tensor(std::vector<bool>{true, false, true}, {3});
  EXPECT_EQ(b.to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(zeros({0, 3}).to_vector<float>().size(), 0u);
  EXPECT_EQ(zeros({2, 3}).size(-1), 3);
  EXPECT_EQ(arange(4).to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2, 3}));
  Tensor filled = tensor_filled_by({2, 2}, f32, [](void* p) { std::fill_n(static_cast<float*>(p), 4, 9.0f); });
  EXPECT_EQ(filled.to_vector<float>(), std::vector<float>(4, 9.0f));
  EXPECT_EQ(Tensor(2.5).item(), 2.5f);
  EXPECT_EQ(Tensor(7).item<int64_t>(), 7);
  EXPECT_EQ(Tensor(true).item<bool>(), true);
  EXPECT_EQ((Tensor(2.5) + Tensor(1)).item(), 3.5f);
}

TEST(Tensor, Errors) {
  EXPECT_EQ(thrown<DTypeError>([] { tensor<int64_t>({1}).item(); }), "[read] the tensor is i64, not f32; convert it with cast(t, f32)");
  EXPECT_EQ(thrown<DTypeError>([] { zeros({2}).to_vector<double>(); }), "[read] the tensor is f32, not f64; convert it with cast(t, f64)");
  EXPECT_EQ(thrown<ShapeError>([] { zeros({2, 2}).item(); }),
            "[item] the tensor has shape [2, 2]; item() reads one element, to_vector() reads all");
  EXPECT_NE(thrown<ShapeError>([] { tensor(std::vector<float>{1, 2, 3}, {2, 2}); }).find("3 values of f32 given for shape [2, 2]"),
            std::string::npos);
  EXPECT_NE(thrown<ShapeError>([] { Tensor().shape(); }).find("undefined"), std::string::npos);
  EXPECT_NE(thrown<ShapeError>([] { Tensor() + 1.0; }).find("[add] an input is undefined"), std::string::npos);
  EXPECT_NE(thrown<ShapeError>([] { zeros({2, -1}); }).find("negative"), std::string::npos);
  EXPECT_NE(thrown<ShapeError>([] { zeros({2, 3}).size(2); }).find("axis 2 is out of range for rank 2"), std::string::npos);
  EXPECT_NE(thrown<DTypeError>([] { tensor<int64_t>({1}).requires_grad_(); }).find("only float dtypes"), std::string::npos);
  EXPECT_NE(
      thrown<ShapeError>([] { zeros({4, 3}) + zeros({4, 2}); }).find("[add] shapes [4, 3] and [4, 2] do not broadcast: sizes 3 and 2"),
      std::string::npos);
}

TEST(Tensor, Handles) {
  Tensor a = tensor_f32({3}, 1), b = a, c = std::move(a);
  EXPECT_FALSE(a.defined());
  EXPECT_EQ(b.node(), c.node());
  b = b + 1.0;
  EXPECT_NE(b.node(), c.node());
  c = c;  // NOLINT: assigning to itself keeps the value
  EXPECT_EQ(c.to_vector<float>().size(), 3u);
  std::vector<Tensor> many(1000, c);
  many.clear();
  EXPECT_TRUE(c.materialised());
}

TEST(Tensor, Printing) {
  EXPECT_EQ(to_string(Tensor{1.5f, -2.0f, 3.0f}), "[1.5, -2, 3] f32[3]");
  EXPECT_EQ(to_string(tensor<int64_t>({1, 2})), "[1, 2] i64[2]");
  EXPECT_EQ(to_string(tensor(std::vector<bool>{true, false}, {2})), "[true, false] bool[2]");
  EXPECT_EQ(to_string(scalar(0.1)), "0.1 f64[]");
  EXPECT_EQ(to_string(reshape(arange(4), {2, 2})), "[[0, 1],\n [2, 3]]\ni64[2, 2]");
  EXPECT_EQ(to_string(arange(100)), "[0, 1, 2, …, 97, 98, 99] i64[100]");
  EXPECT_EQ(to_string(reshape(arange(20), {10, 2})), "[[0, 1],\n [2, 3],\n [4, 5],\n …,\n [14, 15],\n [16, 17],\n [18, 19]]\ni64[10, 2]");
  EXPECT_EQ(to_string(zeros({0})), "[] f32[0]");
  EXPECT_EQ(to_string(Tensor()), "undefined tensor");
  std::ostringstream out;
  out << Tensor{2.0f} + 1.0;
  EXPECT_EQ(out.str(), "[3] f32[1]");
}

TEST(Tensor, BroadcastingIsNumPys) {
  struct Case {
    Shape a, b, expected;
  };
  const Case cases[] = {{{3}, {3}, {3}},
                        {{2, 3}, {3}, {2, 3}},
                        {{2, 1}, {1, 3}, {2, 3}},
                        {{}, {2, 2}, {2, 2}},
                        {{4, 1, 2}, {3, 1}, {4, 3, 2}},
                        {{0, 3}, {1, 3}, {0, 3}},
                        {{1}, {0}, {0}},
                        {{5, 1}, {5, 1}, {5, 1}},
                        {{1, 1, 1}, {}, {1, 1, 1}},
                        {{2, 3, 4}, {2, 1, 1}, {2, 3, 4}},
                        {{8, 1, 6, 1}, {7, 1, 5}, {8, 7, 6, 5}}};
  for (const Case& c : cases)
    for (bool swapped : {false, true}) {
      const Shape &sa = swapped ? c.b : c.a, &sb = swapped ? c.a : c.b;
      Tensor a = tensor_f64(sa, 1), b = tensor_f64(sb, 2), y = a - b;
      ASSERT_EQ(y.shape(), c.expected);
      const auto va = a.to_vector<double>(), vb = b.to_vector<double>(), vy = y.to_vector<double>();
      for (int64_t i = 0; i < y.numel(); ++i) {
        // The element's coordinates from the last axis on; axes of size 1 and missing ones stay at 0.
        int64_t rest = i, ia = 0, ib = 0, stride_a = 1, stride_b = 1;
        for (int axis = 1; axis <= c.expected.rank(); ++axis) {
          const int64_t n = c.expected[c.expected.rank() - axis], at = rest % n;
          rest /= n;
          if (axis <= sa.rank()) ia += sa[sa.rank() - axis] == 1 ? 0 : at * stride_a, stride_a *= sa[sa.rank() - axis];
          if (axis <= sb.rank()) ib += sb[sb.rank() - axis] == 1 ? 0 : at * stride_b, stride_b *= sb[sb.rank() - axis];
        }
        ASSERT_EQ(vy[static_cast<size_t>(i)], va[static_cast<size_t>(ia)] - vb[static_cast<size_t>(ib)]);
      }
    }
  for (auto [a, b] : {std::pair{Shape{3}, Shape{2}}, {Shape{2, 3}, Shape{2}}, {Shape{0}, Shape{2}}})
    EXPECT_THROW(broadcast(a, b), ShapeError);
}

TEST(Tensor, ScalarsTakeTheDtypeTheyMeet) {
  struct Case {
    DType x;
    Tensor scalar;
    DType expected;
  };
  const Case cases[] = {{f32, 1.5, f32},     {f64, 1.5, f64},  {f32, 2, f32},   {f64, 2, f64},  {i64, 2, i64},
                        {i64, 1.5, f32},     {i32, 2, i32},    {u8, 2, u8},     {u8, 1.5, f32}, {boolean, 2, i64},
                        {boolean, 1.5, f32}, {f64, true, f64}, {i32, true, i32}};
  for (const Case& c : cases) {
    Tensor x = cast(tensor<int64_t>({1, 0, 3}), c.x);
    EXPECT_EQ((x + c.scalar).dtype(), c.expected) << name(c.x) << " + " << to_string(c.scalar);
    EXPECT_EQ((c.scalar + x).dtype(), c.expected) << to_string(c.scalar) << " + " << name(c.x);
  }
  EXPECT_EQ((tensor(std::vector<double>{1}, {1}) * 0.1).item<double>(), 0.1) << "a double stays one beside f64";
  EXPECT_EQ(Tensor(0.5).dtype(), f32);
  EXPECT_EQ(Tensor(1).dtype(), i64);
}

TEST(Tensor, Promotion) {
  struct Case {
    DType a, b, expected;
  };
  const Case cases[] = {{f32, f64, f64}, {f32, i64, f32},   {f64, i32, f64},     {i32, i64, i64},     {u8, i32, i32},
                        {u8, i64, i64},  {boolean, u8, u8}, {boolean, f32, f32}, {boolean, i64, i64}, {i32, f32, f32}};
  for (const Case& c : cases) {
    Tensor a = cast(tensor<int64_t>({1, 0, 1}), c.a), b = cast(tensor<int64_t>({1, 1, 0}), c.b);
    for (const Tensor& y : {a + b, b + a}) {
      EXPECT_EQ(y.dtype(), c.expected) << name(c.a) << " + " << name(c.b);
      EXPECT_EQ(cast(y, f64).to_vector<double>(), (std::vector<double>{2, 1, 1}));
    }
    EXPECT_EQ((a < b).dtype(), boolean);
  }
  EXPECT_EQ(exp(tensor<int64_t>({0})).dtype(), f32) << "functions of reals make floats of integers";
}

TEST(Tensor, Comparisons) {
  Tensor a = {1, 2, 3}, b = {3, 2, 1};
  EXPECT_EQ((a < b).to_vector<bool>(), (std::vector<bool>{true, false, false}));
  EXPECT_EQ((a == b).to_vector<bool>(), (std::vector<bool>{false, true, false}));
  EXPECT_EQ((a >= 2.0).to_vector<bool>(), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(where(a > b, a, b).to_vector<float>(), (std::vector<float>{3, 2, 3}));
}

TEST(Tensor, DetachSharesTheValue) {
  Parameter w(tensor_f64({3}, 1));
  Tensor y = w * 2.0, d = y.detach();
  EXPECT_FALSE(d.requires_grad());
  EXPECT_EQ(d.to_vector<double>(), y.to_vector<double>());
  Tensor after = y.detach();
  EXPECT_EQ(after.to_vector<double>(), y.to_vector<double>());
  sum(d * w).backward();
  EXPECT_EQ(w.grad().to_vector<double>(), y.to_vector<double>()) << "through w alone, not through y";
}

}  // namespace
}  // namespace suanli
