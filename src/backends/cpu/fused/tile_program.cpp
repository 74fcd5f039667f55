// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/fused/tile_program.h"

#include <algorithm>

#include "base/text/text.h"
#include "ops/schema/pointwise.h"

namespace suanli::cpu {
namespace {

Compute compute_of(DType type) {
  switch (type) {
    case DType::f64: return Compute::f64;
    case DType::f32: return Compute::f32;
    case DType::u64: return Compute::u64;
    default: return Compute::i64;
  }
}

DType native(Compute c) {
  constexpr DType dtypes[] = {DType::f64, DType::f32, DType::i64, DType::u64};
  return dtypes[static_cast<int>(c)];
}

/// Halves are rounded as memory would round them.
bool is_half(DType d) { return register_dtype(d) != d; }

bool jumps(const Expr::Instruction& i) {
  const PointwiseRow& row = pointwise_rows[i.op_index];
  return may_jump(i.gradient < 0 ? row.value : row.gradient[i.gradient]);
}

class Lowering {
 public:
  Lowering(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
           const std::vector<uint8_t>& results)
      : in_(in), results_(results), values_(in.size() + code.size()) {
    for (size_t k = 0; k < code.size(); ++k) instruction(code[k], in.size() + k);
  }

  TileProgram finish(const std::vector<uint8_t>& kept) {
    for (uint8_t value : kept)
      out_.kept.push_back(
          as(value, register_dtype(value < in_.size() ? in_[value].dtype : values_[value].type)));
    for (size_t k = 0; k < results_.size(); ++k) {
      const Value& v = values_[results_[k]];
      uint16_t at = as(results_[k], v.type);
      // a copy
      if (!computed(at) || out_.registers[at].output >= 0) at = convert(at, v.type, v.type);
      out_.registers[at].output = static_cast<int>(k);
    }
    place();
    return std::move(out_);
  }

 private:
  struct Copy {
    DType type;
    uint16_t at;
  };
  /// The first copy is what the op alone would have written, or the same numbers in the type that
  /// they were computed in. A first copy of f16 or bf16 in f32 is not rounded. Then `rounded` is
  /// the f32 of what the op alone would have written, or kNone until it is needed.
  struct Value {
    DType type;
    std::vector<Copy> copies;
    uint16_t rounded = TileProgram::kNone;
  };

  /// True if the first copy of a computed value is what its op alone would have written.
  static bool is_rounded(const Value& v) { return !is_half(v.type) || v.copies[0].type == v.type; }

  uint16_t fresh(DType type) {
    if (out_.registers.size() >= TileProgram::kMaxRegisters)
      throw InternalError({.op = "fused",
                           .given = "too many operands of one expression",
                           .expected = str("at most ", TileProgram::kMaxRegisters)});
    out_.width = std::max(out_.width, itemsize(type));
    out_.registers.push_back({});
    return static_cast<uint16_t>(out_.registers.size() - 1);
  }
  bool computed(uint16_t at) const {
    return std::none_of(out_.loads.begin(), out_.loads.end(),
                        [&](const auto& load) { return load.to == at; });
  }
  uint16_t convert(uint16_t at, DType from, DType to) {
    TileProgram::Instruction op;
    op.convert = checked_converter("pointwise", from, to);
    op.operand[0] = at;
    op.to = fresh(to);
    out_.code.push_back(op);
    return op.to;
  }
  /// The register that holds a value in a type.
  uint16_t as(size_t value, DType type) {
    Value& v = values_[value];
    for (const Copy& c : v.copies)
      if (c.type == type) return c.at;
    uint16_t at;
    if (value < in_.size()) {  // converted while it is loaded
      if (in_[value].dtype != type) checked_converter("pointwise", in_[value].dtype, type);
      at = fresh(type);
      out_.loads.push_back({static_cast<uint8_t>(value), type, at});
    } else {
      at = convert(v.copies[0].at, v.copies[0].type, type);
    }
    v.copies.push_back({type, at});
    return at;
  }

  /// The register that holds a value in a type, as it would be read from memory.
  uint16_t stored(size_t value, DType type) {
    Value& v = values_[value];
    if (value < in_.size() || is_rounded(v) || type == v.type) return as(value, type);
    if (v.rounded == TileProgram::kNone) v.rounded = convert(as(value, v.type), v.type, DType::f32);
    return type == DType::f32 ? v.rounded : convert(v.rounded, DType::f32, type);
  }

