// SPDX-License-Identifier: Apache-2.0
// The formats that decode_picture() knows. A new one: its own file, a declaration here, a row in
// picture.cpp.
#pragma once
#include "data/image/exif.h"
#include "data/image/picture.h"

namespace suanli::data {

/// Errors are IoError whose argument lacks the path: "byte 123 of 4567".
struct PictureFormat {
  const char* name;
  bool (*recognizes)(std::string_view start);
  /// `start`: the beginning of a file, or all of it.
  PictureHeader (*header)(std::string_view start);
  Picture (*decode)(std::string_view bytes, int64_t least_side);
  /// Returns the orientation to apply to the results of header() and decode(); null: they apply it.
  int (*orientation)(const ReadAt& read) = nullptr;
};

extern const PictureFormat jpeg_format, png_format, webp_format;

inline constexpr const char* kSaveAgain = "Copy or save the picture again.";

}  // namespace suanli::data
