// SPDX-License-Identifier: Apache-2.0
// Indexing: gather, scatter_add, embedding, one_hot.
#include "ops/index/index.h"

#include "ops/op.h"

namespace suanli {

namespace {

void require_i64(const Infer& c, int i) {
  if (c.dtype(i) != DType::i64) c.fail_dtype(i, "i64");
}

/// Throws unless index, input 1, fits x along `axis`: same rank, i64, other sizes not larger.
void check_index(const Infer& c, const Shape& x, int axis) {
  const Shape& index = c.shape(1);
  require_i64(c, 1);
  bool fits = index.rank() == x.rank();
  for (int d = 0; fits && d < x.rank(); ++d) fits = d == axis || index[d] <= x[d];
  if (!fits) c.fail(1, str("the rank of input ", x, " and no larger sizes except on axis ", axis));
}

const Op gather_op{OpDef{
    .name = "gather",
    .doc =
        "y[.., i, ..] = x[.., index[.., i, ..], ..] along one axis; index is i64 and has x's rank.",
    .arguments = {"input", "index"},
    .infer =
        [](Infer& c) {
          check_index(c, c.shape(0), c.attr<AxisAttr>().axis);
          c.out(0, c.shape(1), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          v.set_grad(0, scatter_add(zeros(v.in_shape(0), v.in_dtype(0)), v.attr<AxisAttr>().axis,
                                    v.in(1), v.grad()));
        },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .onnx = {"GatherElements", 13},
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}}, .attr = AxisAttr{1}},
              {.inputs = {{{5, 3, 2}}, {{6, 3, 1}, i64, Domain::index, 5}}, .attr = AxisAttr{0}},
              {.inputs = {{{4, 7}, f32}, {{4, 1}, i64, Domain::index, 7}},
               .attr = AxisAttr{1},
               .gradient = false},
              {.inputs = {{{3, 4}, i64}, {{3, 0}, i64, Domain::index, 4}},
               .attr = AxisAttr{1},
               .gradient = false},
              {.inputs = {{{4, 7}}, {{5, 3}, i64, Domain::index, 7}},
               .attr = AxisAttr{1},
               .throws = Refusal{"index", "[5, 3]",
                                 "the rank of input [4, 7] and no larger sizes except on axis 1"}},
              {.inputs = {{{4, 7}}, {{4, 3}, DType::i32, Domain::index, 7}},
               .attr = AxisAttr{1},
               .throws = Refusal{"index", "i32", "i64", ErrorCode::dtype}}};
        },
}};

const Op scatter_add_op{OpDef{
    .name = "scatter_add",
    .doc = "x with src added at index along one axis; values at equal indices are added in order.",
    .arguments = {"input", "index", "src"},
    .infer =
        [](Infer& c) {
          check_index(c, c.shape(0), c.attr<AxisAttr>().axis);
          if (c.shape(2) != c.shape(1)) c.fail(2, str(c.shape(1), ", the shape of index"));
          if (c.dtype(2) != c.dtype(0)) c.fail_dtype(2, str(c.dtype(0), ", the dtype of input"));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          if (v.needs_grad(0)) v.set_grad(0, v.grad());
          if (v.needs_grad(2)) v.set_grad(2, gather(v.grad(), v.attr<AxisAttr>().axis, v.in(1)));
        },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .onnx = {"ScatterElements", 18},
    .overwrites = 0,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 3}}},
               .attr = AxisAttr{1}},
              {.inputs = {{{5, 3, 2}}, {{6, 3, 1}, i64, Domain::index, 5}, {{6, 3, 1}}},
               .attr = AxisAttr{0}},
              {.inputs = {{{300}, f32}, {{40000}, i64, Domain::index, 300}, {{40000}, f32}},
               .attr = AxisAttr{0},
               .gradient = false},
              {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 2}}},
               .attr = AxisAttr{1},
               .throws = Refusal{"src", "[4, 2]", "[4, 3], the shape of index"}},
              {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 3}, f32}},
               .attr = AxisAttr{1},
               .throws = Refusal{"src", "f32", "f64, the dtype of input", ErrorCode::dtype}}};
        },
}};

extern const Op embedding_grad_op;

const Op embedding_op{OpDef{
    .name = "embedding",
    .doc = "Rows of table [V, D] selected by index [..] i64 → [.., D].",
    .arguments = {"table", "index"},
    .infer =
        [](Infer& c) {
          c.require_rank(0, 2, "[V, D]");
          require_i64(c, 1);
          Shape out = c.shape(1);
          out.push_back(c.shape(0)[1]);
          c.out(0, out, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          Tensor g = v.grad(), index = v.in(1);
          v.set_grad(0, record(embedding_grad_op, {&g, &index}, {}, &v.in_shape(0)));
        },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .onnx = {"Gather", 13},
    .dtypes = kEveryDType,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{6, 4}}, {{3, 2}, i64, Domain::index, 6}}},
              {.inputs = {{{6, 4}, f32}, {{}, i64, Domain::index, 6}}, .gradient = false},
              {.inputs = {{{6, 4}}, {{0}, i64, Domain::index, 6}}},
              {.inputs = {{{6, 4}}, {{2}, f64}},
               .throws = Refusal{"index", "f64", "i64", ErrorCode::dtype}},
              {.inputs = {{{6}}, {{2}, i64, Domain::index, 6}},
               .throws = Refusal{"table", "[6]", "rank 2, [V, D]"}}};
        },
}};

