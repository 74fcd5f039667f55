// SPDX-License-Identifier: Apache-2.0
// TileProgram: the code of a fused step, brought down to tile functions and conversions over
// registers. TileExecutor runs it on every tile.
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

/// `code` has no reductions. `results`: which values become outputs; `kept`: which are read after
/// the tile, in the type that they are rounded to. Throws DTypeError where a dtype is not
/// converted.
TileProgram lower(const std::vector<Expr::Instruction>& code, const std::vector<ValueDesc>& in,
                  const std::vector<uint8_t>& results, const std::vector<uint8_t>& kept = {});

/// The tiles of a row or a row's gradient, by the dtype that it computes in; null: there are none.
TileFn tiles_of(int row, int gradient, DType compute);

}  // namespace suanli::cpu
