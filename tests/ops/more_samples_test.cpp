// SPDX-License-Identifier: Apache-2.0
// More calls for the generic harness than an op's own samples: what kernels branch on (tails,
// tiles, axes, strides) and enough elements that two threads do share the work.
#include "ops/more_samples.h"

#include <gtest/gtest.h>

#include "ops/norm/norm.h"
#include "ops/schema/attributes.h"
#include "ops/schema/pointwise.h"

namespace suanli::test {
namespace {

struct More {
  const char* op;
  Sample sample;
};

Input indices(const Shape& shape, int64_t below) { return {shape, i64, Domain::index, below}; }
Input flags(const Shape& shape) { return {shape, boolean, Domain::boolean}; }
Attr row(PointwiseOp op) { return PointwiseAttr{static_cast<int16_t>(op), -1, f64}; }

std::vector<More> more() {
  constexpr DType i32 = DType::i32;
  const Domain distinct = Domain::distinct, real = Domain::real;
  return {
      // columns in several tiles
      {"sum", {.inputs = {{{3, 600}}}, .attr = ReduceAttr{1, false}, .gradient = false}},
      // outermost of three
      {"sum", {.inputs = {{{2, 3, 300}}}, .attr = ReduceAttr{1, false}, .gradient = false}},
      {"sum", {.inputs = {{{2, 3, 4, 5}}}, .attr = ReduceAttr{5, true}}},  // every other axis
      {"sum", {.inputs = {{{2, 3, 4, 5}}}, .attr = ReduceAttr{10, true}}},  // the others
      {"sum", {.inputs = {{{2, 1, 4, 1}}}, .attr = ReduceAttr{3, false}}},  // axes of size 1
      {"sum", {.inputs = {{{0, 3}}}, .attr = ReduceAttr{2, true}}},  // no results
      {"sum", {.inputs = {{{300, 700}, f32}}, .attr = ReduceAttr{1, false}}},
      {"sum", {.inputs = {{{300, 700}, f32}}, .attr = ReduceAttr{2, false}}},
      {"sum", {.inputs = {{{200'000}, f32}}, .attr = ReduceAttr{1, false}, .gradient = false}},
      {"sum", {.inputs = {{{7, 9}, u8, Domain::index, 256}}, .attr = ReduceAttr{3, false}}},
      {"sum", {.inputs = {{{7, 9}, i32}}, .attr = ReduceAttr{1, false}}},
      {"amax",
       {.inputs = {{{3, 600}, f64, distinct}}, .attr = ReduceAttr{1, false}, .gradient = false}},
      {"amax",
       {.inputs = {{{300, 700}, f32, real}}, .attr = ReduceAttr{2, false}, .gradient = false}},
      {"amax", {.inputs = {{{5, 1, 5}, u8, Domain::index, 256}}, .attr = ReduceAttr{4, true}}},
      {"amax",
       {.inputs = {{{200'000}, f32, real}}, .attr = ReduceAttr{1, false}, .gradient = false}},
      {"mean", {.inputs = {{{2, 3, 4, 5}, f32}}, .attr = ReduceAttr{13, false}}},
      {"argmax", {.inputs = {{{300, 700}, f32}}, .attr = DimAttr{0}, .gradient = false}},
      // many equal ones
      {"argmax",
       {.inputs = {{{3, 50}, u8, Domain::index, 4}}, .attr = DimAttr{1}, .gradient = false}},
      {"softmax", {.inputs = {{{5, 4}}}, .attr = DimAttr{0}}},
      {"softmax", {.inputs = {{{500, 100}, f32}}, .attr = DimAttr{1}}},
      {"softmax", {.inputs = {{{100, 500}, f32}}, .attr = DimAttr{0}}},
      {"log_softmax", {.inputs = {{{5, 4}}}, .attr = DimAttr{0}}},
      {"log_softmax", {.inputs = {{{500, 100}, f32}}, .attr = DimAttr{1}}},
      // blocks within a row
      {"softmax", {.inputs = {{{3, 9000}, f32}}, .attr = DimAttr{1}, .gradient = false}},
      {"log_softmax", {.inputs = {{{3, 9000}, f32}}, .attr = DimAttr{1}, .gradient = false}},
      {"cross_entropy_rows",
       {.inputs = {{{300, 100}, f32}, indices({300}, 100)},
        .attr = IgnoreAttr{},
        .gradient = false}},
      {"cross_entropy_rows", {.inputs = {{{7, 1}}, indices({7}, 1)}, .attr = IgnoreAttr{}}},
      {"cross_entropy_grad",
       {.inputs = {{{}, f32}, {{300, 100}, f32}, indices({300}, 100), {{2, 300}, f32}},
        .attr = IgnoreAttr{},
        .gradient = false}},
      {"matmul", {.inputs = {{{2, 5, 3}}, {{2, 4, 5}}}, .attr = MatmulAttr{true, true}}},
      {"matmul", {.inputs = {{{1, 3, 5}, f32}, {{4, 2, 5}, f32}}, .attr = MatmulAttr{false, true}}},
      {"matmul", {.inputs = {{{3, 5, 4}, f32}, {{5, 2}, f32}}, .attr = MatmulAttr{true, false}}},
      {"matmul", {.inputs = {{{3, 4, 5}, f32}, {{5, 2}, f32}}, .attr = MatmulAttr{false, false}}},
      {"matmul", {.inputs = {{{1, 7}}, {{7, 1}}}, .attr = MatmulAttr{false, false}}},
      {"matmul",
       {.inputs = {{{150, 200}, f32}, {{200, 160}, f32}}, .attr = MatmulAttr{false, false}}},
      {"matmul",
       {.inputs = {{{97, 101}}, {{101, 103}}},
        .attr = MatmulAttr{false, false},
        .gradient = false}},
      {"conv2d",
       {.inputs = {{{2, 4, 7, 6}, f32}, {{6, 2, 3, 2}, f32}, {{6}, f32}},
        .attr = ConvAttr{2, 1, 2, 2}}},
      {"conv2d",
       {.inputs = {{{1, 1, 3, 3}, f32}, {{1, 1, 3, 3}, f32}}, .attr = ConvAttr{1, 0, 1, 1}}},
      // depthwise
      {"conv2d",
       {.inputs = {{{5, 3, 6, 6}, f32}, {{3, 1, 3, 3}, f32}}, .attr = ConvAttr{1, 1, 1, 3}}},
      {"conv2d",
       {.inputs = {{{8, 8, 16, 16}, f32}, {{16, 8, 3, 3}, f32}, {{16}, f32}},
        .attr = ConvAttr{1, 1, 1, 1}}},
      // rows that no window reaches
      {"conv2d", {.inputs = {{{1, 2, 5, 8}}, {{2, 2, 2, 3}}, {{2}}}, .attr = ConvAttr{3, 2, 1, 1}}},
      {"conv2d_grad_input",
       {.inputs = {{{5, 6, 2, 3}, f32}, {{6, 2, 3, 2}, f32}},
        .attr = ConvAttr{2, 1, 2, 2},
        .shape = {5, 4, 6, 5}}},
      {"conv2d_grad_weight",
       {.inputs = {{{5, 4, 6, 5}, f32}, {{5, 6, 2, 3}, f32}},
        .attr = ConvAttr{2, 1, 2, 2},
        .shape = {6, 2, 3, 2}}},
      {"max_pool2d", {.inputs = {{{1, 1, 5, 4}, f32, distinct}}, .attr = MaxPoolAttr{3, 1, 1}}},
      // with ties
      {"max_pool2d",
       {.inputs = {{{1, 2, 3, 3}, f64, real}}, .attr = MaxPoolAttr{2, 1, 1}, .gradient = false}},
      {"max_pool2d",
       {.inputs = {{{16, 16, 28, 28}, f32, real}},
        .attr = MaxPoolAttr{2, 2, 0},
        .gradient = false}},
      {"max_pool2d_grad",
       {.inputs = {{{16, 16, 14, 14}, f32}, {{16, 16, 14, 14}, i32, Domain::index, 784}},
        .shape = {16, 16, 28, 28}}},
      {"permute", {.inputs = {{{2, 3, 2, 2, 3}}}, .attr = PermuteAttr{{4, 0, 3, 1, 2}}}},
      {"permute", {.inputs = {{{200, 300}, f32}}, .attr = PermuteAttr{{1, 0}}}},
      {"permute",
       {.inputs = {{{3, 1, 70, 2}, u8, Domain::index, 256}}, .attr = PermuteAttr{{2, 3, 0, 1}}}},
      {"expand", {.inputs = {{{3, 1, 2, 1}}}, .shape = {2, 3, 4, 2, 2}}},
      {"expand", {.inputs = {{{1, 300}, f32}}, .shape = {200, 300}}},
      // clamped to 2
      {"narrow", {.inputs = {{{5, 4}}, indices({}, 1000)}, .attr = NarrowAttr{0, 3, 1}}},
      // clamped to 0
      {"narrow", {.inputs = {{{5, 4}}, {{}, i64, real}}, .attr = NarrowAttr{1, 2, 3}}},
      {"narrow", {.inputs = {{{300, 400}, f32}}, .attr = NarrowAttr{1, 90, 3}, .slots = {7}}},
      // clamped to 1
      {"slice_update",
       {.inputs = {{{5, 4}}, {{5, 2}}, indices({}, 1000)}, .attr = NarrowAttr{1, 2, 2}}},
      {"slice_update",
       {.inputs = {{{300, 400}, f32}, {{300, 90}, f32}},
        .attr = NarrowAttr{1, 90, 1},
        .slots = {300}}},
      {"cat", {.inputs = {{{2, 3}}}, .attr = DimAttr{0}}},
      {"cat",
       {.inputs = {{{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}},
                   {{2, 1}}},
        .attr = DimAttr{1}}},
      {"cat", {.inputs = {flags({2, 3, 1}), flags({2, 3, 4})}, .attr = DimAttr{2}}},
      {"gather", {.inputs = {{{3, 4, 5}}, indices({2, 3, 5}, 4)}, .attr = DimAttr{1}}},
      {"gather", {.inputs = {flags({7}), indices({20}, 7)}, .attr = DimAttr{0}, .gradient = false}},
      {"scatter_add",
       {.inputs = {{{3, 4, 5}}, indices({2, 9, 5}, 4), {{2, 9, 5}}}, .attr = DimAttr{1}}},
      {"scatter_add",
       {.inputs = {{{9}, i64}, indices({30}, 9), {{30}, i64}},
        .attr = DimAttr{0},
        .gradient = false}},
      // More than one block of queries and tile of keys, ends within both, sizes within and beyond
      // one vector.
      {"scaled_dot_product_attention",
       {.inputs = {{{1, 130, 5}}, {{1, 130, 5}}, {{1, 130, 5}}},
        .attr = AttentionAttr{0.4, 0, true},
        .gradient = false}},
      {"scaled_dot_product_attention",
       {.inputs = {{{3, 200, 20}, f32}, {{3, 200, 20}, f32}, {{3, 200, 20}, f32}},
        .attr = AttentionAttr{0.2, 0, true}}},
      {"scaled_dot_product_attention",
       {.inputs = {{{130, 33}, f32}, {{70, 33}, f32}, {{70, 33}, f32}},
        .attr = AttentionAttr{0.2, 0, true}}},
      {"scaled_dot_product_attention",
       {.inputs = {{{2, 7, 64}, f32}, {{2, 190, 64}, f32}, {{2, 190, 64}, f32}},
        .attr = AttentionAttr{0.1, 0, true}}},
      {"scaled_dot_product_attention",
       {.inputs = {{{2, 65, 3}, f32}, {{2, 129, 3}, f32}, {{2, 129, 3}, f32}},
        .attr = AttentionAttr{0.1, 0, false}}},
      {"scaled_dot_product_attention_grad",
       {.inputs =
            {{{2, 70, 5}}, {{2, 70, 5}}, {{2, 70, 5}}, {{2, 70, 5}}, {{2, 70, 5}}, {{2, 2, 70}}},
        .attr = AttentionAttr{0.4, 0, true},
        .gradient = false}},
      {"self_attention", {.inputs = {{{2, 140, 96}, f32}}, .attr = AttentionAttr{0.3, 4, true}}},
      {"self_attention",
       {.inputs = {{{1, 140, 18}}}, .attr = AttentionAttr{0.3, 3, false}, .gradient = false}},
      {"self_attention_grad",
       {.inputs =
            {{{2, 140, 32}, f32}, {{2, 140, 96}, f32}, {{2, 140, 32}, f32}, {{2, 2, 4, 140}, f32}},
        .attr = AttentionAttr{0.3, 4, true},
        .gradient = false}},
      {"embedding", {.inputs = {{{5, 3}}, indices({2, 2, 3}, 5)}}},
      {"embedding", {.inputs = {{{5, 3}, i64}, indices({4}, 5)}, .gradient = false}},
      {"embedding", {.inputs = {{{300, 129}, f32}, indices({700}, 300)}, .gradient = false}},
      {"embedding_grad",
       {.inputs = {{{900, 129}, f32}, indices({900}, 30)}, .shape = {30, 129}, .gradient = false}},
      {"embedding_grad",
       {.inputs = {{{6, 2}, i64}, indices({6}, 3)}, .shape = {3, 2}, .gradient = false}},
      {"layer_norm",
       {.inputs = {{{2, 3, 4, 5}, f32}, {{4, 5}, f32}, {{4, 5}, f32}}, .attr = NormAttr{1e-5}}},
      // nothing to normalize
      {"layer_norm",
       {.inputs = {{{3, 1}}, {{1}}, {{1}}}, .attr = NormAttr{1e-3}, .gradient = false}},
      // chunks of rows
      {"layer_norm",
       {.inputs = {{{900, 67}, f32}, {{67}, f32}, {{67}, f32}}, .attr = NormAttr{1e-5}}},
      // blocks within a row
      {"layer_norm", {.inputs = {{{2, 9000}, f32}, {{9000}, f32}}, .attr = NormAttr{1e-5}}},
      {"layer_norm_grad",
       {.inputs = {{{900, 33}}, {{900, 33}}, {{33}}}, .attr = NormAttr{1e-5}, .gradient = false}},
      {"one_hot",
       {.inputs = {{{3}, u8, Domain::index, 5}},
        .attr = Attr{},
        .throws = Refusal{"num_classes", "0", "at least 1", ErrorCode::argument}}},
      {"cast", {.inputs = {{{200, 300}, f32}}, .attr = DTypeAttr{f64}, .gradient = false}},
      {"cast", {.inputs = {{{1000}, i64}}, .attr = DTypeAttr{i32}, .gradient = false}},
      {"reshape", {.inputs = {{{6, 4}, f32}}, .shape = {2, 3, 2, 2}}},
      {"where",
       {.inputs = {flags({200, 300}), {{200, 300}, f32}, {{300}, f32}},
        .attr = row(PointwiseOp::where)}},
      {"where",
       {.inputs = {flags({4, 5}), {{4, 5}, i64}, {{5}, i64}},
        .attr = row(PointwiseOp::where),
        .gradient = false}},
      {"where", {.inputs = {flags({}), {{3}}, {{2, 1}}}, .attr = row(PointwiseOp::where)}},
      {"add", {.inputs = {{{2, 1, 3, 1}}, {{4, 1, 5}}}, .attr = row(PointwiseOp::add)}},
      {"add", {.inputs = {{{300, 200}, f32}, {{300, 1}, f32}}, .attr = row(PointwiseOp::add)}},
      {"mul", {.inputs = {{{300, 200}, f32}, {{200}, f32}}, .attr = row(PointwiseOp::mul)}},
      {"mul", {.inputs = {{{4, 5}}, {{4, 5}, i64}}, .attr = row(PointwiseOp::mul)}},  // promoted
      {"sub", {.inputs = {{{4, 5}, f32}, {{5}}}, .attr = row(PointwiseOp::sub)}},
      {"div", {.inputs = {{{4, 5}}, {{}, f64, Domain::nonzero}}, .attr = row(PointwiseOp::div)}},
      // a scalar slot
      {"maximum", {.inputs = {{{3, 7}}}, .attr = row(PointwiseOp::maximum), .slots = {0.3}}},
      {"pow",
       {.inputs = {{{3, 7}, f64, Domain::positive}},
        .attr = row(PointwiseOp::pow),
        .slots = {2.5}}},
      {"pow",
       {.inputs = {{{3, 7}, f64, Domain::real}}, .attr = row(PointwiseOp::pow), .slots = {3}}},
      {"relu6", {.inputs = {{{150, 200}, f32}}, .attr = row(PointwiseOp::relu6)}},
      {"silu", {.inputs = {{{150, 200}, f32}}, .attr = row(PointwiseOp::silu)}},
      {"hardsigmoid", {.inputs = {{{150, 200}, f32}}, .attr = row(PointwiseOp::hardsigmoid)}},
      {"hardswish", {.inputs = {{{150, 200}, f32}}, .attr = row(PointwiseOp::hardswish)}},
      {"gelu", {.inputs = {{{150, 200}, f32}}, .attr = row(PointwiseOp::gelu)}},
      {"eq",
       {.inputs = {{{300, 200}, i64}, {{200}, i64}},
        .attr = row(PointwiseOp::eq),
        .gradient = false}},
      {"logical_and",
       {.inputs = {flags({5, 1}), flags({7})},
        .attr = row(PointwiseOp::logical_and),
        .gradient = false}},
  };
}

TEST(MoreSamples, NameOpsThatExist) {
  for (const More& m : more()) EXPECT_NE(find_op(m.op), nullptr) << m.op;
}

}  // namespace

std::vector<Sample> more_samples(std::string_view op) {
  std::vector<Sample> samples;
  for (const More& m : more())
    if (op == m.op) samples.push_back(m.sample);
  return samples;
}

}  // namespace suanli::test
