// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/index/index.cpp.
#include <algorithm>
#include <numeric>

#include "support/op_reference_arrays.h"
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples gather_samples(gather_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}}, .attr = DimAttr{1}},
      {.inputs = {{{5, 3, 2}}, {{6, 3, 1}, i64, Domain::index, 5}}, .attr = DimAttr{0}},
      {.inputs = {{{4, 7}, f32}, {{4, 1}, i64, Domain::index, 7}},
       .attr = DimAttr{1},
       .gradient = false},
      {.inputs = {{{3, 4}, i64}, {{3, 0}, i64, Domain::index, 4}},
       .attr = DimAttr{1},
       .gradient = false},
      {.inputs = {{{4, 7}}, {{5, 3}, i64, Domain::index, 7}},
       .attr = DimAttr{1},
       .throws = Refusal{"index", "[5, 3]",
                         "the rank of input [4, 7] and no larger sizes except on axis 1"}},
      {.inputs = {{{4, 7}}, {{4, 3}, DType::i32, Domain::index, 7}},
       .attr = DimAttr{1},
       .throws = Refusal{"index", "i32", "i64", ErrorCode::dtype}}};
});

const RegisterSamples scatter_add_samples(scatter_add_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 3}}}, .attr = DimAttr{1}},
      {.inputs = {{{5, 3, 2}}, {{6, 3, 1}, i64, Domain::index, 5}, {{6, 3, 1}}},
       .attr = DimAttr{0}},
      {.inputs = {{{300}, f32}, {{40000}, i64, Domain::index, 300}, {{40000}, f32}},
       .attr = DimAttr{0},
       .gradient = false},
      {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 2}}},
       .attr = DimAttr{1},
       .throws = Refusal{"src", "[4, 2]", "[4, 3], the shape of index"}},
      {.inputs = {{{4, 7}}, {{4, 3}, i64, Domain::index, 7}, {{4, 3}, f32}},
       .attr = DimAttr{1},
       .throws = Refusal{"src", "f32", "f64, the dtype of input", ErrorCode::dtype}}};
});

const RegisterSamples embedding_samples(embedding_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{6, 4}}, {{3, 2}, i64, Domain::index, 6}}},
      {.inputs = {{{6, 4}, f32}, {{}, i64, Domain::index, 6}}, .gradient = false},
      {.inputs = {{{6, 4}}, {{0}, i64, Domain::index, 6}}},
      {.inputs = {{{6, 4}}, {{2}, f64}},
       .throws = Refusal{"index", "f64", "i64", ErrorCode::dtype}},
      {.inputs = {{{6}}, {{2}, i64, Domain::index, 6}},
       .throws = Refusal{"table", "[6]", "rank 2, [V, D]"}}};
});

const RegisterSamples embedding_grad_samples(embedding_grad_op, [] {
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
});

const RegisterSamples one_hot_samples(one_hot_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{5}, i64, Domain::index, 4}}, .attr = OneHotAttr{4, f32}, .gradient = false},
      {.inputs = {{{2, 3}, i64, Domain::index, 7}}, .attr = OneHotAttr{7, f64}, .gradient = false},
      {.inputs = {{{0}, i64, Domain::index, 4}}, .attr = OneHotAttr{4, i64}, .gradient = false},
      {.inputs = {{{300, 7}, u8, Domain::index, 5}}, .attr = OneHotAttr{5, u8}, .gradient = false},
      {.inputs = {{{3}, DType::i32, Domain::index, 2}},
       .attr = OneHotAttr{2, boolean},
       .gradient = false},
      {.inputs = {{{5}}},
       .attr = OneHotAttr{4, f32},
       .throws = Refusal{"index", "f64", "an integer dtype", ErrorCode::dtype}}};
});

const RegisterSamples flip_samples(flip_op, [] {
  return std::vector<Sample>{{.inputs = {{{5}}}, .attr = DimAttr{0}},
                             {.inputs = {{{2, 3, 4}}}, .attr = DimAttr{1}},
                             {.inputs = {{{2, 3, 4, 5}, f32}}, .attr = DimAttr{3}},
                             {.inputs = {{{3, 4}, i64}}, .attr = DimAttr{0}, .gradient = false},
                             {.inputs = {{{3, 0}}}, .attr = DimAttr{1}}};
});

