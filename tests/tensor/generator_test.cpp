// SPDX-License-Identifier: Apache-2.0
// Generators: draws are a function of (seed, counter, shape) and of nothing else.
#include <algorithm>
#include <set>
#include <thread>

#include "gtest/gtest.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

std::vector<float> draws(Generator& g) {
  Tensor a = rand({5}, f32, &g), b = randn({3, 2}, f32, &g), c = dropout(ones({7}), 0.5, true, &g);
  std::vector<float> out = a.to_vector<float>();
  for (const Tensor& t : {b, c})
    for (float v : t.to_vector<float>()) out.push_back(v);
  return out;
}

TEST(Generator, TheThreadDoesNotMatter) {
  Generator here(7), there(7);
  const auto expected = draws(here);
  std::vector<float> got, shared;
  std::thread([&] { got = draws(there); }).join();
  EXPECT_EQ(got, expected);
  EXPECT_EQ(here.counter(), there.counter());
  // One generator handed from thread to thread goes on where it was.
  const auto next = draws(here);
  std::thread([&] { shared = draws(there); }).join();
  EXPECT_EQ(shared, next);
  EXPECT_NE(shared, expected);
}

TEST(Generator, NeitherFlushesNorReadsMatter) {
  auto run = [](bool eager, bool read) {
    Generator g(3);
    if (eager) {
      Eager on;
      return draws(g);
    }
    Tensor a = rand({5}, f32, &g);
    if (read) flush();
    Tensor b = randn({3, 2}, f32, &g), c = dropout(ones({7}), 0.5, true, &g);
    std::vector<float> out;
    for (const Tensor& t : {a, b, c})
      for (float v : t.to_vector<float>()) out.push_back(v);
    return out;
  };
  EXPECT_EQ(run(false, false), run(false, true));
  EXPECT_EQ(run(false, false), run(true, false));
}

TEST(Generator, ADeadDrawAdvancesToo) {
  Generator a(5), b(5);
  { Tensor dead = rand({10}, f32, &a); }
  EXPECT_EQ(a.counter(), 3u) << "ten numbers are three blocks of four";
  Tensor used = rand({10}, f32, &b);
  EXPECT_EQ(a.counter(), b.counter());
  EXPECT_EQ(rand({4}, f32, &a).to_vector<float>(), rand({4}, f32, &b).to_vector<float>());
}

TEST(Generator, EqualDrawsAreNotMerged) {
  Generator g(6);
  Tensor a = rand({8}, f32, &g), b = rand({8}, f32, &g);
  EXPECT_NE(a.to_vector<float>(), b.to_vector<float>());
}

TEST(Generator, StateGoesBackAndForth) {
  Generator g(8);
  draws(g);
  const uint64_t seed = g.seed(), counter = g.counter();
  const auto next = draws(g);
  g.set_state(seed, counter);
  EXPECT_EQ(draws(g), next);
  Generator other(99);
  other.set_state(seed, counter);
  EXPECT_EQ(draws(other), next);
}

TEST(Generator, ManualSeedStreams) {
  auto stream = [](uint64_t seed, uint64_t s) {
    manual_seed(seed, s);
    return rand({16}).to_vector<float>();
  };
  EXPECT_EQ(stream(4, 0), stream(4, 0));
  Generator plain(4);
  EXPECT_EQ(stream(4, 0), rand({16}, f32, &plain).to_vector<float>());
  std::set<std::vector<float>> seen;
  for (uint64_t seed : {0, 1, 4})
    for (uint64_t s = 0; s < 8; ++s) seen.insert(stream(seed, s));
  EXPECT_EQ(seen.size(), 24u) << "two streams are equal";
  std::vector<float> elsewhere;
  std::thread([&] { elsewhere = stream(4, 3); }).join();
  EXPECT_EQ(elsewhere, stream(4, 3));
}

TEST(Generator, ThreadsHaveStreamsOfTheirOwn) {
  std::vector<float> one, two;
  std::thread([&] { one = rand({16}).to_vector<float>(); }).join();
  std::thread([&] { two = rand({16}).to_vector<float>(); }).join();
  EXPECT_NE(one, two);
}

TEST(Generator, Permutation) {
  Generator g(9);
  auto p = randperm(1000, &g).to_vector<int64_t>();
  EXPECT_FALSE(std::is_sorted(p.begin(), p.end()));
  std::sort(p.begin(), p.end());
  for (size_t i = 0; i < p.size(); ++i) ASSERT_EQ(p[i], static_cast<int64_t>(i));
}

TEST(Generator, DropoutKeepsTheMeanAndScales) {
  Generator g(10);
  const auto y = dropout(ones({20000}), 0.25, true, &g).to_vector<float>();
  size_t zero = 0;
  for (float v : y) {
    if (v == 0) ++zero;
    else ASSERT_FLOAT_EQ(v, 1 / 0.75f);
  }
  EXPECT_NEAR(static_cast<double>(zero) / 20000, 0.25, 0.02);  // 6 standard deviations
  Tensor x = tensor_f32({5}, 1);
  EXPECT_EQ(dropout(x, 0.5, false).to_vector<float>(), x.to_vector<float>());
  EXPECT_EQ(dropout(x, 1.0, true, &g).to_vector<float>(), std::vector<float>(5, 0.0f));
  EXPECT_THROW(dropout(x, 1.5), ArgumentError);
}

}  // namespace
}  // namespace suanli
