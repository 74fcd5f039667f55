// SPDX-License-Identifier: Apache-2.0
// What the blocked executor (fused_kernel.cpp) runs on every tile: an expression brought down to
// tile functions and conversions over registers.
#pragma once
#include <array>
#include <vector>

#include "backends/cpu/fused/fused_kernel.h"

namespace suanli::cpu {

/// One op of an expression. Values are numbered: the inputs first, then one per instruction.
struct TileInstruction {
  static constexpr uint8_t kUnused = 255;
  TileFn fn;        // null: only the dtype of operand[0] changes
  Compute compute;
  DType type;       // of the value: what it is rounded to
  bool flag;        // fn gives 0 or 1
  std::array<uint8_t, 5> operand{kUnused, kUnused, kUnused, kUnused, kUnused};
};

/// What computes the values of one that does not reduce.
TileInstruction tile_instruction(const Expr::Instruction& instruction);
/// An expression without reductions as such instructions.
std::vector<TileInstruction> tile_code(const Expr& expr);

struct TileProgram {
  static constexpr uint16_t kNone = 65535;
  static constexpr int kMaxRegisters = 512;
  /// A register filled from memory before the code runs: input `source` in dtype `type`.
  struct Load {
    uint8_t source;
    DType type;
    uint16_t to;
  };
  struct Op {
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
  std::vector<Op> code;
  std::vector<Register> registers;
  std::vector<uint16_t> kept;  // registers that hold until the end of a tile
  int slots = 0;
  int64_t width = 4;  // bytes of the widest element, at least
};

/// `results`: which values become outputs; `kept`: which are read after the tile, in the type that
/// they are rounded to. Throws DTypeError where a dtype is not converted.
TileProgram lower(const std::vector<TileInstruction>& code, const std::vector<ValueDesc>& in,
                  const std::vector<uint8_t>& results, const std::vector<uint8_t>& kept = {});

/// converter(), or DTypeError.
ConvertFn checked_converter(DType from, DType to);

}  // namespace suanli::cpu
