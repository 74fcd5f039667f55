// SPDX-License-Identifier: Apache-2.0
// Convolutions that are one product of all samples.
//
// Convolutions of one-pixel pictures, as in squeeze-and-excitation: there [N, C, 1, 1] is a matrix
// in every layout. And convolutions whose weights outweigh their pixels: y = windows · wᵀ and
// dw [O, C·R·S] = gᵀ · windows, where all have a row for every result pixel of all samples. oneDNN
// computes samples one by one: each reads all weights, and every lane adds to a dw of its own.
#include <algorithm>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Weights from which on a dw of each lane's own costs more than gathering windows.
constexpr int64_t kLargeWeights = Numerics::conv_gathered_weights;

/// y = x · wᵀ and dx = dy · w of pictures of one pixel.
class OnePixel final : public Kernel {
 public:
  OnePixel(const Geometry& g, bool backwards, bool bias, bool constant_weights, Epilogue epilogue)
      : g_(g),
        columns_(backwards ? g.c : g.o),
        bias_(bias),
        epilogue_(std::move(epilogue)),
        product_(shape(g, backwards),
                 {.parts_done = static_cast<bool>(epilogue_),
                  .b_packed = constant_weights && Gemm<float>(shape(g, backwards)).packs_b(),
                  .add = bias}) {
    if (constant_weights && Gemm<float>(shape(g, backwards)).packs_b())
      packing = {1, product_.packed_bytes(), product_.packed_format()};
    Places places;
    scratch_ = places.add(product_.scratch_bytes());
    if (!epilogue_.has_place()) result_ = places.add(4 * g.n * columns_);
    workspace_bytes = places.total();
  }

  void pack(const void* weights, void* packed) override {
    product_.pack(static_cast<const float*>(weights), packed);
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    float* const place = epilogue_.place(out);
    float* const y = place ? place : static_cast<float*>(at(workspace, result_));
    if (bias_)
      for (int64_t n = 0; n < g_.n; ++n)
        std::copy_n(static_cast<const float*>(in[2]), columns_, y + n * columns_);
    const auto parts_done = [&](const GemmPart<float>& part) {
      const int64_t rows = part.row_end - part.row_begin,
                    columns = part.column_end - part.column_begin;
      epilogue_.apply(in, out,
                      {part.row_begin * columns_ + part.column_begin, columns, part.values, rows,
                       columns_, part.row});
    };
    product_.run(static_cast<const float*>(in[0]), static_cast<const float*>(in[1]), y,
                 at(workspace, scratch_),
                 epilogue_ ? PartsDone<float>(parts_done) : PartsDone<float>());
  }

 private:
  static GemmShape shape(const Geometry& g, bool backwards) {
    if (backwards) return {.m = g.n, .n = g.c, .k = g.o};
    return {.m = g.n, .n = g.o, .k = g.c, .b_transposed = true};
  }

  Geometry g_;
  int64_t columns_;
  bool bias_;
  Epilogue epilogue_;
  Gemm<float> product_;
  int64_t scratch_ = 0, result_ = 0;
};

/// Rows of a matrix for the result pixels of all samples.
class Windows {
 public:
  explicit Windows(const Geometry& g) : g_(g) {}

  /// All channels of one pixel, `step` elements apart.
  static void channels(const float* sample, int64_t count, int64_t pixels, int64_t block,
                       int64_t pixel, float* to, int64_t step) {
    if (block == 0) {
      for (int64_t c = 0; c < count; ++c) to[c * step] = sample[c * pixels + pixel];
      return;
    }
    if (block == 16 && step == 9) return blocks<16, 9>(sample, count, pixels, pixel, to);
    if (block == 8 && step == 9) return blocks<8, 9>(sample, count, pixels, pixel, to);
    for (int64_t c = 0; c < count; c += block) {
      const float* from = sample + (c / block * pixels + pixel) * block;
      if (step == 1) std::copy_n(from, block, to + c);
      else
        for (int64_t k = 0; k < block; ++k) to[(c + k) * step] = from[k];
    }
  }
  /// The same with constants, whose stores take a cycle each.
  template <int64_t kBlock, int64_t kStep>
  static void blocks(const float* sample, int64_t count, int64_t pixels, int64_t pixel, float* to) {
    const float* from = sample + pixel * kBlock;
    for (int64_t c = 0; c < count; c += kBlock, from += pixels * kBlock, to += kBlock * kStep)
#pragma GCC unroll 16
      for (int64_t k = 0; k < kBlock; ++k) to[k * kStep] = from[k];
  }

  /// The window of x that result pixel i of all samples reads: [C, R, S].
  void gather(const float* x, int64_t i, float* to) const {
    const float* sample = x + i / (g_.p * g_.q) * g_.x_size();
    const int64_t top = i / g_.q % g_.p * g_.attr.stride[0] - g_.attr.padding[0],
                  left = i % g_.q * g_.attr.stride[1] - g_.attr.padding[1], taps = g_.r * g_.s;
    for (int64_t r = 0; r < g_.r; ++r)
      for (int64_t s = 0; s < g_.s; ++s, ++to) {
        const int64_t row = top + r * g_.attr.dilation[0], column = left + s * g_.attr.dilation[1];
        if (row >= 0 && row < g_.h && column >= 0 && column < g_.w)
          channels(sample, g_.c, g_.h * g_.w, g_.x_block, row * g_.w + column, to, taps);
        else
          for (int64_t c = 0; c < g_.c; ++c) to[c * taps] = 0;
      }
  }

 private:
  Geometry g_;
};

