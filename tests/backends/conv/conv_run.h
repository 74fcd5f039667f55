// SPDX-License-Identifier: Apache-2.0
// Convolutions for the tests of their kernels: geometries, the definition as a sum, and operands in
// blocks of channels.
#pragma once
#include <string>
#include <vector>

#include "backends/kernel_run.h"
#include "ops/schema/attributes.h"

namespace suanli::test {

struct Case {
  const char* what;
  int64_t n, c, h, w, o, r, s;
  ConvAttr attr;
  int64_t p() const { return size(0, h, r); }
  int64_t q() const { return size(1, w, s); }
  Shape x() const { return {n, c, h, w}; }
  Shape weight() const { return {o, attr.groups == 0 ? 0 : c / attr.groups, r, s}; }
  Shape y() const { return {n, o, p(), q()}; }
  double depth() const { return static_cast<double>(c / attr.groups * r * s); }

 private:
  int64_t size(int axis, int64_t in, int64_t kernel) const {
    return (in + 2 * attr.padding[axis] - attr.dilation[axis] * (kernel - 1) - 1) /
               attr.stride[axis] +
           1;
  }
};

// attr: stride, padding, dilation, groups
inline const Case cases[] = {
    {"first layer", 64, 1, 12, 12, 8, 3, 3, {1, 0, 1, 1}},
    {"first layer, 5x5", 64, 1, 28, 28, 10, 5, 5, {1, 0, 1, 1}},
    {"10 to 20 channels", 64, 10, 12, 12, 20, 5, 5, {1, 0, 1, 1}},
    {"picture", 3, 3, 17, 19, 13, 3, 3, {1, 1, 1, 1}},
    {"blocks fill", 3, 32, 9, 9, 64, 3, 3, {1, 1, 1, 1}},
    {"blocks do not fill", 3, 17, 7, 5, 33, 3, 3, {1, 1, 1, 1}},
    {"one sample", 1, 5, 8, 8, 7, 3, 3, {1, 1, 1, 1}},
    {"one sample, many channels", 1, 48, 14, 14, 96, 3, 3, {1, 1, 1, 1}},
    {"one sample of one channel", 1, 1, 96, 96, 64, 3, 3, {1, 1, 1, 1}},
    {"1x1", 9, 24, 13, 13, 40, 1, 1, {1, 0, 1, 1}},
    {"1x1, stride 2", 5, 32, 16, 16, 64, 1, 1, {2, 0, 1, 1}},
    {"1x1, padded", 2, 4, 5, 5, 6, 1, 1, {1, 2, 1, 1}},
    {"stride 2, odd", 4, 8, 15, 13, 16, 3, 3, {2, 1, 1, 1}},
    {"stride 3, input left over", 2, 6, 11, 12, 9, 2, 2, {3, 0, 1, 1}},
    {"dilation", 3, 9, 14, 14, 12, 3, 3, {1, 2, 2, 1}},
    {"dilation 3, stride 2", 2, 4, 21, 18, 5, 3, 3, {2, 3, 3, 1}},
    {"groups", 3, 12, 9, 9, 18, 3, 3, {1, 1, 1, 3}},
    {"groups of 16", 4, 32, 10, 10, 64, 3, 3, {1, 1, 1, 2}},
    {"depthwise", 6, 32, 12, 12, 32, 3, 3, {1, 1, 1, 32}},
    {"depthwise, 2 per channel", 2, 5, 9, 9, 10, 3, 3, {2, 1, 1, 5}},
    {"kernel as large as the input", 6, 16, 7, 7, 32, 7, 7, {1, 0, 1, 1}},
    {"kernel larger than the input", 2, 3, 3, 3, 4, 5, 5, {1, 1, 1, 1}},
    {"oblong kernel", 3, 8, 10, 12, 6, 1, 5, {1, 0, 1, 1}},
    {"large kernel", 2, 3, 30, 30, 8, 11, 11, {4, 2, 1, 1}},
    {"1x1 input", 70, 64, 1, 1, 32, 1, 1, {1, 0, 1, 1}},
    {"large weights", 5, 256, 4, 4, 256, 3, 3, {1, 1, 1, 1}},
    {"samples left over", 65, 16, 14, 14, 8, 3, 3, {1, 1, 1, 1}},
    {"chunks of two sizes", 13, 64, 32, 32, 16, 1, 1, {1, 0, 1, 1}},
    {"few channels, one sample", 1, 3, 40, 52, 10, 5, 5, {1, 0, 1, 1}},
    {"few channels, many bands", 2, 10, 70, 150, 20, 5, 5, {1, 0, 1, 1}},
    {"few channels, padded", 3, 5, 75, 131, 17, 3, 3, {1, 2, 1, 1}},
    {"few channels, dilated", 2, 3, 61, 55, 7, 3, 5, {1, 3, 2, 1}},
    {"few channels, rows of one vector", 2, 7, 9, 20, 5, 3, 5, {1, 0, 1, 1}},
    {"few channels, a row", 1, 3, 3, 300, 31, 3, 2, {1, 0, 1, 1}},
    {"unequal stride", 4, 8, 15, 13, 16, 3, 3, {{2, 1}, 1, 1, 1}},
    {"unequal padding", 3, 32, 9, 12, 64, 3, 3, {1, {1, 0}, 1, 1}},
    {"unequal everything", 3, 9, 14, 17, 12, 3, 2, {{1, 3}, {2, 0}, {2, 1}, 1}},
    {"unequal groups", 3, 12, 9, 11, 18, 3, 3, {{2, 1}, {0, 1}, {1, 2}, 3}},
    {"unequal depthwise", 6, 32, 12, 15, 32, 3, 5, {{1, 2}, {1, 2}, {2, 1}, 32}},
    {"a row", 3, 16, 1, 300, 24, 1, 5, {1, {0, 2}, 1, 1}},
    {"few channels, unequal", 3, 5, 75, 131, 17, 3, 3, {1, {2, 1}, {1, 2}, 1}},
    {"1x1, unequal stride", 5, 32, 16, 16, 64, 1, 1, {{1, 2}, 0, 1, 1}},
    {"no samples", 0, 3, 8, 8, 4, 3, 3, {1, 1, 1, 1}},
    {"no input channels", 2, 0, 8, 8, 4, 3, 3, {1, 1, 1, 1}},
    {"no output channels", 2, 3, 8, 8, 0, 3, 3, {1, 1, 1, 1}},
    {"nothing but padding", 2, 3, 0, 4, 4, 1, 1, {1, 1, 1, 1}},
};

// Where Winograd's algorithm applies: sides that tiles of 4 do and do not fill, all paddings,
// channels in odd numbers of blocks, more channels than one core's cache holds transformed weights
// of, or than each lane sums a gradient of for itself, groups of tiles that are left over.
inline const Case blocked_cases[] = {
    {"tiles fill", 4, 32, 16, 16, 32, 3, 3, {1, 1, 1, 1}},
    {"tiles do not fill", 5, 48, 13, 11, 32, 3, 3, {1, 1, 1, 1}},
    {"no padding", 9, 32, 10, 15, 48, 3, 3, {1, 0, 1, 1}},
    {"padding 2", 6, 32, 9, 9, 32, 3, 3, {1, 2, 1, 1}},
    {"wide", 40, 128, 4, 4, 160, 3, 3, {1, 1, 1, 1}},
    {"many tiles", 3, 32, 61, 57, 32, 3, 3, {1, 1, 1, 1}},
    {"wider", 144, 160, 3, 3, 160, 3, 3, {1, 1, 1, 1}},
    {"too few tiles", 2, 32, 8, 8, 32, 3, 3, {1, 1, 1, 1}},
    {"stride 2", 3, 32, 17, 16, 64, 3, 3, {2, 1, 1, 1}},
    {"1x1, stride 2", 4, 32, 16, 16, 64, 1, 1, {2, 0, 1, 1}},
    {"picture", 5, 3, 19, 21, 32, 3, 3, {1, 1, 1, 1}},
    {"odd results", 3, 32, 12, 12, 10, 3, 3, {1, 1, 1, 1}},
    {"5x5", 3, 16, 12, 12, 32, 5, 5, {1, 2, 1, 1}},
    {"one sample", 1, 64, 32, 32, 64, 3, 3, {1, 1, 1, 1}},
    {"padding beyond the kernel", 3, 16, 5, 8, 48, 5, 5, {2, 5, 1, 1}},
    {"1x1, one side plain", 3, 16, 14, 13, 72, 1, 1, {1, 0, 1, 1}},
    {"1x1, the other plain", 3, 24, 14, 13, 96, 1, 1, {1, 0, 1, 1}},
    {"1x1, both plain", 3, 24, 14, 13, 40, 1, 1, {1, 0, 1, 1}},
    {"1x1, one sample", 1, 48, 28, 28, 120, 1, 1, {1, 0, 1, 1}},
    {"one pixel", 9, 48, 1, 1, 80, 1, 1, {1, 0, 1, 1}},
    {"one pixel, stride 2", 70, 96, 1, 1, 24, 1, 1, {2, 0, 1, 1}},
    {"more weights than pixels", 3, 96, 3, 3, 128, 3, 3, {1, 1, 1, 1}},
    {"more weights, stride 2", 5, 160, 5, 4, 128, 3, 3, {2, 1, 1, 1}},
    {"more weights, 2x2", 3, 144, 6, 6, 160, 2, 2, {2, 0, 1, 1}},
    {"more weights, odd", 2, 150, 4, 4, 131, 3, 3, {1, 2, 2, 1}},
    {"dilated", 2, 32, 14, 14, 32, 3, 3, {1, 2, 2, 1}},
    {"picture, many bands", 2, 3, 75, 67, 48, 3, 3, {1, 1, 1, 1}},
    {"picture, stride 2", 2, 3, 70, 61, 64, 7, 7, {2, 3, 1, 1}},
    {"picture, one sample", 1, 1, 50, 62, 32, 5, 5, {1, 0, 1, 1}},
    {"picture, dilated", 1, 4, 30, 41, 16, 3, 3, {2, 1, 3, 1}},
    {"unequal padding", 6, 32, 9, 9, 32, 3, 3, {1, {1, 2}, 1, 1}},
    {"unequal stride", 3, 32, 17, 16, 64, 3, 3, {{2, 1}, 1, 1, 1}},
    {"picture, unequal", 2, 3, 70, 61, 64, 7, 5, {{2, 1}, {3, 2}, 1, 1}},
    {"more weights, unequal", 5, 160, 5, 4, 128, 3, 3, {{2, 1}, {1, 0}, 1, 1}},
    {"large pictures", 2, 32, 125, 71, 32, 3, 3, {1, 1, 1, 1}},
};

inline std::string geometry(const Case& c) {
  std::string text;
  for (int64_t v : {c.n, c.c, c.h, c.w, c.o, c.r, c.s}) text += std::to_string(v) + " ";
  for (IntPair v : {c.attr.stride, c.attr.padding, c.attr.dilation, IntPair(c.attr.groups)})
    text += to_string(v) + " ";
  return text;
}

/// Calls f(indices into x, w, y) for every product of the convolution.
template <class F> void for_products(const Case& c, F f) {
  const int64_t channels = c.c / c.attr.groups, outputs = std::max<int64_t>(1, c.o / c.attr.groups),
                results = c.p() * c.q(), d = c.attr.dilation[1];
  for (int64_t n = 0; n < c.n; ++n)
    for (int64_t o = 0; o < c.o; ++o)
      for (int64_t pixel = 0; pixel < results; ++pixel) {
        const int64_t top = pixel / c.q() * c.attr.stride[0] - c.attr.padding[0],
                      left = pixel % c.q() * c.attr.stride[1] - c.attr.padding[1];
        // Taps that meet the picture.
        const int64_t first = left < 0 ? (-left + d - 1) / d : 0,
                      end = left < c.w ? std::min(c.s, (c.w - 1 - left) / d + 1) : 0;
        for (int64_t i = 0; i < channels; ++i)
          for (int64_t r = 0; r < c.r; ++r) {
            const int64_t row = top + r * c.attr.dilation[0],
                          channel = n * c.c + o / outputs * channels + i;
            if (row < 0 || row >= c.h) continue;
            const int64_t x = (channel * c.h + row) * c.w + left,
                          w = ((o * channels + i) * c.r + r) * c.s;
            for (int64_t s = first; s < end; ++s)
              f(static_cast<size_t>(x + s * d), static_cast<size_t>(w + s),
                static_cast<size_t>((n * c.o + o) * results + pixel));
          }
      }
}

/// A convolution with bias, and the gradients of its operands, as sums in f64.
struct Definition {
  std::vector<double> y, dx, dw;
};
template <class T> Definition definition(const Case& c, const Buffer<T>& x, const Buffer<T>& w,
                                         const Buffer<T>& b, const Buffer<T>& g) {
  Definition d{std::vector<double>(g.values.size()), std::vector<double>(x.values.size()),
               std::vector<double>(w.values.size())};
  // Pointers: a checked index of a vector takes as long as the sums.
  const T *const xs = x.values.data(), *const ws = w.values.data(), *const gs = g.values.data();
  double *const y = d.y.data(), *const dx = d.dx.data(), *const dw = d.dw.data();
  for_products(c, [=](size_t i, size_t j, size_t k) {
    const double xv = xs[i], wv = ws[j], gv = gs[k];
    y[k] += xv * wv;
    dx[i] += gv * wv;
    dw[j] += gv * xv;
  });
  for (size_t k = 0; k < d.y.size(); ++k)
    d.y[k] += b.values[k / static_cast<size_t>(c.p() * c.q()) % static_cast<size_t>(c.o)];
  return d;
}

inline Shape blocked(const Shape& s, int64_t b) { return {s[0], s[1] / b, s[2], s[3], b}; }
/// Between [N, C, H, W] and [N, C/b, H, W, b], element by element.
inline Buffer<float> relaid(const Buffer<float>& from, const Shape& plain, int64_t b, bool into) {
  Buffer<float> to{into ? blocked(plain, b) : plain, std::vector<float>(from.values.size())};
  for (int64_t n = 0; n < plain[0]; ++n)
    for (int64_t c = 0; c < plain[1]; ++c)
      for (int64_t i = 0; i < plain[2] * plain[3]; ++i) {
        const auto flat = static_cast<size_t>((n * plain[1] + c) * plain[2] * plain[3] + i);
        const auto block =
            static_cast<size_t>(((n * plain[1] / b + c / b) * plain[2] * plain[3] + i) * b + c % b);
        to.values[into ? block : flat] = from.values[into ? flat : block];
      }
  return to;
}

/// Every operand that the backend says may be blocked is; the results as plain ones.
struct InBlocks {
  explicit InBlocks(const Case& c) : c(c), b(cpu_backend().channel_block()) {
    x = random_buffer<float>(c.x(), 1);
    w = random_buffer<float>(c.weight(), 2);
    bias = random_buffer<float>({c.o}, 3);
    g = random_buffer<float>(c.y(), 4);
    x_in = b > 0 && c.c % b == 0;
    y_in = b > 0 && c.o % b == 0;
  }
  const Case& c;
  int64_t b;
  bool x_in, y_in;
  Buffer<float> x, w, bias, g;

  std::vector<std::vector<float>> results() const {
    const Buffer<float> xb = x_in ? relaid(x, c.x(), b, true) : x,
                        gb = y_in ? relaid(g, c.y(), b, true) : g;
    const Shape y_shape = y_in ? blocked(c.y(), b) : c.y(),
                x_shape = x_in ? blocked(c.x(), b) : c.x();
    auto plain = [&](std::vector<float> v, const Shape& shape, bool was) {
      return was ? relaid({blocked(shape, b), std::move(v)}, shape, b, false).values : v;
    };
    return {plain(run_kernel<float>("conv2d", &c.attr, {&xb, &w, &bias}, y_shape), c.y(), y_in),
            plain(run_kernel<float>("conv2d_grad_input", &c.attr, {&gb, &w}, x_shape), c.x(), x_in),
            run_kernel<float>("conv2d_grad_weight", &c.attr, {&xb, &gb}, c.weight())};
  }
};

}  // namespace suanli::test
