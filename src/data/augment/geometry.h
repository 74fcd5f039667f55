// SPDX-License-Identifier: Apache-2.0
// Shifts, rotates, warps and erases pictures. A sample x has the `shape` [channels, height, width]
// and consists of planes of bytes. Pixels from outside the picture are black unless a comment says
// otherwise. Conventions are those of torchvision.transforms.functional. Angles are in degrees.
#pragma once
#include <cstdint>
#include <vector>

#include "base/core/philox.h"
#include "suanli/dataset.h"

namespace suanli::data {

/// Mirrors x left to right.
void mirror(const Shape& shape, uint8_t* x);
enum class Outside : uint8_t {
  black,
  /// The picture is mirrored about its outermost row or column. NumPy and PyTorch call this
  /// "reflect".
  mirrored,
};
/// Sets pixel (r, c) to the former pixel (r + down, c + right). With Outside::mirrored, the shift
/// is at most the side − 1.
void shift(const Shape& shape, int64_t down, int64_t right, Outside outside, uint8_t* x);

/// Maps a pixel of the result to its source. The pixel (column, row) comes from
/// (a·column + b·row + c, d·column + e·row + f). Coordinates are relative to the picture's center.
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};
/// Options of torchvision's affine(): clockwise rotation, shear and scale about
/// (center_x, center_y), then a translation. (center_x, center_y) is relative to the picture's
/// center. affine() returns the inverse map.
struct AffineOptions {
  double angle = 0, right = 0, down = 0, scale = 1, shear_x = 0, shear_y = 0, center_x = 0,
         center_y = 0;
};
Affine affine(const AffineOptions& options);

enum class Interpolation : uint8_t { nearest, bilinear };
/// Replaces each pixel of x by the pixel that `from` maps it to.
void warp(const Shape& shape, const Affine& from, Interpolation interpolation, uint8_t* x);

/// Rows top … bottom-1 and columns left … right-1.
struct Area {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};
/// Covers an area with a color: fill[c] for channel c.
void erase(const Shape& shape, const Area& area, const std::vector<uint8_t>& fill, uint8_t* x);

/// Returns a random box with edges on whole pixels. Its area is a fraction least_area … 1 of the
/// picture's, its aspect ratio 3:4 … 4:3. The method is that of torchvision's RandomResizedCrop
/// (Szegedy et al., Going deeper with convolutions, 2014, section 6). If no draw fits, the box
/// is the largest centered square.
Box random_box(const Shape& picture, double least_area, PhiloxStream& random);
/// Returns a random area to erase, with 2% to 33% of the picture's area and an aspect ratio of
/// 0.3 … 3.3 (Zhong et al., Random erasing data augmentation, 2017). It is empty if ten draws do
/// not fit into the picture.
Area random_area(const Shape& shape, PhiloxStream& random);
/// Returns a square whose side is `share` of the picture's side. Its center is random, and it is
/// clipped to the picture (DeVries & Taylor 2017).
Area random_square(const Shape& shape, double share, PhiloxStream& random);

}  // namespace suanli::data
