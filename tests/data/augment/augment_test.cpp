// SPDX-License-Identifier: Apache-2.0
#include "data/augment/augment.h"

#include <cmath>
#include <map>
#include <set>

#include "data/augment/geometry.h"
#include "data/augment/mixing.h"
#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

TEST(Augment, Words) {
  EXPECT_FALSE(augment_from_text("none").any());
  const Augment a = augment_from_text("flip,crop");
  EXPECT_EQ((std::vector{a.flip, a.crop, a.resized_crop}), (std::vector{0.5, 0.125, 0.0}));
  EXPECT_EQ(augment_from_text("rotation=30,mixup").rotation, 30);
  const std::vector<AugmentWord> words = augment_words();
  for (const AugmentWord& w : words) EXPECT_TRUE(augment_from_text(w.name).any()) << w.name;
  std::string any = "none, or some of ";
  for (const AugmentWord& w : words)
    any += (&w == &words.front() ? "" : ", ") + std::string(w.name);
  any += " with commas between";
  struct Bad {
    const char* text;
    std::string given, expected;
  };
  const Bad cases[] = {
      {"flp", "'flp'", any},
      {"", "''", any},
      {"rotation=181", "'rotation=181'", "a number above 0, at most 180"},
      {"flip=0", "'flip=0'", "a number above 0, at most 1"},
      {"flip=", "'flip='", "a number above 0, at most 1"},
      {"none,flip", "'none' in 'none,flip'", any},
      {"flip,", "'' in 'flip,'", any},
      {"crop,resized_crop", "crop and resized_crop in 'crop,resized_crop'",
       "only one of them, because both crop"},
      {"reflect_crop,crop", "crop and reflect_crop in 'reflect_crop,crop'",
       "only one of them, because both crop"},
      {"alternating_flip,flip", "flip and alternating_flip in 'alternating_flip,flip'",
       "only one of them, because both mirror"}};
  for (const Bad& c : cases)
    EXPECT_FAULT(ArgumentError, augment_from_text(c.text), .op = "augment_from_text",
                 .argument = "augment", .given = c.given, .expected = c.expected);
  EXPECT_FAULT(ArgumentError, augment_from_text("flp"), .remedy = "Did you mean 'flip'?");
  const auto table = open("random:7").train;
  EXPECT_FAULT(ArgumentError, Loader(table, {.augment = {.flip = 0.5}}), .op = "Loader",
               .argument = "augment", .given = "samples of shape [7]",
               .expected = "pictures, [C, H, W]");
}

TEST(Augment, BoxesLieInsideAndHaveTheAreasAndRatiosAsked) {
  PhiloxStream random(3, 4);
  double smallest = 1, largest = 0, flattest = 9, tallest = 0;
  for (int i = 0; i < 4000; ++i) {
    const Box b = random_box({120, 160}, 0.35, random);
    ASSERT_TRUE(b.top >= 0 && b.left >= 0 && b.top + b.height <= 120 && b.left + b.width <= 160);
    const double area = b.height * b.width / (120 * 160), ratio = b.width / b.height;
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
    flattest = std::min(flattest, ratio);
    tallest = std::max(tallest, ratio);
  }
  EXPECT_NEAR(smallest, 0.35, 0.02);
  EXPECT_NEAR(largest, 1, 0.05);
  EXPECT_NEAR(flattest, 0.75, 0.03);
  EXPECT_NEAR(tallest, 4.0 / 3, 0.05);
  const Box strip = random_box({10, 1000}, 0.35, random);  // no such part: the middle
  EXPECT_EQ((std::vector{strip.top, strip.left, strip.height, strip.width}),
            (std::vector<double>{0, 495, 10, 10}));
}

