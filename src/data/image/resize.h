// SPDX-License-Identifier: Apache-2.0
// Cuts boxes out of pictures and scales them.
#pragma once
#include "data/image/picture.h"
#include "suanli/dataset.h"
#include "suanli/image.h"

namespace suanli::data {

/// Returns the largest centered box with the aspect ratio height : width.
Box center_box(int64_t picture_height, int64_t picture_width, int64_t height, int64_t width);

/// Returns the part of the original picture that Dataset::read() shows: its centered box.
inline Box whole_view(const Dataset& dataset, int64_t index) {
  const Shape picture = dataset.picture_size(index), &s = dataset.info().input_shape;
  return center_box(picture[0], picture[1], s[1], s[2]);
}

/// Scales `box` of a picture with 1 or 3 channels to planes [channels, height, width]. Each axis is
/// scaled independently. If it shrinks, a new pixel is the mean of the area that it covers. If it
/// grows, values are interpolated linearly between pixel centers and are constant at the border of
/// the box. Results are rounded to bytes. If nothing changes in size, pixels are copied.
void resize(const PixelView& picture, const Box& box, int64_t height, int64_t width,
            uint8_t* planes);

/// The same for a sample stored as planes of the given `shape`.
void resize_planes(const uint8_t* sample, const Shape& shape, const Box& box, int64_t height,
                   int64_t width, uint8_t* planes);

/// Decodes the picture file `bytes`, whose header says height × width pixels. Scales `box` of it to
/// `shape` [channels, height, width] and writes the result to `out`. A JPEG is decoded at the
/// smallest scale that still has enough pixels.
void decode_box(const std::string& path, std::string_view bytes, int64_t height, int64_t width,
                const Box& box, const Shape& shape, uint8_t* out);

}  // namespace suanli::data
