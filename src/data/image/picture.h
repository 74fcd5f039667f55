// SPDX-License-Identifier: Apache-2.0
// Headers and pixels of picture files: JPEG, PNG, WebP.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "suanli/error.h"

namespace suanli::data {

/// A view of pixels [height, width, channels] that another object owns.
struct PixelView {
  const uint8_t* pixels;
  int64_t height, width, channels;
};

/// 8-bit pixels [height, width, channels]. Channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and
/// alpha.
struct Picture {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;
  PixelView view() const { return {pixels.data(), height, width, channels}; }
};

/// The limit of a picture, about 8000 × 8000. Larger ones are refused before decoding.
inline constexpr int64_t kMaxPixels = int64_t{1} << 26;

/// The header of a picture file.
struct PictureHeader {
  int64_t height = 0, width = 0;  ///< After the rotation in the EXIF data.
  bool gray = false;
  int64_t at = 0;  ///< The size ends at this byte; for messages.
};

// The following functions throw IoError with path and position, also above kMaxPixels.

/// Reads the beginning of the file, and the rest only if the size is not there.
PictureHeader read_picture_header(const std::string& path);
/// The same for a file with the content `bytes`.
PictureHeader picture_header(const std::string& path, std::string_view bytes);
/// Reads the whole file. Throws IoError if it is too large for a picture.
std::string read_picture_file(const std::string& path);
/// Decodes a file with the content `bytes` and turns it upright. The content decides the format. A
/// JPEG is decoded at 1/2, 1/4 or 1/8 of its size if the shorter side keeps `least_side` pixels.
/// This saves most of the work. 0: full size.
Picture decode_picture(const std::string& path, std::string_view bytes, int64_t least_side = 0);

/// The fault of a picture file, with the advice to leave such files out.
SUANLI_API Fault may_be_skipped(Fault fault);

/// Converts to 1 (gray) or 3 (RGB) channels. Transparent pixels are blended with white. Gray is
/// 0.299 R + 0.587 G + 0.114 B in integers, with the bits of PIL's convert("L").
Picture with_channels(Picture picture, int64_t channels);

}  // namespace suanli::data
