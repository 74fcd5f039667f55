// SPDX-License-Identifier: Apache-2.0
// Pictures from files of any format that is read here: how large they are, and their pixels.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suanli::data {

/// Samples that lie elsewhere, [height, width, channels].
struct PixelView {
  const uint8_t* pixels;
  int64_t height, width, channels;
};

/// 8-bit samples [height, width, channels]; channels: 1 gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha.
struct Picture {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;
  PixelView view() const { return {pixels.data(), height, width, channels}; }
};

/// Pictures of more pixels are refused before a pixel is decoded: 2^26, about 8000 × 8000.
inline constexpr int64_t kMaxPixels = int64_t{1} << 26;

/// The header of a picture file.
struct PictureHeader {
  int64_t height = 0, width = 0;  ///< As it is to be seen: after a rotation that the camera noted.
  bool gray = false;
  int64_t at = 0;  ///< The byte that the size was read up to, for messages.
};

/// All of these throw IoError "path: byte 123 of 4567: the fault. The remedy.", also for more
/// than kMaxPixels.

/// Reads the beginning of the file only, as far as the size stands there.
PictureHeader read_picture_header(const std::string& path);
/// The same of a file that holds `bytes`.
PictureHeader picture_header(const std::string& path, std::string_view bytes);
/// The whole file, unless it is too large to be a picture.
std::string read_picture_file(const std::string& path);
/// Pixels of a JPEG, PNG or WebP file that holds `bytes`, whatever its name; upright. A JPEG may
/// come out smaller than it is, by 2, 4 or 8, as long as its shorter side keeps `least_side`
/// pixels: that saves most of the work. 0: full size.
Picture decode_picture(const std::string& path, std::string_view bytes, int64_t least_side = 0);

/// The same picture with 1 (gray) or 3 (RGB) channels: transparency over white, gray = 0.299 R +
/// 0.587 G + 0.114 B, in whole numbers: what PIL computes for convert("L"), bit for bit.
Picture with_channels(Picture picture, int64_t channels);

}  // namespace suanli::data
