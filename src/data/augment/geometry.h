// SPDX-License-Identifier: Apache-2.0
// Pictures moved, turned and covered: on a sample x of `shape` [channels, height, width], planes of
// bytes. Pixels from outside are black unless said otherwise. Conventions are those of
// torchvision.transforms.functional; angles are in degrees.
#pragma once
#include <cstdint>
#include <vector>

#include "base/core/philox.h"
#include "suanli/dataset.h"

namespace suanli::data {

/// Left becomes right.
void mirror(const Shape& shape, uint8_t* x);
enum class Outside : uint8_t {
  black,
  /// The picture again, mirrored at the middle of its last row or column: numpy's and PyTorch's
  /// "reflect".
  mirrored,
};
/// Pixel (r, c) comes from (r + down, c + right), at most a side − 1 away where what is outside is
/// mirrored.
void shift(const Shape& shape, int64_t down, int64_t right, Outside outside, uint8_t* x);

/// Where a pixel comes from: (column, row), counted from the picture's middle, is (a·column + b·row
/// + c, d·column + e·row + f) before.
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};
/// The inverse of: turned clockwise by `angle`, sheared by shear_x and shear_y, scaled, all about
/// (center_x, center_y) counted from the picture's middle, then moved right and down: what
/// torchvision's affine() does.
struct AffineOptions {
  double angle = 0, right = 0, down = 0, scale = 1, shear_x = 0, shear_y = 0, center_x = 0,
         center_y = 0;
};
Affine affine(const AffineOptions& options);

enum class Interpolation : uint8_t { nearest, bilinear };
/// x as `from` says.
void warp(const Shape& shape, const Affine& from, Interpolation interpolation, uint8_t* x);

/// Rows top … bottom-1 and columns left … right-1.
struct Area {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};
/// Covers an area with a color: fill[c] for channel c.
void erase(const Shape& shape, const Area& area, const std::vector<uint8_t>& fill, uint8_t* x);

/// A part of a picture with an area of least_area … 1 of it and sides in a ratio of 3:4 … 4:3, its
/// edges on whole pixels: the choice that Szegedy et al., Going deeper with convolutions (2014),
/// section 6, describe and torchvision's RandomResizedCrop makes.
Box random_box(const Shape& picture, double least_area, PhiloxStream& random);
/// The part to erase: 2% to 33% of the picture, sides in a ratio of 0.3 … 3.3 (Zhong et al., Random
/// erasing data augmentation, 2017); empty if ten draws do not fit.
Area random_area(const Shape& shape, PhiloxStream& random);
/// A square whose side is `share` of the picture's, its middle anywhere in it, cut off at the
/// border (DeVries & Taylor 2017).
Area random_square(const Shape& shape, double share, PhiloxStream& random);

}  // namespace suanli::data
