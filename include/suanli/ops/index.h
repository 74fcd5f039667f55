// SPDX-License-Identifier: Apache-2.0
// Ops that select elements by index, mask or order. suanli/ops.h includes this header. Integers of
// any dtype are indices. An index out of range throws IoError when the op runs.
#pragma once
#include <optional>

#include "suanli/tensor.h"

namespace suanli {

/// x with `values`, broadcast, written at the indices, or added to what is there. The last one of
/// several values for one place remains.
SUANLI_API Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices,
                            const Tensor& values, bool accumulate = false);

/// The slices of x at index [K] along `dim`.
SUANLI_API Tensor index_select(const Tensor& x, int dim, const Tensor& index);
/// gather() whose index broadcasts with x in the other dimensions.
SUANLI_API Tensor take_along_dim(const Tensor& x, const Tensor& index, int dim);
/// Elements of the flattened x, in the shape of index.
SUANLI_API Tensor take(const Tensor& x, const Tensor& index);
/// x with alpha·source added at index [K] along `dim`.
SUANLI_API Tensor index_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source,
                            double alpha = 1);
/// x with source written at index [K] along `dim`.
SUANLI_API Tensor index_copy(const Tensor& x, int dim, const Tensor& index, const Tensor& source);
/// x with one number written at index [K] along `dim`.
SUANLI_API Tensor index_fill(const Tensor& x, int dim, const Tensor& index, const Tensor& value);
/// x with src written at index along `dim`: y[.., index[.., i, ..], ..] = src[.., i, ..]. src is a
/// number or has at least the sizes of index.
SUANLI_API Tensor scatter(const Tensor& x, int dim, const Tensor& index, const Tensor& src);

/// x with `value`, one number, where mask is true. mask broadcasts to x.
SUANLI_API Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
/// The elements of x where mask is true, in a row. Waits for the value of mask.
SUANLI_API Tensor masked_select(const Tensor& x, const Tensor& mask);
/// [K, rank] i64: the places of nonzero elements, in row-major order. Waits for the value of x.
SUANLI_API Tensor nonzero(const Tensor& x);
/// The columns of nonzero(), one tensor [K] for each dimension.
SUANLI_API std::vector<Tensor> where(const Tensor& condition);

struct Sorted {
  Tensor values, indices;  ///< indices are i64
};
/// The elements along `dim` in rising order, NaN last, and the places they came from. Equal
/// elements keep their order.
SUANLI_API Sorted sort(const Tensor& x, int dim = -1, bool descending = false);
SUANLI_API Tensor argsort(const Tensor& x, int dim = -1, bool descending = false);
/// The k largest (smallest) elements along `dim`, the first one in front.
SUANLI_API Sorted topk(const Tensor& x, int64_t k, int dim = -1, bool largest = true);
/// The k-th smallest element along `dim`, with k from 1.
SUANLI_API Sorted kthvalue(const Tensor& x, int64_t k, int dim = -1, bool keepdim = false);
/// The lower one of the middle elements; NaN if any element is NaN.
SUANLI_API Tensor median(const Tensor& x);
SUANLI_API Sorted median(const Tensor& x, int dim, bool keepdim = false);
/// The value below which a share q of the elements lies, interpolated between two elements; NaN if
/// any element is NaN. Along `dim`, or of all elements.
SUANLI_API Tensor quantile(const Tensor& x, double q, std::optional<int> dim = {},
                           bool keepdim = false);
/// The different elements in rising order; for each element of x the place of its value; and the
/// number of elements of each value. The number of values is known after a wait.
struct Unique {
  Tensor values, inverse, counts;
};
SUANLI_API Unique unique(const Tensor& x);
/// The count of each number from 0 in x [n] of integers, for at least `minlength` numbers; with
/// weights [n], their sums. Waits for the largest number.
SUANLI_API Tensor bincount(const Tensor& x, const Tensor& weights = {}, int64_t minlength = 0);
/// The number of elements of sorted [.., n] that are less than each value, or with `right` not
/// greater.
SUANLI_API Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);

}  // namespace suanli
