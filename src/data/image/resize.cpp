// SPDX-License-Identifier: Apache-2.0
#include "data/image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text/text.h"
#include "data/image/pixel_simd.h"

namespace suanli::data {
namespace {

/// The sources of the new samples along one axis: sample i of old samples first[i] … first[i] +
/// count - 1.
struct Taps {
  int count = 0;
  std::vector<int64_t> first;
  std::vector<float> weights;  // [samples, count]
};

/// `to` samples of the stretch `length` from `begin` on, of an axis with `size` old samples.
Taps taps(double begin, double length, int64_t size, int64_t to) {
  const double scale = length / static_cast<double>(to);
  const bool shrinks = scale > 1;
  Taps t;
  t.count = static_cast<int>(
      std::min<int64_t>(size, shrinks ? static_cast<int64_t>(std::ceil(scale)) + 1 : 2));
  const double first_center = std::max(0.0, begin),
               last_center =
                   std::max(first_center, std::min(static_cast<double>(size), begin + length) - 1);
  t.first.resize(static_cast<size_t>(to));
  t.weights.resize(static_cast<size_t>(to * t.count));
  for (int64_t i = 0; i < to; ++i) {
    const double from = begin + static_cast<double>(i) * scale, end = from + scale,
                 center = (from + end) / 2 - 0.5;
    const auto lowest = static_cast<int64_t>(
        std::floor(shrinks ? from + 1e-9 : std::clamp(center, first_center, last_center)));
    const int64_t first = std::clamp<int64_t>(lowest, 0, size - t.count);
    t.first[static_cast<size_t>(i)] = first;
    float* weight = t.weights.data() + i * t.count;
    double sum = 0;
    for (int k = 0; k < t.count; ++k) {
      const auto at = static_cast<double>(first + k);
      const double clamped = std::clamp(center, first_center, last_center);
      const double w =
          shrinks ? std::min(end, at + 1) - std::max(from, at) : 1 - std::abs(clamped - at);
      weight[k] = static_cast<float>(std::max(0.0, w));
      sum += std::max(0.0, w);
    }
    for (int k = 0; k < t.count; ++k) weight[k] = static_cast<float>(weight[k] / sum);
  }
  return t;
}

bool is_all_of(const Box& box, int64_t height, int64_t width) {
  return box.top == 0 && box.left == 0 && box.height == static_cast<double>(height) &&
         box.width == static_cast<double>(width);
}

}  // namespace

Box center_box(int64_t picture_height, int64_t picture_width, int64_t height, int64_t width) {
  const auto ph = static_cast<double>(picture_height), pw = static_cast<double>(picture_width);
  const double scale = std::min(ph / static_cast<double>(height), pw / static_cast<double>(width));
  const double h = static_cast<double>(height) * scale, w = static_cast<double>(width) * scale;
  return {(ph - h) / 2, (pw - w) / 2, h, w};
}

void resize(const PixelView& from, const Box& box, int64_t height, int64_t width, uint8_t* planes) {
  const int64_t c = from.channels, area = height * width;
  std::array<uint8_t*, 3> at{};
  for (int64_t k = 0; k < c; ++k) at[static_cast<size_t>(k)] = planes + k * area;
  if (from.height == height && from.width == width && is_all_of(box, height, width)) {
    if (c == 1) std::copy_n(from.pixels, area, planes);
    else
      for (int64_t i = 0; i < area; ++i)
        for (size_t k = 0; k < 3; ++k) at[k][i] = from.pixels[3 * i + static_cast<int64_t>(k)];
    return;
  }
  // Rows first: they are mixed as they lie in memory. One line of the new height is in the cache at
  // a time.
  const Taps down = taps(box.top, box.height, from.height, height),
             across = taps(box.left, box.width, from.width, width);
  const int64_t begin = across.first.front(), end = across.first.back() + across.count;
  std::vector<float> line(static_cast<size_t>(from.width * c + 1));
  std::vector<const uint8_t*> rows(static_cast<size_t>(down.count));
  for (int64_t y = 0; y < height; ++y) {
    for (int i = 0; i < down.count; ++i)
      rows[static_cast<size_t>(i)] =
          from.pixels + ((down.first[static_cast<size_t>(y)] + i) * from.width + begin) * c;
    mix_rows(rows.data(), down.weights.data() + y * down.count, down.count, (end - begin) * c,
             line.data() + begin * c);
    mix_columns(line.data(), across.first.data(), across.weights.data(), across.count, c, width,
                at.data());
    for (int64_t k = 0; k < c; ++k) at[static_cast<size_t>(k)] += width;
  }
}

void resize_planes(const uint8_t* sample, const Shape& shape, const Box& box, int64_t height,
                   int64_t width, uint8_t* planes) {
  const int64_t own = shape[1] * shape[2], area = height * width;
  for (int64_t c = 0; c < shape[0]; ++c)
    resize({sample + c * own, shape[1], shape[2], 1}, box, height, width, planes + c * area);
}

void decode_box(const std::string& path, std::string_view bytes, int64_t height, int64_t width,
                const Box& box, const Shape& shape, uint8_t* out) {
  const double scale = std::max(static_cast<double>(shape[1]) / box.height,
                                static_cast<double>(shape[2]) / box.width);
  const auto least =
      static_cast<int64_t>(std::ceil(static_cast<double>(std::min(height, width)) * scale - 1e-9));
  const Picture picture = with_channels(decode_picture(path, bytes, least), shape[0]);
  const double down = static_cast<double>(picture.height) / static_cast<double>(height),
               across = static_cast<double>(picture.width) / static_cast<double>(width);
  resize(picture.view(), {box.top * down, box.left * across, box.height * down, box.width * across},
         shape[1], shape[2], out);
}

Tensor read_picture(const std::string& path, const PictureOptions& options) {
  if (options.channels != 1 && options.channels != 3)
    throw ArgumentError({.op = "read_picture",
                         .argument = "channels",
                         .given = str(options.channels),
                         .expected = "1 (gray) or 3 (RGB)"});
  const bool as_it_is = options.height == 0 && options.width == 0;
  if (options.height < 0 || options.width < 0 || options.height > 65'536 ||
      options.width > 65'536 || options.height * options.width > kMaxPixels ||
      (!as_it_is && (options.height == 0 || options.width == 0)))
    throw ArgumentError(
        {.op = "read_picture",
         .argument = "height, width",
         .given = str(options.height, ", ", options.width),
         .expected = str("both 0 (as in the file), or 1 to ", kMaxPixels, " pixels")});
  const std::string file = read_picture_file(path);  // once: it may be a pipe
  const PictureHeader header = picture_header(path, file);
  const int64_t height = as_it_is ? header.height : options.height,
                width = as_it_is ? header.width : options.width;
  const Shape shape{options.channels, height, width};
  return tensor_filled_by(shape, DType::f32, [&](void* data) {
    std::vector<uint8_t> bytes(static_cast<size_t>(shape.numel()));
    decode_box(path, file, header.height, header.width,
               center_box(header.height, header.width, height, width), shape, bytes.data());
    fractions(bytes.data(), shape.numel(), static_cast<float*>(data));
  });
}

}  // namespace suanli::data
