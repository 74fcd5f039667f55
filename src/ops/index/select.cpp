// SPDX-License-Identifier: Apache-2.0
// Selections and writings along one dimension, masks, and nonzero.
#include <cstring>

#include "ops/index/rows.h"
#include "ops/op.h"

namespace suanli {

namespace {

/// x as a table: dimension `axis` in front, the others as one.
struct Rows {
  Rows(const char* op, const Tensor& x, int dim, const Tensor& index)
      : axis(x.rank() == 0 ? 0 : checked_axis(op, x, dim)) {
    if (index.rank() > 1 || !is_integer(index.dtype()))
      throw ShapeError({.op = op,
                        .argument = "index",
                        .given = str(index.dtype(), " ", index.shape()),
                        .expected = "a vector of integers",
                        .module = module_path()});
    const Tensor front = x.rank() < 2 || axis == 0 ? x : movedim(x, axis, 0);
    shape = x.rank() == 0 ? Shape{1} : front.shape();
    int64_t columns = 1;
    for (int i = 1; i < shape.rank(); ++i) columns *= shape[i];
    table = reshape(front, {shape[0], columns});
    at = reshape(cast(index, i64), index.numel());
  }
  /// A table of `rows` rows as a tensor like x.
  Tensor back(const Tensor& rows) const {
    Shape s = shape;
    s[0] = rows.shape()[0];
    const Tensor y = reshape(rows, s);
    return shape.rank() < 2 || axis == 0 ? y : movedim(y, 0, axis);
  }
  int axis;
  Shape shape;
  Tensor table, at;
};

/// `source` as rows for the index.
Tensor source_rows(const char* op, const Tensor& x, const Rows& r, const Tensor& source) {
  Shape wanted = r.shape;
  wanted[0] = r.at.numel();
  const Tensor front = source.rank() < 2 || r.axis == 0 ? source : movedim(source, r.axis, 0);
  const bool one = source.rank() == 0 && wanted.rank() == 1 && wanted[0] == 1;
  if (!one && front.shape() != wanted)
    throw ShapeError(
        {.op = op,
         .argument = "source",
         .given = to_string(source.shape()),
         .expected = str(r.at.numel(), " slices of dimension ", r.axis, " of input ", x.shape()),
         .module = module_path()});
  return reshape(cast(front, x.dtype()), {r.at.numel(), r.table.shape()[1]});
}

}  // namespace

Tensor index_select(const Tensor& x, int dim, const Tensor& index) {
  const Rows r("index_select", x, dim, index);
  const Tensor y = r.back(embedding(r.table, r.at));
  return x.rank() == 0 ? reshape(y, {}) : y;
}
Tensor index_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source,
                 double alpha) {
  const Rows r("index_add", x, dim, index);
  const Tensor rows = source_rows("index_add", x, r, source);
  return reshape(r.back(add_rows(r.table, r.at, alpha == 1 ? rows : cast(rows * alpha, x.dtype()))),
                 x.shape());
}
Tensor index_copy(const Tensor& x, int dim, const Tensor& index, const Tensor& source) {
  const Rows r("index_copy", x, dim, index);
  return reshape(r.back(copy_rows(r.table, r.at, source_rows("index_copy", x, r, source))),
                 x.shape());
}
Tensor index_fill(const Tensor& x, int dim, const Tensor& index, const Tensor& value) {
  const Rows r("index_fill", x, dim, index);
  if (value.rank() != 0)
    throw ShapeError({.op = "index_fill",
                      .argument = "value",
                      .given = to_string(value.shape()),
                      .expected = "one number",
                      .module = module_path()});
  const Tensor rows = expand(cast(value, x.dtype()), {r.at.numel(), r.table.shape()[1]});
  const Tensor at = where(r.at < 0, r.at + r.shape[0], r.at);
  return reshape(r.back(copy_rows(r.table, at, rows)), x.shape());
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, int dim) {
  const int axis = checked_axis("take_along_dim", x, dim);
  if (index.rank() != x.rank())
    throw ShapeError({.op = "take_along_dim",
                      .argument = "index",
                      .given = to_string(index.shape()),
                      .expected = str("the rank of input ", x.shape()),
                      .module = module_path()});
  Shape of_x = x.shape(), of_index = index.shape();
  of_x[axis] = of_index[axis] = 1;
  Shape common = broadcast(of_x, of_index);
  of_x = of_index = common;
  of_x[axis] = x.shape()[axis];
  of_index[axis] = index.shape()[axis];
  const Tensor at = cast(index, i64);
  return gather(expand(x, of_x), axis, expand(where(at < 0, at + x.shape()[axis], at), of_index));
}

