// SPDX-License-Identifier: Apache-2.0
// Reading and writing picture files.
#pragma once
#include <cstdint>
#include <string>

#include "suanli/tensor.h"

namespace suanli::data {

struct PictureOptions {
  int channels = 1;  ///< 1 gray, 3 RGB.
  /// In pixels. If both are 0, the size of the file. Otherwise the largest middle part with this
  /// aspect ratio is scaled: by area average when it shrinks, bilinearly when it grows.
  int64_t height = 0, width = 0;
};

/// Reads a JPEG, PNG or WebP file of any color type → [channels, height, width] f32 in [0, 1].
/// Pictures are turned upright by their EXIF data. Sample values are not converted (no gamma, no
/// color profile). Gray is 0.299 R + 0.587 G + 0.114 B. Transparent parts become white. Throws
/// IoError with file and position.
SUANLI_API Tensor read_picture(const std::string& path, const PictureOptions& options = {});

/// Writes [H, W], [1, H, W] or [3, H, W] f32 in [0, 1] as an 8-bit PNG. Values outside are clamped,
/// and NaN becomes 0. Throws ShapeError or DTypeError for other tensors, and IoError if the file
/// cannot be written.
SUANLI_API void write_png(const std::string& path, const Tensor& picture);

}  // namespace suanli::data
