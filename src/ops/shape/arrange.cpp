// SPDX-License-Identifier: Apache-2.0
// Arrangements of elements that are written with reshape, permute, expand, narrow and cat.
#include <algorithm>

#include "ops/op.h"

namespace suanli {

namespace {

[[noreturn]] void fail(const char* op, const char* argument, std::string given,
                       std::string expected) {
  throw ArgumentError({.op = op,
                       .argument = argument,
                       .given = std::move(given),
                       .expected = std::move(expected),
                       .module = module_path()});
}

/// An axis of a result that has one more dimension than x.
int new_axis(const char* op, const Tensor& x, int dim) {
  const int rank = x.rank() + 1, axis = dim < 0 ? dim + rank : dim;
  if (axis < 0 || axis >= rank)
    throw ShapeError({.op = op,
                      .argument = "dim",
                      .given = str(dim),
                      .expected = str("from ", -rank, " to ", rank - 1, " for shape ", x.shape()),
                      .module = module_path()});
  return axis;
}

Shape without(const Shape& shape, int axis) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i)
    if (i != axis) out.push_back(shape[i]);
  return out;
}

/// At least `rank` dimensions, the missing ones in front.
Tensor with_rank(const Tensor& x, int rank) {
  Shape shape;
  for (int i = x.rank(); i < rank; ++i) shape.push_back(1);
  for (int64_t size : x.shape()) shape.push_back(size);
  return reshape(x, shape);
}

/// Indices 0 … n−1 along one of `rank` dimensions.
Tensor positions(int64_t n, int axis, int rank) {
  Shape along(std::vector<int64_t>(static_cast<size_t>(rank), 1));
  along[axis] = n;
  return reshape(arange(n), along);
}

}  // namespace

Tensor view(const Tensor& x, const Shape& shape) { return reshape(x, shape); }
Tensor ravel(const Tensor& x) { return reshape(x, -1); }
Tensor swapaxes(const Tensor& x, int dim0, int dim1) { return transpose(x, dim0, dim1); }
Tensor broadcast_to(const Tensor& x, const Shape& shape) { return expand(x, shape); }

Tensor unflatten(const Tensor& x, int dim, const Shape& sizes) {
  const int axis = checked_axis("unflatten", x, dim);
  int64_t known = 1;
  int open = 0;
  Shape shape;
  for (int i = 0; i < axis; ++i) shape.push_back(x.shape()[i]);
  for (int64_t size : sizes) {
    if (size == -1) ++open;
    else known *= size;
  }
  const int64_t size = x.shape()[axis];
  const bool fits = open == 0 ? known == size : open == 1 && known > 0 && size % known == 0;
  if (!fits || sizes.rank() == 0)
    throw ShapeError({.op = "unflatten",
                      .argument = "sizes",
                      .given = to_string(sizes),
                      .expected = str("sizes whose product is ", size),
                      .module = module_path()});
  for (int64_t part : sizes) shape.push_back(part == -1 ? size / known : part);
  for (int i = axis + 1; i < x.rank(); ++i) shape.push_back(x.shape()[i]);
  return reshape(x, shape);
}

Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination) {
  if (source.size() != destination.size())
    fail("movedim", "source, destination", str(to_string(source), " and ", to_string(destination)),
         "as many destinations as sources");
  Dims order(std::vector<int>(static_cast<size_t>(x.rank()), -1));
  uint32_t moved = 0;
  for (int i = 0; i < source.size(); ++i) {
    const int from = checked_axis("movedim", x, source[i], "source"),
              to = checked_axis("movedim", x, destination[i], "destination");
    if ((moved >> from & 1) || order[to] >= 0)
      fail("movedim", "source, destination",
           str(to_string(source), " and ", to_string(destination)), "each dimension at most once");
    moved |= 1u << from;
    order[to] = from;
  }
  for (int from = 0, to = 0; from < x.rank(); ++from) {
    if (moved >> from & 1) continue;
    while (order[to] >= 0) ++to;
    order[to] = from;
  }
  return permute(x, order);
}

