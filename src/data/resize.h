// Parts of pictures at another size.
#pragma once
#include "data/picture.h"
#include "suanli/data.h"

namespace suanli::data {

/// The largest box of the shape height : width that fits into a picture, in its middle.
Box centre_box(int64_t picture_height, int64_t picture_width, int64_t height, int64_t width);

/// `box` of `picture` (1 or 3 channels) as planes [channels, height, width] of fractions, to `out`. Each axis on its own: when it
/// shrinks, the mean over the area that a new pixel covers (nothing flickers, nothing is skipped); when it grows, linear between pixel
/// centres, constant at the border of the box. Same size: the pixels themselves, v / 255.
void resize(const Picture& picture, const Box& box, int64_t height, int64_t width, float* out);

/// The same of one plane [height, width] of numbers, as they are.
void resize_plane(const float* plane, int64_t from_height, int64_t from_width, const Box& box, int64_t height, int64_t width, float* out);

/// Decodes a picture file of height × width pixels (its header's) that holds `bytes`, and gives `box` of it as a sample of `shape`
/// ([channels, height, width]) to `out`. A JPEG is decoded at the smallest scale that has as many pixels.
void decode_box(const std::string& path, std::string_view bytes, int64_t height, int64_t width, const Box& box, const Shape& shape,
                float* out);

}  // namespace suanli::data
