#include "data/png.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstring>

#include "base/file.h"
#include "base/text.h"
#include "data/resize.h"
#include "suanli/data.h"

namespace suanli::data {
namespace {

constexpr int64_t kMostFileBytes = int64_t{1} << 28;

// libpng reports errors by longjmp, which skips destructors. So everything that owns something lives in these structs, made before
// setjmp, and the functions that libpng may jump out of hold plain values only.

struct Decoder {
  std::string file;
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
  if (d->error == "Invalid IHDR data") d->error += ": " + d->warning;  // why it is invalid comes as a warning before
  png_longjmp(png, 1);
}
void keep_warning(png_structp png, png_const_charp message) { static_cast<Decoder*>(png_get_error_ptr(png))->warning = message; }

void size_picture(Decoder& d) {
  Picture& p = d.picture;
  p.height = png_get_image_height(d.png, d.info), p.width = png_get_image_width(d.png, d.info),
  p.channels = png_get_channels(d.png, d.info);
  if (p.height * p.width > kMostPixels)
    throw InputError(
        str(": byte 16, ", p.width, "×", p.height, " pixels are more than the ", kMostPixels, " that are read. Make the picture smaller."));
  const size_t row = static_cast<size_t>(p.width * p.channels);
  if (row != png_get_rowbytes(d.png, d.info)) throw InputError(": byte 24, an unknown sample format. Convert it to an 8-bit PNG.");
  p.pixels.resize(row * static_cast<size_t>(p.height));
  for (size_t y = 0; y < static_cast<size_t>(p.height); ++y) d.rows.push_back(p.pixels.data() + y * row);
}

bool run_decoder(Decoder& d) {
  if (setjmp(png_jmpbuf(d.png))) return false;
  png_set_read_fn(d.png, &d, take);
  png_set_user_limits(d.png, 1'000'000, 1'000'000);
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

/// One channel as fractions, transparency over white. Integers first: what PIL computes for convert("L"), bit for bit.
std::vector<float> plane(const Picture& p, int channel, int channels) {
  const bool alpha = p.channels == 2 || p.channels == 4, colour = p.channels >= 3;
  const size_t count = static_cast<size_t>(p.height * p.width), step = static_cast<size_t>(p.channels);
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* at = p.pixels.data() + i * step;
    auto over_white = [&](int c) {
      const int v = at[c];
      if (!alpha) return v;
      const int a = at[step - 1];
      return (v * a + 255 * (255 - a) + 127) / 255;
    };
    int v;
    if (!colour) v = over_white(0);
    else if (channels == 3) v = over_white(channel);
    else v = (over_white(0) * 19595 + over_white(1) * 38470 + over_white(2) * 7471 + 32768) >> 16;
    out[i] = static_cast<float>(v) / 255.0f;
  }
  return out;
}

}  // namespace

Picture decode_png(const std::string& path) {
  {
    FileReader file(path);
    if (file.size() > static_cast<uint64_t>(kMostFileBytes))
      throw InputError(
          str(path, ": ", file.size(), " bytes are more than the ", kMostFileBytes, " that are read. Make the picture smaller."));
  }
  Decoder d;
  d.file = read_file(path);
  if (d.file.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(d.file.data()), 0, 8) != 0)
    throw InputError(
        str(path, ": byte 0, ", d.file.empty() ? "the file is empty" : "not a PNG file", ". Give a PNG picture, or convert it to one."));
  d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, fail_reading, keep_warning);
  if (d.png != nullptr) d.info = png_create_info_struct(d.png);
  if (d.info == nullptr) throw OutOfMemory(str(path, ": no memory to read it"));
  try {
    if (!run_decoder(d)) throw InputError(str(": byte ", d.at, " of ", d.file.size(), ", ", d.error, ". Copy or save the picture again."));
  } catch (const InputError& error) { throw InputError(path + error.what()); }
  return std::move(d.picture);
}

std::string encode_png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = picture.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string out(bytes, '\0');
  if (!png_image_write_to_memory(&image, out.data(), &bytes, 0, picture.pixels.data(), 0, nullptr))
    throw InputError(str("[write_png] ", picture.width, "×", picture.height, " pixels cannot be written: ", image.message));
  out.resize(bytes);
  return out;
}

Tensor read_png(const std::string& path, const PictureOptions& options) {
  if (options.channels != 1 && options.channels != 3)
    throw UsageError(str("[read_png] channels = ", options.channels, ", expected 1 (grey) or 3 (RGB)"));
  if (options.height < 0 || options.width < 0 || options.height > 65'536 || options.width > 65'536 ||
      options.height * options.width > kMostPixels)
    throw UsageError(
        str("[read_png] size ", options.height, "×", options.width, ", expected 0 (as in the file) to ", kMostPixels, " pixels"));
  const Picture picture = decode_png(path);
  const int64_t height = options.height > 0 ? options.height : picture.height, width = options.width > 0 ? options.width : picture.width;
  return tensor_filled_by(Shape{options.channels, height, width}, DType::f32, [&](void* data) {
    auto* out = static_cast<float*>(data);
    for (int c = 0; c < options.channels; ++c) {
      std::vector<float> values = plane(picture, c, options.channels);
      if (height != picture.height || width != picture.width) values = resize(values.data(), picture.height, picture.width, height, width);
      out = std::copy(values.begin(), values.end(), out);
    }
  });
}

void write_png(const std::string& path, const Tensor& tensor) {
  const Shape& s = tensor.shape();
  if (s.rank() != 2 && !(s.rank() == 3 && (s[0] == 1 || s[0] == 3)))
    throw ShapeError(str("[write_png] ", s, " is no picture: expected [H, W], [1, H, W] or [3, H, W]"));
  Picture picture{.height = s.at(-2), .width = s.at(-1), .channels = s.rank() == 3 ? s[0] : 1, .pixels = {}};
  const int64_t area = picture.height * picture.width;
  if (area == 0 || area > kMostPixels || picture.height > 1'000'000 || picture.width > 1'000'000)
    throw ShapeError(str("[write_png] ", s, ": a picture has 1 to ", kMostPixels, " pixels"));
  const auto values = tensor.data<float>();
  picture.pixels.resize(values.size());
  for (int64_t c = 0; c < picture.channels; ++c)
    for (int64_t i = 0; i < area; ++i) {
      const float v = values[static_cast<size_t>(c * area + i)];
      // NaN fails every comparison: it must not reach the conversion, whose result would be undefined
      picture.pixels[static_cast<size_t>(i * picture.channels + c)] = v >= 1 ? 255 : v > 0 ? static_cast<uint8_t>(v * 255.0f + 0.5f) : 0;
    }
  write_file_atomically(path, encode_png(picture));
}

}  // namespace suanli::data