/// In: g [.., D], index; wanted shape: the table's.
const Op embedding_grad_op{OpDef{
    .name = "embedding_grad",
    .doc = "Zeros [V, D], with the rows of g [.., D] added at the rows index [..]; values at equal "
           "indices are added in order.",
    .arguments = {"gradient", "index"},
    .infer =
        [](Infer& c) {
          require_i64(c, 1);
          const Shape& table = c.requested_shape();
          Shape rows = c.shape(1);
          rows.push_back(table.rank() == 2 ? table[1] : 0);
          if (table.rank() != 2 || c.shape(0) != rows)
            c.fail("gradient, index, table", str(c.shape(0), ", ", c.shape(1), " and ", table),
                   "[.., D], [..] and [V, D]");
          c.out(0, table, c.dtype(0));
        },
    .vjp = [](Vjp& v) { v.set_grad(0, embedding(v.grad(), v.in(1))); },
    .saves = saves_in(1),
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{3, 2, 4}}, {{3, 2}, i64, Domain::index, 5}}, .shape = {5, 4}},
              {.inputs = {{{4}}, {{}, i64, Domain::index, 3}}, .shape = {3, 4}},
              {.inputs = {{{0, 4}}, {{0}, i64, Domain::index, 3}}, .shape = {3, 4}},
              {.inputs = {{{300, 70}, f32}, {{300}, i64, Domain::index, 40}},
               .shape = {40, 70},
               .gradient = false},
              {.inputs = {{{3, 2, 4}}, {{3}, i64, Domain::index, 5}},
               .shape = {5, 4},
               .throws = Refusal{"gradient, index, table", "[3, 2, 4], [3] and [5, 4]",
                                 "[.., D], [..] and [V, D]"}}};
        },
}};

const Op one_hot_op{OpDef{
    .name = "one_hot",
    .doc = "index [..] → [.., classes]: 1 at the index, 0 elsewhere. An index out of range throws "
           "when the op runs.",
    .arguments = {"index"},
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<OneHotAttr>();
          if (is_float(c.dtype(0))) c.fail_dtype(0, "class numbers, i64");
          if (a.classes < 1) c.fail_argument("classes", str(a.classes), "at least 1");
          Shape out = c.shape(0);
          out.push_back(a.classes);
          c.out(0, out, a.dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .onnx = {"OneHot", 11},
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{5}, i64, Domain::index, 4}},
               .attr = OneHotAttr{4, f32},
               .gradient = false},
              {.inputs = {{{2, 3}, i64, Domain::index, 7}},
               .attr = OneHotAttr{7, f64},
               .gradient = false},
              {.inputs = {{{0}, i64, Domain::index, 4}},
               .attr = OneHotAttr{4, i64},
               .gradient = false},
              {.inputs = {{{300, 7}, u8, Domain::index, 5}},
               .attr = OneHotAttr{5, u8},
               .gradient = false},
              {.inputs = {{{3}, DType::i32, Domain::index, 2}},
               .attr = OneHotAttr{2, boolean},
               .gradient = false},
              {.inputs = {{{5}}},
               .attr = OneHotAttr{4, f32},
               .throws = Refusal{"index", "f64", "class numbers, i64", ErrorCode::dtype}}};
        },
}};

const Op flip_op{OpDef{
    .name = "flip",
    .doc = "The elements along one axis in the opposite order.",
    .arguments = {"input"},
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.dtype(0)); },
    .decompose =
        [](std::span<const Tensor> in, const Attr& attr) {
          const int axis = attr.as<AxisAttr>().axis;
          const Shape& shape = in[0].shape();
          Shape along(shape);
          for (int i = 0; i < shape.rank(); ++i)
            if (i != axis) along[i] = 1;
          const Tensor from_the_end = shape[axis] - 1 - arange(shape[axis]);
          return gather(in[0], axis, expand(reshape(from_the_end, along), shape));
        },
    .composite = true,
    .onnx = {"Slice", 13},
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{5}}}, .attr = AxisAttr{0}},
              {.inputs = {{{2, 3, 4}}}, .attr = AxisAttr{1}},
              {.inputs = {{{2, 3, 4, 5}, f32}}, .attr = AxisAttr{3}},
              {.inputs = {{{3, 4}, i64}}, .attr = AxisAttr{0}, .gradient = false},
              {.inputs = {{{3, 0}}}, .attr = AxisAttr{1}}};
        },
}};

}  // namespace

Tensor flip(const Tensor& x, int axis) {
  return record(flip_op, {&x}, AxisAttr{checked_axis("flip", x, axis)});
}
Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  return record(gather_op, {&x, &index}, AxisAttr{checked_axis("gather", x, axis)});
}
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& src) {
  return record(scatter_add_op, {&x, &index, &src}, AxisAttr{checked_axis("scatter_add", x, axis)});
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
