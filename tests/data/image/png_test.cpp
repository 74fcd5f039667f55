// SPDX-License-Identifier: Apache-2.0
#include "data/image/png.h"

#include <cmath>
#include <limits>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/image.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

// ---- a PNG writer of the tests' own, straight from the specification, so that libpng does not
// check itself ------------------------

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const uLong crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body +
         big_endian(static_cast<uint32_t>(crc));
}

/// `rows`: every row's packed bytes, without the filter byte.
std::string png_file(uint32_t width, uint32_t height, int depth, int color,
                     const std::vector<std::string>& rows, const std::string& extra = "") {
  std::string raw;
  for (const std::string& row : rows) raw += '\0' + row;
  std::string packed(compressBound(raw.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  const std::string header =
      big_endian(width) + big_endian(height) +
      std::string{static_cast<char>(depth), static_cast<char>(color), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + extra + chunk("IDAT", packed) +
         chunk("IEND", "");
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int v : values) out += static_cast<char>(v);
  return out;
}

struct Case {
  const char* what;
  std::string file;                // 2 × 1 pixels
  std::vector<double> gray, rgb;   // expected, in 255ths
};

TEST(Png, ReadsEveryColorType) {
  const std::string palette = chunk("PLTE", bytes({255, 0, 0, 0, 0, 255}));
  const double red = (255 * 19595 + 32768) >> 16, blue = (255 * 7471 + 32768) >> 16;
  const Case cases[] = {
      {"gray 8", png_file(2, 1, 8, 0, {bytes({10, 200})}), {10, 200}, {10, 200, 10, 200, 10, 200}},
      {"gray 1", png_file(2, 1, 1, 0, {bytes({0x40})}), {0, 255}, {0, 255, 0, 255, 0, 255}},
      {"gray 4", png_file(2, 1, 4, 0, {bytes({0x1F})}), {17, 255}, {17, 255, 17, 255, 17, 255}},
      {"gray 16",
       png_file(2, 1, 16, 0, {bytes({0x80, 0x80, 0xFF, 0xFF})}),
       {128, 255},
       {128, 255, 128, 255, 128, 255}},
      {"rgb 8",
       png_file(2, 1, 8, 2, {bytes({255, 0, 0, 0, 0, 255})}),
       {red, blue},
       {255, 0, 0, 0, 0, 255}},
      {"rgb 16",
       png_file(2, 1, 16, 2, {bytes({255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255})}),
       {red, blue},
       {255, 0, 0, 0, 0, 255}},
      {"palette 8",
       png_file(2, 1, 8, 3, {bytes({0, 1})}, palette),
       {red, blue},
       {255, 0, 0, 0, 0, 255}},
      {"palette 2",
       png_file(2, 1, 2, 3, {bytes({0x10})}, palette),
       {red, blue},
       {255, 0, 0, 0, 0, 255}},
      {"palette, transparent",
       png_file(2, 1, 8, 3, {bytes({0, 1})}, palette + chunk("tRNS", bytes({0}))),
       {255, blue},
       {255, 0, 255, 0, 255, 255}},
      {"gray, transparent value",
       png_file(2, 1, 8, 0, {bytes({10, 200})}, chunk("tRNS", bytes({0, 10}))),
       {255, 200},
       {255, 200, 255, 200, 255, 200}},
      {"gray + alpha",
       png_file(2, 1, 8, 4, {bytes({0, 0, 0, 128})}),
       {255, 127},
       {255, 127, 255, 127, 255, 127}},
      {"rgb + alpha",
       png_file(2, 1, 8, 6, {bytes({255, 0, 0, 255, 9, 9, 9, 0})}),
       {red, 255},
       {255, 255, 0, 255, 0, 255}},
      // a gamma that a viewer would apply: the samples must stay as they are
      {"gamma",
       png_file(2, 1, 8, 0, {bytes({10, 200})}, chunk("gAMA", big_endian(100000))),
       {10, 200},
       {10, 200, 10, 200, 10, 200}},
  };
  TemporaryFolder folder;
  for (const Case& c : cases) {
    write_bytes(folder / "p.png", c.file);
    for (int channels : {1, 3}) {
      const Tensor t = read_picture(folder / "p.png", {.channels = channels});
      EXPECT_EQ(t.shape(), (Shape{channels, 1, 2})) << c.what;
      EXPECT_EQ(t.dtype(), DType::f32);
      const std::vector<double>& expected = channels == 1 ? c.gray : c.rgb;
      const std::vector<float> values = t.to_vector<float>();
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(values[i], static_cast<float>(expected[i]) / 255.0f)
            << c.what << ", " << channels << " channels, value " << i;
    }
  }
}

TEST(Png, WhatIsWrittenIsReadBack) {
  TemporaryFolder folder;
  for (Shape shape :
       {Shape{7, 5}, Shape{1, 7, 5}, Shape{3, 7, 5}, Shape{1, 1, 1}, Shape{3, 300, 1}}) {
    std::vector<float> values(static_cast<size_t>(shape.numel()));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(i * 37 % 256) / 255.0f;
    write_png(folder / "p.png", tensor<float>(values, shape));
    const int channels = shape.rank() == 3 ? static_cast<int>(shape[0]) : 1;
    EXPECT_EQ(read_picture(folder / "p.png", {.channels = channels}).to_vector<float>(), values)
        << to_string(shape);
    EXPECT_EQ(decode_picture("p.png", read_bytes(folder / "p.png")).channels, channels);
  }
}

TEST(Png, WritingClampsAndRefusesWhatIsNoPicture) {
  TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  write_png(folder / "p.png", tensor<float>({-1, 2, nan, infinity, -infinity, 0.5f}, Shape{1, 6}));
  EXPECT_EQ(read_picture(folder / "p.png").to_vector<float>(),
            (std::vector<float>{0, 1, 0, 1, 0, 128 / 255.0f}));
  for (const Shape& shape : {Shape{2}, Shape{2, 1, 1}})
    EXPECT_FAULT(ShapeError, write_png(folder / "q.png", tensor<float>({1, 2}, shape)),
                 .op = "write_png", .argument = "picture", .given = to_string(shape),
                 .expected = "[H, W], [1, H, W] or [3, H, W]");
  EXPECT_FAULT(ShapeError, write_png(folder / "q.png", tensor<float>({}, Shape{0, 4})),
               .op = "write_png", .argument = "picture", .given = "[0, 4]",
               .expected = "1 to 67108864 pixels");
  EXPECT_THROW(write_png(folder / "q.png", tensor<int64_t>({1}, Shape{1, 1})), DTypeError);
  const Fault fault =
      fault_of<IoError>([&] { write_png(folder / "no/q.png", tensor<float>({1}, Shape{1, 1})); });
  EXPECT_TRUE(contains(told(fault), folder / "no")) << told(fault);
}

TEST(Png, ResizesWhenAsked) {
  TemporaryFolder folder;
  // the middle is 56 × 56: pairs of equal rows, 0 and 1 in turn
  std::vector<float> values(56 * 60);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / 60 / 2 % 2);
  write_png(folder / "p.png", tensor<float>(values, Shape{56, 60}));
  const Tensor t = read_picture(folder / "p.png", {.height = 28, .width = 28});
  ASSERT_EQ(t.shape(), (Shape{1, 28, 28}));
  for (size_t i = 0; i < 784; ++i) EXPECT_EQ(t.data<float>()[i], static_cast<float>(i / 28 % 2));
}

TEST(Png, SaysWhatIsWrongAndWhere) {
  const std::string good = png_file(4, 3, 8, 0, {"abcd", "efgh", "ijkl"});
  auto flipped = [](std::string s, size_t at) {
    s[at] ^= 0x55;
    return s;
  };
  struct Bad {
    const char* what;
    std::string file;
    const char *at, *given, *expected = "";  // how it begins; a part; all of it
  };
  const Bad cases[] = {
      {"empty", "", "byte 0", "the file is empty"},
      {"not PNG", "GIF89a......", "byte 0", "looks like a GIF", "JPEG, PNG or WebP"},
      {"only a signature", good.substr(0, 8), "byte 8", "the file is truncated"},
      {"cut in data", good.substr(0, good.size() - 20), "byte ", "the file is truncated"},
      {"no end", good.substr(0, good.size() - 12), "byte ", "the file is truncated"},
      {"header checksum", flipped(good, 20), "byte ", "CRC"},
      {"data checksum", flipped(good, good.size() - 14), "byte ", "CRC"},
      {"too many pixels", png_file(30000, 30000, 8, 0, {}), "byte 16", "30000×30000 pixels",
       "at most 67108864"},
      {"far too many pixels", png_file(2000000, 2, 8, 0, {}), "byte ", "width"},
      {"no pixels", png_file(0, 3, 8, 0, {}), "byte 16", "0×3 pixels", "at least one"},
      {"rows missing", png_file(4, 3, 8, 0, {"abcd"}), "byte ", "Not enough image data"},
  };
  TemporaryFolder folder;
  for (const Bad& c : cases) {
    write_bytes(folder / "p.png", c.file);
    const Fault fault = fault_of<IoError>([&] { read_picture(folder / "p.png"); });
    EXPECT_TRUE(fault.argument.starts_with((folder / "p.png") + ": " + c.at)) << c.what << "\n"
                                                                              << fault.argument;
    EXPECT_TRUE(contains(fault.given, c.given)) << c.what << "\n" << fault.given;
    EXPECT_EQ(fault.expected, c.expected) << c.what;
    EXPECT_NE(fault.remedy, "") << c.what;
  }
  for (const std::string& path : {folder / "none.png", folder.path()}) {
    const Fault fault = fault_of<IoError>([&] { read_picture(path); });
    EXPECT_TRUE(contains(told(fault), path)) << told(fault);
  }
  EXPECT_FAULT(ArgumentError, read_picture(folder / "p.png", {.channels = 2}), .op = "read_picture",
               .argument = "channels", .given = "2", .expected = "1 (gray) or 3 (RGB)");
  EXPECT_FAULT(ArgumentError, read_picture(folder / "p.png", {.height = -1}), .op = "read_picture",
               .argument = "height, width", .given = "-1, 0",
               .expected = "both 0 (as in the file), or 1 to 67108864 pixels");
}

TEST(Png, NoDamageEscapes) {
  TemporaryFolder folder;
  const std::string good =
      png_file(4, 3, 8, 3, {std::string(4, 0), std::string(4, 1), std::string(4, 0)},
               chunk("PLTE", bytes({1, 2, 3, 4, 5, 6})));
  for (size_t i = 0; i < good.size(); ++i)
    for (int change : {0, 1, 0x80}) {
      std::string file = good;
      if (change) file[i] ^= static_cast<char>(change);
      else file.resize(i);
      write_bytes(folder / "p.png", file);
      const auto fault = fault_if_any<IoError>([&] { read_picture(folder / "p.png"); });
      if (!change) { EXPECT_TRUE(fault) << i; }
    }
}

}  // namespace
}  // namespace suanli::data
