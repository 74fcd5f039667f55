// SPDX-License-Identifier: Apache-2.0
#include "data/augment/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/image/pixel_simd.h"

namespace suanli::data {
namespace {

using Table = std::array<uint8_t, 256>;

uint8_t byte(double v) { return static_cast<uint8_t>(std::clamp(v, 0.0, 255.0) + 0.5); }

template <class F> Table table_of(F&& value) {
  Table table;
  for (size_t v = 0; v < 256; ++v) table[v] = value(static_cast<int>(v));
  return table;
}

void look_up(const Table& table, uint8_t* x, int64_t n) {
  for (uint8_t* end = x + n; x != end; ++x) *x = table[*x];
}

// ITU-R BT.601, as torchvision rounds it
constexpr std::array<float, 3> kGray = {0.2989f, 0.587f, 0.114f};

std::array<const uint8_t*, 3> planes_of(const Shape& shape, const uint8_t* x) {
  const int64_t area = shape[1] * shape[2];
  return {x, x + area, x + 2 * area};
}

std::array<int64_t, 256> histogram(const uint8_t* plane, int64_t n) {
  std::array<int64_t, 256> count{};
  for (const uint8_t* end = plane + n; plane != end; ++plane) ++count[*plane];
  return count;
}

}  // namespace

void adjust_brightness(const Shape& shape, double factor, uint8_t* x) {
  look_up(table_of([&](int v) { return byte(factor * v); }), x, shape.numel());
}

void adjust_contrast(const Shape& shape, double factor, uint8_t* x) {
  std::vector<uint8_t> gray(x, x + shape.numel());
  if (shape[0] == 3) {
    gray.resize(static_cast<size_t>(shape[1] * shape[2]));
    mix_rows(planes_of(shape, x).data(), kGray.data(), 3, shape[1] * shape[2], gray.data());
  }
  int64_t sum = 0;
  for (uint8_t v : gray) sum += v;
  const double mean = static_cast<double>(sum) / static_cast<double>(gray.size());
  look_up(table_of([&](int v) { return byte(factor * v + (1 - factor) * mean); }), x,
          shape.numel());
}

void adjust_saturation(const Shape& shape, double factor, uint8_t* x) {
  if (shape[0] != 3) return;
  const int64_t area = shape[1] * shape[2];
  const std::vector<uint8_t> before(x, x + shape.numel());
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 3> weights;
    for (size_t k = 0; k < 3; ++k)
      weights[k] =
          static_cast<float>((1 - factor) * static_cast<double>(kGray[k]) + (k == c ? factor : 0));
    mix_rows(planes_of(shape, before.data()).data(), weights.data(), 3, area,
             x + static_cast<int64_t>(c) * area);
  }
}

void grayscale(const Shape& shape, uint8_t* x) {
  if (shape[0] != 3) return;
  const int64_t area = shape[1] * shape[2];
  std::vector<uint8_t> gray(static_cast<size_t>(area));
  mix_rows(planes_of(shape, x).data(), kGray.data(), 3, area, gray.data());
  for (int64_t c = 0; c < 3; ++c) std::copy(gray.begin(), gray.end(), x + c * area);
}

void adjust_hue(const Shape& shape, double turn, uint8_t* x) {
  if (shape[0] != 3 || turn == 0) return;
  const int64_t area = shape[1] * shape[2];
  const auto sixths = static_cast<float>(6 * turn);
  uint8_t *red = x, *green = x + area, *blue = x + 2 * area;
  for (int64_t i = 0; i < area; ++i) {
    // Through HSV (Smith, Color gamut transform pairs, 1978), in units of bytes and sixths of the
    // circle.
    const auto r = static_cast<float>(red[i]), g = static_cast<float>(green[i]),
               b = static_cast<float>(blue[i]);
    const float value = std::max({r, g, b}), chroma = value - std::min({r, g, b});
    if (chroma == 0) continue;
    float hue = value == r   ? (g - b) / chroma
                : value == g ? 2 + (b - r) / chroma
                             : 4 + (r - g) / chroma;
    hue += sixths;
    auto channel = [&](float offset) {
      float k = offset + hue;
      k -= 6 * std::floor(k / 6);
      return static_cast<uint8_t>(value - chroma * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f) +
                                  0.5f);
    };
    red[i] = channel(5);
    green[i] = channel(3);
    blue[i] = channel(1);
  }
}

