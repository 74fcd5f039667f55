// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include "base/files/file.h"
#include "base/text/text.h"
#include "data/image/png.h"
#include "suanli/image.h"

namespace suanli::data {

std::string encode_png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string out(bytes, '\0');
  if (!png_image_write_to_memory(&image, out.data(), &bytes, 0, picture.pixels.data(), 0, nullptr))
    throw IoError({.op = "write_png",
                   .argument = "picture",
                   .given = str("libpng refuses ", picture.width, "×", picture.height,
                                " pixels: ", image.message)});
  out.resize(bytes);
  return out;
}

void write_png(const std::string& path, const Tensor& tensor) {
  const Shape& s = tensor.shape();
  if (s.rank() != 2 && !(s.rank() == 3 && (s[0] == 1 || s[0] == 3)))
    throw ShapeError({.op = "write_png",
                      .argument = "picture",
                      .given = str(s),
                      .expected = "[H, W], [1, H, W] or [3, H, W]"});
  Picture picture{
      .height = s.at(-2), .width = s.at(-1), .channels = s.rank() == 3 ? s[0] : 1, .pixels = {}};
  const int64_t area = picture.height * picture.width;
  if (area == 0 || area > kMaxPixels || picture.height > 1'000'000 || picture.width > 1'000'000)
    throw ShapeError({.op = "write_png",
                      .argument = "picture",
                      .given = str(s),
                      .expected = str("1 to ", kMaxPixels, " pixels")});
  const auto values = tensor.data<float>();
  picture.pixels.resize(values.size());
  for (int64_t c = 0; c < picture.channels; ++c)
    for (int64_t i = 0; i < area; ++i) {
      const float v = values[static_cast<size_t>(c * area + i)];
      // NaN fails every comparison: it must not reach the conversion, whose result would be
      // undefined
      picture.pixels[static_cast<size_t>(i * picture.channels + c)] =
          v >= 1  ? 255
          : v > 0 ? static_cast<uint8_t>(v * 255.0f + 0.5f)
                  : 0;
    }
  write_file_atomically(path, encode_png(picture));
}

}  // namespace suanli::data
