#include "data/resize.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace suanli::data {
namespace {

/// What the new samples of one axis are made of: sample i of old samples first[i] … first[i] + count - 1.
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
  t.count = static_cast<int>(std::min<int64_t>(size, shrinks ? static_cast<int64_t>(std::ceil(scale)) + 1 : 2));
  const double first_centre = std::max(0.0, begin),
               last_centre = std::max(first_centre, std::min(static_cast<double>(size), begin + length) - 1);
  t.first.resize(static_cast<size_t>(to));
  t.weights.resize(static_cast<size_t>(to * t.count));
  for (int64_t i = 0; i < to; ++i) {
    const double from = begin + static_cast<double>(i) * scale, end = from + scale, centre = (from + end) / 2 - 0.5;
    const auto lowest = static_cast<int64_t>(std::floor(shrinks ? from + 1e-9 : std::clamp(centre, first_centre, last_centre)));
    const int64_t first = std::clamp<int64_t>(lowest, 0, size - t.count);
    t.first[static_cast<size_t>(i)] = first;
    float* weight = t.weights.data() + i * t.count;
    double sum = 0;
    for (int k = 0; k < t.count; ++k) {
      const auto at = static_cast<double>(first + k);
      const double clamped = std::clamp(centre, first_centre, last_centre);
      const double w = shrinks ? std::min(end, at + 1) - std::max(from, at) : 1 - std::abs(clamped - at);
      weight[k] = static_cast<float>(std::max(0.0, w));
      sum += std::max(0.0, w);
    }
    for (int k = 0; k < t.count; ++k) weight[k] = static_cast<float>(weight[k] / sum);
  }
  return t;
}

/// `pixels` [from_height, from_width, channels], interleaved, times `unit`.
template <class T>
void resize_pixels(const T* pixels, int64_t from_height, int64_t from_width, int64_t channels, const Box& box, int64_t height,
                   int64_t width, float unit, float* out) {
  const Taps across = taps(box.left, box.width, from_width, width), down = taps(box.top, box.height, from_height, height);
  // First the rows that are needed, each made narrower or wider; then these are mixed. Channels stay interleaved until the end.
  const int64_t top = down.first.front(), rows = down.first.back() + down.count - top;
  std::vector<float> narrow(static_cast<size_t>(rows * width * channels));
  float* to = narrow.data();
  for (int64_t y = 0; y < rows; ++y) {
    const T* row = pixels + (top + y) * from_width * channels;
    for (int64_t x = 0; x < width; ++x) {
      const float* weight = across.weights.data() + x * across.count;
      const T* from = row + across.first[static_cast<size_t>(x)] * channels;
      for (int64_t k = 0; k < channels; ++k) {
        float sum = 0;
        for (int i = 0; i < across.count; ++i) sum += weight[i] * static_cast<float>(from[i * channels + k]);
        *to++ = sum;
      }
    }
  }
  std::vector<float> line(static_cast<size_t>(width * channels));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (int i = 0; i < down.count; ++i) {
      const float weight = down.weights[static_cast<size_t>(y * down.count + i)] * unit;
      const float* from = narrow.data() + (down.first[static_cast<size_t>(y)] - top + i) * width * channels;
      for (size_t k = 0; k < line.size(); ++k) line[k] += weight * from[k];
    }
    for (int64_t x = 0; x < width; ++x)
      for (int64_t k = 0; k < channels; ++k) out[(k * height + y) * width + x] = line[static_cast<size_t>(x * channels + k)];
  }
}

bool is_all_of(const Box& box, int64_t height, int64_t width) {
  return box.top == 0 && box.left == 0 && box.height == static_cast<double>(height) && box.width == static_cast<double>(width);
}

}  // namespace

Box centre_box(int64_t picture_height, int64_t picture_width, int64_t height, int64_t width) {
  const auto ph = static_cast<double>(picture_height), pw = static_cast<double>(picture_width);
  const double scale = std::min(ph / static_cast<double>(height), pw / static_cast<double>(width));
  const double h = static_cast<double>(height) * scale, w = static_cast<double>(width) * scale;
  return {(ph - h) / 2, (pw - w) / 2, h, w};
}

void resize(const Picture& p, const Box& box, int64_t height, int64_t width, float* out) {
  const int64_t c = p.channels;
  if (p.height != height || p.width != width || !is_all_of(box, height, width))
    return resize_pixels(p.pixels.data(), p.height, p.width, c, box, height, width, 1 / 255.0f, out);
  for (int64_t k = 0; k < c; ++k)
    for (int64_t i = 0; i < height * width; ++i) *out++ = static_cast<float>(p.pixels[static_cast<size_t>(i * c + k)]) / 255.0f;
}

void resize_plane(const float* plane, int64_t from_height, int64_t from_width, const Box& box, int64_t height, int64_t width, float* out) {
  resize_pixels(plane, from_height, from_width, 1, box, height, width, 1.0f, out);
}

void decode_box(const std::string& path, std::string_view bytes, int64_t height, int64_t width, const Box& box, const Shape& shape,
                float* out) {
  const double scale = std::max(static_cast<double>(shape[1]) / box.height, static_cast<double>(shape[2]) / box.width);
  const auto least = static_cast<int64_t>(std::ceil(static_cast<double>(std::min(height, width)) * scale - 1e-9));
  const Picture picture = with_channels(decode_picture(path, bytes, least), shape[0]);
  const double down = static_cast<double>(picture.height) / static_cast<double>(height),
               across = static_cast<double>(picture.width) / static_cast<double>(width);
  resize(picture, {box.top * down, box.left * across, box.height * down, box.width * across}, shape[1], shape[2], out);
}

Tensor read_picture(const std::string& path, const PictureOptions& options) {
  if (options.channels != 1 && options.channels != 3)
    throw UsageError(str("[read_picture] channels = ", options.channels, ", expected 1 (grey) or 3 (RGB)"));
  const bool as_it_is = options.height == 0 && options.width == 0;
  if (options.height < 0 || options.width < 0 || options.height > 65'536 || options.width > 65'536 ||
      options.height * options.width > kMostPixels || (!as_it_is && (options.height == 0 || options.width == 0)))
    throw UsageError(str("[read_picture] size ", options.height, "×", options.width, ", expected both 0 (as in the file) or 1 to ",
                         kMostPixels, " pixels"));
  const PictureHeader header = read_picture_header(path);
  const int64_t height = as_it_is ? header.height : options.height, width = as_it_is ? header.width : options.width;
  const Shape shape{options.channels, height, width};
  return tensor_filled_by(shape, DType::f32, [&](void* data) {
    decode_box(path, read_picture_file(path), header.height, header.width, centre_box(header.height, header.width, height, width), shape,
               static_cast<float*>(data));
  });
}

}  // namespace suanli::data
