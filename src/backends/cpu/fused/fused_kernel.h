// SPDX-License-Identifier: Apache-2.0
// Elementwise kernels of the CPU: pointwise tiles over broadcast operands of any dtype, casts, and
// strided copies.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "backends/cpu/fused/pointwise_tiles.h"
#include "ops/schema/pointwise.h"
#include "runtime/step.h"

namespace suanli::cpu {

/// Runs a row of pointwise.def, or a row's gradient, over out.shape; null if its class has no tiles
/// of the compute type. Inputs broadcast to the shape as in NumPy and may have any dtype that
/// converter() knows, as may the output; they are converted to and from the compute type tile by
/// tile (see make_cast). A gradient takes the inputs that its text mentions. The output may be
/// an input of the same shape and dtype. Throws ShapeError, DTypeError.
std::unique_ptr<Kernel> make_pointwise(const PointwiseAttr& attr, const std::vector<ValueDesc>& in,
                                       const ValueDesc& out);

/// For each operand of a record, its position among the inputs x[, y[, z]], out, g of the tile
/// function. A gradient's record has only the operands that its text mentions.
std::array<int8_t, 5> tile_places(int row, int gradient);

/// Runs step.expr. Every value but those of f16 and bf16 is rounded as its op alone would have
/// rounded it, so the results have the same bits. For the others see TileProgram.
std::unique_ptr<Kernel> make_fused(const Step& step);

/// Converts element by element, shapes equal. Floats to integers truncate toward zero and stay at
/// the nearest value where out of range, NaN gives 0; integers to narrower ones, or between signed
/// and unsigned, keep the low bits; to floats is rounded to nearest, ties to even, once; to bool is
/// x != 0 (NaN is true).
std::unique_ptr<Kernel> make_cast(const ValueDesc& in, const ValueDesc& out);

/// out[i, j, …] = in_base[i·stride₀ + j·stride₁ + …]: transpose, slice, flip, expand.
struct StridedCopy : Kernel {
  /// `in_base` points to the element for out[0, 0, …]. So the start of a slice may be known only at
  /// run time.
  virtual void run_at(const void* in_base, void* out) = 0;
  void run(const void* const* in, void* const* out, void*) override { run_at(in[0], out[0]); }
};
/// Strides are in elements; they may be 0 or negative.
std::unique_ptr<StridedCopy> make_strided_copy(DType dtype, const Shape& out_shape,
                                               const std::array<int64_t, 8>& in_strides_elements);

/// Converts n contiguous elements. nullptr if either dtype is complex or has fewer than 8 bits,
/// or is an 8-bit float.
using ConvertFn = void (*)(const void* in, void* out, size_t n);
ConvertFn converter(DType from, DType to);
/// converter(). Throws the DTypeError of op `op` instead of returning nullptr.
ConvertFn checked_converter(const char* op, DType from, DType to);

}  // namespace suanli::cpu
