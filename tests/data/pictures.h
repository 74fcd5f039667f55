// SPDX-License-Identifier: Apache-2.0
// Picture files for the tests, written by the formats' own libraries.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

// needs stdio before it
#include <jpeglib.h>
#include <webp/encode.h>
#include <zlib.h>

#include "data/image/picture.h"
#include "data/image/png.h"

namespace suanli::test {

using data::Picture;

/// A smooth picture that no two turns or mirrorings of make alike: brighter to the right and, less,
/// downwards; colors differ.
inline Picture slope(int64_t height, int64_t width, int64_t channels) {
  Picture p{.height = height, .width = width, .channels = channels, .pixels = {}};
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c)
        p.pixels.push_back(static_cast<uint8_t>((160 * x) / width + (60 * y) / height + 10 * c));
  return p;
}

struct JpegOptions {
  int quality = 95;
  bool progressive = false;
  // gray only: a progressive file whose second and last scan could come again without a
  // contradiction
  bool two_scans = false;
  bool adobe = false;  // 4 channels: with Adobe's marker
  std::string exif{};  // an APP1 segment
  std::string before{};  // another one before it
};

inline std::string jpeg_file(const Picture& p, const JpegOptions& options = {}) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &out, &size);
  jpeg.image_width = static_cast<JDIMENSION>(p.width);

  jpeg.image_height = static_cast<JDIMENSION>(p.height);
  jpeg.input_components = static_cast<int>(p.channels);
  jpeg.in_color_space = p.channels == 1 ? JCS_GRAYSCALE : p.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, options.quality, TRUE);
  if (p.channels == 4) jpeg.write_Adobe_marker = options.adobe;
  if (options.progressive) jpeg_simple_progression(&jpeg);
  const jpeg_scan_info scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
  if (options.two_scans) {
    jpeg.scan_info = scans;
    jpeg.num_scans = 2;
  }
  jpeg_start_compress(&jpeg, TRUE);
  for (const std::string& segment : {options.before, options.exif})
    if (!segment.empty())
      jpeg_write_marker(&jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(segment.data()),
                        static_cast<unsigned>(segment.size()));
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(p.pixels.data() + jpeg.next_scanline * p.width * p.channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string file(reinterpret_cast<char*>(out), size);
  jpeg_destroy_compress(&jpeg);
  std::free(out);
  return file;
}

inline std::string webp_file(const Picture& p) {
  uint8_t* out = nullptr;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  const size_t size = p.channels == 4
                          ? WebPEncodeLosslessRGBA(p.pixels.data(), width, height, 4 * width, &out)
                          : WebPEncodeLosslessRGB(p.pixels.data(), width, height, 3 * width, &out);
  std::string file(reinterpret_cast<char*>(out), size);
  WebPFree(out);
  return file;
}

/// An animation of one picture on a canvas that is wider and higher by 2 · offset, which lies
/// `offset` (even) pixels from the left and the top, as the WebP container specification lays it
/// out.
inline std::string animated_webp_file(const Picture& p, int64_t offset) {
  auto number = [](int64_t v, int bytes) {
    std::string s;
    for (int i = 0; i < bytes; ++i) s += static_cast<char>(v >> (8 * i));
    return s;
  };
  auto chunk = [&](const char* name, const std::string& body) {
    return name + number(static_cast<int64_t>(body.size()), 4) + body;
  };
  const std::string still = webp_file(p).substr(12);  // its only chunk
  const std::string frame = number(offset / 2, 3) + number(offset / 2, 3) + number(p.width - 1, 3) +
                            number(p.height - 1, 3) + number(100, 3) + number(0, 1);
  const std::string canvas =
      number(0x12, 4) + number(p.width + 2 * offset - 1, 3) + number(p.height + 2 * offset - 1, 3);
  const std::string body = "WEBP" + chunk("VP8X", canvas) + chunk("ANIM", number(0, 6)) +
                           chunk("ANMF", frame + still) + chunk("ANMF", frame + still);
  return chunk("RIFF", body);
}

/// An APP1 segment that says how the camera was held, as EXIF 2.3 lays it out. `type`: 1 BYTE, 3
/// SHORT, 4 LONG.
inline std::string exif(int orientation, bool little_endian, int type = 3) {
  auto number = [&](uint32_t v, int bytes) {
    std::string s;
    for (int i = 0; i < bytes; ++i)
      s += static_cast<char>(v >> (8 * (little_endian ? i : bytes - 1 - i)));
    return s;
  };
  const int bytes = type == 1 ? 1 : type == 3 ? 2 : 4;
  const std::string value = number(static_cast<uint32_t>(orientation), bytes) +
                            std::string(static_cast<size_t>(4 - bytes), '\0');
  return std::string("Exif\0\0", 6) + (little_endian ? "II" : "MM") + number(42, 2) + number(8, 4) +
         number(2, 2) + number(0x0110, 2) + number(3, 2) + number(1, 4) +
         number(7, 4) +  // another entry before it
         number(0x0112, 2) + number(static_cast<uint32_t>(type), 2) + number(1, 4) + value +
         number(0, 4);
}

/// A PNG with the TIFF structure of `exif` in an eXIf chunk, before or behind its pixels.
inline std::string png_with_exif(std::string png, const std::string& exif, bool behind_pixels) {
  auto number = [](uint32_t v) {
    std::string s;
    for (int i = 3; i >= 0; --i) s += static_cast<char>(v >> (8 * i));
    return s;
  };
  const std::string content = "eXIf" + exif.substr(6);
  const uLong checksum =
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  const std::string chunk = number(static_cast<uint32_t>(content.size() - 4)) + content +
                            number(static_cast<uint32_t>(checksum));
  constexpr size_t kHeader = 33, kEnd = 12;
  return png.insert(behind_pixels ? png.size() - kEnd : kHeader, chunk);
}

/// A WebP of one picture with `exif` behind it, in the extended layout.
inline std::string webp_with_exif(const Picture& p, const std::string& exif) {
  auto number = [](int64_t v, int bytes) {
    std::string s;
    for (int i = 0; i < bytes; ++i) s += static_cast<char>(v >> (8 * i));
    return s;
  };
  auto chunk = [&](const char* name, const std::string& body) {
    return name + number(static_cast<int64_t>(body.size()), 4) + body +
           std::string(body.size() % 2, '\0');
  };
  const std::string canvas =
      number(p.channels == 4 ? 0x18 : 0x08, 4) + number(p.width - 1, 3) + number(p.height - 1, 3);
  return chunk("RIFF",
               "WEBP" + chunk("VP8X", canvas) + webp_file(p).substr(12) + chunk("EXIF", exif));
}

}  // namespace suanli::test