  void instruction(const Expr::Instruction& i, size_t value) {
    if (i.op_index == Expr::kCast) return cast(i, value);
    const PointwiseClass cls = pointwise_rows[i.op_index].cls;
    TileProgram::Instruction code;
    code.fn = tiles_of(i.op_index, i.gradient, i.compute);
    if (!code.fn)
      throw InternalError(
          Fault{.op = "fused", .given = str("no tiles for ", pointwise_rows[i.op_index].name)});
    const DType type = native(compute_of(i.compute));
    const auto places = tile_places(i.op_index, i.gradient);
    const bool rounded = jumps(i);
    for (size_t k = 0; k < i.operands; ++k)
      code.operand[static_cast<size_t>(places[k])] =
          rounded ? stored(i.operand[k], type) : as(i.operand[k], type);
    code.to = fresh(type);
    out_.code.push_back(code);
    // Memory would have narrowed it: 0 and 1 are all that every type holds.
    const bool flag =
        i.gradient < 0 && (cls == PointwiseClass::Compare || cls == PointwiseClass::Logic);
    Value& v = values_[value];
    v.type = i.type;
    v.copies.push_back(type == register_dtype(i.type) || (flag && i.type == DType::boolean)
                           ? Copy{type, code.to}
                           : Copy{i.type, convert(code.to, type, i.type)});
  }

  /// Only the dtype changes.
  void cast(const Expr::Instruction& i, size_t value) {
    // A result of its own is written here, and not where some op before needed the same
    // conversion: it may lie where an input does that is still read in between.
    const bool own = i.operand[0] >= in_.size() &&
                     std::find(results_.begin(), results_.end(), value) != results_.end();
    const Value& operand = values_[i.operand[0]];
    const Copy from = !own                  ? Copy{i.type, stored(i.operand[0], i.type)}
                      : is_rounded(operand) ? operand.copies[0]
                                            : Copy{DType::f32, stored(i.operand[0], DType::f32)};
    Value& v = values_[value];
    v.type = i.type;
    v.copies.push_back({i.type, own ? convert(from.at, from.type, i.type) : from.at});
  }

  /// Gives registers that live at different times the same scratch.
  void place() {
    std::vector<size_t> last(out_.registers.size(), 0);
    for (uint16_t r : out_.kept) last[r] = out_.code.size();
    for (size_t k = 0; k < out_.code.size(); ++k)
      for (uint16_t r : out_.code[k].operand)
        if (r != TileProgram::kNone) last[r] = std::max(last[r], k);
    std::vector<int> free;
    for (size_t k = 0; k < out_.code.size(); ++k) {
      const TileProgram::Instruction& op = out_.code[k];
      auto take = [&] {
        TileProgram::Register& to = out_.registers[op.to];
        if (to.output >= 0) return;
        if (free.empty()) free.push_back(out_.slots++);
        to.slot = free.back();
        free.pop_back();
      };
      // a conversion between widths does not work in place; a tile function does
      if (op.convert) take();
      for (size_t n = 0; n < op.operand.size(); ++n) {
        const uint16_t r = op.operand[n];
        const bool again =
            std::find(op.operand.begin(), op.operand.begin() + static_cast<ptrdiff_t>(n), r) !=
            op.operand.begin() + static_cast<ptrdiff_t>(n);
        if (r != TileProgram::kNone && !again && last[r] == k && out_.registers[r].slot >= 0)
          free.push_back(out_.registers[r].slot);
      }
      if (!op.convert) take();
    }
  }

  const std::vector<ValueDesc>& in_;
  const std::vector<uint8_t>& results_;
  std::vector<Value> values_;
  TileProgram out_;
};

}  // namespace

TileProgram lower(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
                  const std::vector<uint8_t>& results, const std::vector<uint8_t>& kept) {
  return Lowering(code, in, results).finish(kept);
}

TileFn tiles_of(int row, int gradient, DType compute) {
  return gradient < 0 ? value_tile(row, compute_of(compute))
                      : gradient_tile(row, gradient, compute_of(compute));
}

}  // namespace suanli::cpu
