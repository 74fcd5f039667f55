// SPDX-License-Identifier: Apache-2.0
// TileProgram: the code of a fused step, brought down to tile functions and conversions over
// registers. TileExecutor runs it on every tile.
//
// Values of f16 and bf16 are f32 in registers, and are rounded where they are stored. Code that
// could jump where a value changes by its rounding (casts, comparisons, floor) reads it rounded, as
// it would from memory: see may_jump(). So the same value never compares unequal to itself in
// another step.
#pragma once
#include <array>
#include <vector>

#include "backends/cpu/fused/fused_kernel.h"

namespace suanli::cpu {

struct TileProgram {
  static constexpr uint16_t kNone = 65535;
  static constexpr int kMaxRegisters = 512;
  /// A register filled from memory before the code runs: input `source` in dtype `type`.
  struct Load {
    uint8_t source;
    DType type;
    uint16_t to;
  };
  struct Instruction {
    TileFn fn = nullptr;  // else `convert` of operand[0]
    ConvertFn convert = nullptr;
    std::array<uint16_t, 5> operand{kNone, kNone, kNone, kNone, kNone};
    uint16_t to = kNone;
  };
  /// Where a computed register lies: in the tile of an output, or in one of `slots` tiles of
  /// scratch.
  struct Register {
    int output = -1, slot = -1;
  };
  std::vector<Load> loads;
  std::vector<Instruction> code;
  std::vector<Register> registers;
  std::vector<uint16_t> kept;  // registers that hold until the end of a tile
  int slots = 0;
  int64_t width = 4;  // bytes of the widest element, at least
};

/// True if a text compares, or makes steps.
constexpr bool may_jump(std::string_view text) {
  if (text.find_first_of("<>=") != text.npos) return true;
  for (std::string_view step : {"floor", "ceil", "trunc", "rint", "sign", "fmod"})
    if (mentions(text, step)) return true;
  return false;
}

/// The dtype of registers that hold values of a dtype.
constexpr DType register_dtype(DType d) {
  return d == DType::f16 || d == DType::bf16 ? DType::f32 : d;
}

/// `code` has no reductions. `results`: which values become outputs; `kept`: which are read after
/// the tile, in their register_dtype(). Throws DTypeError where a dtype is not converted.
TileProgram lower(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
                  const std::vector<uint8_t>& results, const std::vector<uint8_t>& kept = {});

/// The tiles of a row or a row's gradient, by the dtype that it computes in; null: there are none.
TileFn tiles_of(int row, int gradient, DType compute);

}  // namespace suanli::cpu