std::vector<Array> index_copy(const Call& c) {
  Array y = c.in[0];
  const auto width = static_cast<size_t>(y.shape[1]);
  for (size_t k = 0; k < c.in[1].v.size(); ++k)
    for (size_t d = 0; d < width; ++d)
      y.v[static_cast<size_t>(c.in[1].v[k]) * width + d] = c.in[2].v[k * width + d];
  return {y};
}

const RegisterSamples index_copy_samples(
    index_copy_op,
    [] {
      return std::vector<Sample>{
          {.inputs = {{{5, 3}}, {{1}, i64, Domain::index, 5}, {{1, 3}}}},
          {.inputs = {{{4, 3}, f32}, {{9}, i64, Domain::index, 4}, {{9, 3}, f32}},
           .gradient = false},
          {.inputs = {{{3, 2}, i64}, {{2}, i64, Domain::index, 3}, {{2, 2}, i64}},
           .gradient = false},
          {.inputs = {{{3, 2}}, {{0}, i64, Domain::index, 3}, {{0, 2}}}},
          {.inputs = {{{3, 0}}, {{2}, i64, Domain::index, 3}, {{2, 0}}}},
          {.inputs = {{{3, 2}}, {{2}, i64, Domain::index, 3}, {{2, 3}}},
           .throws = Refusal{"source", "[2, 3]", "[2, 2]"}},
          {.inputs = {{{3, 2}}, {{2}, i64, Domain::index, 3}, {{2, 2}, f32}},
           .throws = Refusal{"source", "f32", "f64, the dtype of input", ErrorCode::dtype}}};
    },
    {index_copy, 0});

std::vector<Array> sort(const Call& c) {
  const auto& attr = c.attr.as<SortAttr>();
  const Array& x = c.in[0];
  Array values = x, indices = filled(x.shape, DType::i64);
  const auto n = static_cast<size_t>(x.shape[attr.dim]);
  for (size_t i = 0; i < x.v.size(); ++i) {
    Index at = unravel(static_cast<int64_t>(i), x.shape);
    if (at[static_cast<size_t>(attr.dim)] != 0) continue;
    std::vector<size_t> places(n);  // of the line that begins here
    for (size_t k = 0; k < n; ++k) {
      at[static_cast<size_t>(attr.dim)] = static_cast<int64_t>(k);
      places[k] = ravel(at, x.shape);
    }
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t p, size_t q) {
      const Real a = x.v[places[attr.descending ? q : p]], b = x.v[places[attr.descending ? p : q]];
      return std::isnan(b) ? !std::isnan(a) : a < b;
    });
    for (size_t k = 0; k < n; ++k) {
      values.v[places[k]] = x.v[places[order[k]]];
      indices.v[places[k]] = static_cast<Real>(order[k]);
    }
  }
  return {values, indices};
}

const RegisterSamples sort_samples(
    sort_op,
    [] {
      return std::vector<Sample>{
          {.inputs = {{{7}, f64, Domain::distinct}}, .attr = SortAttr{0, false}},
          {.inputs = {{{3, 5, 4}, f64, Domain::distinct}}, .attr = SortAttr{1, true}},
          {.inputs = {{{40, 3}, f32, Domain::distinct}}, .attr = SortAttr{0, false}},
          {.inputs = {{{300}, u8, Domain::index, 5}}, .attr = SortAttr{0, true}, .gradient = false},
          {.inputs = {{{60}, i64, Domain::index, 7}},
           .attr = SortAttr{0, false},
           .gradient = false},
          {.inputs = {{{2, 9}, boolean, Domain::boolean}},
           .attr = SortAttr{1, false},
           .gradient = false},
          {.inputs = {{{3, 0}}}, .attr = SortAttr{1, false}},
          {.inputs = {{{0, 3}}}, .attr = SortAttr{1, true}}};
    },
    {sort, 0});

}  // namespace
}  // namespace suanli::test
