// SPDX-License-Identifier: Apache-2.0
#include "data/image/picture.h"

#include <algorithm>

#include "base/core/faults.h"
#include "base/files/file.h"
#include "base/text/text.h"
#include "data/image/picture_formats.h"

namespace suanli::data {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 28;
// Most headers end within these bytes. In a JPEG, a preview picture may precede the size.
constexpr uint64_t kBeginning = 16 << 10;
constexpr const char* kMakeSmaller = "Make the picture smaller.";

const PictureFormat* const kFormats[] = {&jpeg_format, &png_format, &webp_format};

/// Other files that are common among pictures.
struct Lookalike {
  std::string_view start;
  const char* what;
  const char* remedy = "Convert it, or remove it.";
};
constexpr Lookalike kLookalikes[] = {
    {"GIF8", "a GIF"},
    {"BM", "a BMP picture"},
    {"II*", "a TIFF picture"},
    {"MM", "a TIFF picture"},
    {"<!DO", "a web page, not a download"},
    {"<htm", "a web page, not a download"},
    {"<svg", "an SVG drawing"},
    {"%PDF", "a PDF"},
    {"version https://git-lfs", "a Git LFS pointer", "Run `git lfs pull`."}};

const PictureFormat& format_of(std::string_view start) {
  for (const PictureFormat* format : kFormats)
    if (format->recognizes(start)) return *format;
  if (start.empty())
    throw IoError({.argument = "byte 0",
                   .given = "the file is empty",
                   .remedy = "Remove it, or copy it again."});
  Lookalike like{.start = {}, .what = nullptr};
  for (const Lookalike& l : kLookalikes)
    if (start.starts_with(l.start)) like = l;
  if (start.size() >= 12 && start.substr(4, 4) == "ftyp")
    for (std::string_view brand :
         {"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1", "avif", "avis"})
      if (start.substr(8, 4) == brand) like.what = "HEIC or AVIF";
  throw IoError({.argument = "byte 0",
                 .given = like.what ? str("looks like ", like.what) : "an unknown format",
                 .expected = "JPEG, PNG or WebP",
                 .remedy = like.remedy});
}

void require_size(const PictureHeader& h) {
  if (h.width < 1 || h.height < 1)
    throw IoError({.argument = str("byte ", h.at),
                   .given = str(h.width, "×", h.height, " pixels"),
                   .expected = "at least one",
                   .remedy = kSaveAgain});
  if (h.width * h.height > kMaxPixels)
    throw IoError({.argument = str("byte ", h.at),
                   .given = str(h.width, "×", h.height, " pixels"),
                   .expected = str("at most ", kMaxPixels),
                   .remedy = kMakeSmaller});
}

ReadAt reader_of(std::string_view bytes) {
  return [bytes](uint64_t offset, size_t count) {
    return std::string(bytes.substr(std::min<uint64_t>(offset, bytes.size()), count));
  };
}

/// The header after rotation. Throws IoError for a size that is refused.
PictureHeader upright(const PictureFormat& format, PictureHeader header, const ReadAt& read) {
  require_size(header);
  if (format.orientation && lies_on_its_side(format.orientation(read)))
    std::swap(header.height, header.width);
  return header;
}

void require_file_size(const FileReader& file) {
  if (file.size() > kMaxFileBytes)
    throw IoError({.argument = file.path(),
                   .given = str(file.size(), " bytes"),
                   .expected = str("at most ", kMaxFileBytes),
                   .remedy = kMakeSmaller});
}

/// Calls `f`. Its errors name a place in the file; this adds the path.
template <class F> auto with_path(const std::string& path, F&& f) {
  try {
    return f();
  } catch (const IoError& e) { throw IoError(fault_in(path, e.fault())); }
}

}  // namespace

PictureHeader read_picture_header(const std::string& path) {
  FileReader file(path);
  require_file_size(file);
  std::string bytes(std::min(file.size(), kBeginning), '\0');
  file.read(0, bytes.data(), bytes.size());
  auto read = [&](uint64_t offset, size_t count) {
    if (offset >= file.size()) return std::string();
    if (offset + count <= bytes.size()) return bytes.substr(offset, count);
    std::string piece(std::min<uint64_t>(count, file.size() - offset), '\0');
    file.read(offset, piece.data(), piece.size());
    return piece;
  };
  return with_path(path, [&] {
    const PictureFormat& format = format_of(bytes);
    PictureHeader header;
    try {
      header = format.header(bytes);
    } catch (const IoError&) {
      if (bytes.size() == file.size()) throw;
      bytes.resize(file.size());
      file.read(kBeginning, bytes.data() + kBeginning, file.size() - kBeginning);
      header = format.header(bytes);
    }
    return upright(format, header, read);
  });
}

PictureHeader picture_header(const std::string& path, std::string_view bytes) {
  return with_path(path, [&] {
    const PictureFormat& format = format_of(bytes);
    return upright(format, format.header(bytes), reader_of(bytes));
  });
}

std::string read_picture_file(const std::string& path) {
  FileReader file(path);
  require_file_size(file);
  std::string bytes(file.size(), '\0');
  file.read(0, bytes.data(), bytes.size());
  return bytes;
}

Picture decode_picture(const std::string& path, std::string_view bytes, int64_t least_side) {
  return with_path(path, [&] {
    const PictureFormat& format = format_of(bytes);
    require_size(format.header(bytes));
    Picture picture = format.decode(bytes, least_side);
    if (!format.orientation) return picture;
    return turned_upright(std::move(picture), format.orientation(reader_of(bytes)));
  });
}

Fault may_be_skipped(Fault fault) {
  const char* advice = fault.remedy.empty() ? "Leave such files out." : "Or leave such files out.";
  return with_advice(std::move(fault), advice, {"skip_bad"});
}

Picture with_channels(Picture picture, int64_t channels) {
  if (picture.channels == channels) return picture;
  const bool alpha = picture.channels == 2 || picture.channels == 4, color = picture.channels >= 3;
  Picture out{.height = picture.height, .width = picture.width, .channels = channels, .pixels = {}};
  const size_t count = static_cast<size_t>(picture.height * picture.width),
               step = static_cast<size_t>(picture.channels);
  out.pixels.resize(count * static_cast<size_t>(channels));
  uint8_t* to = out.pixels.data();
  for (const uint8_t *at = picture.pixels.data(), *end = at + count * step; at != end; at += step) {
    auto over_white = [&](int c) {
      const int v = at[c];
      if (!alpha) return v;
      const int a = at[step - 1];
      return (v * a + 255 * (255 - a) + 127) / 255;
    };
    if (channels == 3) {
      for (int c = 0; c < 3; ++c) *to++ = static_cast<uint8_t>(over_white(color ? c : 0));
    } else if (color) {
      *to++ = static_cast<uint8_t>(
          (over_white(0) * 19595 + over_white(1) * 38470 + over_white(2) * 7471 + 32768) >> 16);
    } else {
      *to++ = static_cast<uint8_t>(over_white(0));
    }
  }
  return out;
}

}  // namespace suanli::data
