// SPDX-License-Identifier: Apache-2.0
#include "data/augment/geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/image/resize.h"

namespace suanli::data {

void mirror(const Shape& shape, uint8_t* x) {
  for (uint8_t *row = x, *end = x + shape.numel(); row != end; row += shape[2])
    std::reverse(row, row + shape[2]);
}

void shift(const Shape& shape, int64_t down, int64_t right, Outside outside, uint8_t* x) {
  const int64_t height = shape[1], width = shape[2];
  constexpr int64_t kBlack = -1;
  auto source = [outside](int64_t at, int64_t size) {
    if (at >= 0 && at < size) return at;
    return outside == Outside::black ? kBlack : at < 0 ? -at : 2 * (size - 1) - at;
  };
  std::vector<uint8_t> moved(static_cast<size_t>(height * width));
  // columns that come from inside
  const int64_t first = std::max<int64_t>(0, -right), last = std::min(width, width - right);
  for (int64_t c = 0; c < shape[0]; ++c, x += height * width) {
    std::fill(moved.begin(), moved.end(), uint8_t{0});
    for (int64_t r = 0; r < height; ++r) {
      const int64_t row = source(r + down, height);
      if (row == kBlack) continue;
      const uint8_t* from = x + row * width;
      uint8_t* to = moved.data() + r * width;
      if (first < last) std::copy_n(from + first + right, last - first, to + first);
      if (outside == Outside::black) continue;
      for (int64_t k = 0; k < first; ++k) to[k] = from[source(k + right, width)];
      for (int64_t k = last; k < width; ++k) to[k] = from[source(k + right, width)];
    }
    std::copy(moved.begin(), moved.end(), x);
  }
}

Affine affine(const AffineOptions& o) {
  auto radians = [](double degrees) { return degrees * std::numbers::pi / 180; };
  const double angle = radians(o.angle), shear_x = radians(o.shear_x), shear_y = radians(o.shear_y);
  // Rotation · shear, as in torchvision's _get_inverse_affine_matrix; its inverse has determinant
  // 1.
  const double a = std::cos(angle - shear_y) / std::cos(shear_y),
               b = -a * std::tan(shear_x) - std::sin(angle),
               c = std::sin(angle - shear_y) / std::cos(shear_y),
               d = -c * std::tan(shear_x) + std::cos(angle);
  Affine m{
      .a = d / o.scale, .b = -b / o.scale, .c = 0, .d = -c / o.scale, .e = a / o.scale, .f = 0};
  const double x = o.center_x + o.right, y = o.center_y + o.down;
  m.c = o.center_x - m.a * x - m.b * y;
  m.f = o.center_y - m.d * x - m.e * y;
  return m;
}

namespace {

/// Places in 32.32 fixed point: a step along a row is an addition, and a picture's width of them
/// stays exact.
int64_t fixed(double v) { return std::llround(v * 4294967296.0); }

/// For each pixel of a row the index in a plane that it comes from; -1: from outside.
void nearest_row(const Shape& shape, const Affine& from, int64_t row, int32_t* index) {
  const int64_t height = shape[1], width = shape[2];
  const double middle_x = static_cast<double>(width - 1) / 2,
               middle_y = static_cast<double>(height - 1) / 2;
  const double y = static_cast<double>(row) - middle_y;
  int64_t column_at = fixed(-from.a * middle_x + from.b * y + from.c + middle_x + 0.5),
          row_at = fixed(-from.d * middle_x + from.e * y + from.f + middle_y + 0.5);
  const int64_t step_x = fixed(from.a), step_y = fixed(from.d);
  for (int64_t k = 0; k < width; ++k, column_at += step_x, row_at += step_y) {
    const int64_t c = column_at >> 32, r = row_at >> 32;
    const bool inside = static_cast<uint64_t>(c) < static_cast<uint64_t>(width) &&
                        static_cast<uint64_t>(r) < static_cast<uint64_t>(height);
    index[k] = inside ? static_cast<int32_t>(r * width + c) : -1;
  }
}

void warp_nearest(const Shape& shape, const Affine& from, const std::vector<uint8_t>& before,
                  uint8_t* x) {
  const int64_t area = shape[1] * shape[2];
  std::vector<int32_t> index(static_cast<size_t>(shape[2]));
  for (int64_t row = 0; row < shape[1]; ++row) {
    nearest_row(shape, from, row, index.data());
    for (int64_t c = 0; c < shape[0]; ++c) {
      const uint8_t* plane = before.data() + c * area;
      uint8_t* to = x + c * area + row * shape[2];
      for (const int32_t i : index) *to++ = i < 0 ? uint8_t{0} : plane[i];
    }
  }
}

/// The four pixels around a place and the share of each; those outside are black.
struct Corner {
  int32_t index[4];
  float share[4];
};

void bilinear_row(const Shape& shape, const Affine& from, int64_t row, Corner* corners) {
  const int64_t height = shape[1], width = shape[2];
  const double middle_x = static_cast<double>(width - 1) / 2,
               middle_y = static_cast<double>(height - 1) / 2;
  const double y = static_cast<double>(row) - middle_y;
  for (int64_t k = 0; k < width; ++k) {
    const double x = static_cast<double>(k) - middle_x;
    const double at_x = std::clamp(from.a * x + from.b * y + from.c + middle_x, -2.0,
                                   static_cast<double>(width) + 1),
                 at_y = std::clamp(from.d * x + from.e * y + from.f + middle_y, -2.0,
                                   static_cast<double>(height) + 1);
    const double left = std::floor(at_x), top = std::floor(at_y);
    const double right_share = at_x - left, down_share = at_y - top;
    for (int i = 0; i < 4; ++i) {
      const auto c = static_cast<int64_t>(left) + i % 2, r = static_cast<int64_t>(top) + i / 2;
      const bool inside = c >= 0 && c < width && r >= 0 && r < height;
      const double share =
          (i % 2 ? right_share : 1 - right_share) * (i / 2 ? down_share : 1 - down_share);
      corners[k].index[i] = inside ? static_cast<int32_t>(r * width + c) : 0;
      corners[k].share[i] = inside ? static_cast<float>(share) : 0;
    }
  }
}

void warp_bilinear(const Shape& shape, const Affine& from, const std::vector<uint8_t>& before,
                   uint8_t* x) {
  const int64_t area = shape[1] * shape[2];
  std::vector<Corner> corners(static_cast<size_t>(shape[2]));
  for (int64_t row = 0; row < shape[1]; ++row) {
    bilinear_row(shape, from, row, corners.data());
    for (int64_t c = 0; c < shape[0]; ++c) {
      const uint8_t* plane = before.data() + c * area;
      uint8_t* to = x + c * area + row * shape[2];
      for (const Corner& k : corners) {
        float sum = 0.5f;  // rounds
        for (int i = 0; i < 4; ++i) sum += k.share[i] * static_cast<float>(plane[k.index[i]]);
        *to++ = static_cast<uint8_t>(sum);
      }
    }
  }
}

}  // namespace

void warp(const Shape& shape, const Affine& from, Interpolation interpolation, uint8_t* x) {
  const std::vector<uint8_t> before(x, x + shape.numel());
  (interpolation == Interpolation::nearest ? warp_nearest : warp_bilinear)(shape, from, before, x);
}

void erase(const Shape& shape, const Area& area, const std::vector<uint8_t>& fill, uint8_t* x) {
  for (int64_t c = 0; c < shape[0]; ++c)
    for (int64_t row = area.top; row < area.bottom; ++row)
      std::fill_n(x + (c * shape[1] + row) * shape[2] + area.left, area.right - area.left,
                  fill[static_cast<size_t>(c)]);
}

namespace {
constexpr int kTries = 10;

/// Height and width of an area with a share of least … most of the picture, sides in a ratio of
/// flattest … tallest.
std::pair<double, double> random_sides(double area, double flattest, double tallest,
                                       PhiloxStream& random) {
  const double ratio = std::exp(random.between(std::log(flattest), std::log(tallest)));
  return {std::round(std::sqrt(area / ratio)), std::round(std::sqrt(area * ratio))};
}
}  // namespace

Box random_box(const Shape& picture, double least_area, PhiloxStream& random) {
  const auto height = static_cast<double>(picture[0]), width = static_cast<double>(picture[1]);
  for (int i = 0; i < kTries; ++i) {
    const double area = height * width * random.between(least_area, 1);
    const auto [h, w] = random_sides(area, 3.0 / 4, 4.0 / 3, random);
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto top = static_cast<double>(random.below(static_cast<uint64_t>(height - h) + 1));
    const auto left = static_cast<double>(random.below(static_cast<uint64_t>(width - w) + 1));
    return {top, left, h, w};
  }
  return center_box(picture[0], picture[1], 1, 1);
}

Area random_area(const Shape& shape, PhiloxStream& random) {
  const auto height = static_cast<double>(shape[1]), width = static_cast<double>(shape[2]);
  for (int i = 0; i < kTries; ++i) {
    const double area = height * width * random.between(0.02, 0.33);
    const auto [h, w] = random_sides(area, 0.3, 3.3, random);
    if (w < 1 || h < 1 || w >= width || h >= height) continue;
    const auto top = static_cast<int64_t>(random.below(static_cast<uint64_t>(height - h) + 1)),
               left = static_cast<int64_t>(random.below(static_cast<uint64_t>(width - w) + 1));
    return {top, left, top + static_cast<int64_t>(h), left + static_cast<int64_t>(w)};
  }
  return {};
}

Area random_square(const Shape& shape, double share, PhiloxStream& random) {
  auto side = [&](int64_t size) {
    const auto length = static_cast<int64_t>(std::round(share * static_cast<double>(size)));
    const auto first = static_cast<int64_t>(random.below(static_cast<uint64_t>(size))) - length / 2;
    return std::pair{std::max<int64_t>(0, first), std::min(size, first + length)};
  };
  const auto [top, bottom] = side(shape[1]);
  const auto [left, right] = side(shape[2]);
  return {top, left, bottom, right};
}

}  // namespace suanli::data
