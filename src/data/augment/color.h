// SPDX-License-Identifier: Apache-2.0
// Changes of color and sharpness, in place. A sample x has `shape` [channels, height, width] and
// planes of bytes. Three channels are RGB; other numbers of channels are gray. The functions take
// the factors of torchvision.transforms.functional and give its results. But they round, where
// torchvision truncates.
#pragma once
#include <cstdint>

#include "suanli/base.h"

namespace suanli::data {

/// factor · x. 0 gives black, 1 changes nothing.
void adjust_brightness(const Shape& shape, double factor, uint8_t* x);
/// factor · x + (1 − factor) · the mean gray value of the picture.
void adjust_contrast(const Shape& shape, double factor, uint8_t* x);
/// factor · x + (1 − factor) · gray value of the pixel. Changes RGB only.
void adjust_saturation(const Shape& shape, double factor, uint8_t* x);
/// Rotates every hue by `turn` of the color circle, −0.5 … 0.5. Changes RGB only.
void adjust_hue(const Shape& shape, double turn, uint8_t* x);
/// factor · x + (1 − factor) · x smoothed by a 3×3 kernel. Pixels at the border do not change.
void adjust_sharpness(const Shape& shape, double factor, uint8_t* x);
/// Sets each RGB channel to 0.2989 R + 0.587 G + 0.114 B.
void grayscale(const Shape& shape, uint8_t* x);
/// Keeps the `bits` most significant of 8 bits.
void posterize(const Shape& shape, int bits, uint8_t* x);
/// Inverts values of at least `threshold`.
void solarize(const Shape& shape, double threshold, uint8_t* x);
/// Stretches each channel to 0 … 255.
void autocontrast(const Shape& shape, uint8_t* x);
/// Equalizes the histogram of each channel.
void equalize(const Shape& shape, uint8_t* x);
/// Convolution with a Gaussian of deviation `sigma` in pixels, which ends at `radius`. The picture
/// is reflected at its borders. Requires radius < height and radius < width.
void gaussian_blur(const Shape& shape, int64_t radius, double sigma, uint8_t* x);

}  // namespace suanli::data
