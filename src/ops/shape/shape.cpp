// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: reshape, transpose, expand, slice, slice_update, concat.
#include "ops/op.h"

namespace suanli {

namespace {

Cost moves(const Step& s) { return element_cost(s, 0); }
/// True if kernels read a computed start of this dtype.
bool is_start(DType d) { return !is_float(d) && contains(kComputedDTypes, d); }

const Op reshape_op{OpDef{
    .name = "reshape",
    .doc = "The same elements in row-major order under another shape.",
    .infer =
        [](Infer& c) {
          if (c.requested_shape().numel() != c.shape(0).numel())
            c.fail(str("shape ", c.shape(0), " has ", c.shape(0).numel(), " elements, ",
                       c.requested_shape(), " has ", c.requested_shape().numel()));
          c.out(0, c.requested_shape(), c.dtype(0));
        },
    .vjp = [](Vjp& v) { v.set_grad(0, reshape(v.grad(), v.in_shape(0))); },
    .cost = [](const Step&) { return Cost{}; },
    .onnx = {"Reshape", 14},
    .alias = true,
    .dtypes = kEveryDType,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 6}}}, .shape = {3, 4}},
              {.inputs = {{{}}}, .shape = {1, 1}},
              {.inputs = {{{0, 3}}}, .shape = {3, 0}},
              {.inputs = {{{2, 6}}},
               .shape = {5},
               .throws = "[reshape] shape [2, 6] has 12 elements, [5] has 5"}};
        },
}};

const Op transpose_op{OpDef{
    .name = "transpose",
    .doc = "Axes in another order.",
    .infer =
        [](Infer& c) {
          const auto& p = c.attr<PermAttr>();
          Shape out;
          for (int i = 0; i < c.shape(0).rank(); ++i) out.push_back(c.shape(0)[p.axes[i]]);
          c.out(0, out, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          const auto& p = v.attr<PermAttr>();
          const int rank = v.in_shape(0).rank();
          Axes back(static_cast<size_t>(rank));
          for (int i = 0; i < rank; ++i) back[static_cast<size_t>(p.axes[i])] = i;
          v.set_grad(0, transpose(v.grad(), back));
        },
    .cost = moves,
    .onnx = {"Transpose", 13},
    .dtypes = kUpTo8Bytes,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{3, 5}}}, .attr = PermAttr{{1, 0}}},
              {.inputs = {{{2, 3, 4, 5}, f32}}, .attr = PermAttr{{2, 0, 3, 1}}},
              {.inputs = {{{3, 4}, i64}}, .attr = PermAttr{{1, 0}}},
              {.inputs = {{{0, 4}}}, .attr = PermAttr{{1, 0}}},
              {.inputs = {{{2, 3}, boolean, Domain::boolean}}, .attr = PermAttr{{1, 0}}},
              {.inputs = {{{}}}, .attr = PermAttr{}}};
        },
}};

const Op expand_op{OpDef{
    .name = "expand",
    .doc = "x broadcast to a shape.",
    .infer =
        [](Infer& c) {
          Shape out;
          try {
            out = broadcast(c.shape(0), c.requested_shape());
          } catch (const ShapeError& e) { c.fail(e.what()); }
          if (out != c.requested_shape())
            c.fail(str("shape ", c.shape(0), " does not broadcast to ", c.requested_shape()));
          c.out(0, out, c.dtype(0));
        },
    .vjp = [](Vjp& v) { v.set_grad(0, sum_to(v.grad(), v.in_shape(0))); },
    .cost = moves,
    .onnx = {"Expand", 13},
    .dtypes = kUpTo8Bytes,
    .samples =
        [] {
          return std::vector<Sample>{{.inputs = {{{3, 1}}}, .shape = {2, 3, 4}},
                                     {.inputs = {{{}}}, .shape = {5}},
                                     {.inputs = {{{1, 4}, i64}}, .shape = {3, 4}},
                                     {.inputs = {{{1, 3}}}, .shape = {0, 3}},
                                     {.inputs = {{{2, 3}}}, .shape = {3, 2}, .throws = "[expand]"}};
        },
}};

