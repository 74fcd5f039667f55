// SPDX-License-Identifier: Apache-2.0
// 1×1 convolutions of networks that are not trained. A piece of work is a strip of pixels that
// stays in a core's cache while all output channels pass over it, or some of them where there are
// few strips. Results are computed in blocks of channels, where most epilogues happen in registers;
// plain ones are laid out from there while they are in L1. Every result is one sum in the order of
// input channels, so that pieces may follow from the number of threads.
#include <algorithm>
#include <vector>

#include "backends/cpu/conv/conv.h"
#include "backends/cpu/conv/conv_1x1_simd.h"
#include "backends/cpu/conv/depthwise_simd.h"
#include "backends/cpu/onednn/onednn.h"
#include "backends/cpu/tuning.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

class Conv1x1 final : public Kernel {
 public:
  Conv1x1(const Geometry& g, bool bias, const ChannelChain& chain, Epilogue epilogue)
      : g_(g),
        bias_(bias),
        chain_(chain),
        epilogue_(std::move(epilogue)),
        lanes_(conv_1x1_lanes()),
        pixels_(g.p * g.q) {
    const CpuTuning& tuning = cpu_tuning();
    const int64_t fewest = epilogue_ && g.y_block == 0 ? tuning.conv_1x1_epilogue_pixels
                                                       : tuning.conv_1x1_least_pixels,
                  most = std::max(
                      fewest, std::min(tuning.conv_1x1_bytes / (4 * g.c), tuning.conv_1x1_pixels));
    strips_ = (pixels_ + most - 1) / most;
    strip_ = (pixels_ + strips_ - 1) / strips_;
    groups_ = (g.o + width() - 1) / width();
    const int64_t wanted = tuning.conv_1x1_pieces * pool_threads(), made = g.n * strips_;
    slices_ = std::clamp<int64_t>((wanted + made - 1) / made, 1, groups_);
    const int64_t padded = (g.o + lanes_ - 1) / lanes_ * lanes_;
    packing = {1, 4 * padded * g.c, packed_format()};
    Places places;
    for (int64_t i = 0, n = conv_lanes(g, made * slices_); i < n; ++i) {
      Lane lane;
      if (g.y_block == 0 || !epilogue_.has_place()) lane.blocks = places.add(4 * width() * strip_);
      if (g.y_block == 0 && !epilogue_.has_place()) lane.result = places.add(4 * width() * strip_);
      lanes_of_threads_.push_back(lane);
    }
    workspace_bytes = places.total();
  }

  /// [group of blocks][input channel][output channel], with zeros in a block that is not full.
  void pack(const void* weights, void* packed) override {
    const float* w = static_cast<const float*>(weights);
    float* to = static_cast<float*>(packed);
    for (int64_t first = 0; first < g_.o; first += width()) {
      const int64_t end = first + blocks_of(first) * lanes_;
      for (int64_t c = 0; c < g_.c; ++c)
        for (int64_t o = first; o < end; ++o) *to++ = o < g_.o ? w[o * g_.c + c] : 0;
    }
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const BoundChain chain = chain_.bind(in, out);
    parallel_for_stealing(g_.n * strips_ * slices_, static_cast<int>(lanes_of_threads_.size()),
                          [&](int i, WorkQueue& left) {
                            const Lane& lane = lanes_of_threads_[static_cast<size_t>(i)];
                            for (int64_t piece; (piece = left.next()) >= 0;) {
                              const int64_t slice = piece % slices_;
                              const Part part{piece / slices_ / strips_,
                                              pixels_ * (piece / slices_ % strips_) / strips_,
                                              pixels_ * (piece / slices_ % strips_ + 1) / strips_};
                              for (int64_t group = groups_ * slice / slices_;
                                   group < groups_ * (slice + 1) / slices_; ++group)
                                compute(part, group * width(), chain, lane, in, out, workspace);
                            }
                          });
  }