/// y = windows · wᵀ, laid out as y is to be.
class GatheredForward final : public Kernel {
 public:
  GatheredForward(const Geometry& g, bool bias, bool constant_weights, Epilogue epilogue)
      : g_(g),
        gathered_(g),
        bias_(bias),
        epilogue_(std::move(epilogue)),
        pixels_(g.n * g.p * g.q),
        product_(shape(g), {.b_packed = packs(g, constant_weights), .add = bias}) {
    if (packs(g, constant_weights))
      packing = {1, product_.packed_bytes(), product_.packed_format()};
    Places places;
    windows_ = places.add(4 * pixels_ * g.depth());
    rows_ = places.add(4 * pixels_ * g.o);
    scratch_ = places.add(product_.scratch_bytes());
    if (!epilogue_.has_place()) result_ = places.add(4 * g.n * g.y_size());
    workspace_bytes = places.total();
  }

  void pack(const void* weights, void* packed) override {
    product_.pack(static_cast<const float*>(weights), packed);
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const float* x = static_cast<const float*>(in[0]);
    float* windows = static_cast<float*>(at(workspace, windows_));
    float* rows = static_cast<float*>(at(workspace, rows_));
    parallel_chunks(pixels_, std::max<int64_t>(1, grain_ / g_.depth()),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) {
                        gathered_.gather(x, i, windows + i * g_.depth());
                        if (bias_)
                          std::copy_n(static_cast<const float*>(in[2]), g_.o, rows + i * g_.o);
                      }
                    });
    product_.run(windows, static_cast<const float*>(in[1]), rows, at(workspace, scratch_));
    float* const place = epilogue_.place(out);
    float* const y = place ? place : static_cast<float*>(at(workspace, result_));
    // A plane is a channel of a sample, or a block of them.
    const int64_t width = std::max<int64_t>(1, g_.y_block), plane = g_.p * g_.q * width,
                  planes = g_.n * g_.o / width;
    parallel_chunks(planes, std::max<int64_t>(1, grain_ / plane), [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const int64_t sample = k / (g_.o / width), channel = k % (g_.o / width) * width;
        const float* from = rows + sample * g_.p * g_.q * g_.o + channel;
        for (int64_t i = 0; i < g_.p * g_.q; ++i)
          std::copy_n(from + i * g_.o, width, y + k * plane + i * width);
      }
      if (epilogue_)
        epilogue_.apply(in, out, {begin * plane, (end - begin) * plane, y + begin * plane});
    });
  }

 private:
  static GemmShape shape(const Geometry& g) {
    return {.m = g.n * g.p * g.q, .n = g.o, .k = g.depth(), .b_transposed = true};
  }
  /// Packed weights come from memory in one stream; for a few pixels as fast in the streams of dot
  /// products, which need no copy.
  static bool packs(const Geometry& g, bool constant_weights) {
    return constant_weights && g.n * g.p * g.q > Numerics::conv_gathered_dot_pixels;
  }

  Geometry g_;
  Windows gathered_;
  bool bias_;
  Epilogue epilogue_;
  int64_t pixels_;
  Gemm<float> product_;
  int64_t windows_ = 0, rows_ = 0, scratch_ = 0, result_ = 0;
  int64_t grain_ = cpu_tuning().thread_gather_elements;
};

class GatheredGradient final : public Kernel {
 public:
  explicit GatheredGradient(const Geometry& g)
      : g_(g),
        gathered_(g),
        pixels_(g.n * g.p * g.q),
        product_({.m = g.o, .n = g.depth(), .k = pixels_, .a_transposed = true}) {
    Places places;
    windows_ = places.add(4 * pixels_ * g.depth());
    gradient_ = places.add(4 * pixels_ * g.o);
    scratch_ = places.add(product_.scratch_bytes());
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const float* x = static_cast<const float*>(in[0]);
    const float* g = static_cast<const float*>(in[1]);
    float* windows = static_cast<float*>(at(workspace, windows_));
    float* gradient = static_cast<float*>(at(workspace, gradient_));
    parallel_chunks(pixels_, std::max<int64_t>(1, grain_ / g_.depth()),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) {
                        const int64_t sample = i / (g_.p * g_.q);
                        Windows::channels(g + sample * g_.y_size(), g_.o, g_.p * g_.q, g_.y_block,
                                          i % (g_.p * g_.q), gradient + i * g_.o, 1);
                        gathered_.gather(x, i, windows + i * g_.depth());
                      }
                    });
    product_.run(gradient, windows, static_cast<float*>(out[0]), at(workspace, scratch_));
  }

 private:
  Geometry g_;
  Windows gathered_;
  int64_t pixels_;
  Gemm<float> product_;
  int64_t windows_ = 0, gradient_ = 0, scratch_ = 0;
  int64_t grain_ = cpu_tuning().thread_gather_elements;
};

}  // namespace

std::unique_ptr<Kernel> make_gathered(Direction direction, const Geometry& g, bool bias,
                                      bool constant_weights, const Epilogue& epilogue) {
  if (g.attr.groups != 1) return nullptr;
  const bool one_pixel = g.h * g.w * g.r * g.s == 1 && g.attr.padding == 0;
  const int64_t pixels = g.n * g.p * g.q;
  const bool pays = g.w_size() >= kLargeWeights &&
                    pixels * (g.depth() + g.o) <= Numerics::conv_gathered_ratio * g.w_size();
  if (direction == Direction::grad_weight)
    return one_pixel || pays ? std::make_unique<GatheredGradient>(g) : nullptr;
  if (one_pixel && g.p * g.q == 1)
    return std::make_unique<OnePixel>(g, direction == Direction::grad_input, bias, constant_weights,
                                      epilogue);
  // At 1×1 and stride 1 other kernels read x where it lies.
  if (direction == Direction::forward && pays && (g.r * g.s > 1 || g.attr.stride != 1))
    return std::make_unique<GatheredForward>(g, bias, constant_weights, epilogue);
  return nullptr;
}

}  // namespace suanli::cpu
