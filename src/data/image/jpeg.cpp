// SPDX-License-Identifier: Apache-2.0
// JPEG files: baseline and progressive; gray, color and CMYK; turned upright as the camera's EXIF
// note says.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

// needs size_t and FILE before it
#include <jerror.h>
#include <jpeglib.h>

#include "base/text/text.h"
#include "data/image/picture_formats.h"

namespace suanli::data {
namespace {

// A progressive file of a few kilobytes may announce thousands of passes over all its pixels;
// cameras and editors write about ten.
constexpr int kMaxScans = 500;

// libjpeg reports errors by a call that must not return: we leave by longjmp, which skips
// destructors. So everything that owns something lives in this struct, made before setjmp, and the
// functions that libjpeg may jump out of hold plain values only.
struct Decoder {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct jpeg{};
  jpeg_progress_mgr progress{};
  std::jmp_buf leave{};
  std::string_view file;
  int64_t least_side = 0;
  bool header_only = false;
  int orientation = 0;
  PictureHeader header;
  Picture picture;
  std::string error;
  size_t at = 0;

  explicit Decoder(std::string_view bytes) : file(bytes) {}
  Decoder(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

Decoder& decoder(j_common_ptr jpeg) { return *static_cast<Decoder*>(jpeg->client_data); }

/// Leaves run(); d.error says why.
[[noreturn]] void give_up(Decoder& d) {
  const size_t left = d.jpeg.src ? d.jpeg.src->bytes_in_buffer : 0;
  d.at = d.file.size() - std::min(left, d.file.size());
  std::longjmp(d.leave, 1);
}

void fail(j_common_ptr jpeg) {
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  decoder(jpeg).error = text;
  give_up(decoder(jpeg));
}

/// libjpeg fills what is missing with gray and goes on with a warning; a picture half gray is no
/// picture. Other warnings (a few bytes too many between segments, which some cameras write) cost
/// no pixel.
void warn(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
      decoder(jpeg).jpeg.src->bytes_in_buffer = 0;
      decoder(jpeg).error = "the file is truncated";
      give_up(decoder(jpeg));
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION: return fail(jpeg);
    default: break;
  }
}

void count_scans(j_common_ptr jpeg) {
  Decoder& d = decoder(jpeg);
  if (d.jpeg.input_scan_number <= kMaxScans) return;
  d.error = str("more than ", kMaxScans, " scans, which no camera or editor writes");
  give_up(d);
}

void read_header(Decoder& d) {
  jpeg_create_decompress(&d.jpeg);
  d.jpeg.client_data = &d;
  d.jpeg.progress = &d.progress;
  jpeg_mem_src(&d.jpeg, reinterpret_cast<const unsigned char*>(d.file.data()), d.file.size());
  jpeg_save_markers(&d.jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&d.jpeg, TRUE);
  // Other APP1 segments hold XMP; of several with EXIF the first that notes an orientation counts.
  for (jpeg_saved_marker_ptr m = d.jpeg.marker_list; m != nullptr && d.orientation == 0;
       m = m->next)
    if (const std::string_view segment(reinterpret_cast<const char*>(m->data), m->data_length);
        segment.starts_with("Exif"))
      d.orientation = orientation_of(segment);
  d.header = {.height = d.jpeg.image_height,
              .width = d.jpeg.image_width,
              .gray = d.jpeg.num_components == 1,
              .at = static_cast<int64_t>(d.file.size() - d.jpeg.src->bytes_in_buffer)};
  if (lies_on_its_side(d.orientation)) std::swap(d.header.height, d.header.width);
}

void read_pixels(Decoder& d) {
  d.jpeg.scale_num = d.jpeg.scale_denom = 8;
  for (int eighths : {1, 2, 4}) {
    const int64_t shorter = std::min(d.header.height, d.header.width) * eighths / 8;
    if (d.least_side == 0 || shorter < d.least_side) continue;
    d.jpeg.scale_num = static_cast<unsigned>(eighths);
    break;
  }
  if (d.jpeg.out_color_space == JCS_UNKNOWN) {
    d.error = str(d.jpeg.num_components, " color components of an unknown kind");
    give_up(d);
  }
  jpeg_start_decompress(&d.jpeg);
  Picture& p = d.picture;
  p.height = d.jpeg.output_height;
  p.width = d.jpeg.output_width;

  p.channels = d.jpeg.output_components;
  p.pixels.resize(static_cast<size_t>(p.height * p.width * p.channels));
  while (d.jpeg.output_scanline < d.jpeg.output_height) {
    JSAMPROW row = p.pixels.data() + d.jpeg.output_scanline * p.width * p.channels;
    jpeg_read_scanlines(&d.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&d.jpeg);
}

bool run(Decoder& d) {
  if (setjmp(d.leave)) return false;
  read_header(d);
  if (!d.header_only) read_pixels(d);
  return true;
}

void decode(Decoder& d) {
  d.jpeg.err = jpeg_std_error(&d.errors);
  d.jpeg.client_data = &d;
  d.errors.error_exit = fail;
  d.errors.emit_message = warn;
  d.progress.progress_monitor = count_scans;
  if (!run(d))
    throw IoError({.argument = str("byte ", d.at, " of ", d.file.size()),
                   .given = d.error,
                   .remedy = kSaveAgain});
}

/// Ink to light. Adobe's programs write 255 for no ink, the standard says 0.
Picture rgb_of_cmyk(Picture p, bool inverted) {
  std::vector<uint8_t> rgb(p.pixels.size() / 4 * 3);
  for (size_t i = 0, o = 0; i < p.pixels.size(); i += 4)
    for (size_t c = 0; c < 3; ++c) {
      const int ink = p.pixels[i + c], black = p.pixels[i + 3];
      rgb[o++] = static_cast<uint8_t>(inverted ? (ink * black + 127) / 255
                                               : ((255 - ink) * (255 - black) + 127) / 255);
    }
  p.channels = 3;
  p.pixels = std::move(rgb);
  return p;
}

}  // namespace

const PictureFormat jpeg_format = {
    .name = "JPEG",
    .recognizes = [](std::string_view start) { return start.starts_with("\xFF\xD8\xFF"); },
    .header =
        [](std::string_view start) {
          Decoder d(start);
          d.header_only = true;
          decode(d);
          return d.header;
        },
    .decode =
        [](std::string_view bytes, int64_t least_side) {
          Decoder d(bytes);
          d.least_side = least_side;
          decode(d);
          if (d.picture.channels == 4)
            d.picture = rgb_of_cmyk(std::move(d.picture), d.jpeg.saw_Adobe_marker);
          return turned_upright(std::move(d.picture), d.orientation);
        },
};

}  // namespace suanli::data
