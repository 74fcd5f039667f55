// SPDX-License-Identifier: Apache-2.0
// JPEG and WebP; PNG has tests of its own.
#include "data/image/picture.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <thread>

#include "data/files.h"
#include "data/pictures.h"
#include "gtest/gtest.h"
#include "suanli/image.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

double largest_difference(const Picture& a, const Picture& b) {
  EXPECT_EQ((std::vector{a.height, a.width, a.channels}),
            (std::vector{b.height, b.width, b.channels}));
  if (a.pixels.size() != b.pixels.size()) return 1e9;
  double most = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    most = std::max(most, std::abs(1.0 * a.pixels[i] - 1.0 * b.pixels[i]));
  return most;
}

TEST(Picture, ReadsJpeg) {
  for (bool progressive : {false, true})
    for (int64_t channels : {1, 3})
      for (auto [h, w] : {std::pair{40, 56}, {1, 1}, {17, 3}}) {
        const Picture p = slope(h, w, channels);
        EXPECT_LE(
            largest_difference(decode_picture("p", jpeg_file(p, {.progressive = progressive})), p),
            4)
            << channels << " channels, " << h << "×" << w;
      }
}

TEST(Picture, ReadsCmykAsLight) {
  // ink in steps: what is left of white light is (1 - ink)(1 - black)
  const Picture ink = slope(32, 48, 4);
  Picture light{.height = 32, .width = 48, .channels = 3, .pixels = {}};
  for (size_t i = 0; i < ink.pixels.size(); i += 4)
    for (size_t c = 0; c < 3; ++c)
      light.pixels.push_back(static_cast<uint8_t>(
          std::lround((255.0 - ink.pixels[i + c]) * (255.0 - ink.pixels[i + 3]) / 255)));
  EXPECT_LE(largest_difference(decode_picture("p", jpeg_file(ink)), light), 6);
  Picture inverted = ink;
  for (uint8_t& v : inverted.pixels) v = static_cast<uint8_t>(255 - v);
  EXPECT_LE(largest_difference(decode_picture("p", jpeg_file(inverted, {.adobe = true})), light),
            6);
}

// The table of EXIF 2.3: where the first row and the first column of the file are seen. A file for
// each is made from the upright picture by the inverse, and must come out upright.
TEST(Picture, TurnsJpegUpright) {
  const Picture upright = slope(24, 40, 3);
  const char* const first_row_and_column[] = {
      "",         "top left",  "top right",    "bottom right", "bottom left",
      "left top", "right top", "right bottom", "left bottom"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    // (y, x) of the upright picture for row r, column c of the file
    const bool on_its_side = orientation >= 5;
    Picture file{.height = on_its_side ? 40 : 24,
                 .width = on_its_side ? 24 : 40,
                 .channels = 3,
                 .pixels = {}};
    for (int64_t r = 0; r < file.height; ++r)
      for (int64_t c = 0; c < file.width; ++c) {
        int64_t y = 0, x = 0;
        switch (orientation) {
          case 1:
            y = r;
            x = c;
            break;
          case 2:
            y = r;
            x = 39 - c;
            break;
          case 3:
            y = 23 - r;
            x = 39 - c;
            break;
          case 4:
            y = 23 - r;
            x = c;
            break;
          case 5:
            x = r;
            y = c;
            break;
          case 6:
            x = 39 - r;
            y = c;
            break;
          case 7:
            x = 39 - r;
            y = 23 - c;
            break;
          case 8:
            x = r;
            y = 23 - c;
            break;
        }
        for (int64_t k = 0; k < 3; ++k)
          file.pixels.push_back(upright.pixels[static_cast<size_t>((y * 40 + x) * 3 + k)]);
      }
    for (bool little_endian : {false, true})
      for (int type : {1, 3, 4}) {
        const std::string segment = exif(orientation, little_endian, type),
                          xmp = std::string("http://ns.adobe.com/xap/1.0/\0<x/>", 33);
        const std::pair<std::string, int> files[] = {
                                                       // and how far pixels may be off
            {jpeg_file(file, {.exif = segment}), 4},
            {jpeg_file(file, {.exif = segment, .before = xmp}), 4},
            {jpeg_file(file, {.exif = xmp, .before = segment}), 4},
            {png_with_exif(encode_png(file), segment, false), 0},
            {png_with_exif(encode_png(file), segment, true), 0},
            {webp_with_exif(file, segment), 0},
            {webp_with_exif(file, segment.substr(6)), 0}};
        for (const auto& [bytes, off] : files) {
          EXPECT_LE(largest_difference(decode_picture("p", bytes), upright), off)
              << first_row_and_column[orientation];
          TemporaryFolder folder;
          write_bytes(folder / "p.jpg", bytes);
          const PictureHeader header = read_picture_header(folder / "p.jpg");
          EXPECT_EQ((std::vector{header.height, header.width}), (std::vector<int64_t>{24, 40}))
              << orientation;
          EXPECT_EQ(read_picture(folder / "p.jpg", {.channels = 3}).shape(), (Shape{3, 24, 40}))
              << orientation;
        }
      }
  }
}

