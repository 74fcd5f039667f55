// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/conv/pool.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

constexpr const char* kPixels = "pictures of at least 1×1";
constexpr const char* kSizes = "at least 1, or -1, which keeps the input's";

/// The given samples, then those that windows() and the rank refuse.
template <class PoolAttr> std::vector<Sample> with_refused(std::vector<Sample> samples) {
  const Sample refused[] = {
      {.inputs = {{{3, 4, 4}}},
       .attr = PoolAttr{2, 2, 0},
       .throws = Refusal{"input", "[3, 4, 4]", "rank 4, [N, C, H, W]"}},
      {.inputs = {{{1, 1, 0, 4}}},
       .attr = PoolAttr{2, 1, 1},
       .throws = Refusal{"input", "[1, 1, 0, 4]", kPixels}},
      {.inputs = {{{1, 1, 4, 0}}},
       .attr = PoolAttr{2, 1, 1},
       .throws = Refusal{"input", "[1, 1, 4, 0]", kPixels}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{0, 1, 0},
       .throws = Refusal{"kernel_size", "0", "at least 1", ErrorCode::argument}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{2, -1, 0},
       .throws = Refusal{"stride", "-1", "at least 1", ErrorCode::argument}},
      {.inputs = {{{1, 1, 4, 4}}},
       .attr = PoolAttr{2, 1, INT32_MAX},
       .throws = Refusal{"padding", "2147483647", "0 to 1, half of kernel 2", ErrorCode::argument}},
      {.inputs = {{{1, 1, 2, 2}}},
       .attr = PoolAttr{3, 1, 0},
       .throws = Refusal{"kernel_size", "3", "at most 2, as input 2 with padding 0 has"}}};
  samples.insert(samples.end(), std::begin(refused), std::end(refused));
  return samples;
}

const RegisterSamples max_pool2d_samples(max_pool2d_op, [] {
  return with_refused<MaxPoolAttr>(
      {{.inputs = {{{2, 3, 6, 4}, f64, Domain::distinct}}, .attr = MaxPoolAttr{2, 2, 0}},
       {.inputs = {{{1, 2, 7, 7}, f64, Domain::distinct}}, .attr = MaxPoolAttr{3, 2, 1}},
       {.inputs = {{{2, 2, 5, 5}, f32, Domain::distinct}}, .attr = MaxPoolAttr{2, 2, 0}},
       {.inputs = {{{2, 3, 26, 26}, f32, Domain::distinct}}, .attr = MaxPoolAttr{2, 2, 0}},
       {.inputs = {{{2, 2, 9, 30}, f32, Domain::distinct}}, .attr = MaxPoolAttr{{3, 2}, {2, 1}}},
       {.inputs = {{{1, 2, 9, 8}, f64, Domain::distinct}},
        .attr = MaxPoolAttr{{2, 3}, {3, 2}, {1, 0}, {1, 2}}},
       {.inputs = {{{1, 16, 9, 12}, f32, Domain::distinct}},
        .attr = MaxPoolAttr{3, 0, {0, 1}, {2, 3}}},
       {.inputs = {{{1, 3, 8, 7}, f64, Domain::distinct}},
        .attr = MaxPoolAttr{.kernel_size = 3, .stride = 2, .padding = 1, .ceil_mode = true}},
       {.inputs = {{{2, 1, 7, 40}, f32, Domain::distinct}},
        .attr = MaxPoolAttr{.kernel_size = 2, .stride = {2, 3}, .ceil_mode = true}},
       {.inputs = {{{1, 1, 4, 4}}},
        .attr = MaxPoolAttr{.kernel_size = 2, .dilation = {1, 0}},
        .throws = Refusal{"dilation", "0", "at least 1", ErrorCode::argument}},
       {.inputs = {{{1, 1, 4, 4}}},
        .attr = MaxPoolAttr{.kernel_size = 3, .dilation = 2},
        .throws = Refusal{"kernel_size", "3 at dilation 2, spanning 5",
                          "at most 4, as input 4 with padding 0 has"}},
       {.inputs = {{{0, 3, 4, 4}}}, .attr = MaxPoolAttr{2, 2, 0}}});
});