const Op slice_op{OpDef{
    .name = "slice",
    .doc = "`length` elements along one axis, `step` apart, from `start` (a scalar input, clamped "
           "into range) on.",
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<SliceAttr>();
          if (c.shape(1).rank() != 0 || !is_start(c.dtype(1)))
            c.fail(str("start is ", c.dtype(1), " of shape ", c.shape(1),
                       "; one integer is expected"));
          if (a.length < 0 || a.step < 1)
            c.fail(str("length ", a.length, ", step ", a.step,
                       "; a length ≥ 0 and a step ≥ 1 are expected"));
          if (a.length > 0 && (a.length - 1) * a.step >= c.shape(0)[a.axis])
            c.fail(str("length ", a.length, " at step ", a.step, " does not fit axis ", a.axis,
                       " of shape ", c.shape(0)));
          Shape out = c.shape(0);
          out[a.axis] = a.length;
          c.out(0, out, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<SliceAttr>();
          v.set_grad(0, slice_update(zeros(v.in_shape(0), v.in_dtype(0)), v.grad(), a.axis, v.in(1),
                                     a.step));
        },
    .saves = saves_in(1),
    .cost = moves,
    .onnx = {"Slice", 13},
    .slots = 2,
    .dtypes = kEveryDType,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{5, 4}}}, .attr = SliceAttr{2, 1, 0}, .slots = {1}},
              {.inputs = {{{3, 9, 2}}}, .attr = SliceAttr{3, 2, 1}, .slots = {3}},
              {.inputs = {{{4}, i64}}, .attr = SliceAttr{0, 1, 0}, .slots = {0}},
              {.inputs = {{{6}, f32}}, .attr = SliceAttr{6, 1, 0}, .slots = {0}},
              {.inputs = {{{4}}},
               .attr = SliceAttr{5, 1, 0},
               .slots = {0},
               .throws = "[slice] length 5"}};
        },
}};

const Op slice_update_op{OpDef{
    .name = "slice_update",
    .doc = "x with `update` written along one axis from `start` (a scalar input, clamped into "
           "range) on, `step` apart.",
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<SliceAttr>();
          Shape expected = c.shape(0);
          expected[a.axis] = a.length;
          if (c.shape(1).rank() != expected.rank() || c.shape(1) != expected)
            c.fail(str("update has shape ", c.shape(1), ", ", expected, " is expected"));
          if (c.dtype(1) != c.dtype(0))
            c.fail_dtype(str("update is ", c.dtype(1), ", x is ", c.dtype(0)));
          if (c.shape(2).rank() != 0 || !is_start(c.dtype(2)))
            c.fail(str("start is ", c.dtype(2), " of shape ", c.shape(2),
                       "; one integer is expected"));
          if (a.length > 0 && (a.length - 1) * a.step >= c.shape(0)[a.axis])
            c.fail(str("an update of length ", a.length, " does not fit axis ", a.axis,
                       " of shape ", c.shape(0)));
          c.out(0, c.shape(0), c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<SliceAttr>();
          if (v.needs_grad(0))
            v.set_grad(0, slice_update(v.grad(), zeros(v.in_shape(1), v.in_dtype(1)), a.axis,
                                       v.in(2), a.step));
          if (v.needs_grad(1)) v.set_grad(1, slice(v.grad(), a.axis, v.in(2), a.length, a.step));
        },
    .saves = saves_in(2),
    .cost = moves,
    .slots = 4,
    .dtypes = kEveryDType,
    .overwrites = 0,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{5, 4}}, {{2, 4}}}, .attr = SliceAttr{2, 1, 0}, .slots = {1}},
              {.inputs = {{{3, 9, 2}}, {{3, 3, 2}}}, .attr = SliceAttr{3, 2, 1}, .slots = {3}},
              {.inputs = {{{5, 4}}, {{2, 3}}},
               .attr = SliceAttr{2, 1, 0},
               .slots = {1},
               .throws = "[slice_update] update has shape"}};
        },
}};

const Op concat_op{OpDef{
    .name = "concat",
    .doc = "Tensors joined along one axis.",
    .infer =
        [](Infer& c) {
          const int axis = c.attr<AxisAttr>().axis;
          Shape out = c.shape(0);
          c.require_same_dtype();
          for (int i = 1; i < c.inputs(); ++i) {
            bool fits = c.shape(i).rank() == out.rank();
            for (int d = 0; fits && d < out.rank(); ++d)
              fits = d == axis || c.shape(i)[d] == out[d];
            if (!fits)
              c.fail(str("input ", i, " is ", c.dtype(i), " ", c.shape(i), "; ", c.dtype(0), " ",
                         c.shape(0), " was first, only axis ", axis, " may differ"));
            out[axis] += c.shape(i)[axis];
          }
          c.out(0, out, c.dtype(0));
        },
    .vjp =
        [](Vjp& v) {
          const int axis = v.attr<AxisAttr>().axis;
          int64_t at = 0;
          for (int i = 0; i < v.inputs(); ++i) {
            const int64_t n = v.in_shape(i)[axis];
            if (v.needs_grad(i)) v.set_grad(i, slice(v.grad(), axis, at, n));
            at += n;
          }
        },
    .cost = moves,
    .onnx = {"Concat", 13},
    .dtypes = kEveryDType,
    .samples =
        [] {
          return std::vector<Sample>{
              {.inputs = {{{2, 3}}, {{4, 3}}}, .attr = AxisAttr{0}},
              {.inputs = {{{2, 3}}, {{2, 1}}, {{2, 0}}}, .attr = AxisAttr{1}},
              {.inputs = {{{2, 2, 3}, f32}, {{2, 5, 3}, f32}}, .attr = AxisAttr{1}},
              {.inputs = {{{3}, i64}, {{2}, i64}}, .attr = AxisAttr{0}},
              {.inputs = {{{2, 3}}, {{2, 4}}}, .attr = AxisAttr{0}, .throws = "[concat] input 1"}};
        },
}};

