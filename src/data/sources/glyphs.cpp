// SPDX-License-Identifier: Apache-2.0
// Strokes → jittered polylines → distance field → anti-aliased pixels.
#include "data/sources/glyphs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/core/philox.h"
#include "base/text/text.h"
#include "data/sources/reading_threads.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

// ---- what is drawn ------------------------------------------------------------------------------
// The unit is half a glyph's height: y runs from -1 (top) to 1, x from about -0.65 to 0.65.

struct Point {
  double x, y;
};
using Polyline = std::vector<Point>;

/// Part of an ellipse from angle `from` to `to` in degrees; 0 is right, 90 is down.
Polyline arc(double cx, double cy, double rx, double ry, double from, double to) {
  const int pieces = std::max(3, static_cast<int>(std::abs(to - from) / 30));
  Polyline points;
  for (int i = 0; i <= pieces; ++i) {
    const double a = (from + (to - from) * i / pieces) * std::numbers::pi / 180;
    points.push_back({cx + rx * std::cos(a), cy + ry * std::sin(a)});
  }
  return points;
}

/// Straight pieces, each cut in three: the wobble bends points, not lines.
Polyline line(std::initializer_list<Point> corners) {
  Polyline points{*corners.begin()};
  for (const Point* to = corners.begin() + 1; to != corners.end(); ++to) {
    const Point from = to[-1];
    for (int i = 1; i <= 3; ++i)
      points.push_back({from.x + (to->x - from.x) * i / 3, from.y + (to->y - from.y) * i / 3});
  }
  return points;
}

