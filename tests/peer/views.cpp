// SPDX-License-Identifier: Apache-2.0
// Gives the peer test of augmentation what the parts of it make of a picture, as raw bytes.
#include <cstdio>
#include <map>
#include <string>

#include "base/files/file.h"
#include "data/augment/auto_augment.h"
#include "data/augment/color.h"
#include "data/augment/geometry.h"
#include "data/augment/mixing.h"
#include "data/image/resize.h"

namespace {
using namespace suanli;
using namespace suanli::data;

double number(const char* text) { return std::strtod(text, nullptr); }
int64_t whole(const char* text) { return std::strtoll(text, nullptr, 10); }

/// The effect of each word on planes of bytes; a[0] … are the numbers behind it.
const std::map<std::string, void (*)(const Shape&, char** a, uint8_t* x)> kParts = {
    {"mirror", [](const Shape& s, char**, uint8_t* x) { mirror(s, x); }},
    {"shift", [](const Shape& s, char** a,
                 uint8_t* x) { shift(s, whole(a[0]), whole(a[1]), Outside::black, x); }},
    {"shift_mirrored",
     [](const Shape& s, char** a, uint8_t* x) {
       shift(s, whole(a[0]), whole(a[1]), Outside::mirrored, x);
     }},
    {"box",
     [](const Shape& s, char** a, uint8_t* x) {
       const std::vector<uint8_t> before(x, x + s.numel());
       resize_planes(before.data(), s, {number(a[0]), number(a[1]), number(a[2]), number(a[3])},
                     s[1], s[2], x);
     }},
    {"affine",  // interpolation, angle, right, down, scale, shear_x, shear_y
     [](const Shape& s, char** a, uint8_t* x) {
       warp(s,
            affine({number(a[1]), number(a[2]), number(a[3]), number(a[4]), number(a[5]),
                    number(a[6])}),
            std::string(a[0]) == "nearest" ? Interpolation::nearest : Interpolation::bilinear, x);
     }},
    {"erase",
     [](const Shape& s, char** a, uint8_t* x) {
       erase(s, {whole(a[0]), whole(a[1]), whole(a[2]), whole(a[3])}, {9, 8, 7}, x);
     }},
    {"brightness",
     [](const Shape& s, char** a, uint8_t* x) { adjust_brightness(s, number(a[0]), x); }},
    {"contrast", [](const Shape& s, char** a, uint8_t* x) { adjust_contrast(s, number(a[0]), x); }},
    {"saturation",
     [](const Shape& s, char** a, uint8_t* x) { adjust_saturation(s, number(a[0]), x); }},
    {"hue", [](const Shape& s, char** a, uint8_t* x) { adjust_hue(s, number(a[0]), x); }},
    {"sharpness",
     [](const Shape& s, char** a, uint8_t* x) { adjust_sharpness(s, number(a[0]), x); }},
    {"grayscale", [](const Shape& s, char**, uint8_t* x) { grayscale(s, x); }},
    {"posterize",
     [](const Shape& s, char** a, uint8_t* x) { posterize(s, static_cast<int>(whole(a[0])), x); }},
    {"solarize", [](const Shape& s, char** a, uint8_t* x) { solarize(s, number(a[0]), x); }},
    {"autocontrast", [](const Shape& s, char**, uint8_t* x) { autocontrast(s, x); }},
    {"equalize", [](const Shape& s, char**, uint8_t* x) { equalize(s, x); }},
    {"blur",
     [](const Shape& s, char** a, uint8_t* x) { gaussian_blur(s, whole(a[0]), number(a[1]), x); }},
    {"move",  // name, amount
     [](const Shape& s, char** a, uint8_t* x) {
       for (const Move& m : moves())
         if (m.name == std::string(a[0])) m.apply(s, number(a[1]), x);
     }},
};

void write(const char* path, const void* data, size_t bytes) {
  write_file_atomically(path, {static_cast<const char*>(data), bytes});
}

/// Two samples of a batch, mixed: "mixup SHARE" or "cutmix TOP LEFT BOTTOM RIGHT".
void mix(const std::string& how, const Shape& shape, char** a, const std::string& batch,
         const char* out) {
  std::vector<float> x(batch.begin(), batch.end());
  for (float& v : x) v = static_cast<float>(static_cast<uint8_t>(v)) / 255;
  const int64_t count = static_cast<int64_t>(x.size()) / shape.numel();
  if (how == "mixup") mixup(shape, count, number(a[0]), x.data());
  else cutmix(shape, count, {whole(a[0]), whole(a[1]), whole(a[2]), whole(a[3])}, x.data());
  write(out, x.data(), x.size() * sizeof(float));
}
}  // namespace

int main(int argc, char** argv) {  // views IN HEIGHT WIDTH OUT PART [NUMBER …] | views moves
  if (argc == 2) {
    for (const Move& m : moves())
      std::printf("%s %d %.17g %.17g\n", m.name, m.either_way, m.rand_most({3, 32, 40}),
                  m.trivial_most({3, 32, 40}));
    return 0;
  }
  const Shape shape{3, whole(argv[2]), whole(argv[3])};
  std::string bytes = read_file(argv[1]);
  const std::string part = argv[5];
  if (part == "mixup" || part == "cutmix") {
    mix(part, shape, argv + 6, bytes, argv[4]);
    return 0;
  }
  kParts.at(part)(shape, argv + 6, reinterpret_cast<uint8_t*>(bytes.data()));
  write(argv[4], bytes.data(), bytes.size());
}
