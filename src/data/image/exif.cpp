// SPDX-License-Identifier: Apache-2.0
#include "data/image/exif.h"

#include <algorithm>

namespace suanli::data {
namespace {

// larger ones hold previews; the directory stands at the start
constexpr size_t kMaxExif = 1 << 20;
constexpr int kMaxChunks = 1 << 16;

uint32_t number_in(std::string_view bytes, uint64_t at, int count, bool little) {
  if (at + static_cast<uint64_t>(count) > bytes.size()) return 0;
  uint32_t v = 0;
  for (int i = 0; i < count; ++i)
    v = (v << 8) |
        static_cast<uint8_t>(
            bytes[static_cast<size_t>(at) + static_cast<size_t>(little ? count - 1 - i : i)]);
  return v;
}

/// Goes from chunk to chunk, each with a head of 8 bytes: length and name in the order that
/// `length_first` says, then `after` bytes besides its content. Returns the orientation in the
/// first chunk `name`.
int orientation_in_chunk(const ReadAt& read, uint64_t at, bool length_first, uint64_t after,
                         std::string_view name, std::string_view end) {
  for (int chunk = 0; chunk < kMaxChunks; ++chunk) {
    const std::string head = read(at, 8);
    if (head.size() < 8) return 0;
    const uint64_t length = number_in(head, length_first ? 0 : 4, 4, !length_first);
    const std::string_view here = std::string_view(head).substr(length_first ? 4 : 0, 4);
    if (here == name)
      return orientation_of(
          read(at + 8, static_cast<size_t>(std::min<uint64_t>(length, kMaxExif))));
    if (here == end) return 0;
    // RIFF fills chunks up to an even length
    at += 8 + length + after + (length_first ? 0 : length % 2);
  }
  return 0;
}

}  // namespace

int orientation_of(std::string_view exif) {
  constexpr std::string_view kStart("Exif\0\0", 6);
  if (exif.starts_with(kStart)) exif.remove_prefix(kStart.size());
  const bool little = exif.starts_with("II");
  if (!little && !exif.starts_with("MM")) return 0;
  constexpr uint32_t kOrientation = 0x0112, kEntry = 12;
  enum : uint32_t {
    byte = 1,
    two_bytes = 3,
    four_bytes = 4,
    signed_byte = 6,
    signed_two = 8,
    signed_four = 9
  };
  const uint64_t directory = number_in(exif, 4, 4, little);
  const uint32_t entries = number_in(exif, directory, 2, little);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + uint64_t{kEntry} * i;
    if (entry + kEntry > exif.size()) break;
    if (number_in(exif, entry, 2, little) != kOrientation) continue;
    // EXIF says SHORT; some programs write the value as another whole number.
    int bytes = 0;
    switch (number_in(exif, entry + 2, 2, little)) {
      case byte:
      case signed_byte: bytes = 1; break;
      case two_bytes:
      case signed_two: bytes = 2; break;
      case four_bytes:
      case signed_four: bytes = 4; break;
      default: return 0;
    }
    const uint32_t value = number_in(exif, entry + 8, bytes, little);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
  }
  return 0;
}

Picture turned_upright(Picture p, int orientation) {
  if (orientation <= 1) return p;
  // 5 … 8 lie on their side in the file; of these and of 2 … 4 some have their rows in reverse,
  // some their columns.
  const bool swapped = lies_on_its_side(orientation);
  const bool rows_reversed =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool columns_reversed =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Picture out{.height = swapped ? p.width : p.height,
              .width = swapped ? p.height : p.width,
              .channels = p.channels,
              .pixels = {}};
  out.pixels.resize(p.pixels.size());
  uint8_t* to = out.pixels.data();
  const int64_t c = p.channels;
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x, to += c) {
      int64_t row = swapped ? x : y, column = swapped ? y : x;
      if (rows_reversed) row = p.height - 1 - row;
      if (columns_reversed) column = p.width - 1 - column;
      std::copy_n(p.pixels.data() + (row * p.width + column) * c, c, to);
    }
  return out;
}

int png_orientation(const ReadAt& read) {
  return orientation_in_chunk(read, 8, true, 4, "eXIf", "IEND");
}

int webp_orientation(const ReadAt& read) {
  // Only files that begin with an extended header hold more than pixels.
  if (read(12, 4) != "VP8X") return 0;
  return orientation_in_chunk(read, 12, false, 0, "EXIF", "");
}

}  // namespace suanli::data