const RegisterSamples max_pool2d_grad_samples(max_pool2d_grad_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 3, 2}}, {{2, 3, 3, 2}, DType::i32, Domain::index, 24}},
       .shape = {2, 3, 6, 4}},
      {.inputs = {{{1, 2, 4, 4}, f32}, {{1, 2, 4, 4}, DType::i32, Domain::index, 49}},
       .shape = {1, 2, 7, 7},
       .gradient = false}};
});

const RegisterSamples mean_pool2d_samples(mean_pool2d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 7, 8}}}, .attr = MeanPoolAttr{3, 2, 1, {4, 4}}},
      {.inputs = {{{1, 2, 5, 21}}}, .attr = MeanPoolAttr{3, 1, 1, {5, 21}}},
      {.inputs = {{{1, 2, 7, 5}}}, .attr = MeanPoolAttr{0, 0, 0, {3, 4}}},
      {.inputs = {{{2, 5, 9, 40}, f32}}, .attr = MeanPoolAttr{2, 1, 1, {10, 41}}},
      {.inputs = {{{0, 3, 4, 4}}}, .attr = MeanPoolAttr{3, 1, 1, {4, 4}}},
      {.inputs = {{{3, 4, 4}}},
       .attr = MeanPoolAttr{3, 1, 1, {4, 4}},
       .throws = Refusal{"input", "[3, 4, 4]", "rank 4, [N, C, H, W]"}}};
});

const RegisterSamples mean_pool2d_grad_samples(mean_pool2d_grad_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 4, 4}}}, .attr = MeanPoolAttr{3, 2, 1, {4, 4}}, .shape = {2, 3, 7, 8}},
      {.inputs = {{{1, 2, 5, 21}}}, .attr = MeanPoolAttr{3, 1, 1, {5, 21}}, .shape = {1, 2, 5, 21}},
      {.inputs = {{{1, 2, 3, 4}}}, .attr = MeanPoolAttr{0, 0, 0, {3, 4}}, .shape = {1, 2, 7, 5}},
      {.inputs = {{{1, 2, 3, 4}}},
       .attr = MeanPoolAttr{0, 0, 0, {3, 5}},
       .shape = {1, 2, 7, 5},
       .throws = Refusal{"gradient", "[1, 2, 3, 4]", "3×5 means of pictures [1, 2, 7, 5]"}}};
});

const RegisterSamples avg_pool2d_samples(avg_pool2d_op, [] {
  return with_refused<AvgPoolAttr>(
      {{.inputs = {{{2, 3, 6, 4}}}, .attr = AvgPoolAttr{2, 2, 0}},
       {.inputs = {{{1, 2, 7, 8}}}, .attr = AvgPoolAttr{3, 2, 1}},
       {.inputs = {{{2, 5, 9, 9}, f32}}, .attr = AvgPoolAttr{3, 1, 0}},
       {.inputs = {{{2, 32, 8, 8}, f32}}, .attr = AvgPoolAttr{4, 4, 0}},
       {.inputs = {{{0, 3, 4, 4}}}, .attr = AvgPoolAttr{2, 2, 0}},
       {.inputs = {{{2, 2, 9, 30}, f32}}, .attr = AvgPoolAttr{{3, 2}, {2, 1}}},
       {.inputs = {{{1, 2, 6, 9}}}, .attr = AvgPoolAttr{{2, 3}}},
       {.inputs = {{{1, 2, 9, 8}}},
        .attr = AvgPoolAttr{.kernel_size = 3,
                            .stride = 2,
                            .padding = 1,
                            .ceil_mode = true,
                            .count_include_pad = false}},
       {.inputs = {{{1, 2, 8, 9}}},
        .attr =
            AvgPoolAttr{.kernel_size = {3, 2}, .stride = {2, 3}, .padding = 1, .ceil_mode = true}},
       {.inputs = {{{1, 2, 5, 20}, f32}},
        .attr =
            AvgPoolAttr{.kernel_size = 3, .stride = 1, .padding = 1, .count_include_pad = false}},
       {.inputs = {{{1, 2, 6, 6}}}, .attr = AvgPoolAttr{.kernel_size = 2, .divisor_override = 3}}});
});

