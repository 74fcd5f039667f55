// SPDX-License-Identifier: Apache-2.0
// Parts of pictures at another size.
#pragma once
#include "data/image/picture.h"
#include "suanli/dataset.h"
#include "suanli/image.h"

namespace suanli::data {

/// The largest box of the shape height : width that fits into a picture, in its middle.
Box center_box(int64_t picture_height, int64_t picture_width, int64_t height, int64_t width);

/// The part of the original picture that read() shows: its middle.
inline Box whole_view(const Dataset& dataset, int64_t index) {
  const Shape picture = dataset.picture_size(index), &s = dataset.info().input_shape;
  return center_box(picture[0], picture[1], s[1], s[2]);
}

/// `box` of a picture with 1 or 3 channels as planes [channels, height, width]. Each axis on its
/// own: when it shrinks, the mean over the area that a new pixel covers (nothing flickers, nothing
/// is skipped); when it grows, linear between pixel centers, constant at the border of the box;
/// rounded in the end. Same size: the pixels themselves.
void resize(const PixelView& picture, const Box& box, int64_t height, int64_t width,
            uint8_t* planes);

/// The same of planes, a sample of `shape`.
void resize_planes(const uint8_t* sample, const Shape& shape, const Box& box, int64_t height,
                   int64_t width, uint8_t* planes);

/// Decodes a picture file of height × width pixels (its header's) that holds `bytes`, and gives
/// `box` of it as a sample of `shape` ([channels, height, width]) to `out`. A JPEG is decoded at
/// the smallest scale that has as many pixels.
void decode_box(const std::string& path, std::string_view bytes, int64_t height, int64_t width,
                const Box& box, const Shape& shape, uint8_t* out);

}  // namespace suanli::data
