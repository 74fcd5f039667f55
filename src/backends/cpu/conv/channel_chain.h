// SPDX-License-Identifier: Apache-2.0
// Epilogues that a convolution computes in registers, before it stores its result: frozen batch
// normalization, activations and residual sums. Others run tile by tile (epilogue.h).
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "runtime/step.h"

namespace suanli::cpu {

struct ChainOp {
  enum Kind : uint8_t { add, sub, mul, add_beside, relu, relu6, hardswish } kind;
  bool operand_first = false;       // operand ∘ value, not value ∘ operand
  // per channel, that of channel 0; add_beside: of the first element of the result
  const float* operand = nullptr;
};

/// The ops of one run. A vector holds neighboring channels of a blocked layout.
struct BoundChain {
  static constexpr int kMaxOps = 8;
  int count = 0;
  std::array<ChainOp, kMaxOps> ops;
  const float* result = nullptr;    // where it begins
};

/// An epilogue whose instructions each take the value before them, with one number per channel or
/// with an element beside it, and whose last value is all that is stored.
class ChannelChain {
 public:
  /// Empty where a step's epilogue is none; without ops where the step has no epilogue. Sums with
  /// elements beside a result are taken where the result lies in blocks of channels.
  static std::optional<ChannelChain> of(const Step& step);
  /// `in` and `out` are what the step's kernel was given.
  BoundChain bind(const void* const* in, void* const* out) const;

 private:
  BoundChain chain_;
  std::array<int, BoundChain::kMaxOps> inputs_{};  // of the step, by op; -1: none
};

}  // namespace suanli::cpu
