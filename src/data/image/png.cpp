// SPDX-License-Identifier: Apache-2.0
// PNG files of every kind, as 8 bits.
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "base/text/text.h"
#include "data/image/picture_formats.h"

namespace suanli::data {
namespace {

// libpng reports errors by longjmp, which skips destructors. So everything that owns something
// lives in these structs, made before setjmp, and the functions that libpng may jump out of hold
// plain values only.

struct Decoder {
  std::string_view file;
  size_t at = 0;
  Picture picture;
  std::vector<png_bytep> rows;
  std::string error, warning;
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

void take(png_structp png, png_bytep out, size_t count) {
  auto* d = static_cast<Decoder*>(png_get_io_ptr(png));
  if (count > d->file.size() - d->at) {
    d->at = d->file.size();
    png_error(png, "the file is truncated");
  }
  std::memcpy(out, d->file.data() + d->at, count);
  d->at += count;
}

void fail_reading(png_structp png, png_const_charp message) {
  auto* d = static_cast<Decoder*>(png_get_error_ptr(png));
  d->error = message;
  // why it is invalid comes as a warning before
  if (d->error == "Invalid IHDR data") d->error += ": " + d->warning;
  png_longjmp(png, 1);
}
void keep_warning(png_structp png, png_const_charp message) {
  static_cast<Decoder*>(png_get_error_ptr(png))->warning = message;
}

void size_picture(Decoder& d) {
  Picture& p = d.picture;
  p.height = png_get_image_height(d.png, d.info);
  p.width = png_get_image_width(d.png, d.info);

  p.channels = png_get_channels(d.png, d.info);
  const size_t row = static_cast<size_t>(p.width * p.channels);
  if (row != png_get_rowbytes(d.png, d.info))
    throw IoError({.argument = "byte 24",
                   .given = "an unknown sample format",
                   .remedy = "Convert it to an 8-bit PNG."});
  p.pixels.resize(row * static_cast<size_t>(p.height));
  for (size_t y = 0; y < static_cast<size_t>(p.height); ++y)
    d.rows.push_back(p.pixels.data() + y * row);
}

bool run_decoder(Decoder& d) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  png_set_read_fn(d.png, &d, take);
  png_set_user_limits(d.png, 1'000'000, 1'000'000);
  // Texts, profiles and EXIF do not change pixels. libpng would allocate the length that such a
  // chunk claims before it is read.
  png_set_keep_unknown_chunks(d.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(d.png, d.info);
  png_set_expand(d.png);
  png_set_scale_16(d.png);
  png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  size_picture(d);
  png_read_image(d.png, d.rows.data());
  png_read_end(d.png, nullptr);
  return true;
}

}  // namespace

const PictureFormat png_format = {
    .name = "PNG",
    .recognizes = [](std::string_view start) { return start.starts_with("\x89PNG"); },
    .header =
        [](std::string_view start) {
          // The first chunk is IHDR: length, name, size, bit depth, color type, …, checksum of all
          // but the length.
          constexpr size_t kName = 12, kChecksum = 29, kEnd = 33;
          if (start.size() < kEnd)
            throw IoError({.argument = str("byte ", start.size()),
                           .given = "the file is truncated",
                           .remedy = kSaveAgain});
          const auto* bytes = reinterpret_cast<png_const_bytep>(start.data());
          if (crc32(0, bytes + kName, kChecksum - kName) != png_get_uint_32(bytes + kChecksum))
            throw IoError({.argument = str("byte ", kChecksum),
                           .given = "IHDR: CRC error",
                           .remedy = kSaveAgain});
          const bool color = bytes[25] & PNG_COLOR_MASK_COLOR;
          return PictureHeader{.height = png_get_uint_32(bytes + 20),
                               .width = png_get_uint_32(bytes + 16),
                               .gray = !color,
                               .at = 16};
        },
    .decode =
        [](std::string_view bytes, int64_t) {
          Decoder d;
          d.file = bytes;
          d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, fail_reading, keep_warning);
          if (d.png != nullptr) d.info = png_create_info_struct(d.png);
          if (d.info == nullptr)
            throw OutOfMemory(
                {.op = "read_picture", .argument = "PNG", .given = "no memory to decode it"});
          if (!run_decoder(d))
            throw IoError({.argument = str("byte ", d.at, " of ", d.file.size()),
                           .given = d.error,
                           .remedy = kSaveAgain});
          return std::move(d.picture);
        },
    .orientation = png_orientation,
};

}  // namespace suanli::data
