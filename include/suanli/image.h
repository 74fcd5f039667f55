// SPDX-License-Identifier: Apache-2.0
// Pictures from and to files.
#pragma once
#include <cstdint>
#include <string>

#include "suanli/tensor.h"

namespace suanli::data {

struct PictureOptions {
  int channels = 1;  ///< 1 gray, 3 RGB.
  /// In pixels; both 0: as in the file. Else the middle part of that shape, as large as it can be,
  /// is scaled: area average when shrinking, bilinear when growing.
  int64_t height = 0, width = 0;
};

/// Reads a JPEG, PNG or WebP file of any color type → [channels, height, width] f32 in [0, 1].
/// Pictures are turned upright as their EXIF says; sample values are taken as they are (no gamma or
/// color profile), gray is 0.299 R + 0.587 G + 0.114 B, transparency shows white. Throws
/// IoError naming file and position.
SUANLI_API Tensor read_picture(const std::string& path, const PictureOptions& options = {});

/// Writes [H, W], [1, H, W] or [3, H, W] f32 in [0, 1] as an 8-bit PNG; values outside are clamped,
/// NaN becomes 0. Throws ShapeError or DTypeError for other tensors, IoError if the file cannot
/// be written.
SUANLI_API void write_png(const std::string& path, const Tensor& picture);

}  // namespace suanli::data
