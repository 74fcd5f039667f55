// SPDX-License-Identifier: Apache-2.0
// A channel chain on accumulators. Compiled once per instruction set, as simd.h.
#if defined(SUANLI_CPU_CHANNEL_CHAIN_SIMD_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SUANLI_CPU_CHANNEL_CHAIN_SIMD_H_
#undef SUANLI_CPU_CHANNEL_CHAIN_SIMD_H_
#else
#define SUANLI_CPU_CHANNEL_CHAIN_SIMD_H_
#endif

#include "backends/cpu/conv/channel_chain.h"
#include "backends/cpu/simd/simd_rows.h"

HWY_BEFORE_NAMESPACE();
namespace suanli::cpu::HWY_NAMESPACE {

using ChainVec = RowVec<float>;

template <int kCount, class F>
HWY_INLINE void each(hn::Vec<hn::ScalableTag<float>> (&values)[kCount], F&& f) {
#pragma GCC unroll 16
  for (int k = 0; k < kCount; ++k) values[k] = f(ChainVec(values[k]), k).v;
}

/// The values of channels from `channel` on, of which `left` are there, at neighboring pixels, the
/// first of which will lie at `y` and the others `step` elements apart. The formulas are those of
/// pointwise.def.
template <int kCount>
HWY_INLINE void run_chain(const BoundChain& chain, int64_t channel, int64_t left, const float* y,
                          int64_t step, hn::Vec<hn::ScalableTag<float>> (&values)[kCount]) {
  constexpr hn::ScalableTag<float> d;
  for (int i = 0; i < chain.count; ++i) {
    const ChainOp& op = chain.ops[static_cast<size_t>(i)];
    auto with_operand = [&](auto&& f) HWY_ATTR {
      const ChainVec operand = load_row(op.operand + channel, left, 0.0f);
      if (op.operand_first) each(values, [&](ChainVec v, int) HWY_ATTR { return f(operand, v); });
      else each(values, [&](ChainVec v, int) HWY_ATTR { return f(v, operand); });
    };
    switch (op.kind) {
      case ChainOp::add: with_operand([](ChainVec a, ChainVec b) HWY_ATTR { return a + b; }); break;
      case ChainOp::sub: with_operand([](ChainVec a, ChainVec b) HWY_ATTR { return a - b; }); break;
      case ChainOp::mul: with_operand([](ChainVec a, ChainVec b) HWY_ATTR { return a * b; }); break;
      case ChainOp::add_beside: {
        const float* const beside = op.operand + (y - chain.result);
        each(values, [&](ChainVec v, int k) HWY_ATTR {
          const ChainVec operand(hn::LoadU(d, beside + k * step));
          return op.operand_first ? operand + v : v + operand;
        });
        break;
      }
      case ChainOp::relu:
        each(values, [](ChainVec v, int) HWY_ATTR { return maximum(v, ChainVec(0.0)); });
        break;
      case ChainOp::relu6:
        each(values, [](ChainVec v, int)
                         HWY_ATTR { return minimum(maximum(v, ChainVec(0.0)), ChainVec(6.0)); });
        break;
      case ChainOp::hardswish:
        each(values, [](ChainVec v, int) HWY_ATTR {
          return v * (minimum(maximum(v + ChainVec(3.0), ChainVec(0.0)), ChainVec(6.0)) /
                      ChainVec(6.0));
        });
        break;
    }
  }
}

}  // namespace suanli::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
