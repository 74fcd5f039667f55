// SPDX-License-Identifier: Apache-2.0
// The rows of reductions.def as a table. A row reduces the elements x along axes to one number:
//   result    the dtypes and the result's, see ReductionResult
//   empty     the result of no elements: the identity, or the call throws
//   identity  of combine: zero one lowest highest
//   before    of each x; a mask counts as 0 or 1
//   combine   of two partial results a and b; associative and commutative but for rounding
//   finish    of the last partial result r
//   gradient  of x over Tensors, with the result `out` and the incoming gradient `g` spread over
//             x's shape; `none`: nothing flows
// Floats are combined within blocks in their dtype (Wide and Real: in f64 across them). The texts
// use the words of pointwise_math.h that are arithmetic; gradients also functions of reduce.cpp.
#pragma once
#include <cstdint>
#include <iterator>
#include <string_view>

#include "ops/schema/schema.h"

namespace suanli {

enum class ReductionResult : uint8_t {
  Wide,  ///< Floats → the same dtype; integers and bool → i64.
  Same,  ///< The same dtype.
  Flag,  ///< bool.
  Real,  ///< Floats → the same dtype; others are refused.
};
enum class ReductionEmpty : uint8_t { Identity, Throws };

/// Names of the rows; the value is the row's index in reductions.def.
enum class ReductionOp : uint8_t {
#define REDUCTION(name, ...) name,
#include "ops/schema/reductions.def"
};

struct ReductionRow {
  const char* name;
  ReductionResult result;
  ReductionEmpty empty;
  const char *before, *combine, *finish, *gradient;
  const char* onnx;  ///< nullptr: ONNX has no such op.
  int opset;
  const char* doc;
};

inline constexpr ReductionRow reduction_rows[] = {
#define REDUCTION(name, Result, Empty, identity, before, combine, finish, gradient, onnx, opset, \
                  doc)                                                                           \
  {#name,                                                                                        \
   ReductionResult::Result,                                                                      \
   ReductionEmpty::Empty,                                                                        \
   #before,                                                                                      \
   #combine,                                                                                     \
   #finish,                                                                                      \
   #gradient,                                                                                    \
   onnx,                                                                                         \
   opset,                                                                                        \
   doc},
#include "ops/schema/reductions.def"
};
inline constexpr int reduction_count = static_cast<int>(std::size(reduction_rows));

/// The op of a row.
SUANLI_API const Op& reduction_op(ReductionOp row);
/// The row of an op, or -1.
SUANLI_API int reduction_row(uint16_t op);

}  // namespace suanli
