// SPDX-License-Identifier: Apache-2.0
#include "data/image/resize.h"

#include <cmath>

#include "data/pictures.h"
#include "gtest/gtest.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

Picture gray(int64_t height, int64_t width, std::vector<uint8_t> pixels) {
  return {.height = height, .width = width, .channels = 1, .pixels = std::move(pixels)};
}

std::vector<double> resized(const Picture& p, const Box& box, int64_t height, int64_t width) {
  std::vector<uint8_t> out(static_cast<size_t>(p.channels * height * width));
  resize(p.view(), box, height, width, out.data());
  return {out.begin(), out.end()};
}

std::vector<double> resized(const Picture& p, int64_t height, int64_t width) {
  return resized(p, {0, 0, static_cast<double>(p.height), static_cast<double>(p.width)}, height,
                 width);
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_NEAR(a[i], b[i], tolerance) << what << ", value " << i;
}

TEST(Resize, ByHand) {
  struct Case {
    const char* what;
    Picture from;
    Box box;
    int64_t height, width;
    std::vector<double> expected;
  };
  const Picture nine = gray(3, 3, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  const Case cases[] = {
      {"the mean of all", nine, {0, 0, 3, 3}, 1, 1, {4}},
      {"half of the middle pixel goes either way",
       gray(1, 3, {30, 60, 90}),
       {0, 0, 1, 3},
       1,
       2,
       {40, 80}},
      {"between pixel centers", gray(1, 2, {0, 100}), {0, 0, 1, 2}, 1, 4, {0, 25, 75, 100}},
      {"downwards", gray(2, 1, {0, 100}), {0, 0, 2, 1}, 4, 1, {0, 25, 75, 100}},
      {"one pixel", gray(1, 1, {77}), {0, 0, 1, 1}, 2, 3, std::vector<double>(6, 77)},
      {"the same size", nine, {0, 0, 3, 3}, 3, 3, {0, 1, 2, 3, 4, 5, 6, 7, 8}},
      {"a part", nine, {1, 1, 2, 2}, 2, 2, {4, 5, 7, 8}},
      {"a part, its mean", nine, {1, 0, 2, 2}, 1, 1, {5}},
      {"a part between pixels, its mean",
       gray(1, 4, {0, 100, 200, 40}),
       {0, 0.5, 1, 3},
       1,
       1,
       {(0 * 0.5 + 100 + 200 + 40 * 0.5) / 3}},
      {"a part that is shifted by half a pixel",
       gray(1, 3, {0, 100, 200}),
       {0, 0.5, 1, 2},
       1,
       2,
       {50, 150}},
  };
  for (const Case& c : cases)
    expect_near(resized(c.from, c.box, c.height, c.width), c.expected, 0.5001, c.what);
}

TEST(Resize, KeepsTheMean) {
  Picture noise = gray(101, 67, {});
  double sum = 0;
  for (size_t i = 0; i < 101 * 67; ++i) {
    noise.pixels.push_back(static_cast<uint8_t>(i * 2654435761u % 251));
    sum += noise.pixels.back();
  }
  for (auto [h, w] : {std::pair{28, 28}, {100, 66}, {1, 67}, {7, 1}}) {
    double mean = 0;
    for (double v : resized(noise, h, w)) mean += v / h / w;
    EXPECT_NEAR(mean, sum / (101 * 67), 0.2) << h << "×" << w;
  }
}

TEST(Resize, ChannelsDoNotMix) {
  Picture p = slope(31, 45, 3);
  const std::vector<double> all = resized(p, {3, 5, 20, 30}, 12, 16);
  for (size_t c = 0; c < 3; ++c) {
    Picture one = gray(31, 45, {});
    for (size_t i = c; i < p.pixels.size(); i += 3) one.pixels.push_back(p.pixels[i]);
    const std::vector<double> alone = resized(one, {3, 5, 20, 30}, 12, 16);
    EXPECT_EQ(std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(c * 192),
                                  all.begin() + static_cast<std::ptrdiff_t>(c * 192 + 192)),
              alone);
  }
}

TEST(Resize, TheMiddle) {
  auto expect = [](Box box, double top, double left, double height, double width) {
    EXPECT_EQ((std::vector{box.top, box.left, box.height, box.width}),
              (std::vector{top, left, height, width}));
  };
  expect(center_box(100, 200, 96, 96), 0, 50, 100, 100);
  expect(center_box(200, 100, 96, 96), 50, 0, 100, 100);
  expect(center_box(50, 50, 96, 96), 0, 0, 50, 50);
  expect(center_box(60, 90, 10, 20), 7.5, 0, 45, 90);
}

}  // namespace
}  // namespace suanli::data