 private:
  struct Lane {
    int64_t blocks = 0, result = 0;  // places of results before they are laid out plain, and after
  };
  struct Part {
    int64_t sample, pixel, last;
  };

  int64_t width() const { return kBlocksAtOnce * lanes_; }
  /// Blocks of the group that begins with an output channel.
  int64_t blocks_of(int64_t channel) const {
    return std::min(kBlocksAtOnce, (g_.o - channel + lanes_ - 1) / lanes_);
  }
  uint64_t packed_format() const {
    uint64_t hash = 0x31783163u;
    for (int64_t n : {g_.o, g_.c, lanes_})
      hash = (hash ^ static_cast<uint64_t>(n)) * 0x100000001B3u;
    return hash;
  }

  void compute(const Part& part, int64_t channel, const BoundChain& chain, const Lane& lane,
               const void* const* in, void* const* out, void* workspace) const {
    const int64_t x_lanes = g_.x_block ? lanes_ : 1, pixels = part.last - part.pixel;
    const float* const bias = bias_ ? static_cast<const float*>(in[2]) : nullptr;
    const bool blocked = g_.y_block != 0, in_result = blocked && epilogue_.has_place();
    const int64_t begin =
        part.sample * g_.y_size() + channel * pixels_ + part.pixel * (blocked ? lanes_ : 1);
    float* const blocks =
        in_result ? epilogue_.place(out) + begin : static_cast<float*>(at(workspace, lane.blocks));
    const int64_t y_block = (in_result ? pixels_ : pixels) * lanes_;
    conv_1x1(
        {.x = static_cast<const float*>(in[0]) + part.sample * g_.x_size() + part.pixel * x_lanes,
         .x_block = pixels_ * x_lanes,
         .x_blocks = g_.c / x_lanes,
         .x_pixel = x_lanes,
         .w = static_cast<const float*>(in[1]) + channel * g_.c,
         .bias = bias ? bias + channel : nullptr,
         .y = blocks,
         .y_block = y_block,
         .blocks = blocks_of(channel),
         .pixels = pixels,
         .channel = channel,
         .channels = std::min(width(), g_.o - channel),
         .chain = &chain});
    if (blocked) {
      if (epilogue_)
        epilogue_.apply(
            in, out,
            {begin, pixels * lanes_, blocks, blocks_of(channel), pixels_ * lanes_, y_block});
      return;
    }
    const int64_t channels = std::min(width(), g_.o - channel);
    float* const place = epilogue_.place(out);
    float* const y = place ? place + begin : static_cast<float*>(at(workspace, lane.result));
    const int64_t step = place ? pixels_ : pixels;
    for (int64_t k = 0; k < channels; k += lanes_)
      depthwise_scatter<float>(blocks + k / lanes_ * y_block, pixels,
                               {y + k * step, std::min(lanes_, channels - k), 1, step});
    if (epilogue_) epilogue_.apply(in, out, {begin, pixels, y, channels, pixels_, step});
  }

  Geometry g_;
  bool bias_;
  ChannelChain chain_;  // done in registers
  Epilogue epilogue_;  // what cannot be done there
  int64_t lanes_, pixels_;
  int64_t strips_, strip_, groups_, slices_;  // of a picture; pixels; of output channels
  std::vector<Lane> lanes_of_threads_;
};

}  // namespace

std::unique_ptr<Kernel> make_conv_1x1(const Geometry& g, bool bias, const Step& step) {
  const int64_t lanes = conv_1x1_lanes();
  auto fits = [&](int64_t block) { return block == 0 || block == lanes; };
  if (lanes == 0 || !fits(g.x_block) || !fits(g.y_block) || g.attr.groups != 1 || !g.in_place())
    return nullptr;
  if (const auto chain = ChannelChain::of(step))
    return std::make_unique<Conv1x1>(g, bias, *chain, Epilogue());
  return std::make_unique<Conv1x1>(g, bias, ChannelChain(), Epilogue(step));
}

}  // namespace suanli::cpu
