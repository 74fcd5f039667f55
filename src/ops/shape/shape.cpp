// SPDX-License-Identifier: Apache-2.0
// Ops that move elements: reshape, transpose, expand, slice, slice_update, concat.
#include <algorithm>
#include <optional>

#include "ops/op.h"

namespace suanli {

namespace {

Cost moves(const Step& s) { return element_cost(s, 0); }

/// Throws unless input `i` is one integer.
void require_start(const Infer& c, int i) {
  if (c.shape(i).rank() != 0) c.fail(i, "one integer");
}

/// True if `length` elements `step` apart, the first at `start`, lie within an axis of `size`.
bool spans(int64_t size, int64_t start, int64_t length, int64_t step) {
  if (length == 0) return start <= size;
  int64_t last = 0;
  return !__builtin_mul_overflow(length - 1, step, &last) &&
         !__builtin_add_overflow(last, start, &last) && last < size;
}

/// Throws unless so many elements so far apart fit the axis.
void require_span(const Infer& c, const NarrowAttr& a) {
  if (a.length < 0) c.fail_argument("length", str(a.length), "at least 0");
  if (a.step < 1) c.fail_argument("step", str(a.step), "at least 1");
  if (!spans(c.shape(0)[a.dim], 0, a.length, a.step))
    c.fail("length", str(a.length, " at step ", a.step),
           str("elements within axis ", a.dim, " of input ", c.shape(0)));
}

/// True if broadcasting x by `to` gives `to`.
bool broadcasts_to(const Shape& x, const Shape& to) {
  const int lead = to.rank() - x.rank();
  for (int i = 0; lead >= 0 && i < x.rank(); ++i)
    if (x[i] != 1 && x[i] != to[lead + i]) return false;
  return lead >= 0;
}

/// `shape` with the size computed that is -1; nothing if no size there gives `numel` elements.
std::optional<Shape> completed(const Shape& shape, int64_t numel) {
  Shape s = shape;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < s.rank(); ++i) {
    if (s[i] != -1) {
      if (__builtin_mul_overflow(known, s[i], &known)) return {};
    } else if (std::exchange(open, i) >= 0) {
      return {};
    }
  }
  if (open < 0) return known == numel ? std::optional(s) : std::nullopt;
  if (known == 0 || numel % known != 0) return {};
  s[open] = numel / known;
  return s;
}

/// Broadcasting to `shape`, whose sizes of -1 are those of x.
Shape kept_sizes(const Shape& shape, const Shape& x) {
  Shape s = shape;
  const int lead = s.rank() - x.rank();
  for (int i = std::max(lead, 0); i < s.rank(); ++i)
    if (s[i] == -1 && lead >= 0) s[i] = x[i - lead];
  return s;
}

std::string elements_of(const Shape& x) {
  return str(x.numel(), " elements, as input ", x, " has");
}

/// A start given as a number is checked now and counted from the end if negative.
Tensor checked_start(const char* op, const Tensor& x, int axis, const Tensor& start, int64_t length,
                     int64_t step) {
  if (!start.defined() || start.node()->op != kOpScalar || is_float(start.dtype())) return start;
  const int64_t size = x.shape()[axis], asked = start.node()->attr.as<ScalarAttr>().integer,
                at = asked < 0 ? asked + size : asked;
  if (length < 0 || step < 1) return start;  // the shape rule refuses them
  if (at < 0 || !spans(size, at, length, step))
    throw ShapeError(
        {.op = op,
         .argument = "start",
         .given = str(asked),
         .expected = str("a start of ", length, length == 1 ? " element" : " elements", " at step ",
                         step, " within axis ", axis, " of input ", x.shape()),
         .module = module_path()});
  return Tensor(at);
}

}  // namespace

const Op reshape_op{OpSchema{
    .name = "reshape",
    .doc = "The same elements in row-major order under another shape.",
    .inputs = {"input"},
    .takes_shape = true,
    .traits = Trait::view,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          const Shape& wanted = c.requested_shape();
          const std::optional<Shape> s = completed(wanted, c.shape(0).numel());
          if (!s)
            c.fail("shape", to_string(wanted),
                   std::count(wanted.begin(), wanted.end(), -1) > 1 ? "at most one size of -1"
                                                                    : elements_of(c.shape(0)));
          c.out(0, *s, c.dtype(0));
        },
    .cost = [](const Step&) { return Cost{}; },
}};
const RegisterRules reshape_rules{OpRules{
    .op = &reshape_op,
    .vjp = [](Vjp& v) { v.set_grad(0, reshape(v.grad(), v.in_shape(0))); },
}};

