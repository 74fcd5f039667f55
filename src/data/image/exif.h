// SPDX-License-Identifier: Apache-2.0
// Reads the camera's orientation from EXIF in JPEG, PNG and WebP files.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "data/image/picture.h"

namespace suanli::data {

/// 1 … 8 as EXIF 2.3, section 4.6.4 A, defines it; 0 where nothing readable is said. `exif`: a TIFF
/// structure, with or without "Exif\0\0" before it.
int orientation_of(std::string_view exif);

/// The picture as it is to be seen; 0 and 1 leave it as it is.
Picture turned_upright(Picture picture, int orientation);

/// True if width and height change places.
inline bool lies_on_its_side(int orientation) { return orientation >= 5; }

/// Bytes of a file: up to `count` from `offset` on, fewer at its end.
using ReadAt = std::function<std::string(uint64_t offset, size_t count)>;

/// The orientation in the eXIf chunk of a PNG, or the EXIF chunk of a WebP, wherever it stands; 0
/// without one. Reads only the heads of the other chunks.
int png_orientation(const ReadAt& read);
int webp_orientation(const ReadAt& read);

}  // namespace suanli::data