/// All values of three epochs.
std::vector<std::vector<float>> views(const Augment& augment, int threads, uint64_t seed,
                                      int64_t batch_size) {
  Loader loader(
      open("random:3x12x9?samples=40", {.val_fraction = 0}).train,
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
  for (const Augment& a :
       {augment_from_text("flip"), augment_from_text("crop"),
        augment_from_text("flip,resized_crop"), augment_from_text("reflect_crop,alternating_flip"),
        augment_from_text("randaugment,cutout,mixup"),
        augment_from_text("trivialaugment,erasing,cutmix"),
        augment_from_text("affine,color_jitter,grayscale,blur")}) {
    const auto one = views(a, 1, 7, 16);
    EXPECT_EQ(one, views(a, 3, 7, 16));  // not of threads
    if (!a.mixes()) {
      EXPECT_EQ(one, views(a, 0, 7, 5));  // not of batches
    }
    EXPECT_NE(one, views(a, 1, 8, 16));
    EXPECT_NE(one[0], one[1]);
    EXPECT_NE(one[1], one[2]);
  }
}

/// Sample i of an epoch of views(), as the bytes that views are made of.
std::vector<uint8_t> sample_of(const std::vector<float>& epoch, size_t i) {
  std::vector<uint8_t> bytes;
  for (size_t k = i * 324; k < (i + 1) * 324; ++k)
    bytes.push_back(static_cast<uint8_t>(255 * epoch[k] + 0.5f));
  return bytes;
}

TEST(Augment, FlipsHalfAndMovesEverywhere) {
  const auto plain = views({}, 0, 1, 40), flipped = views({.flip = 0.5}, 0, 1, 40),
             moved = views({.crop = 0.125}, 0, 1, 40);
  const Shape shape{3, 12, 9};
  int mirrored = 0;
  std::set<std::pair<int64_t, int64_t>> places;
  for (size_t epoch = 0; epoch < 3; ++epoch)
    for (size_t i = 0; i < 40; ++i) {
      auto sample = [&](const std::vector<std::vector<float>>& all) {
        return sample_of(all[epoch], i);
      };
      std::vector<uint8_t> x = sample(plain);
      if (sample(flipped) != x) {
        ++mirrored;
        mirror(shape, x.data());
        EXPECT_EQ(sample(flipped), x);
      }
      bool found = false;
      for (int64_t down = -1; down <= 1; ++down)  // an eighth of 12 and of 9
        for (int64_t right = -1; right <= 1; ++right) {
          x = sample(plain);
          shift(shape, down, right, Outside::black, x.data());
          if (x == sample(moved)) {
            found = true;
            places.emplace(down, right);
          }
        }
      EXPECT_TRUE(found) << i;
    }
  EXPECT_NEAR(mirrored, 60, 25);
  EXPECT_EQ(places.size(), 9u);
}

TEST(Augment, AlternatingFlipShowsBothSidesInTwoEpochs) {
  const auto plain = views({}, 0, 1, 40), seen = views({.alternating_flip = 0.5}, 0, 1, 40);
  int first = 0;
  for (size_t i = 0; i < 40; ++i) {
    const std::vector<uint8_t> x = sample_of(plain[0], i);
    std::vector<uint8_t> other;  // the columns of each row from right to left
    for (size_t row = 0; row < 36; ++row)
      for (size_t column = 9; column-- > 0;) other.push_back(x[row * 9 + column]);
    const bool begins_mirrored = sample_of(seen[0], i) == other;
    first += begins_mirrored;
    for (size_t epoch = 0; epoch < 3; ++epoch)
      EXPECT_EQ(sample_of(seen[epoch], i), begins_mirrored == (epoch % 2 == 0) ? other : x)
          << i << " in epoch " << epoch;
  }
  EXPECT_NEAR(first, 20, 12);
  const auto all = views({.alternating_flip = 1}, 0, 1, 40);
  EXPECT_EQ(sample_of(all[1], 5), sample_of(plain[1], 5));
  EXPECT_NE(sample_of(all[0], 5), sample_of(plain[0], 5));
}

TEST(Augment, ASampleDrawnAgainIsSeenDifferently) {
  const auto set = open("random:3x12x9?samples=40", {.val_fraction = 0}).train;
  // three samples, each about 16 times
  const auto often = weighted_sampler(std::vector<double>(3, 1), 48, 5);
  auto epoch_of = [&](const char* augment, int threads, int64_t batch_size, int64_t first_batch,
                      std::shared_ptr<const Sampler> sampler) {
    Loader loader(set, {.batch_size = batch_size,
                        .seed = 2,
                        .threads = threads,
                        .augment = augment_from_text(augment),
                        .sampler = sampler});
    loader.start(1, first_batch);
    std::vector<float> all;
    for (Batch b; loader.next(b);)
      for (float v : b.x.to_vector<float>()) all.push_back(v);
    return all;
  };
  const std::vector<int64_t> order = often->order(1);
  const auto one = epoch_of("rotation", 0, 48, 0, often),
             flips = epoch_of("alternating_flip", 0, 48, 0, often);
  std::set<std::vector<uint8_t>> seen;
  std::map<int64_t, std::vector<uint8_t>> last;
  for (size_t i = 0; i < order.size(); ++i) {
    seen.insert(sample_of(one, i));
    const std::vector<uint8_t> view = sample_of(flips, i);
    if (last.count(order[i])) { EXPECT_NE(last[order[i]], view) << "place " << i; }
    last[order[i]] = view;
  }
  EXPECT_EQ(seen.size(), 48u);
  EXPECT_EQ(one, epoch_of("rotation", 3, 7, 0, often)) << "neither threads nor batches show";
  const auto rest = epoch_of("rotation", 1, 8, 4, often);
  EXPECT_EQ(rest, std::vector<float>(one.begin() + 32 * 324, one.end()))
      << "a resume in the middle of the epoch";
  // The first time a sample comes, it is as it would be in any order.
  const auto all = epoch_of("rotation", 0, 40, 0, sequential_sampler(40));
  EXPECT_EQ(sample_of(one, 0), sample_of(all, static_cast<size_t>(order[0])));
}

TEST(Augment, MixedBatchesHaveSharesOfClasses) {
  const auto set = open("random:3x16x16?samples=32&classes=5", {.val_fraction = 0}).train;
  for (const char* word : {"mixup", "cutmix", "mixup,cutmix"}) {
    Loader plain(set, {.batch_size = 8}),
        mixed(set, {.batch_size = 8, .threads = 2, .augment = augment_from_text(word)});
    plain.start(0);
    mixed.start(0);
    int changed = 0;
    for (Batch a, b; plain.next(a) && mixed.next(b);) {
      ASSERT_EQ(b.y.shape(), (Shape{8, 5}));
      const auto x = a.x.data<float>(), mixture = b.x.data<float>(), share = b.y.data<float>();
      const auto label = a.y.data<int64_t>();
      for (size_t i = 0; i < 8; ++i) {
        const size_t before = (i + 7) % 8;
        // The share that each sample kept, found from the pixels alone, is that of its target.
        double own = 0, difference = 0;
        for (size_t k = i * 768; k < (i + 1) * 768; ++k) {
          const double other =
              static_cast<double>(x[k]) - static_cast<double>(x[k - i * 768 + before * 768]);
          own += (static_cast<double>(mixture[k]) -
                  static_cast<double>(x[k - i * 768 + before * 768])) *
                 other;
          difference += other * other;
        }
        std::vector<double> target(5);
        target[static_cast<size_t>(label[i])] += own / difference;

        target[static_cast<size_t>(label[before])] += 1 - own / difference;
        for (size_t c = 0; c < 5; ++c)
          EXPECT_NEAR(static_cast<double>(share[i * 5 + c]), target[c], 0.12) << word;
        changed += std::abs(own / difference - 1) > 0.05;
      }
    }
    EXPECT_GT(changed, 4) << word;
  }
}

TEST(Augment, SharesComeFromABetaDistribution) {
  for (double alpha : {0.2, 1.0, 3.0}) {
    PhiloxStream random(1, 2);
    double sum = 0, squares = 0;
    constexpr int kDraws = 20'000;
    for (int i = 0; i < kDraws; ++i) {
      const double v = random_beta(alpha, random);
      ASSERT_TRUE(v >= 0 && v <= 1);
      sum += v;
      squares += (v - 0.5) * (v - 0.5);
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(variance / kDraws)) << alpha;
    EXPECT_NEAR(squares / kDraws / variance, 1, 0.05) << alpha;
  }
}

}  // namespace
}  // namespace suanli::data
