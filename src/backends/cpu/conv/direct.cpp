// SPDX-License-Identifier: Apache-2.0
// Convolutions of plain activations, computed by their definition where these lie. oneDNN pads
// channels to whole blocks, lays activations out and back around every convolution, and computes
// one sample of few channels on one thread.
#include <algorithm>
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/direct_simd.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/simd/streaming_store.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

/// Up to here x is a picture.
constexpr int64_t kPictureChannels = Numerics::direct_picture_channels;
/// Windows of a row of x up to here stay in L1 or close to it.
constexpr int64_t kDepth = Numerics::direct_depth;
/// Channels from which on oneDNN gives a thread a slice.
constexpr int64_t kSlice = Numerics::direct_slice;

/// y, or dx as the convolution of dy with weights that are turned around.
class DirectConv final : public Kernel {
 public:
  DirectConv(Direction direction, const Geometry& g, bool bias, bool constant_weights,
             Epilogue epilogue)
      : g_(g),
        bias_(bias),
        epilogue_(std::move(epilogue)),
        streamed_(epilogue_.writes_place_alone() &&
                  4 * g.n * (g.x_size() + g.y_size()) > cpu_tuning().last_cache_bytes) {
    band_ = std::clamp<int64_t>(cpu_tuning().direct_band_bytes / (4 * g.o * g.q), 1, g.p);
    bands_ = (g.p + band_ - 1) / band_;
    band_ = (g.p + bands_ - 1) / bands_;
    bands_ = (g.p + band_ - 1) / band_;
    const int64_t reach = (g.r - 1) * g.attr.dilation[0] + 1;
    x_rows_ = (band_ - 1) * g.attr.stride[0] + reach;
    padded_ = g.attr.padding != 0;
    const int64_t row = row_of(g), plane = padded_ ? x_rows_ * row : g.h * g.w;
    const bool turned = direction == Direction::grad_input;  // [c of x, o of y, r, s] then
    w_step_ = turned ? g.r * g.s : g.depth();
    for (int64_t c = 0; c < g.c; ++c)
      for (int64_t r = 0; r < g.r; ++r)
        for (int64_t s = 0; s < g.s; ++s) {
          const int64_t tap = r * g.s + s, taps = g.r * g.s;
          offsets_.push_back(static_cast<int32_t>(c * plane + r * row * g.attr.dilation[0] +
                                                  s * g.attr.dilation[1]));
          w_offsets_.push_back(
              static_cast<int32_t>(turned ? (c * g.o + 1) * taps - 1 - tap : c * taps + tap));
        }
    Places places;
    if (constant_weights)
      packing = {1, 4 * g.w_size(),
                 0x6469726563740000u ^
                     static_cast<uint64_t>(g.o << 32 ^ g.depth() << 8 ^ w_step_ << 2) ^
                     static_cast<uint64_t>(turned << 1 | (g.y_block != 0))};
    else w_ = places.add(4 * g.w_size());
    threads_ = conv_lanes(g, g.n * bands_);
    for (int64_t i = 0; i < threads_; ++i) {
      Lane lane;
      if (padded_) lane.x = places.add(4 * g.c * plane);
      if (streamed_ || !epilogue_.has_place()) lane.y = places.add(4 * g.o * band_ * g.q);
      lanes_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  void pack(const void* weights, void* packed) override {
    direct_pack(rows(0, 0), static_cast<const float*>(weights), static_cast<float*>(packed));
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const float* w = static_cast<const float*>(in[1]);
    if (packing.input < 0) {
      float* packed = static_cast<float*>(at(workspace, w_));
      direct_pack(rows(0, 0), w, packed);
      w = packed;
    }
    const float* bias = bias_ ? static_cast<const float*>(in[2]) : nullptr;
    float* const place = epilogue_.place(out);
    parallel_for_stealing(
        g_.n * bands_, static_cast<int>(threads_), [&](int thread, WorkQueue& left) {
          const Lane& lane = lanes_[static_cast<size_t>(thread)];
          for (int64_t i; (i = left.next()) >= 0;) {
            const int64_t sample = i / bands_, begin = i % bands_ * band_,
                          end = std::min(g_.p, begin + band_);
            const float* x = static_cast<const float*>(in[0]) + sample * g_.x_size();
            if (padded_) x = padded(x, begin, end, static_cast<float*>(at(workspace, lane.x)));
            else x += begin * g_.attr.stride[0] * g_.w;
            // channels, or blocks of them, and a pixel's elements in each
            const int64_t width = g_.y_block ? g_.y_block : 1,
                          length = (end - begin) * g_.q * width, step = g_.p * g_.q * width,
                          first = sample * g_.y_size() + begin * g_.q * width;
            float* const near = static_cast<float*>(at(workspace, lane.y));
            float* const y = place && !streamed_ ? place + first : near;
            const int64_t y_step = y == near ? length : step, count = g_.o / width;
            direct_rows(rows(end - begin, y_step), x, w, bias, y);
            if (!streamed_) {
              if (epilogue_) epilogue_.apply(in, out, {first, length, y, count, step, y_step});
              continue;
            }
            for (int64_t k = 0; k < count; ++k) {
              float* const values = near + k * length;
              if (epilogue_) epilogue_.apply_nearby(in, first + k * step, length, values);
              copy_past_caches(values, place + first + k * step, 4 * length);
            }
            finish_past_caches();
          }
        });
  }

 private:
  struct Lane {
    int64_t x = 0, y = 0;  // a padded band of x; a band of y that has no place, or not yet
  };

  /// Elements of a row of x with its padding.
  static int64_t row_of(const Geometry& g) { return g.w + 2 * int64_t{g.attr.padding[1]}; }

  DirectRows rows(int64_t count, int64_t y_step) const {
    return {.channels = g_.o,
            .rows = count,
            .columns = g_.q,
            .depth = g_.depth(),
            .offset = offsets_.data(),
            .w_offset = w_offsets_.data(),
            .w_step = w_step_,
            .x_row = row_of(g_) * g_.attr.stride[0],
            .stride = g_.attr.stride[1],
            .y_step = y_step,
            .block = g_.y_block};
  }

  /// The rows of x that rows [begin, end) of y read, with their padding.
  const float* padded(const float* x, int64_t begin, int64_t end, float* to) const {
    const int64_t padding = g_.attr.padding[1], width = row_of(g_),
                  top = begin * g_.attr.stride[0] - g_.attr.padding[0],
                  count = x_rows_ - (band_ - (end - begin)) * g_.attr.stride[0];
    for (int64_t c = 0; c < g_.c; ++c)
      for (int64_t r = 0; r < count; ++r) {
        float* row = to + (c * x_rows_ + r) * width;
        if (top + r < 0 || top + r >= g_.h) {
          std::fill_n(row, width, 0.0f);
          continue;
        }
        std::fill_n(row, padding, 0.0f);
        std::copy_n(x + (c * g_.h + top + r) * g_.w, g_.w, row + padding);
        std::fill_n(row + padding + g_.w, padding, 0.0f);
      }
    return to;
  }

  Geometry g_;
  bool bias_, padded_ = false;
  Epilogue epilogue_;
  bool streamed_;  // y is more than the caches hold
  int64_t band_ = 1, bands_ = 1;  // rows of y that are computed at once; bands of a sample
  int64_t x_rows_ = 1;  // of x that a band reads
  int64_t threads_ = 1, w_ = 0, w_step_ = 0;
  std::vector<int32_t> offsets_, w_offsets_;
  std::vector<Lane> lanes_;
};

/// n rounded up to whole blocks.
double rounding(int64_t n, int64_t block) {
  return static_cast<double>((n + block - 1) / block * block) / static_cast<double>(n);
}

/// True if dx is a convolution of dy, both plain.
bool has_turned(const Geometry& g) {
  return g.attr.stride == 1 && g.attr.dilation[0] * (g.r - 1) >= g.attr.padding[0] &&
         g.attr.dilation[1] * (g.s - 1) >= g.attr.padding[1] && g.x_block == 0 && g.y_block == 0;
}
/// That convolution: dy takes the place of x, dx that of y.
Geometry turned(Geometry g) {
  std::swap(g.c, g.o);
  std::swap(g.h, g.p);
  std::swap(g.w, g.q);
  g.attr.padding = {g.attr.dilation[0] * (g.r - 1) - g.attr.padding[0],
                    g.attr.dilation[1] * (g.s - 1) - g.attr.padding[1]};
  return g;
}

}  // namespace

bool is_direct(Direction direction, const Geometry& given) {
  if (direction == Direction::grad_weight || given.attr.groups != 1 || given.r * given.s == 1)
    return false;
  if (direction == Direction::grad_input && !has_turned(given)) return false;
  const Geometry g = direction == Direction::grad_input ? turned(given) : given;
  if (g.x_block || g.depth() > kDepth) return false;
  // Offsets are 32 bits, and a lane copies bands with their padding: oneDNN skips it.
  const double plane = static_cast<double>(g.c * g.h * g.w),
               padded = static_cast<double>(g.c) *
                        static_cast<double>(g.h + 2 * int64_t{g.attr.padding[0]}) *
                        static_cast<double>(g.w + 2 * int64_t{g.attr.padding[1]});
  if (padded > INT32_MAX || padded > Numerics::direct_padded_ratio * plane) return false;
  // oneDNN skips the products of padding, and in blocks it has a kernel for pictures; but it shares
  // out one sample by slices of its channels only.
  if (g.y_block)
    return g.y_block % direct_lanes() == 0 && g.c <= kPictureChannels &&
           (g.attr.padding == 0 || (g.n == 1 && g.o < 2 * kSlice));
  if (g.attr.stride != 1 || g.q < direct_lanes()) return false;
  const int64_t block = std::max<int64_t>(1, onednn_channel_block());
  const double computed = rounding(g.q, direct_lanes()),
               of_onednn =
                   rounding(g.o, block) * (g.c <= kPictureChannels ? 1 : rounding(g.c, block));
  return (g.n == 1 && g.o < 2 * kSlice) ||
         computed <= Numerics::direct_padding_percent / 100.0 * of_onednn;
}

std::unique_ptr<Kernel> make_direct(Direction direction, const Geometry& g, bool bias,
                                    bool constant_weights, const Epilogue& epilogue) {
  if (!is_direct(direction, g)) return nullptr;
  return std::make_unique<DirectConv>(direction, direction == Direction::grad_input ? turned(g) : g,
                                      bias, constant_weights, epilogue);
}

}  // namespace suanli::cpu
