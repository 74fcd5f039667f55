// SPDX-License-Identifier: Apache-2.0
// Shapes, dtypes and their errors.
#include "suanli/base.h"

#include <clocale>
#include <locale>
#include <sstream>

#include "base/text/text.h"
#include "gtest/gtest.h"
#include "suanli/runtime.h"
#include "support/errors.h"

namespace suanli {
namespace {

TEST(Shape, Basics) {
  Shape s = {2, 3, 4};
  EXPECT_EQ(s.rank(), 3);
  EXPECT_EQ(s.numel(), 24);
  EXPECT_EQ(s.at(-1), 4);
  EXPECT_EQ(s.axis(-3), 0);
  EXPECT_EQ(to_string(s), "[2, 3, 4]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{5, 0}).numel(), 0);
  EXPECT_TRUE((Shape{2, 3}) == (Shape(std::vector<int64_t>{2, 3})));
  EXPECT_FALSE((Shape{2, 3}) == (Shape{2, 3, 1}));
  s.push_back(7);
  EXPECT_EQ(s, (Shape{2, 3, 4, 7}));
}

TEST(Shape, Errors) {
  EXPECT_FAULT(ShapeError, (Shape{1, 2}.at(2)), .op = "Shape.axis", .argument = "dim", .given = "2",
               .expected = "-2 to 1 for rank 2");
  EXPECT_FAULT(ShapeError, Shape{}.at(0), .op = "Shape.axis", .argument = "dim", .given = "0",
               .expected = "none for rank 0");
  EXPECT_FAULT(ShapeError, (Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), .op = "Shape", .argument = "rank",
               .given = "9", .expected = "at most 8 axes");
  Shape full = {1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_THROW(full.push_back(1), ShapeError);
  EXPECT_FAULT(ShapeError, broadcast({4, 3}, {2, 4, 2}), .op = "broadcast", .argument = "a, b",
               .given = "[4, 3] and [2, 4, 2]", .expected = "sizes that broadcast, not 3 and 2");
  EXPECT_FAULT(ShapeError, (Shape{int64_t{1} << 32, int64_t{1} << 32}.numel()), .op = "Shape.numel",
               .given = "[4294967296, 4294967296]", .expected = "fewer elements than 2^63");
}

TEST(DTypes, NamesAndSizes) {
  struct Case {
    DType dtype;
    const char* name;
    int64_t size;
  };
  for (const Case& c : {Case{f64, "f64", 8},
                        {f32, "f32", 4},
                        {DType::f16, "f16", 2},
                        {DType::bf16, "bf16", 2},
                        {i64, "i64", 8},
                        {i32, "i32", 4},
                        {DType::i16, "i16", 2},
                        {DType::i8, "i8", 1},
                        {u8, "u8", 1},
                        {boolean, "bool", 1},
                        {DType::c128, "c128", 16},
                        {DType::i4, "i4", 1}}) {
    EXPECT_STREQ(name(c.dtype), c.name);
    EXPECT_EQ(itemsize(c.dtype), c.size);
    EXPECT_EQ(dtype_from_name(c.name), c.dtype);
  }
  EXPECT_FAULT(ArgumentError, dtype_from_name("float"), .op = "dtype_from_name",
               .argument = "dtype", .given = "'float'");
}

TEST(DTypes, PromotionIsPyTorchs) {
  // torch.promote_types, read off its table.
  struct Case {
    DType a, b, expected;
  };
  for (const Case& c : {Case{f32, f64, f64},
                        {f16, bf16, f32},
                        {f16, f32, f32},
                        {f16, i64, f16},
                        {bf16, f64, f64},
                        {i8, u8, i16},
                        {u8, i16, i16},
                        {u8, i64, i64},
                        {i8, i32, i32},
                        {boolean, u8, u8},
                        {boolean, boolean, boolean},
                        {boolean, f16, f16},
                        {i64, f32, f32},
                        {i32, i16, i32}}) {
    EXPECT_EQ(promote(c.a, c.b), c.expected) << name(c.a) << " " << name(c.b);
    EXPECT_EQ(promote(c.b, c.a), c.expected) << name(c.b) << " " << name(c.a);
  }
  for (int a = 0; a <= static_cast<int>(boolean); ++a)
    EXPECT_EQ(promote(static_cast<DType>(a), static_cast<DType>(a)), static_cast<DType>(a));
}

TEST(Text, Str) {
  EXPECT_EQ(str("a", 1, 'c', 2.5, true, Shape{1, 2}, f32), "a1c2.5true[1, 2]f32");
  EXPECT_EQ(human_bytes(12), "12 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(int64_t{3} << 30), "3.0 GiB");
}

TEST(Text, Sizes) {
  const std::pair<const char*, int64_t> sizes[] = {{"400MiB", int64_t{400} << 20},
                                                   {"1.5 GiB", int64_t{3} << 29},
                                                   {"2GB", 2'000'000'000},
                                                   {"64k", 65536},
                                                   {"12", 12},
                                                   {"12 B", 12},
                                                   {"1e6", 1'000'000}};
  for (auto [text, bytes] : sizes) EXPECT_EQ(bytes_from(text), bytes) << text;
  for (const char* text : {"", "0", "-1", "0.5", "MiB", "400 Mib", "400MiBs", "12 apples", "1e30",
                           "nan", "0x10", "4 00"})
    EXPECT_EQ(bytes_from(text), std::nullopt) << text;
}

TEST(Shapes, ElementsThatDoNotFit64BitsAreAnError) {
  const int64_t big = int64_t{1} << 32;
  EXPECT_EQ((Shape{big, big / 2 - 1}).numel(), big * (big / 2 - 1));
  EXPECT_THROW((Shape{big, big}).numel(), ShapeError);
  EXPECT_THROW((Shape{big, big, big}).numel(), ShapeError);
  EXPECT_THROW((Shape{3, INT64_MAX}).numel(), ShapeError);
  EXPECT_EQ((Shape{big, big, 0}).numel(), 0);
  EXPECT_EQ((Shape{0, big, big}).numel(), 0);
}

TEST(Shapes, BytesOfATensorAreBounded) {
  EXPECT_EQ(tensor_bytes("op", {}, f32), 4);
  EXPECT_EQ(tensor_bytes("op", {3, 5}, f64), 120);
  EXPECT_EQ(tensor_bytes("op", {0, 5}, f64), 0);
  EXPECT_EQ(tensor_bytes("op", {kMaxTensorBytes}, u8), kMaxTensorBytes);
  EXPECT_THROW(tensor_bytes("op", {kMaxTensorBytes + 1}, u8), ShapeError);
  EXPECT_THROW(tensor_bytes("op", {kMaxTensorBytes / 4}, f64), ShapeError);
  EXPECT_THROW(tensor_bytes("op", {INT64_MAX, INT64_MAX}, f32), ShapeError);
  EXPECT_THROW(tensor_bytes("op", {0, INT64_MAX, INT64_MAX}, f32), ShapeError)
      << "as NumPy and PyTorch";
  EXPECT_THROW(tensor_bytes("op", {-2, -3}, f32), ShapeError);
  EXPECT_FAULT(ShapeError, tensor_bytes("zeros", {int64_t{1} << 32, int64_t{1} << 32}, f32),
               .op = "zeros", .argument = "shape", .given = "[4294967296, 4294967296] of f32",
               .expected = "at most 2^48 bytes");
}

TEST(Printing, ShapesDTypesAndDevicesGoToStreams) {
  std::ostringstream out;
  out << Shape{2, 3} << ' ' << Shape{} << ' ' << f32 << ' ' << boolean << ' ' << Device{};
  EXPECT_EQ(out.str(), "[2, 3] [] f32 bool cpu");
}

/// Writes numbers as much of Europe does.
struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Locale, ChangesNoNumber) {
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
  const char* named = nullptr;
  for (const char* name : {"de_DE.utf8", "de_DE.UTF-8", "fr_FR.utf8", "tr_TR.utf8"})
    // where there is one: what printf and strtod follow
    if (!named) named = std::setlocale(LC_ALL, name);
  const std::string sizes = human_bytes(1536 * 1024) + " " + human_bytes(12) + " " +
                            human_flops(1'500'000'000) + " " + str(1234567.25);
  const auto parsed = bytes_from("1.5MiB");
  std::ostringstream out;
  out << Shape{1234567, 2};
  std::setlocale(LC_ALL, "C");
  std::locale::global(before);
  EXPECT_EQ(sizes, "1.5 MiB 12 B 1.5 GFLOP 1234567.25");
  EXPECT_EQ(parsed, 3 << 19);
  EXPECT_EQ(out.str(), "[1234567, 2]");
}

}  // namespace
}  // namespace suanli
