// SPDX-License-Identifier: Apache-2.0
// Steps, as a backend runs them: plain structs, no op semantics.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "suanli/runtime.h"

namespace suanli {

/// Ids of what is built in; ops have the ids from kFirstRegisteredOp on (ops/schema/schema.h).
enum : uint16_t {
  kOpLeaf = 0,    ///< A value given from outside.
  kOpScalar = 1,  ///< A scalar slot.
  kOpAlias = 2,   ///< Another name for a value.
  kOpFused = 3,   ///< Several pointwise ops and reductions as one step.
  kOpReorder = 4, ///< A value between [N, C, H, W] and blocks of channels [N, C/b, H, W, b].
  kFirstRegisteredOp = 5
};

/// Most results of an op.
inline constexpr int kMaxResults = 4;

/// A row-major contiguous buffer.
struct ValueDesc {
  DType dtype;
  Shape shape;
  bool operator==(const ValueDesc&) const = default;
};
inline int64_t bytes_of(const ValueDesc& v) { return v.shape.numel() * itemsize(v.dtype); }

/// The shape of what has one number for each row of `row` elements.
inline Shape rows_of(const Shape& space, int64_t row) {
  Shape rows = space;
  for (int axis = space.rank() - 1; axis >= 0 && row > 1; --axis) {
    row /= space[axis];
    rows[axis] = 1;
  }
  return rows;
}

/// The straight-line code of a fused step. Values are numbered: first Step::in, then one per
/// instruction.
///
/// Most have one number for each element of `space`, or broadcast to it. Reductions make fewer of
/// them. Where they go along the innermost axes, of `row` elements together, their value has one
/// number for each row, which the code behind may read, and compute with: a row program, whose rows
/// stay in a cache from one reduction to the next. A reduction over other axes is complete only
/// when the step has ended, so that nothing in it reads its value.
///
/// Or an epilogue: what is done with the result of a product or a convolution (Step::op) while that
/// is still in a cache. Then value 0 is the op's result, values from 1 on are the inputs behind the
/// op's own.
struct Expr {
  /// The unit that has one number of a value: an element of the space, a row, or what a reduction
  /// over `axes` leaves.
  enum class Per : uint8_t { element, row, kept };
  struct Instruction {
    // of the table of pointwise ops; kCast: only the dtype changes; reduction(row): a row of the
    // table of reductions, of a float dtype
    int16_t op_index;
    int8_t gradient;  // -1: the row's value; i: the gradient of its input i
    uint8_t operands;  // how many there are, in the order in which the op alone would take them
    DType compute;  // what it computes in
    // of its value: what the op alone would write, so that a fused value is rounded alike
    DType type;
    uint8_t operand[5];
    Per per = Per::element;
    bool operator==(const Instruction&) const = default;
    bool reduces() const { return op_index <= reduction(0); }
    /// The row of the table of reductions.
    int reduction_row() const { return reduction(0) - op_index; }
  };
  static constexpr int16_t kCast = -1;
  static constexpr int16_t reduction(int row) { return static_cast<int16_t>(-2 - row); }
  static constexpr int kMaxPointers = 16, kMaxInstructions = 64;
  std::vector<Instruction> code;
  std::vector<uint8_t> results;  // the values that become Step::out; never an input
  Shape space;
  int64_t row_length = 0;  // elements of a row; 0: nothing is computed per row
  uint32_t axes = 0;  // as bits: of the reductions that do not go along rows
  int own_inputs = -1;  // of an epilogue: how many inputs are the op's own; -1: it is none
  // of an epilogue: the op's result becomes Step::out[0] too, in front of the others
  bool keeps = false;
  ValueDesc own_result{};  // of an epilogue: the op's, which has as many elements as `space`

  bool operator==(const Expr&) const = default;
  bool has_reductions() const {
    return std::any_of(code.begin(), code.end(), [](const Instruction& i) { return i.reduces(); });
  }
};

/// One op on known shapes. `attr` points to the op's attribute struct (see
/// ops/schema/attributes.h); a kernel copies what it needs of it.
struct Step {
  uint16_t op;
  const void* attr;
  std::vector<ValueDesc> in, out;
  // of a fused step, which has no attributes, or of one with an epilogue
  const Expr* expr = nullptr;
  // inputs that stay as they are over many runs (weights of a network that is not trained here), as
  // bits
  uint32_t constant = 0;

  bool has_epilogue() const { return expr && expr->own_inputs >= 0; }
  /// The op by itself, without its epilogue.
  Step alone() const {
    if (!has_epilogue()) return *this;
    return {op,      attr,    {in.begin(), in.begin() + expr->own_inputs}, {expr->own_result},
            nullptr, constant};
  }
};

/// The operands of an op on pictures that may lie in blocks of channels: [N, C/b, H, W, b] for [N,
/// C, H, W].
struct BlockedOperands {
  uint32_t in = 0, out = 0;  // as bits
  bool together = false;  // all of them or none; else each as it comes
};

/// A prepared step. `in` and `out` follow Step::in/out; an input that is a scalar slot points to
/// one element of its dtype.
struct Kernel {
  virtual ~Kernel() = default;
  /// `workspace` has workspace_bytes bytes, 64-byte aligned, contents undefined. Allocates nothing.
  virtual void run(const void* const* in, void* const* out, void* workspace) = 0;
  int64_t workspace_bytes = 0;
  // memory of its own, an estimate: set by Backend::prepare, for the plan cache
  int64_t bytes_held = 0;

  /// One of the constant inputs may be laid out anew once for many runs: `run` is then given what
  /// pack() made of it in its place. A format says what pack() makes, so that kernels with the same
  /// format share it.
  struct Packing {
    int input = -1;  // none
    int64_t bytes = 0;
    uint64_t format = 0;
  } packing;
  virtual void pack(const void* /*input*/, void* /*packed*/) {}
};

}  // namespace suanli
