// SPDX-License-Identifier: Apache-2.0
// x.index({…}) and its inverse, index_put. Integers and slices are narrow() and reshape(). Index
// tensors and masks select rows of x, after the dimensions that they index were moved to the front.
#include <algorithm>
#include <cstring>
#include <span>

#include "ops/index/rows.h"
#include "ops/op.h"

namespace suanli {

namespace {

[[noreturn]] void fail(const Tensor& x, size_t at, std::string given, std::string expected) {
  throw ShapeError({.op = "index",
                    .argument = str("indices[", at, "]"),
                    .given = std::move(given),
                    .expected = str(std::move(expected), " of input ", x.shape()),
                    .module = module_path()});
}

bool is_mask(const Tensor& t) { return t.dtype() == boolean || t.dtype() == u8; }

/// The number of dimensions of x that an index stands for.
int dimensions_of(const TensorIndex& i) {
  using Kind = TensorIndex::Kind;
  if (i.kind == Kind::integer || i.kind == Kind::slice) return 1;
  if (i.kind != Kind::tensor) return 0;
  return is_mask(i.tensor) ? i.tensor.rank() : 1;
}

/// A part of a dimension.
struct Span {
  int axis;
  int64_t start, length, step;
};

/// The indices as what is done to x, in this order.
struct Parsed {
  std::vector<Span> spans;  // narrow() dimensions of x, of which those of integers have length 1
  Shape shape;  // then reshape: without the dimensions of integers, with those of None
  std::vector<std::pair<int, Tensor>> tensors;  // then select by these, i64, by dimension
};

Span span_of(const Tensor& x, size_t at, int axis, const Slice& s) {
  const int64_t size = x.shape()[axis], step = s.step.given ? s.step.value : 1;
  if (step < 1)
    throw ArgumentError({.op = "index",
                         .argument = str("indices[", at, "]"),
                         .given = str("a slice of step ", step),
                         .expected = "a step of at least 1",
                         .module = module_path(),
                         .remedy = "Use flip() for the opposite order."});
  auto clamped = [size](const Slice::End& end, int64_t missing) {
    if (!end.given) return missing;
    return std::clamp<int64_t>(end.value < 0 ? end.value + size : end.value, 0, size);
  };
  const int64_t start = clamped(s.start, 0), stop = std::max(start, clamped(s.stop, size)),
                way = stop - start;
  return {axis, start, way / step + (way % step != 0), step};
}

Parsed parse(const Tensor& x, std::span<const TensorIndex> indices) {
  using Kind = TensorIndex::Kind;
  int named = 0, ellipses = 0;
  for (const TensorIndex& i : indices) {
    if (i.kind == Kind::tensor) require_usable(i.tensor, "index", "indices");
    named += dimensions_of(i);
    ellipses += i.kind == Kind::ellipsis;
  }
  if (named > x.rank() || ellipses > 1)
    throw ShapeError({.op = "index",
                      .argument = "indices",
                      .given = ellipses > 1 ? str(ellipses, " ellipses")
                                            : str("indices for ", named, " dimensions"),
                      .expected = ellipses > 1
                                      ? std::string("at most one ellipsis")
                                      : str("at most ", x.rank(), " for input ", x.shape()),
                      .module = module_path()});
  Parsed p;
  int axis = 0;  // of x; that of the reshaped x is p.shape.rank()
  auto keep = [&](int count) {
    for (; count > 0; --count) p.shape.push_back(x.shape()[axis++]);
  };
  for (size_t at = 0; at < indices.size(); ++at) {
    const TensorIndex& i = indices[at];
    switch (i.kind) {
      case Kind::none: p.shape.push_back(1); break;
      case Kind::ellipsis: keep(x.rank() - named); break;
      case Kind::truth:
        p.tensors.emplace_back(p.shape.rank(), zeros({i.integer != 0 ? 1 : 0}, i64));
        p.shape.push_back(1);
        break;
      case Kind::integer: {
        const int64_t size = x.shape()[axis];
        if (i.integer < -size || i.integer >= size)
          fail(x, at, str(i.integer),
               str("an index within dimension ", axis, ", whose size is ", size, ","));
        p.spans.push_back({axis++, i.integer < 0 ? i.integer + size : i.integer, 1, 1});
        break;
      }
      case Kind::slice: {
        const Span s = span_of(x, at, axis, i.slice);
        if (s.length != x.shape()[axis]) p.spans.push_back(s);
        p.shape.push_back(s.length);
        ++axis;
        break;
      }
      case Kind::tensor:
        if (is_float(i.tensor.dtype()))
          throw DTypeError({.op = "index",
                            .argument = str("indices[", at, "]"),
                            .given = name(i.tensor.dtype()),
                            .expected = "integers or bool",
                            .module = module_path()});
        if (!is_mask(i.tensor)) {
          p.tensors.emplace_back(p.shape.rank(), cast(i.tensor, i64));
          keep(1);
          break;
        }
        if (i.tensor.rank() == 0) {
          p.tensors.emplace_back(p.shape.rank(), select(nonzero(unsqueeze(i.tensor, 0)), 1, 0));
          p.shape.push_back(1);
          break;
        }
        for (int d = 0; d < i.tensor.rank(); ++d)
          if (i.tensor.shape()[d] != x.shape()[axis + d])
            fail(x, at, str("a mask ", i.tensor.shape()),
                 str("the sizes of dimensions ", axis, " to ", axis + i.tensor.rank() - 1));
        for (const Tensor& column : suanli::where(i.tensor)) {
          p.tensors.emplace_back(p.shape.rank(), column);
          keep(1);
        }
        break;
    }
  }
  keep(x.rank() - axis);
  return p;
}

/// Index tensors as row numbers of a table: the dimensions that they index lead, as one.
struct Selection {
  Dims order;  // of the dimensions of the reshaped x
  Shape moved;  // its sizes in that order
  int64_t rows = 1, columns = 1;
  Tensor row;  // [..] i64, the broadcast shape of the index tensors
  Shape result;  // the shape of what is read
  Dims places;  // the permutation from [broadcast.., others..] to the result; empty: none
};

Selection selection_of(const Parsed& p) {
  Selection s;
  const int rank = p.shape.rank(), count = static_cast<int>(p.tensors.size());
  uint32_t indexed = 0;
  Shape common;
  for (int k = 0; k < count; ++k) {
    const auto& [axis, index] = p.tensors[static_cast<size_t>(k)];
    indexed |= 1u << axis;
    s.order.push_back(axis);
    s.moved.push_back(p.shape[axis]);
    s.rows *= p.shape[axis];
    try {
      common = broadcast(common, index.shape());
    } catch (const ShapeError&) {
      throw ShapeError({.op = "index",
                        .argument = "indices",
                        .given = str("index tensors ", common, " and ", index.shape()),
                        .expected = "shapes that broadcast",
                        .module = module_path()});
    }
  }
  Shape others;
  int before = 0;  // dimensions in front of the first indexed one
  // As in PyTorch, the dimensions of the index tensors stand where the first of them was, or in
  // front if others lie between. A 0-d tensor is an integer here: its dimension is not there.
  int first = p.tensors[0].first, last = -1, numbers = 0;
  bool adjacent = true;
  for (const auto& [axis, index] : p.tensors) {
    if (index.rank() == 0) {
      ++numbers;
    } else {
      if (last < 0) first = axis;
      else adjacent = adjacent && axis - numbers == last + 1;
      last = axis - numbers;
    }
  }
  for (int axis = 0; axis < rank; ++axis) {
    if (indexed >> axis & 1) continue;
    s.order.push_back(axis);
    s.moved.push_back(p.shape[axis]);
    s.columns *= p.shape[axis];
    others.push_back(p.shape[axis]);
    before += axis < first;
  }
  // A number out of range of its dimension must not become another row. Where there are several,
  // such a number becomes a row that the table lacks.
  if (count == 1) {
    const int64_t size = p.shape[p.tensors[0].first];
    s.row = p.tensors[0].second;
    s.row = where(s.row < 0, s.row + size, s.row);
  } else {
    Tensor inside;
    for (const auto& [axis, index] : p.tensors) {
      const int64_t size = p.shape[axis];
      const Tensor at = where(index < 0, index + size, index),
                   fits = logical_and(index >= -size, index < size);
      s.row = s.row.defined() ? s.row * size + at : at;
      inside = inside.defined() ? logical_and(inside, fits) : fits;
    }
    s.row = where(inside, s.row, s.rows);
  }
  s.row = expand(s.row, common);
  if (!adjacent) before = 0;
  for (int i = 0; i < before; ++i) s.result.push_back(others[i]);
  for (int64_t size : common) s.result.push_back(size);
  for (int i = before; i < others.rank(); ++i) s.result.push_back(others[i]);
  if (before > 0 && common.rank() > 0) {
    for (int i = 0; i < before; ++i) s.places.push_back(common.rank() + i);
    for (int i = 0; i < common.rank(); ++i) s.places.push_back(i);
    for (int i = before; i < others.rank(); ++i) s.places.push_back(common.rank() + i);
  }
  return s;
}

bool in_order(const Dims& order) {
  for (int i = 0; i < order.size(); ++i)
    if (order[i] != i) return false;
  return true;
}

/// permute() that undoes permute(x, order).
Tensor permute_back(const Tensor& x, const Dims& order) {
  Dims back = order;
  for (int i = 0; i < order.size(); ++i) back[order[i]] = i;
  return permute(x, back);
}

Tensor table_of(const Tensor& x, const Selection& s) {
  return reshape(in_order(s.order) ? x : permute(x, s.order), {s.rows, s.columns});
}

/// The part of x that spans and reshape give.
Tensor part_of(const Tensor& x, const Parsed& p) {
  Tensor y = x;
  for (const Span& s : p.spans) y = narrow(y, s.axis, s.start, s.length, s.step);
  return reshape(y, p.shape);
}

/// x with `part` in the place that the spans from `first` on give.
Tensor with_part(const Tensor& x, const Tensor& part, std::span<const Span> spans) {
  if (spans.empty()) return part;
  const Span& s = spans[0];
  const Tensor inner = spans.size() == 1 ? part
                                         : with_part(narrow(x, s.axis, s.start, s.length, s.step),
                                                     part, spans.subspan(1));
  return slice_update(x, inner, s.axis, s.start, s.step);
}

/// `values` in the shape of what is read; leading dimensions of size 1 may be too many.
Tensor fitted(const Tensor& values, const Shape& shape) {
  Shape own = values.shape();
  while (own.rank() > shape.rank() && own[0] == 1) own = Shape(own.begin() + 1, own.rank() - 1);
  bool fits = own.rank() <= shape.rank();
  for (int i = 1; fits && i <= own.rank(); ++i)
    fits = own.at(-i) == 1 || own.at(-i) == shape.at(-i);
  if (!fits)
    throw ShapeError({.op = "index_put",
                      .argument = "values",
                      .given = to_string(values.shape()),
                      .expected = str("a shape that broadcasts to ", shape),
                      .module = module_path()});
  return expand(reshape(values, own), shape);
}

Tensor read(const Tensor& x, std::span<const TensorIndex> indices) {
  require_usable(x, "index", "input");
  const Parsed p = parse(x, indices);
  const Tensor part = part_of(x, p);
  if (p.tensors.empty()) return part;
  const Selection s = selection_of(p);
  Shape flat = s.row.shape();
  for (int i = static_cast<int>(p.tensors.size()); i < s.moved.rank(); ++i)
    flat.push_back(s.moved[i]);
  const Tensor y = reshape(embedding(table_of(part, s), s.row), flat);
  return s.places.empty() ? y : permute(y, s.places);
}

/// True if one number is written where one mask is true.
bool fills(const Tensor& x, std::span<const TensorIndex> indices, const Tensor& values) {
  if (indices.size() != 1 || indices[0].kind != TensorIndex::Kind::tensor || values.numel() != 1 ||
      values.rank() > x.rank())
    return false;
  const Tensor& mask = indices[0].tensor;
  if (!mask.defined() || !is_mask(mask) || mask.rank() > x.rank()) return false;
  for (int d = 0; d < mask.rank(); ++d)
    if (mask.shape()[d] != x.shape()[d]) return false;
  return true;
}

Tensor written(const Tensor& x, std::span<const TensorIndex> indices, const Tensor& values,
               bool accumulate) {
  require_usable(x, "index_put", "input");
  require_usable(values, "index_put", "values");
  const Tensor given = cast(values, x.dtype());
  if (fills(x, indices, values) && !accumulate) {  // without waiting for the mask
    Shape shape = indices[0].tensor.shape();
    while (shape.rank() < x.rank()) shape.push_back(1);
    const Tensor mask = reshape(indices[0].tensor, shape);
    return where(mask.dtype() == boolean ? mask : mask != 0, reshape(given, {}), x);
  }
  const Parsed p = parse(x, indices);
  Shape narrowed = x.shape();
  for (const Span& s : p.spans) narrowed[s.axis] = s.length;
  Tensor part;
  if (p.tensors.empty()) {
    part = fitted(given, p.shape);
    if (accumulate) part = part_of(x, p) + part;
  } else {
    const Tensor before = part_of(x, p);
    const Selection s = selection_of(p);
    Tensor rows = fitted(given, s.result);
    if (!s.places.empty()) rows = permute_back(rows, s.places);
    const int64_t count = s.row.numel();
    rows = reshape(rows, {count, s.columns});
    const Tensor table = table_of(before, s), at = reshape(s.row, count);
    part = reshape(accumulate ? add_rows(table, at, rows) : copy_rows(table, at, rows), s.moved);
    if (!in_order(s.order)) part = permute_back(part, s.order);
  }
  return with_part(x, reshape(part, narrowed), p.spans);
}

}  // namespace

Tensor add_rows(const Tensor& table, const Tensor& index, const Tensor& rows) {
  return table + record(embedding_grad_op, {&rows, &index}, {}, &table.shape());
}
Tensor copy_rows(const Tensor& table, const Tensor& index, const Tensor& rows) {
  return record(index_copy_op, {&table, &index, &rows});
}

TensorIndex::TensorIndex(const char* ellipsis) : kind(Kind::ellipsis) {
  if (std::strcmp(ellipsis, "...") != 0)
    throw ArgumentError({.op = "index",
                         .argument = "indices",
                         .given = str('"', ellipsis, '"'),
                         .expected = "\"...\"",
                         .module = module_path()});
}

Tensor Tensor::index(std::initializer_list<TensorIndex> indices) const {
  return read(*this, {indices.begin(), indices.size()});
}
Tensor Tensor::index(const std::vector<TensorIndex>& indices) const { return read(*this, indices); }
Tensor Tensor::index_put(const std::vector<TensorIndex>& indices, const Tensor& values,
                         bool accumulate) const {
  return written(*this, indices, values, accumulate);
}
Tensor& Tensor::index_put_(const std::vector<TensorIndex>& indices, const Tensor& values,
                           bool accumulate) & {
  return *this = written(*this, indices, values, accumulate);
}
Tensor index_put(const Tensor& x, const std::vector<TensorIndex>& indices, const Tensor& values,
                 bool accumulate) {
  return written(x, indices, values, accumulate);
}

Tensor Tensor::operator[](const TensorIndex& i) const& { return read(*this, {&i, 1}); }
IndexedTensor Tensor::operator[](const TensorIndex& i) & { return {this, nullptr, i}; }
IndexedTensor IndexedTensor::operator[](const TensorIndex& i) && { return {this, this, i}; }

IndexedTensor::IndexedTensor(Tensor* from, IndexedTensor* outer, const TensorIndex& index)
    : Tensor(read(*from, {&index, 1})), from_(from), outer_(outer), index_(index) {}

const IndexedTensor& IndexedTensor::write(const Tensor& value) {
  const Tensor whole = written(*from_, {&index_, 1}, value, false);
  Tensor::operator=(value);
  if (outer_) outer_->write(whole);
  else *from_ = whole;
  return *this;
}

}  // namespace suanli