const Op permute_op{OpSchema{
    .name = "permute",
    .doc = "x with its axes in another order.",
    .inputs = {"input"},
    .attributes = &attribute_type<PermuteAttr>(),
    .required = "dims",
    .traits = Trait::move,
    .dtypes = kUpTo8Bytes,
    .infer =
        [](Infer& c) {
          const auto& p = c.attr<PermuteAttr>();
          Shape out;
          for (int i = 0; i < c.shape(0).rank(); ++i) out.push_back(c.shape(0)[p.dims[i]]);
          c.out(0, out, c.dtype(0));
        },
    .cost = moves,
}};
const RegisterRules transpose_rules{OpRules{
    .op = &permute_op,
    .vjp =
        [](Vjp& v) {
          const auto& p = v.attr<PermuteAttr>();
          const int rank = v.in_shape(0).rank();
          Dims back;
          for (int i = 0; i < rank; ++i) back.push_back(i);
          for (int i = 0; i < rank; ++i) back[p.dims[i]] = i;
          v.set_grad(0, permute(v.grad(), back));
        },
}};

const Op expand_op{OpSchema{
    .name = "expand",
    .doc = "x broadcast to a shape.",
    .inputs = {"input"},
    .takes_shape = true,
    .traits = Trait::move,
    .dtypes = kUpTo8Bytes,
    .infer =
        [](Infer& c) {
          const Shape s = kept_sizes(c.requested_shape(), c.shape(0));
          const auto open = std::find(s.begin(), s.end(), -1);
          if (open != s.end())
            c.fail("shape", to_string(c.requested_shape()),
                   str("no -1 at axis ", open - s.begin(), ", where input ", c.shape(0),
                       " has no size to keep"));
          if (!broadcasts_to(c.shape(0), s))
            c.fail("shape", to_string(s),
                   str("a shape to which input ", c.shape(0), " broadcasts"));
          c.out(0, s, c.dtype(0));
        },
    .cost = moves,
}};
const RegisterRules expand_rules{OpRules{
    .op = &expand_op,
    .vjp = [](Vjp& v) { v.set_grad(0, sum_to(v.grad(), v.in_shape(0))); },
}};

const Op narrow_op{OpSchema{
    .name = "narrow",
    .doc = "`length` elements along one axis, from `start` in steps of `step`. `start` is a scalar "
           "input, clamped into range.",
    .inputs = {"input", {"start", kIntegralDTypes}},
    .attributes = &attribute_type<NarrowAttr>(),
    .required = "dim, length",
    .traits = Trait::move,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<NarrowAttr>();
          require_start(c, 1);
          require_span(c, a);
          Shape out = c.shape(0);
          out[a.dim] = a.length;
          c.out(0, out, c.dtype(0));
        },
    .cost = moves,
    .slots = 2,
}};
const RegisterRules slice_rules{OpRules{
    .op = &narrow_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<NarrowAttr>();
          v.set_grad(0, slice_update(zeros(v.in_shape(0), v.in_dtype(0)), v.grad(), a.dim, v.in(1),
                                     a.step));
        },
    .saves = saves_in(1),
}};

const Op slice_update_op{OpSchema{
    .name = "slice_update",
    .doc = "x with `update` written along one axis, from `start` in steps of `step`. `start` is a "
           "scalar input, clamped into range.",
    .inputs = {"input", "update", {"start", kIntegralDTypes}},
    .attributes = &attribute_type<NarrowAttr>(),
    .required = "dim, length",
    .traits = Trait::move,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          const auto& a = c.attr<NarrowAttr>();
          Shape expected = c.shape(0);
          expected[a.dim] = a.length;
          if (c.shape(1).rank() != expected.rank() || c.shape(1) != expected)
            c.fail(1, to_string(expected));
          c.require_same_dtype(2);
          require_start(c, 2);
          require_span(c, a);
          c.out(0, c.shape(0), c.dtype(0));
        },
    .cost = moves,
    .slots = 4,
    .in_place = 0,
}};
const RegisterRules slice_update_rules{OpRules{
    .op = &slice_update_op,
    .vjp =
        [](Vjp& v) {
          const auto& a = v.attr<NarrowAttr>();
          if (v.needs_grad(0))
            v.set_grad(0, slice_update(v.grad(), zeros(v.in_shape(1), v.in_dtype(1)), a.dim,
                                       v.in(2), a.step));
          if (v.needs_grad(1)) v.set_grad(1, narrow(v.grad(), a.dim, v.in(2), a.length, a.step));
        },
    .saves = saves_in(2),
}};