TEST(Picture, DamagedExifIsNoOrientation) {
  const Picture p = slope(8, 16, 1);
  const std::string good = exif(6, true);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const std::string& segment :
         {good.substr(0, i), good.substr(0, i) + '\xFF' + good.substr(i + 1)}) {
      // upright or turned, never outside of the segment
      const Picture read = decode_picture("p", jpeg_file(p, {.exif = segment}));
      EXPECT_EQ(read.height + read.width, 24);
      for (const Picture& other :
           {decode_picture("p", png_with_exif(encode_png(p), "123456" + segment, false)),
            decode_picture("p", webp_with_exif(slope(8, 16, 3), segment))})
        EXPECT_EQ(other.height + other.width, 24);
    }
  }
}

// The chunk may stand far behind the beginning of the file that a header is read from.
TEST(Picture, OrientationBehindManyPixels) {
  Picture noise{.height = 200, .width = 300, .channels = 3, .pixels = {}};
  uint32_t state = 1;
  for (int64_t i = 0; i < 200 * 300 * 3; ++i)
    noise.pixels.push_back(static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24));
  TemporaryFolder folder;
  for (const std::string& bytes : {png_with_exif(encode_png(noise), exif(6, true), true),
                                   webp_with_exif(noise, exif(8, false))}) {
    ASSERT_GT(bytes.size(), size_t{100'000});
    write_bytes(folder / "p", bytes);
    const PictureHeader header = read_picture_header(folder / "p");
    EXPECT_EQ((std::vector{header.height, header.width}), (std::vector<int64_t>{300, 200}));
  }
}

// A pipe can be read once, and has no size.
TEST(Picture, FromAPipe) {
  TemporaryFolder folder;
  const Picture p = slope(200, 300, 3);
  for (const std::string& bytes : {jpeg_file(p), encode_png(p), webp_file(p)}) {
    const std::string pipe = folder / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] { write_bytes(pipe, bytes); });
    EXPECT_EQ(read_picture(pipe, {.channels = 3}).shape(), (Shape{3, 200, 300}));
    writer.join();
    ::unlink(pipe.c_str());
  }
}

TEST(Picture, ScaledJpegKeepsTheSideAsked) {
  const std::string file = jpeg_file(slope(160, 240, 3), {.exif = exif(6, true)});
  for (auto [least, width] :
       {std::pair{0, 160}, {20, 20}, {21, 40}, {40, 40}, {80, 80}, {81, 160}, {500, 160}}) {
    const Picture p = decode_picture("p", file, least);
    EXPECT_EQ(p.width, width) << least;
    EXPECT_EQ(p.height, width * 3 / 2) << least;
  }
}

TEST(Picture, ReadsWebp) {
  const Picture rgb = slope(19, 33, 3), rgba = slope(19, 33, 4);
  EXPECT_EQ(decode_picture("p", webp_file(rgb)).pixels, rgb.pixels);
  // what is fully transparent may lose its color; none is here
  EXPECT_EQ(decode_picture("p", webp_file(rgba)).pixels, rgba.pixels);
  TemporaryFolder folder;
  write_bytes(folder / "named.jpg", webp_file(rgb));  // the content counts, not the name
  EXPECT_EQ(read_picture(folder / "named.jpg", {.channels = 3}).shape(), (Shape{3, 19, 33}));
}

TEST(Picture, TheFirstOfAnAnimation) {
  const Picture first = slope(10, 14, 3);
  const std::string file = animated_webp_file(first, 2);
  const Picture canvas = decode_picture("p", file);
  ASSERT_EQ(canvas.height, 14);
  ASSERT_EQ(canvas.width, 18);
  for (int64_t y = 0; y < first.height; ++y)
    for (int64_t x = 0; x < first.width; ++x)
      for (int64_t c = 0; c < 3; ++c)
        EXPECT_EQ(canvas.pixels[static_cast<size_t>(
                      ((y + 2) * canvas.width + x + 2) * canvas.channels + c)],
                  first.pixels[static_cast<size_t>((y * first.width + x) * 3 + c)]);
  for (size_t end = 13; end < file.size(); end += 7) {
    try {
      decode_picture("p", file.substr(0, end));
    } catch (const IoError& e) {
      continue;  // the first picture may be whole
    }
    EXPECT_GT(end, file.size() / 2);
  }
}

TEST(Picture, ChannelsAsAsked) {
  TemporaryFolder folder;
  write_bytes(folder / "gray.jpg", jpeg_file(slope(16, 16, 1)));
  const std::vector<float> three =
      read_picture(folder / "gray.jpg", {.channels = 3}).to_vector<float>();
  const std::vector<float> one =
      read_picture(folder / "gray.jpg", {.channels = 1}).to_vector<float>();
  for (size_t i = 0; i < 256; ++i)
    EXPECT_EQ((std::vector{three[i], three[256 + i], three[512 + i]}),
              std::vector<float>(3, one[i]));
}

