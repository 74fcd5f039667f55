// SPDX-License-Identifier: Apache-2.0
#include "data/augment/auto_augment.h"

#include <cmath>
#include <numbers>

#include "data/augment/color.h"
#include "data/augment/geometry.h"

namespace suanli::data {
namespace {

template <int hundredths> double up_to(const Shape&) { return hundredths / 100.0; }
double share_of_width(const Shape& shape) { return 150.0 / 331 * static_cast<double>(shape[2]); }
double share_of_height(const Shape& shape) { return 150.0 / 331 * static_cast<double>(shape[1]); }

void move_by(const Shape& shape, const AffineOptions& options, uint8_t* x) {
  warp(shape, affine(options), Interpolation::nearest, x);
}

/// Sheared about the upper left corner, as in AutoAugment.
AffineOptions sheared(const Shape& shape) {
  return {.center_x = -static_cast<double>(shape[2]) / 2,
          .center_y = -static_cast<double>(shape[1]) / 2};
}
double degrees_of_slope(double slope) { return std::atan(slope) * 180 / std::numbers::pi; }

const Move kMoves[] = {
    {"Identity", false, up_to<0>, up_to<0>, [](const Shape&, double, uint8_t*) {}},
    {"ShearX", true, up_to<30>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) {
       AffineOptions options = sheared(shape);
       options.shear_x = degrees_of_slope(amount);
       move_by(shape, options, x);
     }},
    {"ShearY", true, up_to<30>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) {
       AffineOptions options = sheared(shape);
       options.shear_y = degrees_of_slope(amount);
       move_by(shape, options, x);
     }},
    {"TranslateX", true, share_of_width, up_to<3200>,
     [](const Shape& shape, double amount, uint8_t* x) {
       shift(shape, 0, -static_cast<int64_t>(amount), Outside::black, x);
     }},
    {"TranslateY", true, share_of_height, up_to<3200>,
     [](const Shape& shape, double amount, uint8_t* x) {
       shift(shape, -static_cast<int64_t>(amount), 0, Outside::black, x);
     }},
    {"Rotate", true, up_to<3000>, up_to<13500>,
     [](const Shape& shape, double amount, uint8_t* x) { move_by(shape, {.angle = -amount}, x); }},
    {"Brightness", true, up_to<90>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) {
       adjust_brightness(shape, 1 + amount, x);
     }},
    {"Color", true, up_to<90>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) {
       adjust_saturation(shape, 1 + amount, x);
     }},
    {"Contrast", true, up_to<90>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) { adjust_contrast(shape, 1 + amount, x); }},
    {"Sharpness", true, up_to<90>, up_to<99>,
     [](const Shape& shape, double amount, uint8_t* x) { adjust_sharpness(shape, 1 + amount, x); }},
    {"Posterize", false, up_to<400>, up_to<600>,
     [](const Shape& shape, double amount, uint8_t* x) {
       posterize(shape, 8 - static_cast<int>(std::nearbyint(amount)), x);
     }},
    {"Solarize", false, up_to<25500>, up_to<25500>,
     [](const Shape& shape, double amount, uint8_t* x) { solarize(shape, 255 - amount, x); }},
    {"AutoContrast", false, up_to<0>, up_to<0>,
     [](const Shape& shape, double, uint8_t* x) { autocontrast(shape, x); }},
    {"Equalize", false, up_to<0>, up_to<0>,
     [](const Shape& shape, double, uint8_t* x) { equalize(shape, x); }},
};

/// A random move; its strength is asked for when the move is known.
template <class Most, class Strength>
void any_move(const Shape& shape, Most most, Strength&& strength, PhiloxStream& random,
              uint8_t* x) {
  const Move& move = kMoves[random.below(std::size(kMoves))];
  double amount = (move.*most)(shape)*strength() / kStrengths;
  if (move.either_way && random.below(2) == 1) amount = -amount;
  move.apply(shape, amount, x);
}

}  // namespace

std::span<const Move> moves() { return kMoves; }

void rand_augment(const Shape& shape, int strength, PhiloxStream& random, uint8_t* x) {
  for (int i = 0; i < 2; ++i)
    any_move(shape, &Move::rand_most, [&] { return strength; }, random, x);
}

void trivial_augment(const Shape& shape, PhiloxStream& random, uint8_t* x) {
  any_move(
      shape, &Move::trivial_most, [&] { return static_cast<int>(random.below(kStrengths + 1)); },
      random, x);
}

}  // namespace suanli::data