const Op cat_op{OpSchema{
    .name = "cat",
    .doc = "Tensors joined along one axis.",
    .inputs = {{"tensors", InputSpec::variadic}},
    .attributes = &attribute_type<DimAttr>(),
    .traits = Trait::move,
    .dtypes = kEveryDType,
    .infer =
        [](Infer& c) {
          const int axis = c.attr<DimAttr>().dim;
          Shape out = c.shape(0);
          c.require_same_dtype();
          for (int i = 1; i < c.inputs(); ++i) {
            bool fits = c.shape(i).rank() == out.rank();
            for (int d = 0; fits && d < out.rank(); ++d)
              fits = d == axis || c.shape(i)[d] == out[d];
            if (!fits) c.fail(i, str(c.shape(0), " except on axis ", axis, ", as input 0 has"));
            out[axis] += c.shape(i)[axis];
          }
          c.out(0, out, c.dtype(0));
        },
    .cost = moves,
}};
const RegisterRules concat_rules{OpRules{
    .op = &cat_op,
    .vjp =
        [](Vjp& v) {
          const int axis = v.attr<DimAttr>().dim;
          int64_t at = 0;
          for (int i = 0; i < v.inputs(); ++i) {
            const int64_t n = v.in_shape(i)[axis];
            if (v.needs_grad(i)) v.set_grad(i, narrow(v.grad(), axis, at, n));
            at += n;
          }
        },
}};

Tensor reshape(const Tensor& x, const Shape& shape) {
  const std::optional<Shape> s = completed(shape, x.numel());
  return s && *s == x.shape() ? x : record(reshape_op, {&x}, {}, &shape);
}

Tensor flatten(const Tensor& x, int start_dim, int end_dim) {
  if (x.rank() == 0) return reshape(x, {1});
  const int a = checked_axis("flatten", x, start_dim, "start_dim"),
            b = checked_axis("flatten", x, end_dim, "end_dim");
  if (a > b)
    throw ShapeError({.op = "flatten",
                      .argument = "start_dim, end_dim",
                      .given = str(start_dim, " and ", end_dim, " of shape ", x.shape()),
                      .expected = "axes in rising order",
                      .module = module_path()});
  Shape s;
  for (int i = 0; i < x.rank(); ++i)
    if (i > a && i <= b) s[s.rank() - 1] *= x.shape()[i];
    else s.push_back(x.shape()[i]);
  return reshape(x, s);
}

Tensor permute(const Tensor& x, const Dims& dims) {
  const int rank = x.rank();
  PermuteAttr p{};
  uint32_t seen = 0;
  for (int i = 0; i < std::max(rank, dims.size()); ++i) {
    int a = i < dims.size() ? dims[i] : rank;
    if (a < 0) a += rank;
    if (a < 0 || a >= rank || (seen >> a & 1) || dims.size() != rank)
      throw ShapeError(
          {.op = "permute",
           .argument = "dims",
           .given = to_string(dims),
           .expected = str("each of the ", rank, " axes of shape ", x.shape(), " once"),
           .module = module_path()});
    seen |= 1u << a;
    p.dims[i] = static_cast<int8_t>(a);
  }
  return record(permute_op, {&x}, p);
}

Tensor transpose(const Tensor& x, int dim0, int dim1) {
  const int a = checked_axis("transpose", x, dim0, "dim0"),
            b = checked_axis("transpose", x, dim1, "dim1");
  PermuteAttr p{};
  for (int i = 0; i < x.rank(); ++i) p.dims[i] = static_cast<int8_t>(i);
  std::swap(p.dims[a], p.dims[b]);
  return record(permute_op, {&x}, p);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  return x.shape() == kept_sizes(shape, x.shape()) ? x : record(expand_op, {&x}, {}, &shape);
}

Tensor narrow(const Tensor& x, int axis, const Tensor& start, int64_t length, int64_t step) {
  const int a = checked_axis("narrow", x, axis);
  Tensor at = checked_start("narrow", x, a, start, length, step);
  return record(narrow_op, {&x, &at}, NarrowAttr{a, length, step});
}

Tensor slice_update(const Tensor& x, const Tensor& update, int axis, const Tensor& start,
                    int64_t step) {
  const int a = checked_axis("slice_update", x, axis);
  const int64_t length = update.rank() == x.rank() ? update.shape()[a] : 0;
  Tensor at = checked_start("slice_update", x, a, start, length, step);
  return record(slice_update_op, {&x, &update, &at}, NarrowAttr{a, length, step});
}

Tensor cat(const std::vector<Tensor>& xs, int axis) {
  if (xs.empty())
    throw ArgumentError({.op = "cat",
                         .argument = "tensors",
                         .given = "no tensors",
                         .expected = "at least one tensor",
                         .module = module_path()});
  DType dtype = xs[0].dtype();
  bool mixed = false;
  for (const Tensor& x : xs) {
    if (!x.defined() || x.dtype() == dtype) continue;  // the op names what is undefined
    mixed = true;
    dtype = promote(dtype, x.dtype());
  }
  if (!mixed)
    return record(cat_op, std::span<const Tensor>(xs), DimAttr{checked_axis("cat", xs[0], axis)});
  std::vector<Tensor> same;
  for (const Tensor& x : xs) same.push_back(cast(x, dtype));
  return cat(same, axis);
}

}  // namespace suanli