TEST(Picture, SaysWhatIsWrongAndWhere) {
  const std::string jpeg = jpeg_file(slope(64, 64, 3)),
                    two_scans = jpeg_file(slope(64, 64, 1), {.two_scans = true});
  const std::string webp = webp_file(slope(64, 64, 3));
  auto with_size = [](std::string file, uint32_t side) {  // into the frame header
    const size_t frame = file.find("\xFF\xC0");
    for (size_t at : {frame + 5, frame + 7}) {
      file[at] = static_cast<char>(side >> 8);
      file[at + 1] = static_cast<char>(side);
    }
    return file;
  };
  std::string many_scans = two_scans.substr(0, two_scans.size() - 2);
  const std::string scan_again = many_scans.substr(many_scans.rfind("\xFF\xDA"));
  for (int i = 0; i < 600; ++i) many_scans += scan_again;
  std::string holes = jpeg;
  const size_t scan = holes.find("\xFF\xDA") + 20;
  for (size_t i = scan; i < scan + 40; ++i) holes[i] = '\x55';
  holes[scan + 41] = '\xFF';
  holes[scan + 42] = '\xD9';  // an end in the middle
  const std::string size = std::to_string(jpeg.size());
  struct Bad {
    const char* what;
    std::string file, at, given;  // how they begin
    const char* expected = "";
  };
  const char* formats = "JPEG, PNG or WebP";
  const Bad cases[] = {
      {"empty", "", "byte 0", "the file is empty"},
      {"text", "hello there, this is text", "byte 0", "an unknown format", formats},
      {"page", "<!DOCTYPE html>", "byte 0", "looks like a web page, not a download", formats},
      {"pointer", "version https://git-lfs", "byte 0", "looks like a Git LFS pointer", formats},
      {"heic",
       std::string("\0\0\0\x18"
                   "ftypheic\0\0\0\0",
                   16),
       "byte 0", "looks like HEIC or AVIF", formats},
      {"heif",
       std::string("\0\0\0\x18"
                   "ftypmif1\0\0\0\0",
                   16),
       "byte 0", "looks like HEIC or AVIF", formats},
      {"jpeg: only a start", jpeg.substr(0, 3), "byte 3 of 3", "the file is truncated"},
      {"jpeg: header cut", jpeg.substr(0, 30), "byte 30 of 30", "the file is truncated"},
      {"jpeg: half", jpeg.substr(0, jpeg.size() / 2),
       "byte " + std::to_string(jpeg.size() / 2) + " of " + std::to_string(jpeg.size() / 2),
       "the file is truncated"},
      {"jpeg: all but the end", jpeg.substr(0, jpeg.size() - 30), "byte ", "the file is truncated"},
      {"jpeg: an end in the middle", holes, "byte ", "Corrupt JPEG data"},
      {"jpeg: a bomb", with_size(jpeg, 60000), "byte ", "60000×60000 pixels", "at most 67108864"},
      {"jpeg: no pixels", with_size(jpeg, 0), "byte ", "Empty JPEG image"},
      {"jpeg: scans without end", many_scans, "byte ", "more than 500 scans"},
      {"webp: cut", webp.substr(0, webp.size() - 5),
       "byte " + std::to_string(webp.size() - 5) + " of " + std::to_string(webp.size()),
       "the file is truncated"},
      {"webp: header cut", webp.substr(0, 14), "byte 14", "the file ends inside its header"},
  };
  TemporaryFolder folder;
  for (const Bad& c : cases) {
    write_bytes(folder / "p.jpg", c.file);
    const Fault fault = fault_of<IoError>([&] { read_picture(folder / "p.jpg", {.channels = 3}); });
    EXPECT_TRUE(fault.argument.starts_with((folder / "p.jpg") + ": " + c.at)) << c.what << "\n"
                                                                              << fault.argument;
    EXPECT_TRUE(fault.given.starts_with(c.given)) << c.what << "\n" << fault.given;
    EXPECT_EQ(fault.expected, c.expected) << c.what;
    EXPECT_NE(fault.remedy, "") << c.what;
    if (c.file == holes) { EXPECT_TRUE(fault.argument.ends_with(" of " + size)); }
  }
}

TEST(Picture, NoDamageEscapes) {
  TemporaryFolder folder;
  for (const std::string& good :
       {jpeg_file(slope(20, 20, 3)),
        jpeg_file(slope(20, 20, 3), {.progressive = true, .exif = exif(3, true)}),
        jpeg_file(slope(9, 9, 4), {.adobe = true}), webp_file(slope(20, 20, 4))})
    for (size_t i = 0; i < good.size(); ++i)
      for (int change : {0, 1, 0x80, 0xFF}) {
        std::string file = good;
        if (change) file[i] ^= static_cast<char>(change);
        else file.resize(i);
        const auto fault = fault_if_any<IoError>([&] { decode_picture("p", file); });
        if (fault) { EXPECT_TRUE(fault->argument.starts_with("p: byte ")) << i; }
        if (!change && i + 2 < good.size()) { EXPECT_TRUE(fault) << i; }
      }
}

}  // namespace
}  // namespace suanli::data
