#include "data/augment.h"

#include <cmath>
#include <set>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/data.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

TEST(Augment, ByHand) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const Shape shape{2, 2, 3};
  mirror(shape, x.data());
  EXPECT_EQ(x, (std::vector<float>{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}));
  shift(shape, 1, -2, x.data());  // one row up, two columns to the right
  EXPECT_EQ(x, (std::vector<float>{0, 0, 6, 0, 0, 0, 0, 0, 12, 0, 0, 0}));
  x.assign(12, 1);
  shift(shape, 0, 5, x.data());
  EXPECT_EQ(x, std::vector<float>(12, 0));
}

TEST(Augment, Words) {
  EXPECT_FALSE(augment_from_text("none").any());
  const Augment a = augment_from_text("flip,crop");
  EXPECT_TRUE(a.flip && a.crop && !a.resized_crop);
  EXPECT_TRUE(augment_from_text("resized_crop").resized_crop);
  for (auto [text, part] : {std::pair{"flp", "Did you mean 'flip'?"},
                            {"", "'' is not known"},
                            {"none,flip", "'none' is not known"},
                            {"flip,", "'' is not known"},
                            {"crop,resized_crop", "Give one of them"}})
    EXPECT_TRUE(contains(error_of([&] { augment_from_text(text); }), part)) << text;
  const auto table = open("random:7").train;
  EXPECT_TRUE(
      contains(error_of([&] { Loader(table, {.augment = {.flip = true}}); }), "UsageError: [loader] augment: samples of shape [7]"));
}

TEST(Augment, BoxesLieInsideAndHaveTheAreasAndRatiosAsked) {
  PhiloxStream random(3, 4);
  double smallest = 1, largest = 0, flattest = 9, tallest = 0;
  for (int i = 0; i < 4000; ++i) {
    const Box b = random_box({120, 160}, 0.35, random);
    ASSERT_TRUE(b.top >= 0 && b.left >= 0 && b.top + b.height <= 120 && b.left + b.width <= 160);
    const double area = b.height * b.width / (120 * 160), ratio = b.width / b.height;
    smallest = std::min(smallest, area), largest = std::max(largest, area);
    flattest = std::min(flattest, ratio), tallest = std::max(tallest, ratio);
  }
  EXPECT_NEAR(smallest, 0.35, 0.02);
  EXPECT_NEAR(largest, 1, 0.05);
  EXPECT_NEAR(flattest, 0.75, 0.03);
  EXPECT_NEAR(tallest, 4.0 / 3, 0.05);
  const Box strip = random_box({10, 1000}, 0.35, random);  // no such part: the middle
  EXPECT_EQ((std::vector{strip.top, strip.left, strip.height, strip.width}), (std::vector<double>{0, 495, 10, 10}));
}

/// All values of three epochs.
std::vector<std::vector<float>> views(const Augment& augment, int threads, uint64_t seed, int64_t batch_size) {
  Loader loader(open("random:2x12x9?samples=40", {.val_fraction = 0}).train,
                {.batch_size = batch_size, .seed = seed, .threads = threads, .queue = 3, .augment = augment});
  std::vector<std::vector<float>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.emplace_back();
    for (auto& [x, y] : loader)
      for (float v : x.to_vector<float>()) epochs.back().push_back(v);
  }
  return epochs;
}

TEST(Augment, IsAFunctionOfSeedEpochAndSample) {
  for (const Augment& a : {Augment{.flip = true}, Augment{.crop = true}, Augment{.flip = true, .resized_crop = true}}) {
    const auto one = views(a, 1, 7, 16);
    EXPECT_EQ(one, views(a, 3, 7, 16));  // not of threads
    EXPECT_EQ(one, views(a, 0, 7, 5));   // not of batches
    EXPECT_NE(one, views(a, 1, 8, 16));
    EXPECT_NE(one[0], one[1]);
    EXPECT_NE(one[1], one[2]);
  }
}

TEST(Augment, FlipsHalfAndMovesEverywhere) {
  const auto plain = views({}, 0, 1, 40), flipped = views({.flip = true}, 0, 1, 40), moved = views({.crop = true}, 0, 1, 40);
  const Shape shape{2, 12, 9};
  int mirrored = 0;
  std::set<std::pair<int64_t, int64_t>> places;
  for (size_t epoch = 0; epoch < 3; ++epoch)
    for (size_t i = 0; i < 40; ++i) {
      auto sample = [&](const std::vector<std::vector<float>>& all) {
        const auto from = all[epoch].begin() + static_cast<std::ptrdiff_t>(i * 216);
        return std::vector<float>(from, from + 216);
      };
      std::vector<float> x = sample(plain);
      if (sample(flipped) != x) {
        ++mirrored;
        mirror(shape, x.data());
        EXPECT_EQ(sample(flipped), x);
      }
      bool found = false;
      for (int64_t down = -1; down <= 1; ++down)  // an eighth of 12 and of 9
        for (int64_t right = -1; right <= 1; ++right) {
          x = sample(plain);
          shift(shape, down, right, x.data());
          if (x == sample(moved)) found = true, places.emplace(down, right);
        }
      EXPECT_TRUE(found) << i;
    }
  EXPECT_NEAR(mirrored, 60, 25);
  EXPECT_EQ(places.size(), 9u);
}

}  // namespace
}  // namespace suanli::data
