// SPDX-License-Identifier: Apache-2.0
// Options of convolutions, pools, padding and losses that are refused, and shapes without a batch.
#include <gtest/gtest.h>

#include <cmath>

#include "suanli/ops.h"
#include "support/errors.h"

namespace suanli::test {
namespace {

TEST(Geometry, PaddingIsRefusedWhereItDoesNotFit) {
  const Tensor x = ones({2, 3, 4}), w = ones({2, 3, 3});
  EXPECT_FAULT(ArgumentError, conv1d(x, w, {}, {.padding = "most"}), .op = "ConvPadding",
               .argument = "padding", .given = "'most'",
               .expected = "'same', 'valid', an integer or a pair of them");
  EXPECT_FAULT(ArgumentError, conv1d(x, w, {}, {.stride = 2, .padding = "same"}), .op = "conv1d",
               .argument = "padding", .given = "'same' with stride 2", .expected = "stride 1");
  EXPECT_FAULT(ShapeError, pad(x, {1}), .op = "pad", .argument = "pad",
               .given = "[1] of input [2, 3, 4]",
               .expected = "two numbers for each of the last dimensions");
  EXPECT_FAULT(ShapeError, pad(x, {4, 0}, PadMode::reflect), .op = "pad", .argument = "pad",
               .expected = "fewer than 4 elements to reflect");
  EXPECT_FAULT(ShapeError, pad(x, {5, 0}, PadMode::circular), .op = "pad", .argument = "pad",
               .expected = "at most 4 elements to repeat");
  EXPECT_FAULT(ShapeError, pad(x, {-3, -2}), .op = "pad", .argument = "pad",
               .expected = "to crop at most 4 elements");
  EXPECT_FAULT(ShapeError, pad(zeros({2, 0}), {1, 0}, PadMode::replicate), .op = "pad",
               .argument = "pad", .expected = "an element to replicate");
  EXPECT_EQ(pad(x, {-1, 2, 0, 1}, PadMode::constant, 7).shape(), (Shape{2, 4, 5}));
  EXPECT_EQ(pad(tensor<int64_t>({1, 2, 3}), {2, 1}, PadMode::reflect).to_vector<int64_t>(),
            (std::vector<int64_t>{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(pad(tensor<int64_t>({1, 2, 3}), {2, 1}, PadMode::circular).to_vector<int64_t>(),
            (std::vector<int64_t>{2, 3, 1, 2, 3, 1}));
  EXPECT_FAULT(ArgumentError, IntPair(int64_t{1} << 40), .op = "IntPair", .argument = "value",
               .given = "1099511627776");
}

TEST(Geometry, OneSampleIsTakenWithoutABatch) {
  const Tensor picture = ones({3, 8, 9});
  EXPECT_EQ(conv2d(picture, ones({2, 3, 3, 2})).shape(), (Shape{2, 6, 8}));
  EXPECT_EQ(conv1d(ones({3, 8}), ones({2, 3, 3})).shape(), (Shape{2, 6}));
  EXPECT_EQ(conv_transpose2d(picture, ones({3, 2, 3, 2})).shape(), (Shape{2, 10, 10}));
  EXPECT_EQ(conv_transpose1d(ones({3, 8}), ones({3, 2, 3})).shape(), (Shape{2, 10}));
  EXPECT_EQ(max_pool2d(picture, {{2, 3}}).shape(), (Shape{3, 4, 3}));
  EXPECT_EQ(avg_pool1d(ones({3, 8}), {.kernel_size = 3}).shape(), (Shape{3, 2}));
  EXPECT_EQ(adaptive_avg_pool2d(picture, {-1, 4}).shape(), (Shape{3, 8, 4}));
  EXPECT_EQ(adaptive_max_pool1d(ones({3, 8}), 3).shape(), (Shape{3, 3}));
  EXPECT_EQ(interpolate(ones({1, 1, 4, 4}), {.scale_factor = 2.5}).shape(), (Shape{1, 1, 10, 10}));
  EXPECT_FAULT(ArgumentError, interpolate(ones({1, 1, 4, 4}), {}), .op = "interpolate",
               .argument = "size", .given = "neither size nor scale_factor",
               .expected = "one of them");
  EXPECT_FAULT(ArgumentError, avg_pool2d(picture, {.divisor_override = 0}), .op = "avg_pool2d",
               .argument = "divisor_override", .given = "0");
  EXPECT_FAULT(ShapeError, pixel_shuffle(picture, 2), .op = "pixel_shuffle", .argument = "input");
}

TEST(Geometry, LossesRefuseWhatDoesNotFit) {
  const Tensor x = ones({2, 3}), y = ones({3});
  EXPECT_FAULT(ShapeError, l1_loss(x, y), .op = "l1_loss", .argument = "y", .given = "[3]",
               .expected = "[2, 3], the shape of the input");
  EXPECT_FAULT(DTypeError, huber_loss(cast(x, i64), x), .op = "huber_loss", .argument = "x");
  EXPECT_FAULT(ArgumentError, huber_loss(x, x, Reduction::mean, 0), .op = "huber_loss",
               .argument = "delta", .given = "0", .expected = "above 0");
  EXPECT_FAULT(ArgumentError, l1_loss(x, x, Reduction::batchmean), .op = "l1_loss",
               .argument = "reduction", .given = "batchmean", .expected = "none, mean or sum");
  // Targets that do not count: none of them gives NaN, as 0/0 in PyTorch.
  const Tensor ignored = tensor<int64_t>({-100, -100});
  EXPECT_TRUE(std::isnan(cross_entropy(x, ignored).item<float>()));
  EXPECT_EQ(cross_entropy(x, ignored, {.reduction = Reduction::sum}).item<float>(), 0);
  // Probabilities of 0 and 1 that are right cost nothing, and wrong ones at most 100.
  const Tensor p = tensor<float>({0, 1, 0, 1}), t = tensor<float>({0, 1, 1, 0});
  EXPECT_EQ(binary_cross_entropy(p, t, {.reduction = Reduction::none}).to_vector<float>(),
            (std::vector<float>{0, 0, 100, 100}));
}

}  // namespace
}  // namespace suanli::test
