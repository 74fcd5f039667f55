// SPDX-License-Identifier: Apache-2.0
// Samples and references of the rows of reductions.def, and of the other ops in
// src/ops/reduce/reduce.cpp.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/schema/reductions.h"
#include "support/op_reference_arrays.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

/// A row by its definition: of elements one after the other.
struct Definition {
  ReductionOp op;
  Real start;
  Real (*join)(Real before, Real x);
  double f32 = 0, f64 = 0;  // tolerances
};
const Definition definitions[] = {
    {ReductionOp::sum, 0, [](Real m, Real x) { return m + x; }, 1e-6, 1e-12},
    {ReductionOp::prod, 1, [](Real m, Real x) { return m * x; }, 3e-6, 1e-13},
    {ReductionOp::amax, -kInfinity,
     [](Real m, Real x) { return nan_among(m, x) ? m + x : std::fmax(m, x); }},
    {ReductionOp::amin, kInfinity,
     [](Real m, Real x) { return nan_among(m, x) ? m + x : std::fmin(m, x); }},
    {ReductionOp::any, 0, [](Real m, Real x) { return truth(m != 0 || x != 0); }},
    {ReductionOp::all, 1, [](Real m, Real x) { return truth(m != 0 && x != 0); }},
    {ReductionOp::norm, 0,
     [](Real m, Real x) { return nan_among(m, x) ? m + x : std::hypot(m, x); }, 1e-6, 1e-13},
};

std::vector<Array> reduce(const Definition& d, const Call& c) {
  const auto& a = c.attr.as<ReduceAttr>();
  const Array& x = c.in[0];
  const ReductionResult result = reduction_rows[static_cast<int>(d.op)].result;
  const Shape k = kept(x.shape, a);
  Array y = filled(k,
                   result == ReductionResult::Flag                         ? DType::boolean
                   : result == ReductionResult::Wide && !is_float(x.dtype) ? DType::i64
                                                                           : x.dtype,
                   d.start);
  std::vector<Real> size(y.v.size(), 0);
  for (size_t i = 0; i < x.v.size(); ++i) {
    const size_t to = broadcast_from(unravel(static_cast<int64_t>(i), x.shape), k);
    y.v[to] = d.join(y.v[to], x.v[i]);
    size[to] += std::fabs(x.v[i]);
  }
  if (d.op == ReductionOp::sum) y.scale = size;  // terms may cancel
  y.shape = asked(x.shape, a);
  return {y};
}

/// Shapes and axes that every row is tried on: one axis and several, all of them, rows and columns,
/// 0-d, none, more elements than a block has, integers and bools.
std::vector<Sample> samples(ReductionOp op) {
  const ReductionRow& row = reduction_rows[static_cast<int>(op)];
  const bool real = row.result == ReductionResult::Real, flag = row.result == ReductionResult::Flag,
             throws = row.empty == ReductionEmpty::Throws;
  const Domain few = throws ? Domain::distinct : Domain::real;  // no ties, where gradients meet
  std::vector<Sample> all = {
      {.inputs = {{{4, 7}, f64, few}}, .attr = ReduceAttr{3, false}},
      {.inputs = {{{4, 7}, f64, few}}, .attr = ReduceAttr{1, true}},
      {.inputs = {{{2, 3, 5}, f64, few}}, .attr = ReduceAttr{2, true}},
      {.inputs = {{{2, 3, 5}, f64, few}}, .attr = ReduceAttr{5, false}},
      {.inputs = {{{2, 3, 4, 5}, f64, few}}, .attr = ReduceAttr{13, false}},
      {.inputs = {{{}, f64, few}}, .attr = ReduceAttr{0, false}},
      {.inputs = {{{6, 1031}, f32, few}}, .attr = ReduceAttr{2, false}},
      {.inputs = {{{1031, 6}, f32, few}}, .attr = ReduceAttr{1, false}},
      {.inputs = {{{70000}, f32, few}}, .attr = ReduceAttr{1, false}, .gradient = !throws}};
  for (const auto& [dtype, domain] :
       {std::pair{i64, few}, std::pair{i32, few}, std::pair{boolean, Domain::boolean}})
    for (uint32_t axes : {1u, 2u, 3u}) {
      Sample s{.inputs = {{{5, 4}, dtype, domain}}, .attr = ReduceAttr{axes, false}};
      if (real) s.throws = Refusal{"input", suanli::name(dtype), "a float dtype", ErrorCode::dtype};
      all.push_back(s);
    }
  Sample empty{.inputs = {{{3, 0}}}, .attr = ReduceAttr{2, false}};
  if (throws) empty.throws = Refusal{"input", "[3, 0]", "at least one element on axis 1"};
  all.push_back(empty);
  all.push_back({.inputs = {{{0, 3}}}, .attr = ReduceAttr{2, true}});
  if (op == ReductionOp::prod)  // beyond, f32 holds none of them
    for (Sample& s : all)
      s.inputs[0].domain = s.inputs[0].dtype == f32 ? Domain::around_one : s.inputs[0].domain;
  for (Sample& s : all) s.gradient = s.gradient && !flag;
  return all;
}

