// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/conv/channel_chain.h"

#include <algorithm>
#include <string_view>

#include "ops/schema/pointwise_math.h"

namespace suanli::cpu {

namespace {

std::optional<ChainOp::Kind> kind_of(std::string_view name) {
  static constexpr struct {
    const char* name;
    ChainOp::Kind kind;
  } kinds[] = {{"add", ChainOp::add},     {"sub", ChainOp::sub},
               {"mul", ChainOp::mul},     {"relu", ChainOp::relu},
               {"relu6", ChainOp::relu6}, {"hardswish", ChainOp::hardswish}};
  for (const auto& k : kinds)
    if (name == k.name) return k.kind;
  return {};
}

/// True if a shape has one element per channel of [N, C, H, W] or [N, C/b, H, W, b].
bool is_per_channel(const Shape& seen, const Shape& space) {
  const int lead = space.rank() - seen.rank();
  if (lead < 0) return false;
  for (int axis = 0; axis < space.rank(); ++axis) {
    const int64_t size = axis < lead ? 1 : seen[axis - lead];
    if (size != (axis == 1 || axis == 4 ? space[axis] : 1)) return false;
  }
  return true;
}

}  // namespace

std::optional<ChannelChain> ChannelChain::of(const Step& step) {
  ChannelChain made;
  if (!step.has_epilogue()) return made;
  const Expr& e = *step.expr;
  const auto own = static_cast<size_t>(e.own_inputs), values = step.in.size() - own + 1;
  if (e.keeps || step.out.size() != 1 || e.results[0] + size_t{1} != values + e.code.size() ||
      e.code.size() > size_t{BoundChain::kMaxOps} || (e.space.rank() != 4 && e.space.rank() != 5) ||
      e.space != e.own_result.shape)
    return {};
  for (size_t c = 0; c < e.code.size(); ++c) {
    const Expr::Instruction& code = e.code[c];
    const size_t before = c == 0 ? 0 : values + c - 1;
    if (code.op_index < 0 || code.gradient >= 0 || code.compute != DType::f32 ||
        code.type != DType::f32)
      return {};
    const auto kind = kind_of(pointwise_rows[code.op_index].name);
    if (!kind) return {};
    ChainOp op{.kind = *kind};
    int input = -1;
    if (code.operands == 1) {
      if (code.operand[0] != before) return {};
    } else {
      if (code.operand[0] == code.operand[1]) return {};
      op.operand_first = code.operand[1] == before;
      const size_t other = code.operand[op.operand_first ? 0 : 1];
      if (code.operand[op.operand_first ? 1 : 0] != before || other == 0 || other >= values)
        return {};
      input = static_cast<int>(own + other - 1);
      const ValueDesc& d = step.in[static_cast<size_t>(input)];
      if (d.dtype != DType::f32) return {};
      if (d.shape == e.space && op.kind == ChainOp::add && e.space.rank() == 5)
        op.kind = ChainOp::add_beside;
      else if (!is_per_channel(d.shape, e.space)) return {};
    }
    made.chain_.ops[c] = op;
    made.inputs_[c] = input;
    ++made.chain_.count;
  }
  return made;
}

BoundChain ChannelChain::bind(const void* const* in, void* const* out) const {
  BoundChain bound = chain_;
  bound.result = static_cast<const float*>(out[0]);
  for (int k = 0; k < bound.count; ++k)
    if (inputs_[k] >= 0) bound.ops[k].operand = static_cast<const float*>(in[inputs_[k]]);
  return bound;
}

}  // namespace suanli::cpu
