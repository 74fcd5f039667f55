// SPDX-License-Identifier: Apache-2.0
#include "data/image/picture.h"

#include "data/image/picture_formats.h"
#include "input.h"

using namespace suanli;
using namespace suanli::data;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  return fuzz::expect_input_errors("file", [&] {
    for (const PictureFormat* format : {&jpeg_format, &png_format, &webp_format}) {
      if (!format->recognizes(bytes)) continue;
      try {
        const PictureHeader header = format->header(bytes);
        if (header.width * header.height > 1 << 20) return;  // large ones only take long
      } catch (const IoError&) {}  // decode_picture() must say the same
    }
    const Picture picture = decode_picture("file", bytes, size % 3 == 0 ? 8 : 0);
    if (static_cast<int64_t>(picture.pixels.size()) !=
        picture.height * picture.width * picture.channels)
      std::abort();
    with_channels(picture, 1 + 2 * (size % 2));
  });
}
