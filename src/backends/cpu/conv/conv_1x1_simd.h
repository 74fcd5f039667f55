// SPDX-License-Identifier: Apache-2.0
// The arithmetic of 1×1 convolutions. Results lie in blocks of channels, [C/b, pixels, b], where b
// is the length of a vector.
#pragma once
#include <cstdint>

#include "backends/cpu/conv/channel_chain.h"
#include "backends/cpu/tuning.h"

namespace suanli::cpu {

/// Blocks of output channels that share their factors in registers.
constexpr int64_t kBlocksAtOnce = CpuTuning::conv_1x1_blocks;

/// Results of `blocks` (1 or 2) neighboring blocks of output channels at some neighboring pixels.
struct Conv1x1Strip {
  const float* x;  // of the first pixel
  int64_t x_block, x_blocks;  // elements from one block of channels to the next, and how many
  int64_t x_pixel;  // elements from one pixel to the next; 1: a plain channel is a block
  const float* w;  // packed: [input channel][output channel of these blocks]
  const float* bias;  // of the first output channel; null: none
  float* y;  // of the first pixel
  int64_t y_block;
  int64_t blocks, pixels;
  int64_t channel, channels;  // the first output channel, and how many are there
  const BoundChain* chain;
};
/// y ← chain(bias + Σ x · w), every result summed in the order of input channels.
void conv_1x1(const Conv1x1Strip& strip);
/// Vector length for which it was compiled with enough registers on this machine; 0: none.
int64_t conv_1x1_lanes();

}  // namespace suanli::cpu
