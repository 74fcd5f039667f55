// SPDX-License-Identifier: Apache-2.0
// sort, and what is read from a sorted tensor.
#include <algorithm>

#include "ops/op.h"

namespace suanli {

const Op sort_op{OpSchema{
    .name = "sort",
    .doc = "The elements along one axis in rising or falling order, and their indices (i64). NaN "
           "counts as the largest. Equal elements keep their order.",
    .inputs = {"input"},
    .results = {{"values"}, {"indices", always(DType::i64)}},
    .attributes = &attribute_type<SortAttr>(),
    .defaults = SortAttr{-1, false},
    .infer =
        [](Infer& c) {
          c.out(0, c.shape(0), c.dtype(0));
          c.out(1, c.shape(0), DType::i64);
        },
    .cost = [](const Step& s) { return element_cost(s, 20); },
}};
const RegisterRules sort_rules{OpRules{
    .op = &sort_op,
    .vjp =
        [](Vjp& v) {
          v.set_grad(0, scatter_add(zeros(v.in_shape(0), v.in_dtype(0)), v.attr<SortAttr>().dim,
                                    v.result(1), v.grad()));
        },
    .saves = saves_result(1),
}};

Sorted sort(const Tensor& x, int dim, bool descending) {
  if (x.rank() == 0 && (dim == 0 || dim == -1)) {
    const Sorted s = sort(reshape(x, 1), 0, descending);
    return {reshape(s.values, {}), reshape(s.indices, {})};
  }
  const std::vector<Tensor> both =
      record_all(sort_op, {&x}, SortAttr{checked_axis("sort", x, dim), descending});
  return {both[0], both[1]};
}

Tensor argsort(const Tensor& x, int dim, bool descending) {
  return sort(x, dim, descending).indices;
}

namespace {
void require_k(const char* op, const Tensor& x, int axis, int64_t k, int64_t least) {
  const int64_t size = x.shape()[axis];
  if (k < least || k > size)
    throw ArgumentError({.op = op,
                         .argument = "k",
                         .given = str(k),
                         .expected = str("from ", least, " to ", size, ", the size of dimension ",
                                         axis, " of ", x.shape()),
                         .module = module_path()});
}

/// Element `at` along an axis of both.
Sorted at(const Sorted& s, int axis, int64_t at, bool keepdim) {
  const Tensor values = narrow(s.values, axis, at, 1), indices = narrow(s.indices, axis, at, 1);
  return keepdim ? Sorted{values, indices} : Sorted{squeeze(values, axis), squeeze(indices, axis)};
}
}  // namespace

Sorted topk(const Tensor& x, int64_t k, int dim, bool largest) {
  const int axis = checked_axis("topk", x, dim);
  require_k("topk", x, axis, k, 0);
  const Sorted s = sort(x, axis, largest);
  return {narrow(s.values, axis, 0, k), narrow(s.indices, axis, 0, k)};
}

Sorted kthvalue(const Tensor& x, int64_t k, int dim, bool keepdim) {
  const int axis = checked_axis("kthvalue", x, dim);
  require_k("kthvalue", x, axis, k, 1);
  return at(sort(x, axis), axis, k - 1, keepdim);
}

Sorted median(const Tensor& x, int dim, bool keepdim) {
  const int axis = checked_axis("median", x, dim);
  const int64_t n = x.shape()[axis];
  require_k("median", x, axis, n == 0 ? 1 : n, 1);
  const Sorted s = sort(x, axis), middle = at(s, axis, (n - 1) / 2, keepdim);
  if (!is_float(x.dtype())) return middle;
  // NaN is sorted to the end; its place is that of the first one in x
  const Tensor largest = at(s, axis, n - 1, keepdim).values, found = largest != largest;
  const Tensor first = argmax(x, axis, keepdim);
  return {where(found, largest, middle.values), where(found, first, middle.indices)};
}

Tensor median(const Tensor& x) { return median(ravel(x), 0).values; }

Tensor quantile(const Tensor& x, double q, std::optional<int> dim, bool keepdim) {
  if (!dim) {
    const Tensor y = quantile(ravel(x), q, 0, false);
    return keepdim ? reshape(y, Shape(std::vector<int64_t>(static_cast<size_t>(x.rank()), 1))) : y;
  }
  const int axis = checked_axis("quantile", x, *dim);
  const int64_t n = x.shape()[axis];
  if (!(q >= 0 && q <= 1))
    throw ArgumentError({.op = "quantile",
                         .argument = "q",
                         .given = str(q),
                         .expected = "a share from 0 to 1",
                         .module = module_path()});
  require_k("quantile", x, axis, n == 0 ? 1 : n, 1);
  const Sorted s = sort(x, axis);
  const double place = q * static_cast<double>(n - 1);
  const auto below = static_cast<int64_t>(place);
  const Tensor low = at(s, axis, below, keepdim).values,
               high = at(s, axis, std::min(below + 1, n - 1), keepdim).values,
               largest = at(s, axis, n - 1, keepdim).values;
  const double share = place - static_cast<double>(below);
  const Tensor between = share == 0 ? low : low + share * (high - low);
  return where(largest != largest, largest, between);
}

Unique unique(const Tensor& x) {
  const Tensor all = ravel(x);
  const int64_t n = all.numel();
  const Sorted s = sort(all);
  Tensor first = ones({std::min<int64_t>(n, 1)}, boolean);  // true where a new value begins
  if (n > 1) first = cat({first, narrow(s.values, 0, 1, n - 1) != narrow(s.values, 0, 0, n - 1)});
  const Tensor starts = squeeze(nonzero(first), 1), place = cumsum(first, 0) - 1;
  const Tensor ends = cat({slice(starts, 0, 1), full({std::min<int64_t>(n, 1)}, n)});
  return {index_select(s.values, 0, starts),
          reshape(index_copy(place, 0, s.indices, place), x.shape()), ends - starts};
}

Tensor bincount(const Tensor& x, const Tensor& weights, int64_t minlength) {
  if (x.rank() != 1 || !is_integer(x.dtype()))
    throw ShapeError({.op = "bincount",
                      .argument = "input",
                      .given = str(x.dtype(), " ", x.shape()),
                      .expected = "a vector of integers",
                      .module = module_path()});
  const Tensor numbers = cast(x, i64);
  int64_t size = minlength;
  if (x.numel() > 0) size = std::max(size, amax(numbers).item<int64_t>() + 1);
  const Tensor each = weights.defined() ? weights : ones_like(numbers);
  return scatter_add(zeros(Shape{size}, each.dtype()), 0, numbers, each);
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  const int64_t n = sorted.shape().at(-1);
  Shape lead(sorted.shape().begin(), sorted.rank() - 1);
  Shape row = lead;
  row.push_back(1);
  row.push_back(n);
  const bool vector = sorted.rank() == 1;
  const Tensor all = vector ? sorted : reshape(sorted, row), each = unsqueeze(values, -1);
  return sum(right ? all <= each : all < each, -1);
}

}  // namespace suanli
