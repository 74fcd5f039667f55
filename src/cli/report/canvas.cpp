// SPDX-License-Identifier: Apache-2.0
#include "cli/report/canvas.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/framework/console.h"
#include "suanli/image.h"
#include "suanli/ops.h"

namespace suanli::cli {

namespace {

constexpr int64_t kRows = 7, kColumns = 5;

/// One letter each from the space to `~`: 7 rows of 5 dots, the highest bit is the upper left one.
constexpr uint64_t kLetters[] = {
    // !"#$%&'
    0x000000000,
    0x108420004,
    0x294a00000,
    0x295f57d4a,
    0x11f4717c4,
    0x632222263,
    0x32544564d,
    0x308800000,
    // ()*+,-./
    0x088842082,
    0x208210888,
    0x009575480,
    0x0084f9080,
    0x000003088,
    0x0000f8000,
    0x00000018c,
    0x002222200,
    // 01234567
    0x3a33ae62e,
    0x11842108e,
    0x3a211111f,
    0x7c441062e,
    0x08ca97c42,
    0x7e1e0862e,
    0x1910f462e,
    0x7c2222108,
    // 89:;<=>?
    0x3a317462e,
    0x3a317844c,
    0x018c03180,
    0x018c03088,
    0x088882082,
    0x001f07c00,
    0x208208888,
    0x3a2111004,
    // @ABCDEFG
    0x3a216d6ae,
    0x3a31fc631,
    0x7a31f463e,
    0x3a308422e,
    0x72518c65c,
    0x7e10f421f,
    0x7e10f4210,
    0x3a30bc62f,
    // HIJKLMNO
    0x4631fc631,
    0x38842108e,
    0x1c4210a4c,
    0x4654c5251,
    0x42108421f,
    0x4775ac631,
    0x4639ace31,
    0x3a318c62e,
    // PQRSTUVW
    0x7a31f4210,
    0x3a318d64d,
    0x7a31f5251,
    0x3e107043e,
    0x7c8421084,
    0x46318c62e,
    0x46318c544,
    0x4631ad6aa,
    // XYZ[\ ]^_
    0x462a22a31,
    0x463151084,
    0x7c222221f,
    0x39084210e,
    0x020820820,
    0x38421084e,
    0x115100000,
    0x00000001f,
    // `abcdefg
    0x208200000,
    0x000e0be2f,
    0x4216cc63e,
    0x000e8422e,
    0x042d9c62f,
    0x000e8fe0e,
    0x1928e2108,
    0x01f18bc2e,
    // hijklmno
    0x4216cc631,
    0x100c2108e,
    0x080610a4c,
    0x4212a6292,
    0x30842108e,
    0x001aad631,
    0x0016cc631,
    0x000e8c62e,
    // pqrstuvw
    0x001e8fa10,
    0x000d9bc21,
    0x0016cc210,
    0x000e8383e,
    0x211c42126,
    0x00118c66d,
    0x00118c544,
    0x00118d6aa,
    // xyz{|}~
    0x001151151,
    0x00118bc2e,
    0x001f1111f,
    0x088441082,
    0x108421084,
    0x208411088,
    0x0008a8800,
};
static_assert(std::size(kLetters) == '~' - ' ' + 1);

uint64_t letter(char c) { return kLetters[(c >= ' ' && c <= '~' ? c : '?') - ' ']; }

/// True if a part of a name can be read.
bool is_legible(const std::string& name) {
  return std::any_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  });
}

}  // namespace

Canvas::Canvas(int64_t height, int64_t width)
    : height_(height), width_(width), planes_(static_cast<size_t>(3 * height * width), 1) {}

void Canvas::fill(int64_t y, int64_t x, int64_t height, int64_t width, Color color) {
  const float values[] = {color.red, color.green, color.blue};
  for (int64_t plane = 0; plane < 3; ++plane)
    for (int64_t r = std::max<int64_t>(0, y); r < std::min(height_, y + height); ++r)
      for (int64_t c = std::max<int64_t>(0, x); c < std::min(width_, x + width); ++c)
        planes_[static_cast<size_t>((plane * height_ + r) * width_ + c)] = values[plane];
}

namespace {
/// Calls dot(row, column) for every dot of a line of letters.
template <class F> void each_dot(std::string_view words, F&& dot) {
  int64_t left = 0;
  for (char byte : words) {
    if ((byte & 0xc0) == 0x80) continue;  // UTF-8: a letter's further bytes
    const uint64_t dots = letter(byte);
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t c = 0; c < kColumns; ++c)
        if (dots >> ((kRows - 1 - r) * kColumns + kColumns - 1 - c) & 1) dot(r, left + c);
    left += kColumns + 1;
  }
}
}  // namespace

int64_t Canvas::text_width(std::string_view words, int64_t dot) {
  const auto letters =
      std::count_if(words.begin(), words.end(), [](char c) { return (c & 0xc0) != 0x80; });
  return std::max<int64_t>(0, (kColumns + 1) * letters - 1) * dot;
}

void Canvas::text(int64_t y, int64_t x, std::string_view words, int64_t dot, Color color) {
  each_dot(words, [&](int64_t r, int64_t c) { fill(y + r * dot, x + c * dot, dot, dot, color); });
}

void Canvas::text_upward(int64_t bottom, int64_t x, std::string_view words, int64_t dot,
                         Color color) {
  each_dot(words, [&](int64_t r, int64_t c) {
    fill(bottom - (c + 1) * dot, x + r * dot, dot, dot, color);
  });
}

void Canvas::picture(int64_t y, int64_t x, const float* planes, int64_t channels, int64_t height,
                     int64_t width) {
  auto at = [&](int64_t channel, int64_t r, int64_t c) {
    return planes[((channel % channels) * height + r) * width + c];
  };
  for (int64_t r = 0; r < height; ++r)
    for (int64_t c = 0; c < width; ++c)
      fill(y + r, x + c, 1, 1, {at(0, r, c), at(1, r, c), at(2, r, c)});
}

void Canvas::write(const std::string& path) const {
  data::write_png(path, tensor<float>(planes_, Shape{3, height_, width_}));
}

std::string drawn_name(size_t number, const std::string& name) {
  constexpr size_t kLongest = 20;
  if (name == std::to_string(number)) return name;
  return is_legible(name) ? fmt::format("{} {}", number, padded(name, widest({name}, 1, kLongest)))
                          : std::to_string(number);
}

}  // namespace suanli::cli