Tensor t(const Tensor& x) {
  if (x.rank() > 2)
    throw ShapeError({.op = "t",
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "at most two dimensions",
                      .module = module_path()});
  return x.rank() == 2 ? transpose(x, 0, 1) : x;
}

Tensor squeeze(const Tensor& x) {
  Shape shape;
  for (int64_t size : x.shape())
    if (size != 1) shape.push_back(size);
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, const Dims& dim) {
  uint32_t gone = 0;
  for (int d : dim) {
    if (x.rank() == 0 && (d == 0 || d == -1)) continue;  // as PyTorch
    const int axis = checked_axis("squeeze", x, d);
    if (x.shape()[axis] == 1) gone |= 1u << axis;
  }
  Shape shape;
  for (int i = 0; i < x.rank(); ++i)
    if (!(gone >> i & 1)) shape.push_back(x.shape()[i]);
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, int dim) {
  const int axis = new_axis("unsqueeze", x, dim);
  Shape shape;
  for (int i = 0; i <= x.rank(); ++i) {
    if (i == axis) shape.push_back(1);
    if (i < x.rank()) shape.push_back(x.shape()[i]);
  }
  return reshape(x, shape);
}

std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& tensors) {
  Shape shape;
  for (const Tensor& x : tensors) shape = broadcast(shape, x.shape());
  std::vector<Tensor> out;
  for (const Tensor& x : tensors) out.push_back(expand(x, shape));
  return out;
}

Tensor repeat(const Tensor& x, const Shape& repeats) {
  const int rank = repeats.rank(), lead = rank - x.rank();
  if (lead < 0)
    fail("repeat", "repeats", to_string(repeats),
         str("a number for each dimension of ", x.shape()));
  Tensor y = with_rank(x, rank);
  for (int i = 0; i < rank; ++i) {
    if (repeats[i] < 0) fail("repeat", "repeats", to_string(repeats), "numbers of at least 0");
    if (repeats[i] == 1) continue;
    // [outer, 1, inner] → [outer, repeats, inner]
    Shape shape = y.shape();
    int64_t outer = 1, inner = 1;
    for (int k = 0; k < i; ++k) outer *= shape[k];
    for (int k = i; k < rank; ++k) inner *= shape[k];
    shape[i] *= repeats[i];
    y = reshape(expand(reshape(y, {outer, 1, inner}), {outer, repeats[i], inner}), shape);
  }
  return y;
}

Tensor tile(const Tensor& x, const Shape& repeats) {
  Shape all;
  for (int i = repeats.rank(); i < x.rank(); ++i) all.push_back(1);
  for (int64_t n : repeats) all.push_back(n);
  return repeat(x, all);
}

Tensor repeat_interleave(const Tensor& x, int64_t repeats, std::optional<int> dim) {
  if (!dim) return repeat_interleave(ravel(x), repeats, 0);
  if (repeats < 0) fail("repeat_interleave", "repeats", str(repeats), "at least 0");
  const int axis = checked_axis("repeat_interleave", x, *dim);
  Shape shape = x.shape();
  int64_t outer = 1, inner = 1;
  for (int k = 0; k <= axis; ++k) outer *= shape[k];
  for (int k = axis + 1; k < x.rank(); ++k) inner *= shape[k];
  shape[axis] *= repeats;
  return reshape(expand(reshape(x, {outer, 1, inner}), {outer, repeats, inner}), shape);
}

Tensor fliplr(const Tensor& x) { return flip(x, 1); }
Tensor flipud(const Tensor& x) { return flip(x, 0); }

Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims) {
  if (dims.empty() && shifts.size() == 1) return reshape(roll(ravel(x), shifts, 0), x.shape());
  if (shifts.size() != dims.size())
    fail("roll", "shifts, dims", str(to_string(shifts), " and ", to_string(dims)),
         "as many shifts as dimensions");
  Tensor y = x;
  for (int i = 0; i < dims.size(); ++i) {
    const int axis = checked_axis("roll", x, dims[i], "dims");
    const int64_t n = x.shape()[axis], by = n == 0 ? 0 : (shifts[i] % n + n) % n;
    if (by == 0) continue;
    y = cat({narrow(y, axis, n - by, by), narrow(y, axis, 0, n - by)}, axis);
  }
  return y;
}

