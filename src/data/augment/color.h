// SPDX-License-Identifier: Apache-2.0
// Pictures in other colors and sharpness: on a sample x of `shape` [channels, height, width],
// planes of bytes; three channels are RGB, another number of them has no color. Their results and
// factors are those of torchvision.transforms.functional; results are rounded, where torchvision
// cuts off.
#pragma once
#include <cstdint>

#include "suanli/base.h"

namespace suanli::data {

/// factor · x; 0 is black, 1 changes nothing.
void adjust_brightness(const Shape& shape, double factor, uint8_t* x);
/// factor · x + (1 − factor) · the mean gray of the picture.
void adjust_contrast(const Shape& shape, double factor, uint8_t* x);
/// factor · x + (1 − factor) · its gray. Only RGB changes.
void adjust_saturation(const Shape& shape, double factor, uint8_t* x);
/// Turns all hues by `turn` of the color circle, −0.5 … 0.5. Only RGB changes.
void adjust_hue(const Shape& shape, double turn, uint8_t* x);
/// factor · x + (1 − factor) · x smoothed with a 3×3 kernel; the outermost pixels stay as they are.
void adjust_sharpness(const Shape& shape, double factor, uint8_t* x);
/// All channels of RGB become 0.2989 R + 0.587 G + 0.114 B.
void grayscale(const Shape& shape, uint8_t* x);
/// Keeps the uppermost `bits` of 8.
void posterize(const Shape& shape, int bits, uint8_t* x);
/// Inverts what is at least `threshold`.
void solarize(const Shape& shape, double threshold, uint8_t* x);
/// Each channel is stretched to 0 … 255.
void autocontrast(const Shape& shape, uint8_t* x);
/// Each channel's histogram becomes as flat as whole levels allow.
void equalize(const Shape& shape, uint8_t* x);
/// Convolution with a Gaussian of deviation `sigma` in pixels, cut off at `radius`, reflected at
/// the border. radius < height, width.
void gaussian_blur(const Shape& shape, int64_t radius, double sigma, uint8_t* x);

}  // namespace suanli::data