/// One stroke after the other without lifting the pen.
Polyline joined(Polyline a, const Polyline& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const std::vector<Polyline>& strokes_of(int label) {
  static const auto& glyphs = *new std::array<std::vector<Polyline>, kGlyphClasses>{{
      // static objects may use it when the process ends
      /* 0 */ {arc(0, 0, 0.6, 0.95, 0, 360)},
      /* 1 */ {line({{-0.35, -0.6}, {0.05, -0.98}, {0.05, 0.98}})},
      /* 2 */
      {joined(arc(0, -0.45, 0.55, 0.52, 190, 395),
              line({{0.4, -0.1}, {-0.58, 0.95}, {0.6, 0.95}}))},
      /* 3 */
      {joined(arc(-0.05, -0.48, 0.52, 0.47, 200, 450), arc(-0.05, 0.46, 0.6, 0.5, 270, 515))},
      /* 4 */ {line({{0.1, -0.98}, {-0.62, 0.3}, {0.62, 0.3}}), line({{0.28, -0.3}, {0.28, 0.98}})},
      /* 5 */
      {joined(line({{0.5, -0.95}, {-0.42, -0.95}, {-0.46, -0.1}}),
              arc(-0.05, 0.38, 0.58, 0.58, 232, 510))},
      /* 6 */
      {joined(arc(0.55, 0.35, 1.08, 1.32, 265, 180), arc(0.02, 0.42, 0.55, 0.52, 180, 540))},
      /* 7 */ {line({{-0.58, -0.92}, {0.58, -0.92}, {-0.12, 0.98}})},
      /* 8 */ {arc(0, -0.5, 0.45, 0.45, 90, 450), arc(0, 0.46, 0.56, 0.51, 270, 630)},
      /* 9 */ {joined(arc(-0.02, -0.42, 0.55, 0.52, 0, 360), arc(-0.55, -0.35, 1.08, 1.32, 0, 85))},
  }};
  return glyphs[static_cast<size_t>(label)];
}

// ---- how it varies ------------------------------------------------------------------------------
// Found by experiment on 12,000 samples. A linear softmax stays at 87% of the test set however long
// it trains: it cannot follow position and rotation. A small CNN (two 5×5 convolutions of 10 and 20
// channels, two dense layers; SGD, momentum 0.5, batch 64) passes 98% in its fourth epoch at lr
// 0.01 on normalized pixels, in its third at lr 0.05 on raw ones.

constexpr double kHalfHeight = 9.0;  // pixels
constexpr double kRotation = 0.25;  // radians either way
constexpr double kShear = 0.25;
constexpr double kShift = 3.6;  // pixels either way
constexpr double kWobble = 0.7;  // pixels
constexpr double kSmudge = 0.4;  // share of samples with a distracting stroke

/// Model space (±1) → pixels: scale, shear, rotation, shift and a slow wave that bends strokes.
struct Pose {
  double xx, xy, yx, yy, shift_x, shift_y, wave_x, wave_y, frequency, phase_x, phase_y;

  explicit Pose(PhiloxStream& random) {
    const double angle = random.between(-kRotation, kRotation),
                 shear = random.between(-kShear, kShear);
    const double height = kHalfHeight * random.between(0.85, 1.15),
                 width = height * random.between(0.8, 1.2);
    const double c = std::cos(angle), s = std::sin(angle);
    xx = c * width;
    xy = c * shear * width - s * height;
    yx = s * width;
    yy = s * shear * width + c * height;
    shift_x = kGlyphSide / 2.0 + random.between(-kShift, kShift);
    shift_y = kGlyphSide / 2.0 + random.between(-kShift, kShift);
    wave_x = random.between(-kWobble, kWobble);
    wave_y = random.between(-kWobble, kWobble);
    frequency = random.between(1.5, 3.5);
    phase_x = random.between(0, 2 * std::numbers::pi);

    phase_y = random.between(0, 2 * std::numbers::pi);
  }

  Point operator()(Point p) const {
    return {xx * p.x + xy * p.y + shift_x + wave_x * std::sin(frequency * p.y + phase_x),
            yx * p.x + yy * p.y + shift_y + wave_y * std::sin(frequency * p.x + phase_y)};
  }
};

// ---- distance field -----------------------------------------------------------------------------
// Coordinates are whole numbers of 1/32 pixel, at most 48 pixels apart, held in floats: every
// product and sum below stays under 2^24 and is exact, which is what makes the picture independent
// of how a compiler contracts them.

constexpr int kUnit = 32;

class Canvas {
 public:
  Canvas() { nearest_.fill(kFar); }

  void stroke(const Point* points, size_t count, float half_width) {
    for (size_t i = 1; i < count; ++i)
      segment(rounded(points[i - 1]), rounded(points[i]), half_width);
  }

  /// Returns the part of a pixel that a pen of `half_width` pixels covers, 0…256.
  int coverage(int pixel, float half_width) const {
    const float distance = std::sqrt(nearest_[static_cast<size_t>(pixel)]) * (1.0f / kUnit);
    const float covered = std::clamp(half_width + 0.5f - distance, 0.0f, 1.0f);
    return static_cast<int>(covered * 256.0f);
  }

 private:
  struct Fixed {
    float x, y;
  };
  static constexpr float kFar = 1e9f;

  static Fixed rounded(Point p) {
    auto fixed = [](double v) {
      return static_cast<float>(std::lround(std::clamp(v, -10.0, 38.0) * kUnit));
    };
    return {fixed(p.x), fixed(p.y)};
  }

  void segment(Fixed a, Fixed b, float half_width) {
    const float ex = b.x - a.x, ey = b.y - a.y, length2 = ex * ex + ey * ey;
    const float inverse = length2 > 0 ? 1.0f / std::sqrt(length2) : 0.0f;
    const float reach = half_width + 1.0f;
    auto first = [&](float v) {
      return std::clamp(static_cast<int>(std::floor(v / kUnit - reach)), 0, kGlyphSide);
    };
    auto last = [&](float v) {
      return std::clamp(static_cast<int>(std::floor(v / kUnit + reach)) + 1, 0, kGlyphSide);
    };
    const int x0 = first(std::min(a.x, b.x)), x1 = last(std::max(a.x, b.x));
    const int y0 = first(std::min(a.y, b.y)), y1 = last(std::max(a.y, b.y));
    for (int y = y0; y < y1; ++y) {
      const float dy = static_cast<float>(y * kUnit + kUnit / 2) - a.y;
      float* row = nearest_.data() + y * kGlyphSide;
      for (int x = x0; x < x1; ++x) {
        const float dx = static_cast<float>(x * kUnit + kUnit / 2) - a.x;
        const float along = dx * ex + dy * ey;
        const float across = (dx * ey - dy * ex) * inverse;
        float d2 = across * across;
        if (along <= 0) d2 = dx * dx + dy * dy;
        if (along > length2) d2 = (dx - ex) * (dx - ex) + (dy - ey) * (dy - ey);
        row[x] = std::min(row[x], d2);
      }
    }
  }

  std::array<float, kGlyphSide * kGlyphSide> nearest_;  // squared, in units
};

}  // namespace