Tensor rot90(const Tensor& x, int k, const Dims& dims) {
  if (dims.size() != 2) fail("rot90", "dims", to_string(dims), "two dimensions");
  const int a = checked_axis("rot90", x, dims[0], "dims"),
            b = checked_axis("rot90", x, dims[1], "dims");
  if (a == b) fail("rot90", "dims", to_string(dims), "two different dimensions");
  switch ((k % 4 + 4) % 4) {
    case 1: return transpose(flip(x, b), a, b);
    case 2: return flip(x, {a, b});
    case 3: return flip(transpose(x, a, b), b);
    default: return x;
  }
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  if (tensors.empty()) fail("stack", "tensors", "no tensors", "at least one tensor");
  std::vector<Tensor> parts;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].shape() != tensors[0].shape())
      throw ShapeError({.op = "stack",
                        .argument = str("tensors[", i, "]"),
                        .given = to_string(tensors[i].shape()),
                        .expected = str(tensors[0].shape(), ", as the first has"),
                        .module = module_path()});
    parts.push_back(unsqueeze(tensors[i], new_axis("stack", tensors[0], dim)));
  }
  return cat(parts, new_axis("stack", tensors[0], dim));
}

namespace {
Tensor joined(const std::vector<Tensor>& tensors, Tensor (*with_axes)(const Tensor&), int dim) {
  std::vector<Tensor> parts;
  for (const Tensor& x : tensors) parts.push_back(with_axes(x));
  return cat(parts, !parts.empty() && parts[0].rank() == 1 ? 0 : dim);
}
}  // namespace
Tensor hstack(const std::vector<Tensor>& tensors) { return joined(tensors, atleast_1d, 1); }
Tensor vstack(const std::vector<Tensor>& tensors) { return joined(tensors, atleast_2d, 0); }
Tensor dstack(const std::vector<Tensor>& tensors) { return joined(tensors, atleast_3d, 2); }
Tensor atleast_1d(const Tensor& x) { return with_rank(x, 1); }
Tensor atleast_2d(const Tensor& x) { return with_rank(x, 2); }
Tensor atleast_3d(const Tensor& x) {
  return x.rank() >= 3 ? x : unsqueeze(with_rank(x, 2), x.rank() == 0 ? 0 : 2);
}

std::vector<Tensor> split(const Tensor& x, int64_t split_size, int dim) {
  const int64_t size = x.shape()[checked_axis("split", x, dim)];
  if (split_size < 0 || (split_size == 0 && size > 0))
    fail("split", "split_size", str(split_size), "at least 1");
  std::vector<int64_t> sizes;
  for (int64_t at = 0; at < size; at += split_size)
    sizes.push_back(std::min(split_size, size - at));
  if (sizes.empty()) sizes.push_back(0);
  return split(x, sizes, dim);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int dim) {
  const int axis = checked_axis("split", x, dim);
  int64_t total = 0;
  bool fits = true;
  for (int64_t size : sizes) {
    fits = fits && size >= 0 && size <= x.shape()[axis] - total;
    total += fits ? size : 0;
  }
  if (!fits || total != x.shape()[axis])
    fail("split", "sizes",
         to_string(Shape(sizes.data(), std::min<int>(8, static_cast<int>(sizes.size())))),
         str("sizes whose sum is ", x.shape()[axis], ", that of dimension ", axis, " of ",
             x.shape()));
  std::vector<Tensor> parts;
  int64_t at = 0;
  for (int64_t size : sizes) {
    parts.push_back(narrow(x, axis, at, size));
    at += size;
  }
  return parts;
}

std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int dim) {
  if (chunks < 1) fail("chunk", "chunks", str(chunks), "at least 1");
  const int64_t size = x.shape()[checked_axis("chunk", x, dim)];
  if (size == 0) return split(x, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(x, (size + chunks - 1) / chunks, dim);
}

std::vector<Tensor> unbind(const Tensor& x, int dim) {
  const int axis = checked_axis("unbind", x, dim);
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < x.shape()[axis]; ++i) parts.push_back(select(x, axis, i));
  return parts;
}

