// SPDX-License-Identifier: Apache-2.0
#include "data/sources/glyphs.h"

#include <thread>
#include <vector>

#include "data/datasets/image_dataset.h"
#include "gtest/gtest.h"

namespace suanli::data {
namespace {

constexpr size_t kPixels = kGlyphSide * kGlyphSide;

// Hashes of the pictures when this test was written: runs resumed on another machine, or with a
// later version, must see these very pictures.
constexpr uint64_t kGolden = 0xb9e5a9a9fc6efd78;

TEST(Glyphs, AreTheSameEverywhere) {
  uint64_t hash = 0;
  std::vector<uint8_t> pixels(kPixels);
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}})
    for (int split : {0, 1})
      for (int64_t i = 0; i < 500; ++i) {
        const auto label = static_cast<uint8_t>(draw_glyph(seed, split, i, pixels.data()));
        hash = fingerprint(fingerprint(hash, pixels.data(), kPixels), &label, 1);
      }
  EXPECT_EQ(hash, kGolden) << std::hex << "0x" << hash;
}

TEST(Glyphs, ASampleDependsOnItsIndexAlone) {
  const auto few = open("glyphs?train=50&test=20", {.val_fraction = 0}),
             many = open("glyphs?train=600&test=300", {.val_fraction = 0});
  std::vector<float> a(kPixels), b(kPixels);
  std::vector<uint8_t> drawn(kPixels);
  int64_t label_a, label_b;
  for (int64_t i = 0; i < 50; ++i) {
    few.train->read(i, a.data(), &label_a);
    many.train->read(i, b.data(), &label_b);
    EXPECT_EQ(a, b);
    EXPECT_EQ(label_a, draw_glyph(0, 0, i, drawn.data()));
    EXPECT_EQ(label_a, label_b);
    for (size_t p = 0; p < kPixels; ++p) EXPECT_EQ(a[p], static_cast<float>(drawn[p]) / 255.0f);
  }
  for (int64_t i = 0; i < 20; ++i) {
    few.test->read(i, a.data(), &label_a);
    many.test->read(i, b.data(), &label_b);
    EXPECT_EQ(a, b);
  }
}

TEST(Glyphs, SplitsAndSeedsDiffer) {
  std::vector<uint8_t> a(kPixels), b(kPixels);
  for (int64_t i = 0; i < 100; ++i) {
    draw_glyph(0, 0, i, a.data());
    draw_glyph(0, 1, i, b.data());
    EXPECT_NE(a, b);
    draw_glyph(1, 0, i, b.data());
    EXPECT_NE(a, b);
    draw_glyph(0, 0, i + 100, b.data());
    EXPECT_NE(a, b);
  }
}

TEST(Glyphs, ThreadsDoNotShow) {
  std::vector<std::vector<uint8_t>> drawn(4, std::vector<uint8_t>(kPixels * 200));
  std::vector<std::thread> threads;
  for (auto& into : drawn)
    threads.emplace_back([&into] {
      for (int64_t i = 0; i < 200; ++i)
        draw_glyph(5, 0, i, into.data() + static_cast<size_t>(i) * kPixels);
    });
  for (auto& t : threads) t.join();
  for (const auto& other : drawn) EXPECT_TRUE(other == drawn[0]);
}

TEST(Glyphs, ClassesAreEvenAndInkIsVisible) {
  const Splits s = open("glyphs?train=5000&test=10", {.val_fraction = 0});
  std::vector<int> count(10);
  std::vector<float> x(kPixels);
  for (int64_t i = 0, y = 0; i < s.train->size(); ++i) {
    s.train->read(i, x.data(), &y);
    ++count[static_cast<size_t>(y)];
    int bright = 0;
    for (float v : x) bright += v > 0.6f;
    EXPECT_GT(bright, 20) << i;
    EXPECT_LT(bright, 300) << i;
  }
  for (int c : count) EXPECT_NEAR(c, 500, 110);  // 5 standard deviations are 106
  EXPECT_EQ(s.train->info().classes, 10);
  EXPECT_EQ(s.train->info().source, "glyphs?train=5000&test=10&seed=0");
  EXPECT_EQ(open(s.train->info().source, {.val_fraction = 0}).train->info().fingerprint,
            s.train->info().fingerprint);
}

}  // namespace
}  // namespace suanli::data
