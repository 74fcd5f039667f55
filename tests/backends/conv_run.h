// Convolutions for the tests of their kernels: geometries, the definition as a sum, and operands in blocks of channels.
#pragma once
#include <vector>

#include "backends/kernel_run.h"
#include "ops/products.h"

namespace suanli::test {

struct Case {
  const char* what;
  int64_t n, c, h, w, o, r, s;
  ConvAttr attr;
  int64_t p() const { return size(h, r); }
  int64_t q() const { return size(w, s); }
  Shape x() const { return {n, c, h, w}; }
  Shape weight() const { return {o, attr.groups == 0 ? 0 : c / attr.groups, r, s}; }
  Shape y() const { return {n, o, p(), q()}; }
  double depth() const { return static_cast<double>(c / attr.groups * r * s); }

 private:
  int64_t size(int64_t in, int64_t kernel) const { return (in + 2 * attr.padding - attr.dilation * (kernel - 1) - 1) / attr.stride + 1; }
};

/// Calls f(indices into x, w, y) for every product of the convolution.
template <class F> void for_products(const Case& c, F f) {
  const int64_t channels = c.c / c.attr.groups, outputs = std::max<int64_t>(1, c.o / c.attr.groups);
  for (int64_t n = 0; n < c.n; ++n)
    for (int64_t o = 0; o < c.o; ++o)
      for (int64_t p = 0; p < c.p(); ++p)
        for (int64_t q = 0; q < c.q(); ++q)
          for (int64_t i = 0; i < channels; ++i)
            for (int64_t r = 0; r < c.r; ++r)
              for (int64_t s = 0; s < c.s; ++s) {
                const int64_t row = p * c.attr.stride + r * c.attr.dilation - c.attr.padding;
                const int64_t column = q * c.attr.stride + s * c.attr.dilation - c.attr.padding;
                if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
                const int64_t channel = o / outputs * channels + i;
                f(static_cast<size_t>(((n * c.c + channel) * c.h + row) * c.w + column),
                  static_cast<size_t>(((o * channels + i) * c.r + r) * c.s + s),
                  static_cast<size_t>(((n * c.o + o) * c.p() + p) * c.q() + q));
              }
}

inline Shape blocked(const Shape& s, int64_t b) { return {s[0], s[1] / b, s[2], s[3], b}; }
/// Between [N, C, H, W] and [N, C/b, H, W, b], element by element.
inline Buffer<float> relaid(const Buffer<float>& from, const Shape& plain, int64_t b, bool into) {
  Buffer<float> to{into ? blocked(plain, b) : plain, std::vector<float>(from.values.size())};
  for (int64_t n = 0; n < plain[0]; ++n)
    for (int64_t c = 0; c < plain[1]; ++c)
      for (int64_t i = 0; i < plain[2] * plain[3]; ++i) {
        const auto flat = static_cast<size_t>((n * plain[1] + c) * plain[2] * plain[3] + i);
        const auto block = static_cast<size_t>(((n * plain[1] / b + c / b) * plain[2] * plain[3] + i) * b + c % b);
        to.values[into ? block : flat] = from.values[into ? flat : block];
      }
  return to;
}

/// Every operand that the backend says may be blocked is; the results as plain ones.
struct InBlocks {
  explicit InBlocks(const Case& c) : c(c), b(cpu_backend().channel_block()) {
    x = random_buffer<float>(c.x(), 1), w = random_buffer<float>(c.weight(), 2);
    bias = random_buffer<float>({c.o}, 3), g = random_buffer<float>(c.y(), 4);
    x_in = c.c % b == 0, y_in = c.o % b == 0;
  }
  const Case& c;
  int64_t b;
  bool x_in, y_in;
  Buffer<float> x, w, bias, g;

  std::vector<std::vector<float>> results() const {
    const Buffer<float> xb = x_in ? relaid(x, c.x(), b, true) : x, gb = y_in ? relaid(g, c.y(), b, true) : g;
    const Shape y_shape = y_in ? blocked(c.y(), b) : c.y(), x_shape = x_in ? blocked(c.x(), b) : c.x();
    auto plain = [&](std::vector<float> v, const Shape& shape, bool was) {
      return was ? relaid({blocked(shape, b), std::move(v)}, shape, b, false).values : v;
    };
    return {plain(run_kernel<float>("conv2d", &c.attr, {&xb, &w, &bias}, y_shape), c.y(), y_in),
            plain(run_kernel<float>("conv2d_grad_input", &c.attr, {&gb, &w}, x_shape), c.x(), x_in),
            run_kernel<float>("conv2d_grad_weight", &c.attr, {&xb, &gb}, c.weight())};
  }
};

}  // namespace suanli::test