int draw_glyph(uint64_t seed, int split, int64_t index, uint8_t* pixels) {
  PhiloxStream random(
      seed, philox_stream(PhiloxDomain::glyphs,
                          (static_cast<uint64_t>(split) << 48) | static_cast<uint64_t>(index)));
  const int label = static_cast<int>(random.below(kGlyphClasses));

  const Pose pose(random);
  // 1.3 … 2 pixels, in steps that a float holds exactly
  const float half_width = static_cast<float>(83 + random.below(46)) / 64;
  const int paper = static_cast<int>(random.below(24));
  const int ink = 225 + static_cast<int>(random.below(31));
  const int noise = static_cast<int>(random.below(24));

  Canvas glyph;
  std::vector<Point> points;
  for (const Polyline& stroke : strokes_of(label)) {
    points.clear();
    for (Point p : stroke) points.push_back(pose(p));
    glyph.stroke(points.data(), points.size(), half_width);
  }

  // A short stroke somewhere else, fainter than the glyph: what a classifier must learn to look
  // past.
  const bool smudged = random.next_double() < kSmudge;
  const float smudge_width = static_cast<float>(32 + random.below(33)) / 64;
  const int smudge_ink = 60 + static_cast<int>(random.below(80));
  Canvas smudge;
  if (smudged) {
    const double angle = random.between(0, 2 * std::numbers::pi),
                 turn = angle + random.between(0, 2 * std::numbers::pi);
    const double length = random.between(3, 7);
    const Point from{14 + 12.0 * std::cos(angle), 14 + 12.0 * std::sin(angle)};
    const std::array<Point, 2> ends{
        {from, {from.x + length * std::cos(turn), from.y + length * std::sin(turn)}}};
    smudge.stroke(ends.data(), 2, smudge_width);
  }

  for (int i = 0; i < kGlyphSide * kGlyphSide; i += 4) {
    uint32_t word = random.next_u32();
    for (int k = i; k < i + 4; ++k, word >>= 8) {
      int value = paper + ((ink - paper) * glyph.coverage(k, half_width) >> 8);
      if (smudged)
        value = std::max(value, paper + (smudge_ink * smudge.coverage(k, smudge_width) >> 8));
      value += static_cast<int>((word & 255u) * static_cast<uint32_t>(noise) >> 8) - noise / 2;
      pixels[k] = static_cast<uint8_t>(std::clamp(value, 0, 255));
    }
  }
  return label;
}

Source open_glyphs(int64_t train, int64_t test, uint64_t seed) {
  Info info{.kind = "glyphs",
            .source = str("glyphs?train=", train, "&test=", test, "&seed=", seed),
            .input_shape = {1, kGlyphSide, kGlyphSide},
            .classes = kGlyphClasses,
            .class_names = {}};
  for (int c = 0; c < kGlyphClasses; ++c) info.class_names.push_back(str(c));

  auto draw = [seed](int split, int64_t count, std::vector<uint8_t>& pixels,
                     std::vector<int32_t>& labels) {
    constexpr int64_t kPixels = kGlyphSide * kGlyphSide;
    pixels.resize(static_cast<size_t>(count * kPixels));
    labels.resize(static_cast<size_t>(count));
    read_ranges(count, 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        labels[static_cast<size_t>(i)] = draw_glyph(seed, split, i, pixels.data() + i * kPixels);
    });
  };
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  draw(0, train, pixels, labels);
  set_statistics(info, pixels);
  Source source;
  source.train = std::make_shared<PixelSet>(info, std::move(pixels), std::move(labels));
  draw(1, test, pixels, labels);
  source.test = std::make_shared<PixelSet>(info, std::move(pixels), std::move(labels));
  return source;
}

}  // namespace suanli::data
