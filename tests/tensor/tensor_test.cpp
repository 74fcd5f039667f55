// SPDX-License-Identifier: Apache-2.0
// Handles, reading, printing; dtypes and broadcasting of what ops are given.
#include <clocale>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Tensor, MakingAndReading) {
  Tensor t = tensor<int64_t>({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(t.shape(), Shape{6});
  EXPECT_EQ(t.dtype(), i64);
  EXPECT_EQ(t.to_vector<int64_t>(), (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  Tensor f = tensor({1.5f, -2.0f});
  EXPECT_EQ(f.dtype(), f32);
  EXPECT_EQ(f.to_vector<float>(), (std::vector<float>{1.5f, -2.0f}));
  Tensor b = tensor(std::vector<bool>{true, false, true}, {3});
  EXPECT_EQ(b.to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(zeros({0, 3}).to_vector<float>().size(), 0u);
  EXPECT_EQ(zeros({2, 3}).size(-1), 3);
  EXPECT_EQ(arange(4).to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2, 3}));
  Tensor filled =
      tensor_filled_by({2, 2}, f32, [](void* p) { std::fill_n(static_cast<float*>(p), 4, 9.0f); });
  EXPECT_EQ(filled.to_vector<float>(), std::vector<float>(4, 9.0f));
  EXPECT_EQ(Tensor(2.5).item(), 2.5f);
  EXPECT_EQ(Tensor(7).item<int64_t>(), 7);
  EXPECT_EQ(Tensor(true).item<bool>(), true);
  EXPECT_EQ((Tensor(2.5) + Tensor(1)).item(), 3.5f);
}

TEST(Tensor, Errors) {
  EXPECT_FAULT(DTypeError, zeros({2}).data<double>(), .op = "read", .argument = "tensor",
               .given = "f32", .expected = "f64", .remedy = "Convert it with cast(t, f64).");
  EXPECT_FAULT(ShapeError, zeros({2, 2}).item(), .op = "item", .argument = "tensor",
               .given = "[2, 2]", .expected = "one element",
               .remedy = "Read all elements with to_vector().");
  EXPECT_FAULT(ShapeError, tensor(std::vector<float>{1, 2, 3}, {2, 2}), .op = "tensor",
               .argument = "values", .given = "3 of f32", .expected = "4 for shape [2, 2]");
  EXPECT_FAULT(StateError, Tensor().shape(), .op = "shape", .argument = "tensor",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(StateError, Tensor().dtype(), .op = "dtype", .argument = "tensor",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(StateError, Tensor() + 1.0, .op = "add", .argument = "x",
               .given = "undefined (default-constructed)");
  EXPECT_FAULT(ShapeError, zeros({2, -1}), .op = "full", .argument = "shape", .given = "[2, -1]",
               .expected = "no negative size");
  EXPECT_FAULT(ShapeError, zeros({2, 3}).size(2), .op = "Shape.axis", .argument = "dim",
               .given = "2", .expected = "-2 to 1 for rank 2");
  EXPECT_FAULT(DTypeError, tensor<int64_t>({1}).requires_grad_(), .op = "requires_grad_",
               .given = "i64", .expected = "a float dtype");
  EXPECT_FAULT(ShapeError, zeros({4, 3}) + zeros({4, 2}), .op = "add", .argument = "x, y",
               .given = "[4, 3] and [4, 2]", .expected = "sizes that broadcast, not 3 and 2");
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
  EXPECT_TRUE(c.materialized());
}

TEST(Tensor, Printing) {
  EXPECT_EQ(to_string(tensor({1.5f, -2.0f, 3.0f})), "[1.5, -2, 3] f32[3]");
  EXPECT_EQ(to_string(tensor<int64_t>({1, 2})), "[1, 2] i64[2]");
  EXPECT_EQ(to_string(tensor(std::vector<bool>{true, false}, {2})), "[true, false] bool[2]");
  EXPECT_EQ(to_string(scalar(0.1)), "0.1 f64[]");
  EXPECT_EQ(to_string(reshape(arange(4), {2, 2})), "[[0, 1],\n [2, 3]]\ni64[2, 2]");
  EXPECT_EQ(to_string(arange(100)), "[0, 1, 2, …, 97, 98, 99] i64[100]");
  EXPECT_EQ(to_string(reshape(arange(20), {10, 2})),
            "[[0, 1],\n [2, 3],\n [4, 5],\n …,\n [14, 15],\n [16, 17],\n [18, 19]]\ni64[10, 2]");
  EXPECT_EQ(to_string(zeros({0})), "[] f32[0]");
  EXPECT_EQ(to_string(Tensor()), "undefined tensor");
  std::ostringstream out;
  out << tensor({2.0f}) + 1.0;
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
        // The element's coordinates from the last axis on; axes of size 1 and missing ones stay at
        // 0.
        int64_t rest = i, ia = 0, ib = 0, stride_a = 1, stride_b = 1;
        for (int axis = 1; axis <= c.expected.rank(); ++axis) {
          const int64_t n = c.expected[c.expected.rank() - axis], at = rest % n;
          rest /= n;
          if (axis <= sa.rank()) {
            ia += sa[sa.rank() - axis] == 1 ? 0 : at * stride_a;
            stride_a *= sa[sa.rank() - axis];
          }
          if (axis <= sb.rank()) {
            ib += sb[sb.rank() - axis] == 1 ? 0 : at * stride_b;
            stride_b *= sb[sb.rank() - axis];
          }
        }
        ASSERT_EQ(vy[static_cast<size_t>(i)],
                  va[static_cast<size_t>(ia)] - vb[static_cast<size_t>(ib)]);
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
  const Case cases[] = {{f32, 1.5, f32}, {f64, 1.5, f64},   {f32, 2, f32},       {f64, 2, f64},
                        {i64, 2, i64},   {i64, 1.5, f32},   {i32, 2, i32},       {u8, 2, u8},
                        {u8, 1.5, f32},  {boolean, 2, i64}, {boolean, 1.5, f32}, {f64, true, f64},
                        {i32, true, i32}};
  for (const Case& c : cases) {
    Tensor x = cast(tensor<int64_t>({1, 0, 3}), c.x);
    EXPECT_EQ((x + c.scalar).dtype(), c.expected) << name(c.x) << " + " << to_string(c.scalar);
    EXPECT_EQ((c.scalar + x).dtype(), c.expected) << to_string(c.scalar) << " + " << name(c.x);
  }
  EXPECT_EQ((tensor(std::vector<double>{1}, {1}) * 0.1).item<double>(), 0.1)
      << "a double stays one beside f64";
  EXPECT_EQ(Tensor(0.5).dtype(), f32);
  EXPECT_EQ(Tensor(1).dtype(), i64);
}

TEST(Tensor, Promotion) {
  struct Case {
    DType a, b, expected;
  };
  const Case cases[] = {{f32, f64, f64},   {f32, i64, f32},     {f64, i32, f64},
                        {i32, i64, i64},   {u8, i32, i32},      {u8, i64, i64},
                        {boolean, u8, u8}, {boolean, f32, f32}, {boolean, i64, i64},
                        {i32, f32, f32}};
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
  Tensor a = tensor({1, 2, 3}), b = tensor({3, 2, 1});
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
  EXPECT_EQ(w.grad().to_vector<double>(), y.to_vector<double>())
      << "through w alone, not through y";
}

TEST(Tensor, ItemAndToVectorConvert) {
  // LibTorch's Tensor::item<T>(): toward zero, and an error where T does not hold the number.
  EXPECT_EQ(tensor<float>({2.75f}).item<double>(), 2.75);
  EXPECT_EQ(tensor<double>({0.1}).item(), 0.1f);
  EXPECT_EQ(tensor<double>({-2.75}).item<int>(), -2);
  EXPECT_EQ(tensor<float>({2.75f}).item<int64_t>(), 2);
  EXPECT_EQ(tensor<int64_t>({7}).item(), 7.0f);
  EXPECT_EQ(tensor<int64_t>({7}).item<unsigned short>(), 7);
  EXPECT_EQ(tensor<int64_t>({(int64_t{1} << 62) + 1}).item<long long>(), (1LL << 62) + 1);
  EXPECT_EQ(tensor<uint8_t>({200}).item<int64_t>(), 200);
  EXPECT_EQ(tensor<int64_t>({-1}).item<uint8_t>(), 255)
      << "negative numbers wrap in unsigned types";
  EXPECT_TRUE(tensor<float>({0.5f}).item<bool>());
  EXPECT_FALSE(tensor<int64_t>({0}).item<bool>());
  EXPECT_EQ(tensor(std::vector<bool>{true}, {1}).item<int>(), 1);
  EXPECT_EQ((tensor<float>({1, 2}) == tensor<float>({1, 3})).to_vector<int64_t>(),
            (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(tensor<int64_t>({1, -2}).to_vector<float>(), (std::vector<float>{1, -2}));
  EXPECT_EQ(Tensor(2.75).item<int>(), 2);
  EXPECT_EQ(Tensor(3).item<double>(), 3);
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(tensor<float>({inf}).item<double>(), static_cast<double>(inf));
  EXPECT_TRUE(std::isnan(tensor<float>({nan}).item<double>()));
  EXPECT_EQ(tensor<double>({-9223372036854775808.0}).item<int64_t>(),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(tensor<double>({-128.5}).item<int8_t>(), -128);
  EXPECT_THROW(tensor<double>({1e300}).item(), DTypeError);
  EXPECT_THROW(tensor<double>({9223372036854775808.0}).item<int64_t>(), DTypeError);
  EXPECT_THROW(tensor<double>({-129.0}).item<int8_t>(), DTypeError);
  EXPECT_THROW(tensor<double>({128.0}).item<int8_t>(), DTypeError);
  EXPECT_THROW(tensor<float>({nan}).item<int>(), DTypeError);
  EXPECT_THROW(tensor<float>({inf}).item<int64_t>(), DTypeError);
  EXPECT_THROW(tensor<int64_t>({256}).item<uint8_t>(), DTypeError);
  EXPECT_THROW(tensor<int64_t>({-256}).item<uint8_t>(), DTypeError);
  EXPECT_THROW((tensor<int64_t>({1, 300}).to_vector<int8_t>()), DTypeError);
  EXPECT_FAULT(DTypeError, tensor<int64_t>({300}).item<uint8_t>(), .op = "read",
               .argument = "tensor", .given = "300", .expected = "a number that the C++ type holds",
               .remedy = "Read a wider type.");
}

/// Writes numbers as much of Europe does.
struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Tensor, PrintsTheSameInEveryLocale) {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
  for (const char* name : {"de_DE.utf8", "de_DE.UTF-8", "fr_FR.utf8"})
    if (std::setlocale(LC_ALL, name)) break;
  std::ostringstream out;  // takes the global locale
  out << tensor<float>({1234567.5f, -0.25f}) << tensor<double>({12345678.25, 1e-7})
      << tensor<int64_t>({1234567});
  EXPECT_FAULT(ShapeError, zeros({1234567}) + zeros({2345678}), .given = "[1234567] and [2345678]",
               .expected = "sizes that broadcast, not 1234567 and 2345678");
  std::setlocale(LC_ALL, "C");
  std::locale::global(before);
  EXPECT_EQ(out.str(), "[1.23457e+06, -0.25] f32[2][12345678.25, 1e-07] f64[2][1234567] i64[1]");
}

TEST(Tensor, ReadsHalvesAndUnsigned64) {
  const uint16_t f16s[] = {0x3c00, 0xc100, 0x0001, 0x7c00}, bf16s[] = {0x3f80, 0xc020, 0x7f80};
  const Tensor half = tensor_from_bytes(f16s, sizeof f16s, {4}, DType::f16),
               brain = tensor_from_bytes(bf16s, sizeof bf16s, {3}, DType::bf16);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(half.to_vector<double>(), (std::vector<double>{1, -2.5, 0x1p-24, infinity}));
  EXPECT_EQ(brain.to_vector<float>(),
            (std::vector<float>{1, -2.5f, std::numeric_limits<float>::infinity()}));
  EXPECT_EQ(tensor_from_bytes(f16s + 1, 2, {}, DType::f16).item<double>(), -2.5);
  const uint64_t most = uint64_t{1} << 63, u64s[] = {0, most - 1, most};
  const Tensor fits = tensor_from_bytes(u64s, 16, {2}, DType::u64),
               large = tensor_from_bytes(u64s, 24, {3}, DType::u64);
  EXPECT_EQ(fits.to_vector<int64_t>(),
            (std::vector<int64_t>{0, std::numeric_limits<int64_t>::max()}));
  EXPECT_EQ(tensor_from_bytes(u64s + 1, 8, {}, DType::u64).item<int64_t>(),
            std::numeric_limits<int64_t>::max());
  EXPECT_FAULT(DTypeError, large.to_vector<int64_t>(), .op = "read", .argument = "tensor",
               .given = "9223372036854775808 at position 2",
               .expected = "at most 9223372036854775807, the largest i64");
  const Tensor complex = tensor_from_bytes(u64s, 8, {}, DType::c64);
  EXPECT_FAULT(DTypeError, complex.item<double>(), .op = "read", .argument = "tensor",
               .given = "c64");
  EXPECT_FAULT(DTypeError, to_string(complex), .op = "to_string", .argument = "tensor",
               .given = "c64");
}

TEST(Tensor, PrintsLikePrintf) {
  for (double v :
       {0.0, -0.0, 1.0, 123456.0, 1234567.0, 1e-5, 0.0001, 3.14159265358979, 1e300, -2.5e-310,
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    char expected[64];
    std::snprintf(expected, sizeof expected, "[%.10g] f64[1]", v);
    EXPECT_EQ(to_string(tensor<double>({v})), expected);
    std::snprintf(expected, sizeof expected, "[%.6g] f32[1]",
                  static_cast<double>(static_cast<float>(v)));
    EXPECT_EQ(to_string(tensor<float>({static_cast<float>(v)})), expected);
  }
}

}  // namespace
}  // namespace suanli
