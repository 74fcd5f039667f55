// SPDX-License-Identifier: Apache-2.0
// cast, full, arange and what is written with them: values out of dtypes and numbers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/op.h"

namespace suanli {

const Op cast_op{OpSchema{
    .name = "cast",
    .doc = "x converted to another dtype. Float → integer truncates and saturates (NaN → 0). "
           "Integers to narrower ones, and between signed and unsigned, keep the low bits. Any "
           "dtype → bool is x ≠ 0 (NaN is true). To floats rounds once, to nearest, ties to even.",
    .inputs = {"input"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .required = "dtype",
    .dtypes = kNumberDTypes,
    .infer = [](Infer& c) { c.out(0, c.shape(0), c.attr<DTypeAttr>().dtype); },
    .cost = [](const Step& s) { return element_cost(s, 0); },
}};
const RegisterRules cast_rules{OpRules{
    .op = &cast_op,
    .vjp = [](Vjp& v) { v.set_grad(0, v.grad()); },
}};

const Op full_op{OpSchema{
    .name = "full",
    .doc = "A tensor of the requested shape and dtype, filled with one number (a scalar slot).",
    .inputs = {"value"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::f32},
    .takes_shape = true,
    .dtypes = kNumberDTypes,
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 0); },
    .slots = 1,
}};
const RegisterRules full_rules{OpRules{
    .op = &full_op,
    .vjp =
        [](Vjp& v) {
          if (v.needs_grad(0)) v.set_grad(0, sum(v.grad()));
        },
}};

const Op arange_op{OpSchema{
    .name = "arange",
    .doc = "[n]: start, start+1, … (start is a scalar slot).",
    .inputs = {"start"},
    .results = {{"output", chosen_dtype()}},
    .attributes = &attribute_type<DTypeAttr>(),
    .defaults = DTypeAttr{DType::i64},
    .takes_shape = true,
    .infer =
        [](Infer& c) {
          if (c.shape(0).rank() != 0) c.fail(0, "a scalar");
          if (c.requested_shape().rank() != 1)
            c.fail("shape", to_string(c.requested_shape()), "one size, [n]");
          if (c.requested_shape()[0] < 0)
            c.fail_argument("n", str(c.requested_shape()[0]), "at least 0");
          c.out(0, c.requested_shape(), c.attr<DTypeAttr>().dtype);
        },
    .cost = [](const Step& s) { return element_cost(s, 1); },
    .slots = 1,
}};

Tensor cast(const Tensor& x, DType dtype) {
  return x.dtype() == dtype && !x.node()->is(kWeak) ? x : record(cast_op, {&x}, DTypeAttr{dtype});
}
Tensor full(const Shape& shape, const Tensor& value, std::optional<DType> dtype) {
  return record(full_op, {&value}, DTypeAttr{dtype ? *dtype : value.dtype()}, &shape);
}
Tensor full_like(const Tensor& x, const Tensor& value, std::optional<DType> dtype) {
  return full(x.shape(), value, dtype ? *dtype : x.dtype());
}
Tensor zeros_like(const Tensor& x, std::optional<DType> dtype) { return full_like(x, 0.0, dtype); }
Tensor ones_like(const Tensor& x, std::optional<DType> dtype) { return full_like(x, 1.0, dtype); }
Tensor empty_like(const Tensor& x, std::optional<DType> dtype) { return full_like(x, 0.0, dtype); }

