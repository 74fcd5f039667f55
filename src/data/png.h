// PNG files ↔ bytes in memory. The tensors are in suanli/data.h: read_png, write_png.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace suanli::data {

/// 8-bit samples [height, width, channels]; channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
struct Picture {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;
};

/// Pictures of more pixels are refused: 2^26, about 8000 × 8000.
inline constexpr int64_t kMostPixels = int64_t{1} << 26;

/// Reads any PNG: palettes are looked up, fewer bits widened, 16 bits rounded to 8, interlacing undone; sample values are not
/// gamma-corrected. Throws InputError with path and byte.
Picture decode_png(const std::string& path);

/// 1 or 3 channels, with the same pixels the same bytes.
std::string encode_png(const Picture& picture);

}  // namespace suanli::data