Tensor select(const Tensor& x, int dim, int64_t index) {
  const int axis = checked_axis("select", x, dim);
  const int64_t size = x.shape()[axis];
  if (index < -size || index >= size)
    throw ShapeError({.op = "select",
                      .argument = "index",
                      .given = str(index),
                      .expected = size == 0 ? str("no index, as dimension ", axis, " of ",
                                                  x.shape(), " is empty")
                                            : str("from ", -size, " to ", size - 1,
                                                  " for dimension ", axis, " of ", x.shape()),
                      .module = module_path()});
  return reshape(narrow(x, axis, index < 0 ? index + size : index, 1), without(x.shape(), axis));
}

Tensor slice(const Tensor& x, int dim, int64_t start, int64_t end, int64_t step) {
  const int axis = checked_axis("slice", x, dim);
  if (step < 1) fail("slice", "step", str(step), "at least 1");
  const int64_t size = x.shape()[axis];
  auto clamped = [size](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t from = clamped(start), to = std::max(from, clamped(end)), way = to - from;
  if (way == size && step == 1) return x;
  return narrow(x, axis, from, way / step + (way % step != 0), step);
}

namespace {
/// The last two dimensions where `keeps` is true of column − row; elsewhere 0.
template <class Keeps> Tensor triangle(const char* op, const Tensor& x, Keeps&& keeps) {
  if (x.rank() < 2)
    throw ShapeError({.op = op,
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "at least two dimensions",
                      .module = module_path()});
  const Tensor kept = keeps(positions(x.size(-1), 1, 2) - positions(x.size(-2), 0, 2));
  return where(kept, x, x.dtype() == boolean ? Tensor(false) : Tensor(0));
}
}  // namespace
Tensor tril(const Tensor& x, int64_t diagonal) {
  return triangle("tril", x, [&](const Tensor& above) { return above <= diagonal; });
}
Tensor triu(const Tensor& x, int64_t diagonal) {
  return triangle("triu", x, [&](const Tensor& above) { return above >= diagonal; });
}

Tensor diagonal(const Tensor& x, int64_t offset, int dim1, int dim2) {
  const int a = checked_axis("diagonal", x, dim1, "dim1"),
            b = checked_axis("diagonal", x, dim2, "dim2");
  if (a == b) fail("diagonal", "dim1, dim2", str(dim1, " and ", dim2), "two different dimensions");
  const Tensor last = movedim(x, {a, b}, {-2, -1});
  const int64_t rows = last.size(-2), columns = last.size(-1), row = std::max<int64_t>(0, -offset),
                column = std::max<int64_t>(0, offset),
                n = std::max<int64_t>(0, std::min(rows - row, columns - column));
  Shape shape(last.shape().begin(), last.rank() - 2);
  shape.push_back(rows * columns);
  const int64_t first = n > 0 ? row * columns + column : 0;
  return narrow(reshape(last, shape), -1, first, n, columns + 1);
}

Tensor diag(const Tensor& x, int64_t diagonal) {
  if (x.rank() == 2) return suanli::diagonal(x, diagonal);
  if (x.rank() != 1)
    throw ShapeError({.op = "diag",
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "one or two dimensions",
                      .module = module_path()});
  const int64_t n = x.numel() + std::abs(diagonal),
                shift = std::max<int64_t>(0, diagonal) + std::max<int64_t>(0, -diagonal) * n;
  const Tensor flat = slice_update(zeros({n * n}, x.dtype()), x, 0, n > 0 ? shift : 0, n + 1);
  return reshape(flat, {n, n});
}

Tensor trace(const Tensor& x) {
  if (x.rank() != 2)
    throw ShapeError({.op = "trace",
                      .argument = "input",
                      .given = to_string(x.shape()),
                      .expected = "two dimensions",
                      .module = module_path()});
  return sum(diagonal(x));
}

}  // namespace suanli
