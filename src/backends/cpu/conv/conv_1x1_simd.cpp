// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/conv/conv_1x1_simd.h"

#include <algorithm>

#include "base/system/simd_targets.h"
#define HWY_TARGET_INCLUDE "backends/cpu/conv/conv_1x1_simd.cpp"
#include "hwy/foreach_target.h"

#include "backends/cpu/conv/channel_chain_simd.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX3

/// kPixels results of kBlocks blocks, all in registers. Those of the first `skip` pixels are there
/// already.
template <int kStep, int kBlocks, int kPixels>
HWY_INLINE void tile(const Conv1x1Strip& s, int64_t first, int64_t skip) {
  constexpr hn::ScalableTag<float> d;
  constexpr int64_t lanes = kRowLanes<float>, x_lanes = kStep == lanes ? lanes : 1;
  hn::Vec<hn::ScalableTag<float>> sum[kBlocks][kPixels];
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) {
    const auto start =
        s.bias ? load_row(s.bias + b * lanes, s.channels - b * lanes, 0.0f).v : hn::Zero(d);
#pragma GCC unroll 16
    for (int k = 0; k < kPixels; ++k) sum[b][k] = start;
  }
  const float* w = s.w;
  for (int64_t block = 0; block < s.x_blocks; ++block) {
    const float* x = s.x + block * s.x_block + first * kStep;
    for (int64_t c = 0; c < x_lanes; ++c, w += kBlocks * lanes) {
      hn::Vec<hn::ScalableTag<float>> weight[kBlocks];
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) weight[b] = hn::LoadU(d, w + b * lanes);
#pragma GCC unroll 16
      for (int k = 0; k < kPixels; ++k) {
        const auto factor = hn::Set(d, x[k * kStep + c]);
#pragma GCC unroll 2
        for (int b = 0; b < kBlocks; ++b) sum[b][k] = hn::MulAdd(factor, weight[b], sum[b][k]);
      }
    }
  }
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) {
    float* const y = s.y + b * s.y_block + first * lanes;
    run_chain(*s.chain, s.channel + b * lanes, s.channels - b * lanes, y, lanes, sum[b]);
#pragma GCC unroll 16
    for (int k = 0; k < kPixels; ++k)
      if (k >= skip) hn::StoreU(sum[b][k], d, y + k * lanes);
  }
}

/// In tiles of kPixels. The last one overlaps that before, whose results may lie over what the
/// chain reads: it stores the others alone.
template <int kStep, int kBlocks, int kPixels> void in_tiles(const Conv1x1Strip& s) {
  for (int64_t at = 0; at < s.pixels; at += kPixels) {
    const int64_t first = std::min(at, s.pixels - kPixels);
    tile<kStep, kBlocks, kPixels>(s, first, at - first);
  }
}

/// As few pixels twice as there can be, in tiles of 6 at least where there are as many.
template <int kStep, int kBlocks> void strip(const Conv1x1Strip& s) {
  constexpr int64_t sizes[] = {14, 12, 10, 9, 8, 7, 6, 4, 2, 1};
  int64_t best = 1, least = INT64_MAX;
  for (int64_t size : sizes) {
    if (size > s.pixels || (size < 6 && best >= 6)) continue;
    const int64_t computed = (s.pixels + size - 1) / size * size;
    if (computed < least) {
      best = size;
      least = computed;
    }
  }
  switch (best) {
    case 14: return in_tiles<kStep, kBlocks, 14>(s);
    case 12: return in_tiles<kStep, kBlocks, 12>(s);
    case 10: return in_tiles<kStep, kBlocks, 10>(s);
    case 9: return in_tiles<kStep, kBlocks, 9>(s);
    case 8: return in_tiles<kStep, kBlocks, 8>(s);
    case 7: return in_tiles<kStep, kBlocks, 7>(s);
    case 6: return in_tiles<kStep, kBlocks, 6>(s);
    case 4: return in_tiles<kStep, kBlocks, 4>(s);
    case 2: return in_tiles<kStep, kBlocks, 2>(s);
    default: return in_tiles<kStep, kBlocks, 1>(s);
  }
}

template <int kStep> void strip_of(const Conv1x1Strip& s) {
  if (s.blocks == kBlocksAtOnce) strip<kStep, kBlocksAtOnce>(s);
  else strip<kStep, 1>(s);
}

void conv_strip(const Conv1x1Strip& s) {
  if (s.x_pixel == 1) strip_of<1>(s);
  else strip_of<kRowLanes<float>>(s);
}
int64_t conv_lanes() { return kRowLanes<float>; }

#else

void conv_strip(const Conv1x1Strip&) {}
int64_t conv_lanes() { return 0; }

#endif

}  // namespace
}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace suanli::cpu {
HWY_EXPORT(conv_strip);
HWY_EXPORT(conv_lanes);

void conv_1x1(const Conv1x1Strip& strip) { HWY_DYNAMIC_DISPATCH(conv_strip)(strip); }
int64_t conv_1x1_lanes() { return HWY_DYNAMIC_DISPATCH(conv_lanes)(); }

}  // namespace suanli::cpu
#endif
