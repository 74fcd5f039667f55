// SPDX-License-Identifier: Apache-2.0
// Ops that arrange elements. suanli/ops.h includes this header. Dimensions count from the end if
// they are negative.
#pragma once
#include <optional>

#include "suanli/tensor.h"

namespace suanli {

/// reshape() under PyTorch's other names.
SUANLI_API Tensor view(const Tensor& x, const Shape& shape);
SUANLI_API Tensor ravel(const Tensor& x);
/// Splits `dim` into `sizes`, of which one may be -1.
SUANLI_API Tensor unflatten(const Tensor& x, int dim, const Shape& sizes);
/// transpose() under another name.
SUANLI_API Tensor swapaxes(const Tensor& x, int dim0, int dim1);
/// Moves dimensions to new places; the others keep their order.
SUANLI_API Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination);
/// x with at most two dimensions, transposed.
SUANLI_API Tensor t(const Tensor& x);
/// Without all dimensions of size 1.
SUANLI_API Tensor squeeze(const Tensor& x);
/// Without those of these dimensions that have size 1.
SUANLI_API Tensor squeeze(const Tensor& x, const Dims& dim);
/// With a dimension of size 1 before `dim`.
SUANLI_API Tensor unsqueeze(const Tensor& x, int dim);
/// expand() under NumPy's name.
SUANLI_API Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// All tensors expanded to their common shape.
SUANLI_API std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& tensors);
/// x repeated along each dimension. Missing leading dimensions of x count as 1.
SUANLI_API Tensor repeat(const Tensor& x, const Shape& repeats);
/// repeat() with missing leading repeats of 1.
SUANLI_API Tensor tile(const Tensor& x, const Shape& repeats);
/// Each element `repeats` times in succession, along `dim` or in the flattened x.
SUANLI_API Tensor repeat_interleave(const Tensor& x, int64_t repeats, std::optional<int> dim = {});
/// The elements along these dimensions in the opposite order.
SUANLI_API Tensor flip(const Tensor& x, const Dims& dims);
SUANLI_API Tensor fliplr(const Tensor& x);
SUANLI_API Tensor flipud(const Tensor& x);
/// Moves elements along `dims` by `shifts`; those that pass the end enter at the start. Without
/// dims, in the flattened x.
SUANLI_API Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims = {});
/// Rotates by k·90° in the plane of two dimensions, from the first toward the second.
SUANLI_API Tensor rot90(const Tensor& x, int k = 1, const Dims& dims = {0, 1});

/// Tensors of equal shape joined along a new dimension.
SUANLI_API Tensor stack(const std::vector<Tensor>& tensors, int dim = 0);
SUANLI_API Tensor hstack(const std::vector<Tensor>& tensors);
SUANLI_API Tensor vstack(const std::vector<Tensor>& tensors);
SUANLI_API Tensor dstack(const std::vector<Tensor>& tensors);
SUANLI_API Tensor atleast_1d(const Tensor& x);
SUANLI_API Tensor atleast_2d(const Tensor& x);
SUANLI_API Tensor atleast_3d(const Tensor& x);
/// Parts of `split_size` along `dim`; the last one may be smaller.
SUANLI_API std::vector<Tensor> split(const Tensor& x, int64_t split_size, int dim = 0);
/// Parts of these sizes, whose sum is x's size.
SUANLI_API std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes,
                                     int dim = 0);
/// At most `chunks` parts of equal size; the last one may be smaller.
SUANLI_API std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int dim = 0);
/// The parts along `dim`, without it.
SUANLI_API std::vector<Tensor> unbind(const Tensor& x, int dim = 0);

/// Element `index` along `dim`, without that dimension.
SUANLI_API Tensor select(const Tensor& x, int dim, int64_t index);
/// start:end:step along `dim` as in Python, with step ≥ 1.
SUANLI_API Tensor slice(const Tensor& x, int dim, int64_t start = 0,
                        int64_t end = std::numeric_limits<int64_t>::max(), int64_t step = 1);

/// The elements on and below (above) a diagonal of the last two dimensions; the others are 0.
SUANLI_API Tensor tril(const Tensor& x, int64_t diagonal = 0);
SUANLI_API Tensor triu(const Tensor& x, int64_t diagonal = 0);
/// The elements whose index in dim2 is that in dim1 plus `offset`, as a new last dimension.
SUANLI_API Tensor diagonal(const Tensor& x, int64_t offset = 0, int dim1 = 0, int dim2 = 1);
/// The diagonal of a matrix; of a vector, the matrix with this diagonal.
SUANLI_API Tensor diag(const Tensor& x, int64_t diagonal = 0);
/// The sum of a matrix's diagonal.
SUANLI_API Tensor trace(const Tensor& x);

}  // namespace suanli