/// A start given as a number is checked now and counted from the end if negative.
Tensor checked_start(const char* op, const Tensor& x, int axis, const Tensor& start, int64_t length,
                     int64_t step) {
  if (!start.defined() || start.node()->op != kOpScalar || is_float(start.dtype())) return start;
  const int64_t size = x.shape()[axis], asked = start.node()->attr.as<ScalarAttr>().integer,
                at = asked < 0 ? asked + size : asked;
  if (at < 0 || at + (length > 0 ? (length - 1) * step + 1 : 0) > size)
    throw ShapeError(str("[", op, "] ", length, " elements from ", asked, " on (step ", step,
                         ") leave axis ", axis, " of shape ", x.shape(), where_am_i()));
  return Tensor(at);
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  Shape s = shape;
  int64_t known = 1;
  bool overflow = false;
  int open = -1;
  for (int i = 0; i < s.rank(); ++i) {
    if (s[i] == -1) {
      if (open >= 0)
        throw ShapeError(str("[reshape] shape ", shape, " has two sizes of -1; one can be computed",
                             where_am_i()));
      open = i;
    } else {
      overflow |= __builtin_mul_overflow(known, s[i], &known);
    }
  }
  if (overflow)
    throw ShapeError(str("[reshape] shape ", x.shape(), " (", x.numel(), " elements) does not fit ",
                         shape, ", which has more than 64 bits count", where_am_i()));
  if (open >= 0) {
    if (known == 0 || x.numel() % known != 0)
      throw ShapeError(str("[reshape] shape ", x.shape(), " (", x.numel(),
                           " elements) does not fit ", shape, where_am_i()));
    s[open] = x.numel() / known;
  }
  return s == x.shape() ? x : record(reshape_op, {&x}, {}, &s);
}

Tensor flatten(const Tensor& x, int first, int last) {
  if (x.rank() == 0) return reshape(x, {1});
  const int a = x.shape().axis(first), b = x.shape().axis(last);
  if (a > b)
    throw ShapeError(str("[flatten] axes ", first, "…", last, " of shape ", x.shape(),
                         ": the first comes after the last", where_am_i()));
  Shape s;
  for (int i = 0; i < x.rank(); ++i)
    if (i > a && i <= b) s[s.rank() - 1] *= x.shape()[i];
    else s.push_back(x.shape()[i]);
  return reshape(x, s);
}

Tensor transpose(const Tensor& x, const Axes& axes) {
  const int rank = x.rank();
  PermAttr p{};
  uint32_t seen = 0;
  for (int i = 0; i < rank; ++i) {
    int a = axes.empty()                        ? rank - 1 - i
            : i < static_cast<int>(axes.size()) ? axes[static_cast<size_t>(i)]
                                                : rank;
    if (a < 0) a += rank;
    if (a < 0 || a >= rank || (seen >> a & 1) ||
        (!axes.empty() && static_cast<int>(axes.size()) != rank))
      throw ShapeError(str("[transpose] the axes given are no order of the ", rank,
                           " axes of shape ", x.shape(), where_am_i()));
    seen |= 1u << a;
    p.axes[i] = static_cast<int8_t>(a);
  }
  return record(transpose_op, {&x}, p);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  Shape s = shape;
  const int lead = s.rank() - x.rank();
  for (int i = 0; i < s.rank(); ++i) {
    if (s[i] != -1) continue;
    if (i < lead || lead < 0)
      throw ShapeError(str("[expand] shape ", shape, " has -1 at axis ", i, ", where shape ",
                           x.shape(), " has no size to keep", where_am_i()));
    s[i] = x.shape()[i - lead];
  }
  return x.shape() == s ? x : record(expand_op, {&x}, {}, &s);
}

Tensor slice(const Tensor& x, int axis, const Tensor& start, int64_t length, int64_t step) {
  const int a = x.shape().axis(axis);
  Tensor at = checked_start("slice", x, a, start, length, step);
  return record(slice_op, {&x, &at}, SliceAttr{length, step, a});
}

Tensor slice_update(const Tensor& x, const Tensor& update, int axis, const Tensor& start,
                    int64_t step) {
  const int a = x.shape().axis(axis);
  const int64_t length = update.rank() == x.rank() ? update.shape()[a] : 0;
  Tensor at = checked_start("slice_update", x, a, start, length, step);
  return record(slice_update_op, {&x, &update, &at}, SliceAttr{length, step, a});
}

Tensor concat(const std::vector<Tensor>& xs, int axis) {
  if (xs.empty()) throw ShapeError(str("[concat] no tensors were given", where_am_i()));
  return record(concat_op, std::span<const Tensor>(xs), AxisAttr{xs[0].shape().axis(axis)});
}

}  // namespace suanli
