// SPDX-License-Identifier: Apache-2.0
// Samples of the ops in src/ops/conv/conv.cpp.
#include "support/op_samples.h"

namespace suanli::test {
namespace {

const RegisterSamples conv2d_samples(conv2d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 6, 5}}, {{4, 3, 3, 3}}, {{4}}}, .attr = ConvAttr{1, 1, 1, 1}},
      {.inputs = {{{1, 2, 7, 7}}, {{3, 2, 3, 2}}}, .attr = ConvAttr{2, 0, 1, 1}},
      {.inputs = {{{2, 4, 6, 6}}, {{6, 2, 3, 3}}, {{6}}}, .attr = ConvAttr{1, 2, 2, 2}},
      {.inputs = {{{2, 3, 4, 4}}, {{3, 1, 2, 2}}}, .attr = ConvAttr{1, 0, 1, 3}},
      {.inputs = {{{2, 3, 5, 5}}, {{2, 3, 1, 1}}}, .attr = ConvAttr{2, 0, 1, 1}},
      {.inputs = {{{3, 1, 28, 28}, f32}, {{10, 1, 5, 5}, f32}, {{10}, f32}},
       .attr = ConvAttr{1, 0, 1, 1}},
      {.inputs = {{{2, 16, 9, 9}, f32}, {{32, 16, 3, 3}, f32}}, .attr = ConvAttr{2, 1, 1, 1}},
      {.inputs = {{{0, 3, 6, 5}}, {{4, 3, 3, 3}}}, .attr = ConvAttr{1, 1, 1, 1}},
      {.inputs = {{{2, 3, 9, 8}}, {{4, 3, 3, 2}}, {{4}}},
       .attr = ConvAttr{{2, 1}, {0, 2}, {1, 3}, 1}},
      {.inputs = {{{2, 6, 9, 11}, f32}, {{4, 3, 2, 3}, f32}, {{4}, f32}},
       .attr = ConvAttr{{1, 3}, {2, 1}, {2, 1}, 2}},
      {.inputs = {{{2, 16, 9, 11}, f32}, {{16, 1, 3, 5}, f32}},
       .attr = ConvAttr{{2, 1}, {1, 2}, {1, 2}, 16}},
      {.inputs = {{{2, 3, 7, 8}}, {{3, 1, 3, 2}}}, .attr = ConvAttr{{1, 2}, {1, 0}, {2, 1}, 3}},
      {.inputs = {{{2, 32, 12, 13}, f32}, {{32, 32, 3, 3}, f32}},
       .attr = ConvAttr{1, {1, 0}, 1, 1}},
      {.inputs = {{{2, 3, 8, 8}}, {{64, 4, 3, 3}}},
       .attr = ConvAttr{1, 0, 1, 1},
       .throws = Refusal{"input", "3 channels", "4 channels, as weight [64, 4, 3, 3] has"}},
      {.inputs = {{{2, 3, 8, 8}}, {{6, 2, 3, 3}}},
       .attr = ConvAttr{1, 0, 1, 2},
       .throws =
           Refusal{"input", "3 channels", "4 channels, as weight [6, 2, 3, 3] in 2 groups has"}},
      {.inputs = {{{3, 8, 8}}, {{6, 3, 3, 3}}},
       .attr = ConvAttr{1, 0, 1, 1},
       .throws = Refusal{"input", "[3, 8, 8]", "rank 4, [N, C, H, W]"}},
      {.inputs = {{{1, 3, 8, 8}}, {{3, 3, 3}}},
       .attr = ConvAttr{1, 0, 1, 1},
       .throws = Refusal{"weight", "[3, 3, 3]", "rank 4, [out, in/groups, R, S]"}},
      {.inputs = {{{1, 3, 8, 8}}, {{3, 3, 0, 3}}},
       .attr = ConvAttr{1, 0, 1, 1},
       .throws = Refusal{"weight", "[3, 3, 0, 3]", "a kernel of at least 1×1"}},
      {.inputs = {{{2, 3, 2, 8}}, {{4, 3, 3, 3}}},
       .attr = ConvAttr{1, 0, 1, 1},
       .throws =
           Refusal{"weight", "kernel 3 spanning 3", "at most 2, as input 2 with padding 0 has"}}};
});

const RegisterSamples conv2d_grad_input_samples(conv2d_grad_input_op, [] {
  return std::vector<Sample>{{.inputs = {{{2, 4, 6, 5}}, {{4, 3, 3, 3}}},
                              .attr = ConvAttr{1, 1, 1, 1},
                              .shape = {2, 3, 6, 5}},
                             {.inputs = {{{1, 3, 3, 3}}, {{3, 2, 3, 2}}},
                              .attr = ConvAttr{2, 0, 1, 1},
                              .shape = {1, 2, 7, 7}},
                             {.inputs = {{{2, 6, 6, 6}}, {{6, 2, 3, 3}}},
                              .attr = ConvAttr{1, 2, 2, 2},
                              .shape = {2, 4, 6, 6}},
                             {.inputs = {{{2, 32, 5, 5}, f32}, {{32, 16, 3, 3}, f32}},
                              .attr = ConvAttr{2, 1, 1, 1},
                              .shape = {2, 16, 9, 9}},
                             {.inputs = {{{2, 4, 6, 5}}, {{4, 3, 3, 3}}},
                              .attr = ConvAttr{1, 0, 1, 1},
                              .shape = {2, 3, 6, 5},
                              .throws = Refusal{"gradient", "[2, 4, 6, 5]", "[2, 4, 4, 3]"}}};
});

