// Shapes, dtypes and their errors.
#include "suanli/base.h"

#include "base/text.h"
#include "gtest/gtest.h"

namespace suanli {
namespace {

template <class E, class F> std::string text_of(F&& f) {
  try {
    f();
  } catch (const E& e) { return e.what(); }
  return "nothing was thrown";
}

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
  EXPECT_EQ(text_of<ShapeError>([] { (void)Shape{1, 2}.at(2); }), "[shape] axis 2 is out of range for rank 2 (-2…1)");
  EXPECT_EQ(text_of<ShapeError>([] { (void)Shape{}.at(0); }), "[shape] axis 0 is out of range for a 0-d tensor");
  EXPECT_NE(text_of<ShapeError>([] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }).find("at most 8 axes"), std::string::npos);
  Shape full = {1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_THROW(full.push_back(1), ShapeError);
  EXPECT_EQ(text_of<ShapeError>([] { broadcast({4, 3}, {2, 4, 2}); }), "shapes [4, 3] and [2, 4, 2] do not broadcast: sizes 3 and 2");
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
  EXPECT_THROW(dtype_from_name("float"), InputError);
}

TEST(DTypes, PromotionIsPyTorchs) {
  // torch.promote_types, read off its table.
  struct Case {
    DType a, b, expected;
  };
  const DType f16 = DType::f16, bf16 = DType::bf16, i16 = DType::i16, i8 = DType::i8;
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
  for (const char* text : {"", "0", "-1", "0.5", "MiB", "400 Mib", "400MiBs", "12 apples", "1e30", "nan", "0x10", "4 00"})
    EXPECT_EQ(bytes_from(text), std::nullopt) << text;
}

}  // namespace
}  // namespace suanli
