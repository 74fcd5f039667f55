// SPDX-License-Identifier: Apache-2.0
// The fusion pass: which pointwise records and reductions become one step.
#pragma once
#include "ops/schema/reductions.h"
#include "plan/ir/program.h"
#include "runtime/backend.h"

namespace suanli {

/// Groups pointwise records and casts whose results have one shape with the reductions over them,
/// and with what reads a reduction's value per row; and with the product or convolution whose
/// result they take, as its epilogue, where the backend can do that. Every other record is a unit
/// by itself. In no particular order: see schedule(). A function of program and backend.
///
/// Within a unit: at most Expr::kMaxInstructions records; at most Expr::kMaxPointers different
/// inputs (scalar slots count) and outputs; no path that leaves the unit and comes back; reductions
/// along rows of one length that are kept on chip, whose values may be read within, and across them
/// over one set of axes, which are read in a later unit. No record is computed twice. With an
/// epilogue: one op that is not pointwise, nothing that reduces, and nothing that would keep the op
/// waiting.
std::vector<Unit> fuse(const Program& program, const Backend& backend);

/// True if a record can be part of fused code: a pointwise op, a cast or a reduction on dtypes that
/// tiles compute.
bool is_fusable(const Program& program, size_t record);

/// True for the op of a row of reductions.def.
inline bool is_reduction(uint16_t op) { return reduction_row(op) >= 0; }
/// The space of a record's code: its result's shape, or that of what it reduces.
Shape space_of(const Program& program, uint32_t record);

/// The step of a unit of several records: code, and inputs and outputs in order.
struct FusedStep {
  int64_t op = -1;  // the record whose epilogue the code is; -1: there is none
  Expr expr;
  std::vector<Ref> in;
  std::vector<ValueDesc> in_desc;  // as the code sees them
  std::vector<Ref> out;  // roots
};
/// `escapes`: per member, whether its result is read outside of the unit or leaves the program.
FusedStep fused_step(const Program& program, const Unit& unit, const std::vector<uint8_t>& escapes);

}  // namespace suanli
