// SPDX-License-Identifier: Apache-2.0
// WebP files, lossy and lossless, with or without transparency. An animation gives its first
// picture.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "base/text/text.h"
#include "data/image/picture_formats.h"

namespace suanli::data {
namespace {

const uint8_t* data_of(std::string_view bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

WebPBitstreamFeatures features_of(std::string_view start) {
  WebPBitstreamFeatures features;
  switch (WebPGetFeatures(data_of(start), start.size(), &features)) {
    case VP8_STATUS_OK: break;
    case VP8_STATUS_NOT_ENOUGH_DATA:
      throw IoError({.argument = str("byte ", start.size()),
                     .given = "the file ends inside its header",
                     .remedy = kSaveAgain});
    default:
      throw IoError(
          {.argument = "byte 12", .given = "the WebP header is damaged", .remedy = kSaveAgain});
  }
  return features;
}

/// Says what is wrong with bytes that could not be decoded.
[[noreturn]] void refuse(std::string_view bytes) {
  uint64_t stated = 8;  // a WebP file states its length right at the start
  for (size_t i = 0; i < 4; ++i) stated += uint64_t{static_cast<uint8_t>(bytes[4 + i])} << (8 * i);
  if (stated > bytes.size())
    throw IoError({.argument = str("byte ", bytes.size(), " of ", stated),
                   .given = "the file is truncated",
                   .remedy = kSaveAgain});
  throw IoError({.argument = str("byte 12 of ", bytes.size()),
                 .given = "the WebP data are damaged",
                 .remedy = kSaveAgain});
}

Picture first_of_animation(std::string_view bytes, const WebPBitstreamFeatures& features) {
  const WebPData data{data_of(bytes), bytes.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  WebPAnimInfo info;
  uint8_t* pixels = nullptr;  // the decoder's
  int milliseconds = 0;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info) ||
      static_cast<int>(info.canvas_width) != features.width ||
      static_cast<int>(info.canvas_height) != features.height ||
      !WebPAnimDecoderGetNext(decoder.get(), &pixels, &milliseconds))
    refuse(bytes);
  Picture p{.height = features.height, .width = features.width, .channels = 4, .pixels = {}};
  p.pixels.assign(pixels, pixels + p.height * p.width * p.channels);
  return p;
}

}  // namespace

const PictureFormat webp_format = {
    .name = "WebP",
    .recognizes =
        [](std::string_view start) {
          return start.starts_with("RIFF") && start.size() >= 12 && start.substr(8, 4) == "WEBP";
        },
    .header =
        [](std::string_view start) {
          const WebPBitstreamFeatures features = features_of(start);
          return PictureHeader{
              .height = features.height, .width = features.width, .gray = false, .at = 12};
        },
    .decode =
        [](std::string_view bytes, int64_t) {
          const WebPBitstreamFeatures features = features_of(bytes);
          if (features.has_animation) return first_of_animation(bytes, features);
          Picture p{.height = features.height,
                    .width = features.width,
                    .channels = features.has_alpha ? 4 : 3,
                    .pixels = {}};
          p.pixels.resize(static_cast<size_t>(p.height * p.width * p.channels));
          auto* into = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
          if (into(data_of(bytes), bytes.size(), p.pixels.data(), p.pixels.size(),
                   static_cast<int>(p.width * p.channels)) == nullptr) {
            refuse(bytes);
          }
          return p;
        },
    .orientation = webp_orientation,
};

}  // namespace suanli::data