const struct RegisterRows {
  RegisterRows() {
    for (const Definition& d : definitions)
      RegisterSamples(reduction_op(d.op), [&d] { return samples(d.op); },
                      {[&d](const Call& c) { return reduce(d, c); }, d.f32, d.f64});
  }
} register_rows;

const RegisterSamples mean_samples(mean_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}, .attr = ReduceAttr{3, false}},
      {.inputs = {{{2, 3, 5}}}, .attr = ReduceAttr{5, true}},
      {.inputs = {{{6, 100}, f32}}, .attr = ReduceAttr{2, false}},
      {.inputs = {{{}}}, .attr = ReduceAttr{0, false}},
      {.inputs = {{{3}, i64}},
       .attr = ReduceAttr{1, false},
       .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
});

const RegisterSamples logsumexp_samples(
    logsumexp_op,
    [] {
      return std::vector<Sample>{
          {.inputs = {{{4, 7}}}, .attr = ReduceAttr{2, false}},
          {.inputs = {{{2, 3, 5}}}, .attr = ReduceAttr{5, true}},
          {.inputs = {{{6, 100}, f32}}, .attr = ReduceAttr{2, false}},
          {.inputs = {{{}}}, .attr = ReduceAttr{0, false}},
          {.inputs = {{{3, 0}}}, .attr = ReduceAttr{2, false}},
          {.inputs = {{{3, 2}, i64}},
           .attr = ReduceAttr{2, false},
           .throws = Refusal{"input", "i64", "a float dtype", ErrorCode::dtype}}};
    },
    {[](const Call& c) {
       Array y =
           reduce({ReductionOp::norm, 0, [](Real m, Real x) { return m + std::exp(x); }}, c)[0];
       for (Real& v : y.v) v = std::log(v);
       return std::vector<Array>{y};
     },
     1e-6, 1e-13});

/// `sign`: 1 for argmax, -1 for argmin.
std::vector<Array> arg(const Call& c, Real sign) {
  const int axis = c.attr.as<DimAttr>().dim;
  const Array& x = c.in[0];
  const ReduceAttr a{1u << axis, false};
  const Shape k = kept(x.shape, a);
  Array y = filled(k, DType::i64);
  for (size_t o = 0; o < y.v.size(); ++o) {
    Index at = unravel(static_cast<int64_t>(o), k);
    Real best = -kInfinity;
    for (int64_t i = x.shape[axis]; i-- > 0;) {  // from the back: the first of equal ones stays
      at[static_cast<size_t>(axis)] = i;
      const Real v = sign * x.v[ravel(at, x.shape)];
      if (!(v < best) && !(std::isnan(best) && !std::isnan(v))) {
        best = v;
        y.v[o] = static_cast<Real>(i);
      }
    }
  }
  y.shape = asked(x.shape, a);
  return {y};
}
std::vector<Sample> arg_samples() {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}}, .attr = DimAttr{1}, .gradient = false},
      {.inputs = {{{2, 3, 5}, f32}}, .attr = DimAttr{1}, .gradient = false},
      {.inputs = {{{6}, i64}}, .attr = DimAttr{0}, .gradient = false},
      {.inputs = {{{2, 0}}},
       .attr = DimAttr{1},
       .throws = Refusal{"input", "[2, 0]", "at least one element on axis 1"}}};
}
const RegisterSamples argmax_samples(argmax_op, arg_samples,
                                     {[](const Call& c) { return arg(c, 1); }, 0, 0});
const RegisterSamples argmin_samples(argmin_op, arg_samples,
                                     {[](const Call& c) { return arg(c, -1); }, 0, 0});

}  // namespace
}  // namespace suanli::test
