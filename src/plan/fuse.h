// The fusion pass: which pointwise records and sums become one step.
#pragma once
#include "plan/program.h"
#include "runtime/backend.h"

namespace suanli {

/// Groups pointwise records and casts whose results have one shape with the sums over them; and with the product or convolution whose result
/// they take, as its epilogue, where the backend can do that. Every other record is a unit by itself. In no particular order: see schedule().
/// A function of program and backend.
///
/// Within a unit: at most Expr::kMaxInstructions records; at most Expr::kMaxPointers different inputs (scalar slots count) and outputs;
/// no path that leaves the unit and comes back, so that what a sum gives is read in a later one; all sums over the same axes. No record is
/// computed twice. With an epilogue: one op that is not pointwise, no sums, and nothing that would keep the op waiting.
std::vector<Unit> fuse(const Program& program, const Backend& backend);

/// Whether a record can be part of fused code: a pointwise op, a cast or a sum on dtypes that tiles compute.
bool is_fusable(const Program& program, size_t record);

/// The code of a unit of several records, its inputs and its outputs in order.
struct FusedUnit {
  int64_t op = -1;  // the record whose epilogue the code is; -1: all are pointwise, or sums
  Expr expr;
  std::vector<Ref> in;  // as the records see them
  std::vector<Ref> out;  // roots
};
/// `escapes`: per member, whether its result is read outside of the unit or leaves the program.
FusedUnit fused_unit(const Program& program, const Unit& unit, const std::vector<uint8_t>& escapes);

}  // namespace suanli