namespace {
/// The number of steps from start that stay before end; -1 where they lead away from it.
int64_t count_of(Number start, Number end, Number step) {
  if (!start.is_float() && !end.is_float() && !step.is_float()) {
    const int64_t from = start.integer(), to = end.integer(), by = step.integer();
    if (by == 0 || (to != from && (to > from) != (by > 0))) return -1;
    auto distance = [](int64_t low, int64_t high) {
      return static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    };
    const uint64_t way = by > 0 ? distance(from, to) : distance(to, from),
                   each = by > 0 ? static_cast<uint64_t>(by) : distance(by, 0),
                   n = way / each + (way % each != 0);
    return static_cast<int64_t>(
        std::min(n, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
  }
  const double way = end.real() - start.real(), n = std::ceil(way / step.real());
  return step.real() != 0 && n >= 0 && n < 0x1p62 ? static_cast<int64_t>(n) : -1;
}
}  // namespace

Tensor arange(Number start, Number end, Number step, std::optional<DType> dtype) {
  const bool real = start.is_float() || end.is_float() || step.is_float();
  const int64_t n = count_of(start, end, step);
  auto written = [](Number x) { return x.is_float() ? str(x.real()) : str(x.integer()); };
  if (n < 0)
    throw ArgumentError({.op = "arange",
                         .argument = "end",
                         .given = written(end),
                         .expected = str("a number that steps of ", written(step), " from ",
                                         written(start), " lead to"),
                         .module = module_path()});
  const DType to = dtype ? *dtype : real ? DType::f32 : DType::i64;
  // Steps are multiplied in the widest dtype, so that a result is rounded once.
  const DType wide = real || is_float(to) ? DType::f64 : DType::i64;
  const Shape shape{n};
  if (real ? step.real() == 1 : step.integer() == 1) {
    const Tensor from = real ? Tensor(start.real()) : Tensor(start.integer());
    if (contains(kComputedDTypes, to) && to != boolean)
      return record(arange_op, {&from}, DTypeAttr{to}, &shape);
    return cast(record(arange_op, {&from}, DTypeAttr{wide}, &shape), to);
  }
  const Tensor zero = 0, at = record(arange_op, {&zero}, DTypeAttr{wide}, &shape);
  return cast(real ? at * step.real() + start.real() : at * step.integer() + start.integer(), to);
}

Tensor linspace(double start, double end, int64_t steps, DType dtype) {
  if (steps < 0)
    throw ArgumentError({.op = "linspace",
                         .argument = "steps",
                         .given = str(steps),
                         .expected = "at least 0",
                         .module = module_path()});
  const Tensor i = arange(steps, DType::f64);
  if (steps < 2) return cast(i * 0.0 + start, dtype);
  const double step = (end - start) / static_cast<double>(steps - 1);
  // from both ends, so that these are exact
  return cast(where(i < steps / 2, start + i * step, end - (steps - 1 - i) * step), dtype);
}

Tensor logspace(double start, double end, int64_t steps, double base, DType dtype) {
  return cast(pow(tensor(base), linspace(start, end, steps, DType::f64)), dtype);
}

Tensor eye(int64_t n, std::optional<int64_t> m, DType dtype) {
  if (n < 0 || (m && *m < 0))
    throw ArgumentError({.op = "eye",
                         .argument = n < 0 ? "n" : "m",
                         .given = str(n < 0 ? n : *m),
                         .expected = "at least 0",
                         .module = module_path()});
  return cast(reshape(arange(n), {n, 1}) == arange(m ? *m : n), dtype);
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& vectors, std::string_view indexing) {
  const bool xy = indexing == "xy";
  if (!xy && indexing != "ij")
    throw ArgumentError({.op = "meshgrid",
                         .argument = "indexing",
                         .given = std::string(indexing),
                         .expected = "ij or xy",
                         .module = module_path()});
  const int rank = static_cast<int>(vectors.size());
  auto axis_of = [&](int i) { return xy && rank > 1 && i < 2 ? 1 - i : i; };
  Shape grid(std::vector<int64_t>(vectors.size(), 1));
  for (int i = 0; i < rank; ++i) {
    const Tensor& v = vectors[static_cast<size_t>(i)];
    if (v.rank() > 1)
      throw ShapeError({.op = "meshgrid",
                        .argument = str("vectors[", i, "]"),
                        .given = to_string(v.shape()),
                        .expected = "a vector or a number",
                        .module = module_path()});
    grid[axis_of(i)] = v.numel();
  }
  std::vector<Tensor> out;
  for (int i = 0; i < rank; ++i) {
    Shape along(std::vector<int64_t>(vectors.size(), 1));
    along[axis_of(i)] = grid[axis_of(i)];
    out.push_back(expand(reshape(vectors[static_cast<size_t>(i)], along), grid));
  }
  return out;
}

}  // namespace suanli