const RegisterSamples adaptive_avg_pool2d_samples(adaptive_avg_pool2d_op, [] {
  return std::vector<Sample>{{.inputs = {{{2, 3, 6, 4}}}, .attr = AdaptivePoolAttr{{3, 2}}},
                             {.inputs = {{{1, 2, 7, 5}}}, .attr = AdaptivePoolAttr{{3, 4}}},
                             {.inputs = {{{1, 2, 2, 3}}}, .attr = AdaptivePoolAttr{{5, 7}}},
                             {.inputs = {{{2, 32, 7, 7}, f32}}, .attr = AdaptivePoolAttr{{1, 1}}},
                             {.inputs = {{{2, 5, 10, 13}, f32}}, .attr = AdaptivePoolAttr{{7, 7}}},
                             {.inputs = {{{1, 2, 7, 5}}}, .attr = AdaptivePoolAttr{{-1, 2}}},
                             {.inputs = {{{0, 3, 4, 4}}}, .attr = AdaptivePoolAttr{{1, 1}}},
                             {.inputs = {{{1, 1, 2, 2}}},
                              .attr = AdaptivePoolAttr{{0, 1}},
                              .throws = Refusal{"output_size", "0", kSizes, ErrorCode::argument}},
                             {.inputs = {{{1, 1, 2, 2}}},
                              .attr = AdaptivePoolAttr{{1, -2}},
                              .throws = Refusal{"output_size", "-2", kSizes, ErrorCode::argument}},
                             {.inputs = {{{1, 1, 0, 2}}},
                              .attr = AdaptivePoolAttr{{1, 1}},
                              .throws = Refusal{"input", "[1, 1, 0, 2]", kPixels}}};
});

const RegisterSamples adaptive_max_pool2d_samples(adaptive_max_pool2d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 6, 4}, f64, Domain::distinct}}, .attr = AdaptivePoolAttr{{3, 2}}},
      {.inputs = {{{1, 2, 7, 5}, f64, Domain::distinct}}, .attr = AdaptivePoolAttr{{3, 4}}},
      {.inputs = {{{1, 2, 2, 3}, f64, Domain::distinct}}, .attr = AdaptivePoolAttr{{5, 7}}},
      {.inputs = {{{2, 3, 7, 7}, f32, Domain::distinct}}, .attr = AdaptivePoolAttr{{1, 1}}},
      {.inputs = {{{2, 5, 10, 13}, f32, Domain::distinct}}, .attr = AdaptivePoolAttr{{7, 7}}},
      {.inputs = {{{0, 3, 4, 4}}}, .attr = AdaptivePoolAttr{{1, 1}}},
      {.inputs = {{{1, 1, 2, 2}}},
       .attr = AdaptivePoolAttr{{0, 1}},
       .throws = Refusal{"output_size", "0", kSizes, ErrorCode::argument}},
      {.inputs = {{{1, 1, 2, 2}}},
       .attr = AdaptivePoolAttr{{1, -2}},
       .throws = Refusal{"output_size", "-2", kSizes, ErrorCode::argument}},
      {.inputs = {{{1, 1, 0, 2}}},
       .attr = AdaptivePoolAttr{{1, 1}},
       .throws = Refusal{"input", "[1, 1, 0, 2]", kPixels}}};
});

}  // namespace
}  // namespace suanli::test