void adjust_sharpness(const Shape& shape, double factor, uint8_t* x) {
  const int64_t height = shape[1], width = shape[2];
  if (height < 3 || width < 3) return;
  const auto around = static_cast<float>((1 - factor) / 13);
  std::array<float, 9> weights;
  weights.fill(around);
  weights[4] = static_cast<float>(factor + (1 - factor) * 5 / 13);
  const std::vector<uint8_t> before(x, x + shape.numel());
  for (int64_t row = 0; row < shape[0] * height; ++row) {
    if (row % height == 0 || row % height == height - 1) continue;
    std::array<const uint8_t*, 9> rows;
    for (int64_t i = 0; i < 9; ++i)
      rows[static_cast<size_t>(i)] = before.data() + (row + i / 3 - 1) * width + i % 3;
    mix_rows(rows.data(), weights.data(), 9, width - 2, x + row * width + 1);
  }
}

void posterize(const Shape& shape, int bits, uint8_t* x) {
  const int mask = 0xFF & ~(0xFF >> bits);
  look_up(table_of([&](int v) { return static_cast<uint8_t>(v & mask); }), x, shape.numel());
}

void solarize(const Shape& shape, double threshold, uint8_t* x) {
  look_up(table_of([&](int v) { return static_cast<uint8_t>(v >= threshold ? 255 - v : v); }), x,
          shape.numel());
}

void autocontrast(const Shape& shape, uint8_t* x) {
  const int64_t area = shape[1] * shape[2];
  for (int64_t c = 0; c < shape[0]; ++c, x += area) {
    const auto [low, high] = std::minmax_element(x, x + area);
    const int darkest = *low, range = *high - *low;
    if (range > 0)
      look_up(table_of([&](int v) { return byte((v - darkest) * 255.0 / range); }), x, area);
  }
}

void equalize(const Shape& shape, uint8_t* x) {
  const int64_t area = shape[1] * shape[2];
  for (int64_t c = 0; c < shape[0]; ++c, x += area) {
    const std::array<int64_t, 256> count = histogram(x, area);
    const auto brightest =
        std::find_if(count.rbegin(), count.rend(), [](int64_t n) { return n > 0; });
    const int64_t step = (area - *brightest) / 255;
    if (step == 0) continue;
    int64_t below = step / 2;
    look_up(table_of([&](int v) {
              const int64_t level = std::min<int64_t>(255, below / step);
              below += count[static_cast<size_t>(v)];
              return static_cast<uint8_t>(level);
            }),
            x, area);
  }
}

void gaussian_blur(const Shape& shape, int64_t radius, double sigma, uint8_t* x) {
  const int64_t height = shape[1], width = shape[2], taps = 2 * radius + 1;
  std::vector<float> weights(static_cast<size_t>(taps));
  double total = 0;
  auto density = [&](int64_t i) {
    return std::exp(-0.5 * std::pow(static_cast<double>(i - radius) / sigma, 2));
  };
  for (int64_t i = 0; i < taps; ++i) total += density(i);
  for (int64_t i = 0; i < taps; ++i)
    weights[static_cast<size_t>(i)] = static_cast<float>(density(i) / total);

  auto reflected = [](int64_t i, int64_t size) {
    return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
  };
  std::vector<const uint8_t*> rows(static_cast<size_t>(taps));
  std::vector<const float*> columns(static_cast<size_t>(taps));
  std::vector<float> line(static_cast<size_t>(width + 2 * radius));
  std::vector<uint8_t> before(static_cast<size_t>(height * width));
  for (int64_t c = 0; c < shape[0]; ++c, x += height * width) {
    std::copy_n(x, height * width, before.begin());
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t i = 0; i < taps; ++i)
        rows[static_cast<size_t>(i)] = before.data() + reflected(y + i - radius, height) * width;
      mix_rows(rows.data(), weights.data(), static_cast<int>(taps), width, line.data() + radius);
      for (int64_t i = 0; i < radius; ++i) {
        line[static_cast<size_t>(i)] = line[static_cast<size_t>(2 * radius - i)];
        line[static_cast<size_t>(width + radius + i)] =
            line[static_cast<size_t>(width + radius - 2 - i)];
      }
      for (int64_t i = 0; i < taps; ++i) columns[static_cast<size_t>(i)] = line.data() + i;
      mix_rows(columns.data(), weights.data(), static_cast<int>(taps), width, x + y * width);
    }
  }
}

}  // namespace suanli::data
