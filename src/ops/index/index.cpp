// SPDX-License-Identifier: Apache-2.0
// Indexing: gather, scatter_add, embedding, one_hot.
#include "ops/schema/attributes.h"

#include "ops/op.h"

namespace suanli {

namespace {

/// Throws unless index, input 1, fits x along `axis`: same rank, other sizes not larger.
void check_index(const Infer& c, const Shape& x, int axis) {
  const Shape& index = c.shape(1);
  bool fits = index.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || index[d] <= x[d];
  if (!fits) c.fail(1, str("the rank of input ", x, " and no larger sizes except on axis ", axis));
}

}  // namespace

const Op gather_op{OpSchema{
    .name = "gather",
    .doc =
        "y[.., i, ..] = x[.., index[.., i, ..], ..] along one axis; index is i64 and has x's rank.",
    .inputs = {"input", {"index", kIndexDTypes}},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .traits = Trait::move,
    .dtypes = kUpTo8Bytes,
    .infer =
        [](Infer& c) {
          check_index(c, c.shape(0), c.attr<DimAttr>().dim);
          c.out(0, c.shape(1), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules gather_rules{OpRules{
    .op = &gather_op,
    .vjp =
        [](Vjp& v) {
          v.set_grad(0, scatter_add(zeros(v.in_shape(0), v.in_dtype(0)), v.attr<DimAttr>().dim,
                                    v.in(1), v.grad()));
        },
    .saves = saves_in(1),
}};

const Op scatter_add_op{OpSchema{
    .name = "scatter_add",
    .doc = "x with src added at index along one axis; values at equal indices are added in order.",
    .inputs = {"input", {"index", kIndexDTypes}, "src"},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .dtypes = kComputedDTypes & ~dtypes_of({boolean}),
    .infer =
        [](Infer& c) {
          check_index(c, c.shape(0), c.attr<DimAttr>().dim);
          if (c.shape(2) != c.shape(1)) c.fail(2, str(c.shape(1), ", the shape of index"));
          if (c.dtype(2) != c.dtype(0)) c.fail_dtype(2, str(c.dtype(0), ", the dtype of input"));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .in_place = 0,
}};
const RegisterRules scatter_add_rules{OpRules{
    .op = &scatter_add_op,
    .vjp =
        [](Vjp& v) {
          if (v.needs_grad(0)) v.set_grad(0, v.grad());
          if (v.needs_grad(2)) v.set_grad(2, gather(v.grad(), v.attr<DimAttr>().dim, v.in(1)));
        },
    .saves = saves_in(1),
}};

const Op embedding_op{OpSchema{
    .name = "embedding",
    .doc = "Rows of table [V, D] selected by index [..] i64 → [.., D].",
    .inputs = {"table", {"index", kIndexDTypes}},
    .traits = Trait::move,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          c.require_rank(0, 2, "[V, D]");
          Shape out = c.shape(1);
          out.push_back(c.shape(0)[1]);
          c.out(0, out, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules embedding_rules{OpRules{
    .op = &embedding_op,
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(), index = v.in(1);
          v.set_grad(0, record(embedding_grad_op, {&g, &index}, {}, &v.in_shape(0)));
        },
    .saves = saves_in(1),
}};

/// In: g [.., D], index; wanted shape: the table's.
const Op embedding_grad_op{OpSchema{
    .name = "embedding_grad",
    .doc = "Zeros [V, D], with the rows of g [.., D] added at the rows index [..]; values at equal "
           "indices are added in order.",
    .inputs = {"gradient", {"index", kIndexDTypes}},
    .takes_shape = true,
    .traits = Trait::internal,
    .infer =
        [](Infer& c) {
          const Shape& table = c.requested_shape();
          Shape rows = c.shape(1);
          rows.push_back(table.rank() == 2 ? table[1] : 0);
          if (table.rank() != 2 || c.shape(0) != rows)
            c.fail("gradient, index, table", str(c.shape(0), ", ", c.shape(1), " and ", table),
                   "[.., D], [..] and [V, D]");
          c.out(0, table, c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
}};
const RegisterRules embedding_grad_rules{OpRules{
    .op = &embedding_grad_op,
    .vjp = [](Vjp& v) { v.set_grad(0, embedding(v.grad(), v.in(1))); },
    .saves = saves_in(1),
}};

const Op index_copy_op{OpSchema{
    .name = "index_copy",
    .doc = "Table [V, D] with the rows of source [K, D] written at the rows index [K], in order.",
    .inputs = {"input", {"index", kIndexDTypes}, "source"},
    .traits = Trait::move,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          c.require_rank(0, 2, "[V, D]");
          c.require_rank(1, 1, "[K]");
          const Shape rows{c.shape(1)[0], c.shape(0)[1]};
          if (c.shape(2) != rows) c.fail(2, to_string(rows));
          if (c.dtype(2) != c.dtype(0)) c.fail_dtype(2, str(c.dtype(0), ", the dtype of input"));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .in_place = 0,
}};
const RegisterRules index_copy_rules{OpRules{
    .op = &index_copy_op,
    .vjp =
        [](Vjp& v) {
          const Tensor g = v.grad(), index = v.in(1);
          if (v.needs_grad(0)) {
            const Tensor none = zeros(v.in_shape(2), v.in_dtype(2));
            v.set_grad(0, record(index_copy_op, {&g, &index, &none}));
          }
          if (v.needs_grad(2)) v.set_grad(2, embedding(g, index));
        },
    .saves = saves_in(1),
}};

const Op one_hot_op{OpSchema{
    .name = "one_hot",
    .doc = "index [..] → [.., classes]: 1 at the index, 0 elsewhere. An index out of range throws "
           "when the op runs.",
    .inputs = {{"index", kIntegralDTypes}},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<OneHotAttr>(),
    .required = "num_classes",
    .defaults = OneHotAttr{0, DType::f32},
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<OneHotAttr>();
          if (a.num_classes < 1) c.fail_argument("num_classes", str(a.num_classes), "at least 1");
          Shape out = c.shape(0);
          out.push_back(a.num_classes);
          c.out(0, out, a.dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};

const Op flip_op{OpSchema{
    .name = "flip",
    .doc = "The elements along one axis in the opposite order.",
    .inputs = {"input"},
    .attributes = &attribute_type<DimAttr>(),
    .required = "dim",
    .traits = Trait::composite | Trait::move,
    .dtypes = kUpTo8Bytes,
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.dtype(0)); },
}};
const RegisterRules flip_rules{OpRules{
    .op = &flip_op,
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<DimAttr>().dim;
          const Shape& shape = in[0].shape();
          Shape along(shape);
          for (int i = 0; i < shape.rank(); ++i)
            if (i != axis) along[i] = 1;
          const Tensor from_the_end = shape[axis] - 1 - arange(shape[axis]);
          return gather(in[0], axis, expand(reshape(from_the_end, along), shape));
        },
}};

Tensor flip(const Tensor& x, const Dims& dims) {
  uint32_t seen = 0;
  Tensor y = x;
  for (int dim : dims) {
    const int axis = checked_axis("flip", x, dim);
    if (seen >> axis & 1)
      throw ShapeError({.op = "flip",
                        .argument = "dims",
                        .given = to_string(dims),
                        .expected = "each dimension at most once",
                        .module = module_path()});
    seen |= 1u << axis;
    y = record(flip_op, {&y}, DimAttr{axis});
  }
  return y;
}
Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  return record(gather_op, {&x, &index}, DimAttr{checked_axis("gather", x, axis)});
}
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src) {
  return record(scatter_add_op, {&x, &index, &src}, DimAttr{checked_axis("scatter_add", x, axis)});
}
Tensor embedding(const Tensor& table, const Tensor& index) {
  return record(embedding_op, {&table, &index});
}

Tensor one_hot(const Tensor& index, int64_t classes, DType dtype) {
  if (!is_float(index.dtype()) && !contains(kComputedDTypes, index.dtype()))
    return one_hot(cast(index, i64), classes, dtype);
  if (!contains(kComputedDTypes, dtype)) return cast(one_hot(index, classes, u8), dtype);
  return record(one_hot_op, {&index}, OneHotAttr{classes, dtype});
}

}  // namespace suanli
