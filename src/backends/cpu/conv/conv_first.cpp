// SPDX-License-Identifier: Apache-2.0
// First convolutions of networks that are not trained: plain pictures of a few channels to results
// in blocks of channels. A row of results is computed from a copy of the rows that it reads, with
// zeros for the padding, and its epilogue happens in registers. Every result is one sum, so that it
// does not matter who computes a row.
#include <algorithm>
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/conv_1x1_simd.h"
#include "backends/cpu/onednn/onednn.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

constexpr int64_t kMostChannels = 4;
/// Products of one result: more weights than that do not stay in L1.
constexpr int64_t kMostDepth = 256;

class FirstConv final : public Kernel {
 public:
  FirstConv(const Geometry& g, bool bias, const ChannelChain& chain)
      : g_(g),
        bias_(bias),
        chain_(chain),
        width_(kBlocksAtOnce * conv_1x1_lanes()),
        row_((g.q - 1) * g.attr.stride + g.s) {
    packing = {1, 4 * g.w_size(), packed_format()};
    for (int64_t c = 0; c < g.c; ++c)
      for (int64_t r = 0; r < g.r; ++r)
        for (int64_t s = 0; s < g.s; ++s) taps_.push_back((c * g.r + r) * row_ + s);
    Places places;
    for (int64_t i = 0, n = conv_lanes(g, g.n * g.p); i < n; ++i)
      rows_.push_back(places.add(4 * g.c * g.r * row_));
    workspace_bytes = places.total();
  }

  /// [group of blocks][tap][output channel]
  void pack(const void* weights, void* packed) override {
    const float* w = static_cast<const float*>(weights);
    float* to = static_cast<float*>(packed);
    for (int64_t first = 0; first < g_.o; first += width_)
      for (int64_t tap = 0; tap < g_.depth(); ++tap)
        for (int64_t o = first; o < std::min(g_.o, first + width_); ++o)
          *to++ = w[o * g_.depth() + tap];
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const BoundChain chain = chain_.bind(in, out);
    parallel_for_stealing(g_.n * g_.p, static_cast<int>(rows_.size()), [&](int i, WorkQueue& left) {
      float* const rows = static_cast<float*>(at(workspace, rows_[static_cast<size_t>(i)]));
      for (int64_t row; (row = left.next()) >= 0;)
        compute(row / g_.p, row % g_.p, rows, chain, in, out);
    });
  }

 private:
  uint64_t packed_format() const {
    uint64_t hash = 0x66697273u;
    for (int64_t n : {g_.o, g_.depth(), width_})
      hash = (hash ^ static_cast<uint64_t>(n)) * 0x100000001B3u;
    return hash;
  }

  /// The rows of x that a row of results reads.
  void copy_rows(const float* x, int64_t row, float* to) const {
    const int64_t padding = g_.attr.padding, count = std::clamp<int64_t>(row_ - padding, 0, g_.w);
    for (int64_t c = 0; c < g_.c; ++c)
      for (int64_t r = 0; r < g_.r; ++r, to += row_) {
        const int64_t from = row * g_.attr.stride + r - padding;
        if (from < 0 || from >= g_.h) {
          std::fill_n(to, row_, 0.0f);
          continue;
        }
        std::fill_n(to, std::min(padding, row_), 0.0f);
        std::copy_n(x + (c * g_.h + from) * g_.w, count, to + padding);
        std::fill(to + std::min(padding + count, row_), to + row_, 0.0f);
      }
  }

  void compute(int64_t sample, int64_t row, float* rows, const BoundChain& chain,
               const void* const* in, void* const* out) const {
    const int64_t pixels = g_.p * g_.q, lanes = width_ / kBlocksAtOnce;
    copy_rows(static_cast<const float*>(in[0]) + sample * g_.x_size(), row, rows);
    for (int64_t channel = 0; channel < g_.o; channel += width_)
      conv_1x1({.x = rows,
                .taps = taps_.data(),
                .x_blocks = g_.depth(),
                .x_pixel = g_.attr.stride,
                .w = static_cast<const float*>(in[1]) + channel * g_.depth(),
                .bias = bias_ ? static_cast<const float*>(in[2]) + channel : nullptr,
                .y = static_cast<float*>(out[0]) + sample * g_.y_size() + channel * pixels +
                     row * g_.q * lanes,
                .y_block = pixels * lanes,
                .blocks = std::min(kBlocksAtOnce, (g_.o - channel) / lanes),
                .pixels = g_.q,
                .channel = channel,
                .channels = std::min(width_, g_.o - channel),
                .chain = &chain});
  }

  Geometry g_;
  bool bias_;
  ChannelChain chain_;
  int64_t width_, row_;  // output channels of a group; elements of a copied row
  std::vector<int64_t> taps_;  // where the factors of the first result lie in the copied rows
  std::vector<int64_t> rows_;  // places of the copied rows, by lane
};

}  // namespace

std::unique_ptr<Kernel> make_first_conv(const Geometry& g, bool bias, const Step& step) {
  const int64_t lanes = conv_1x1_lanes();
  if (lanes == 0 || g.x_block != 0 || g.y_block != lanes || g.attr.groups != 1 ||
      g.c > kMostChannels || g.depth() > kMostDepth || g.r * g.s == 1 || g.attr.dilation != 1 ||
      g.attr.stride > 2)
    return nullptr;
  const auto chain = ChannelChain::of(step);
  return chain ? std::make_unique<FirstConv>(g, bias, *chain) : nullptr;
}

}  // namespace suanli::cpu