const RegisterSamples conv2d_grad_weight_samples(conv2d_grad_weight_op, [] {
  return std::vector<Sample>{{.inputs = {{{2, 3, 6, 5}}, {{2, 4, 6, 5}}},
                              .attr = ConvAttr{1, 1, 1, 1},
                              .shape = {4, 3, 3, 3}},
                             {.inputs = {{{1, 2, 7, 7}}, {{1, 3, 3, 3}}},
                              .attr = ConvAttr{2, 0, 1, 1},
                              .shape = {3, 2, 3, 2}},
                             {.inputs = {{{2, 4, 6, 6}}, {{2, 6, 6, 6}}},
                              .attr = ConvAttr{1, 2, 2, 2},
                              .shape = {6, 2, 3, 3}},
                             {.inputs = {{{5, 16, 9, 9}, f32}, {{5, 32, 5, 5}, f32}},
                              .attr = ConvAttr{2, 1, 1, 1},
                              .shape = {32, 16, 3, 3}},
                             {.inputs = {{{0, 3, 6, 5}}, {{0, 4, 6, 5}}},
                              .attr = ConvAttr{1, 1, 1, 1},
                              .shape = {4, 3, 3, 3},
                              .gradient = false}};
});

const RegisterSamples conv_transpose2d_samples(conv_transpose2d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 4, 5}}, {{3, 2, 3, 3}}, {{2}}}, .attr = ConvTransposeAttr{}},
      {.inputs = {{{2, 4, 3, 4}}, {{4, 3, 3, 2}}, {{6}}},
       .attr = ConvTransposeAttr{{2, 3}, {1, 0}, {1, 2}, 1, 2}},
      {.inputs = {{{1, 2, 3, 4}}, {{2, 2, 2, 3}}},
       .attr = ConvTransposeAttr{1, 1, {1, 2}, {2, 3}, 1}},
      {.inputs = {{{2, 16, 7, 6}, f32}, {{16, 8, 4, 4}, f32}, {{8}, f32}},
       .attr = ConvTransposeAttr{2, 1, 0, 1, 1}},
      {.inputs = {{{0, 2, 3, 3}}, {{2, 2, 2, 2}}}, .attr = ConvTransposeAttr{}},
      {.inputs = {{{1, 2, 3, 3}}, {{3, 2, 2, 2}}},
       .attr = ConvTransposeAttr{},
       .throws = Refusal{"input", "[1, 2, 3, 3]", "3 channels, as weight [3, 2, 2, 2] has"}},
      {.inputs = {{{1, 2, 3, 3}}, {{2, 2, 2, 2}}},
       .attr = ConvTransposeAttr{2, 0, 2, 1, 1},
       .throws =
           Refusal{"output_padding", "2", "less than stride 2 or dilation 1", ErrorCode::argument}},
      {.inputs = {{{1, 2, 1, 1}}, {{2, 2, 2, 2}}},
       .attr = ConvTransposeAttr{1, 1, 0, 1, 1},
       .throws =
           Refusal{"padding", "1", "at most 0, so that a result is left", ErrorCode::argument}},
      {.inputs = {{{1, 3, 2, 2}}, {{3, 2, 2, 2}}},
       .attr = ConvTransposeAttr{1, 0, 0, 1, 2},
       .throws = Refusal{"weight", "[3, 2, 2, 2]"}},
      {.inputs = {{{3, 2, 2}}, {{3, 2, 2, 2}}},
       .attr = ConvTransposeAttr{},
       .throws = Refusal{"input", "[3, 2, 2]", "rank 4, [N, C, H, W]"}}};
});

const RegisterSamples conv1d_samples(conv1d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 9}}, {{4, 3, 3}}, {{4}}}, .attr = Conv1dAttr{2, 1, 2, 1}},
      {.inputs = {{{2, 4, 40}, f32}, {{6, 2, 5}, f32}}, .attr = Conv1dAttr{1, 2, 1, 2}},
      {.inputs = {{{3, 8, 33}, f32}, {{8, 1, 3}, f32}, {{8}, f32}}, .attr = Conv1dAttr{1, 1, 1, 8}},
      {.inputs = {{{0, 3, 9}}, {{4, 3, 3}}}, .attr = Conv1dAttr{}},
      {.inputs = {{{2, 3, 4, 4}}, {{4, 3, 3}}},
       .attr = Conv1dAttr{},
       .throws = Refusal{"input", "[2, 3, 4, 4]", "rank 3, [N, C, L]"}},
      {.inputs = {{{2, 3, 4}}, {{4, 3, 3}}, {{3}}},
       .attr = Conv1dAttr{},
       .throws = Refusal{"bias", "[3]", "[4], one per output channel"}}};
});

const RegisterSamples conv_transpose1d_samples(conv_transpose1d_op, [] {
  return std::vector<Sample>{
      {.inputs = {{{2, 3, 5}}, {{3, 2, 4}}, {{2}}}, .attr = ConvTranspose1dAttr{2, 1, 1, 1, 1}},
      {.inputs = {{{2, 4, 20}, f32}, {{4, 3, 3}, f32}}, .attr = ConvTranspose1dAttr{3, 0, 2, 2, 2}},
      {.inputs = {{{2, 3, 5}}, {{2, 2, 4}}},
       .attr = ConvTranspose1dAttr{},
       .throws = Refusal{"input", "[2, 3, 5]"}}};
});

}  // namespace
}  // namespace suanli::test