Tensor take(const Tensor& x, const Tensor& index) { return ravel(x).index({index}); }

Tensor scatter(const Tensor& x, int dim, const Tensor& index, const Tensor& src) {
  const int axis = checked_axis("scatter", x, dim);
  const Shape& sizes = index.shape();
  bool fits = sizes.rank() == x.rank() && is_integer(index.dtype());
  for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || sizes[d] <= x.shape()[d];
  if (!fits)
    throw ShapeError({.op = "scatter",
                      .argument = "index",
                      .given = str(index.dtype(), " ", sizes),
                      .expected = str("integers with the rank of input ", x.shape(),
                                      " and no larger sizes except on axis ", axis),
                      .module = module_path()});
  Tensor values = src;
  if (src.rank() == 0 && sizes.rank() > 0) values = expand(src, sizes);
  fits = values.rank() == sizes.rank();
  for (int d = 0; fits && d < sizes.rank(); ++d) fits = sizes[d] <= values.shape()[d];
  if (!fits)
    throw ShapeError({.op = "scatter",
                      .argument = "src",
                      .given = to_string(src.shape()),
                      .expected = str("a number, or at least the sizes of index, ", sizes),
                      .module = module_path()});
  for (int d = 0; d < sizes.rank(); ++d) values = slice(values, d, 0, sizes[d]);
  // the place of every element in the flattened x
  const int64_t size = x.shape()[axis], all = x.numel();
  const Tensor along = cast(index, i64);
  Tensor at;
  int64_t stride = 1;
  for (int d = x.rank(); d-- > 0; stride *= x.shape()[d]) {
    Shape line(std::vector<int64_t>(static_cast<size_t>(x.rank()), 1));
    line[d] = sizes[d];
    const Tensor term = (d == axis ? along : reshape(arange(sizes[d]), line)) * stride;
    at = at.defined() ? at + term : term;
  }
  at = where(logical_and(along >= 0, along < size), at, all);
  const int64_t n = sizes.numel();
  return reshape(
      copy_rows(reshape(x, {all, 1}), reshape(at, n), reshape(cast(values, x.dtype()), {n, 1})),
      x.shape());
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  if (value.rank() != 0)
    throw ShapeError({.op = "masked_fill",
                      .argument = "value",
                      .given = to_string(value.shape()),
                      .expected = "one number",
                      .module = module_path()});
  return where(mask, cast(value, x.dtype()), x);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (mask.dtype() != boolean)
    throw DTypeError({.op = "masked_select",
                      .argument = "mask",
                      .given = name(mask.dtype()),
                      .expected = "bool",
                      .module = module_path()});
  const Shape shape = broadcast(x.shape(), mask.shape());
  return ravel(expand(x, shape)).index({ravel(expand(mask, shape))});
}

Tensor nonzero(const Tensor& x) {
  require_usable(x, "nonzero", "input");
  const Tensor mask = x.dtype() == boolean ? x : x != 0;
  const auto* at = static_cast<const uint8_t*>(detail::host_data(mask, boolean));
  const Shape& shape = x.shape();
  const int64_t n = shape.numel();
  std::vector<int64_t> found;
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!at[i]) continue;
    ++count;
    found.resize(static_cast<size_t>(count) * static_cast<size_t>(shape.rank()));
    int64_t flat = i;
    for (int d = shape.rank(); d-- > 0; flat /= shape[d])
      found[static_cast<size_t>((count - 1) * shape.rank() + d)] = flat % shape[d];
  }
  return tensor(found, {count, shape.rank()});
}

std::vector<Tensor> where(const Tensor& condition) {
  return unbind(nonzero(condition.rank() == 0 ? unsqueeze(condition, 0) : condition), 1);
}

}  // namespace suanli
