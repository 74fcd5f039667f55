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

}  // namespace
}  // namespace suanli::test
