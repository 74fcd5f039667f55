// SPDX-License-Identifier: Apache-2.0
#include "data/augment/geometry.h"

#include <cmath>

#include "gtest/gtest.h"

namespace suanli::data {
namespace {

using Bytes = std::vector<uint8_t>;

TEST(Geometry, ByHand) {
  Bytes x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const Shape shape{2, 2, 3};
  mirror(shape, x.data());
  EXPECT_EQ(x, (Bytes{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}));
  shift(shape, 1, -2, Outside::black, x.data());  // one row up, two columns to the right
  EXPECT_EQ(x, (Bytes{0, 0, 6, 0, 0, 0, 0, 0, 12, 0, 0, 0}));
  x.assign(12, 1);
  shift(shape, 0, 5, Outside::black, x.data());
  EXPECT_EQ(x, Bytes(12, 0));
  x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  shift(shape, -1, 2, Outside::mirrored, x.data());
  EXPECT_EQ(x, (Bytes{6, 5, 4, 3, 2, 1, 12, 11, 10, 9, 8, 7}));
  x.assign(12, 0);
  erase(shape, {0, 1, 2, 3}, {7, 9}, x.data());
  EXPECT_EQ(x, (Bytes{0, 7, 7, 0, 7, 7, 0, 9, 9, 0, 9, 9}));
}

TEST(Geometry, TurnsByHand) {
  for (Interpolation how : {Interpolation::nearest, Interpolation::bilinear}) {
    Bytes x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    warp({1, 3, 3}, affine({.angle = 90}), how, x.data());
    EXPECT_EQ(x, (Bytes{7, 4, 1, 8, 5, 2, 9, 6, 3}));  // clockwise
    warp({1, 3, 3}, affine({.right = 1, .down = -1}), how, x.data());
    EXPECT_EQ(x, (Bytes{0, 8, 5, 0, 9, 6, 0, 0, 0}));
  }
  Bytes x = {10, 20, 30, 40};
  warp({1, 1, 4}, affine({.right = 0.5}), Interpolation::bilinear, x.data());
  EXPECT_EQ(x, (Bytes{5, 15, 25, 35}));
  x = {10, 20, 30, 40};
  warp({1, 1, 4}, affine({.scale = 2}), Interpolation::nearest, x.data());
  EXPECT_EQ(x, (Bytes{20, 20, 30, 30}));
}

TEST(Geometry, AreasLieInside) {
  PhiloxStream random(5, 6);
  double largest = 0, smallest = 1;
  int64_t cut = 0;
  for (int i = 0; i < 3000; ++i) {
    const Area a = random_area({3, 40, 60}, random);
    ASSERT_TRUE(a.top >= 0 && a.left >= 0 && a.bottom <= 40 && a.right <= 60);
    const double share = static_cast<double>((a.bottom - a.top) * (a.right - a.left)) / 2400;
    largest = std::max(largest, share);
    smallest = std::min(smallest, share);
    const Area s = random_square({3, 40, 60}, 0.5, random);
    ASSERT_TRUE(s.top >= 0 && s.left >= 0 && s.bottom <= 40 && s.right <= 60 && s.bottom > s.top &&
                s.right > s.left);
    ASSERT_TRUE(s.bottom - s.top <= 20 && s.right - s.left <= 30);
    cut += s.bottom - s.top < 20;
  }
  EXPECT_NEAR(largest, 0.33, 0.02);
  EXPECT_NEAR(smallest, 0.02, 0.01);
  // the middle nearer than 10 pixels to an edge
  EXPECT_NEAR(static_cast<double>(cut) / 3000, 19.0 / 40, 0.05);
}

}  // namespace
}  // namespace suanli::data
