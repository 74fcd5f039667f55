// SPDX-License-Identifier: Apache-2.0
// Winograd's convolutions at kernel level, beyond what conv_test.cpp asks of all convolutions.
#include <random>

#include "backends/conv/conv_run.h"
#include "backends/cpu/kernels.h"

namespace suanli::test {
namespace {

/// A convolution that Winograd's algorithm takes in blocks of channels. Every third one has more
/// weights than a lane sums a gradient of by itself.
Case winograd_case(std::mt19937& random, int index) {
  auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  const bool wide = index % 3 == 2;
  const int64_t c = 16 * (wide ? between(9, 12) : between(2, 5));
  const int64_t o = 16 * (wide ? between(9, 12) : between(2, 5));
  const int64_t h = between(6, wide ? 12 : 30), w = between(6, wide ? 12 : 30);
  const int64_t tiles = (h + 3) / 4 * ((w + 3) / 4);
  const int64_t n = std::max<int64_t>(1, (wide ? 160 : 40) / tiles + between(0, 5));
  const auto padding = static_cast<int32_t>(between(0, 2));
  return {"random", n, c, h, w, o, 3, 3, {1, padding, 1, 1}};
}

TEST(Winograd, BitsDoNotDependOnTheThreads) {
  std::mt19937 random(7);
  for (int i = 0; i < 24; ++i) {
    const Case c = winograd_case(random, i);
    SCOPED_TRACE(geometry(c));
    const InBlocks in(c);
    std::vector<std::vector<float>> first;
    for (int threads : {1, 2, 3, 5}) {
      PoolThreads pool(threads);
      const auto results = in.results();
      if (threads == 1) first = results;
      for (size_t k = 0; k < results.size(); ++k) {
        ASSERT_EQ(results[k].size(), first[k].size());
        EXPECT_EQ(std::memcmp(results[k].data(), first[k].data(), first[k].size() * sizeof(float)),
                  0)
            << "result " << k << " on " << threads << " threads";
      }
    }
  }
}

/// The largest |x| in the 6×6 pixels that make the 4×4 tile of result (row, column) of a sample.
double largest_of_tile(const Case& c, const Buffer<float>& x, int64_t sample, int64_t row,
                       int64_t column) {
  const int64_t top = row / 4 * 4 - c.attr.padding[0], left = column / 4 * 4 - c.attr.padding[1];
  double largest = 0;
  for (int64_t channel = 0; channel < c.c; ++channel)
    for (int64_t i = std::max<int64_t>(0, top); i < std::min(c.h, top + 6); ++i)
      for (int64_t j = std::max<int64_t>(0, left); j < std::min(c.w, left + 6); ++j)
        largest = std::max(
            largest,
            std::fabs(static_cast<double>(
                x.values[static_cast<size_t>(((sample * c.c + channel) * c.h + i) * c.w + j)])));
  return largest;
}

// A large pixel moves the other results of its tiles by rounding alone: |error| ≤ 2⁻¹⁸ · max |x of
// the tile| · Σ max |w of a channel|. Results of other tiles keep their bits.
TEST(Winograd, FiniteOutliersMoveTheirTileWithinTheBound) {
  std::mt19937 random(3);
  double worst = 0;
  for (int i = 0; i < 3; ++i) {
    const Case c = winograd_case(random, i);
    SCOPED_TRACE(geometry(c));
    InBlocks in(c);
    std::fill(in.bias.values.begin(), in.bias.values.end(), 0.0f);
    const auto clean = in.results()[0];
    std::vector<double> sums(clean.size()), weights(static_cast<size_t>(c.o));
    for (size_t at = 0; at < in.w.values.size(); at += 9) {
      const float* w = in.w.values.data() + at;
      const auto smaller = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
      weights[at / static_cast<size_t>(9 * c.c)] +=
          static_cast<double>(std::fabs(*std::max_element(w, w + 9, smaller)));
    }
    struct Outlier {
      float value;
      size_t place;
      std::vector<std::pair<size_t, size_t>> products;  // with weights, for results
    };
    std::vector<Outlier> outliers;
    for (float value : {1e3f, 1e12f, 1e30f})
      outliers.push_back({value, random() % in.x.values.size(), {}});
    for_products(c, [&](size_t a, size_t b, size_t k) {
      sums[k] += static_cast<double>(in.x.values[a]) * in.w.values[b];
      for (Outlier& o : outliers)
        if (a == o.place) o.products.emplace_back(b, k);
    });
    for (const auto& [outlier, place, products] : outliers) {
      const float before = in.x.values[place];
      in.x.values[place] = outlier;
      const auto got = in.results()[0];
      std::vector<double> want = sums;
      for (const auto& [b, k] : products)
        want[k] += (static_cast<double>(outlier) - before) * in.w.values[b];
      int64_t beyond = 0, moved = 0;
      std::vector<double> of_tile(static_cast<size_t>(c.q() / 4 + 1));
      const int64_t sample_of_it = static_cast<int64_t>(place) / (c.c * c.h * c.w);
      for (int64_t n = 0; n < c.n; ++n)
        for (int64_t p = 0; p < c.p(); ++p)
          for (int64_t q = 0; q < c.q(); ++q) {
            // of the tile's first pixel, and kept for the others
            double& largest = of_tile[static_cast<size_t>(q / 4)];
            if (p % 4 == 0 && q % 4 == 0) largest = largest_of_tile(c, in.x, n, p, q);
            for (int64_t o = 0; o < c.o; ++o) {
              const auto k = static_cast<size_t>(((n * c.o + o) * c.p() + p) * c.q() + q);
              const double bound = 0x1p-18 * largest * weights[static_cast<size_t>(o)];
              const double error = std::fabs(got[k] - want[k]);
              worst = std::max(worst, error / bound);
              beyond += error > bound;
              if (n != sample_of_it || largest < outlier) moved += got[k] != clean[k];
            }
          }
      EXPECT_EQ(beyond, 0) << "outlier " << outlier;
      EXPECT_EQ(moved, 0) << "outlier " << outlier;
      in.x.values[place] = before;
    }
  }
  std::printf("at most %.2f of the bound\n", worst);
}

// Weights that stay are packed for their kernel, and the definition is computed with them too.
TEST(Winograd, PackedWeightsKeepOutliersInTheirReceptiveField) {
  const Case c{"packed", 4, 32, 16, 16, 48, 3, 3, {1, 1, 1, 1}};
  InBlocks in(c);
  in.x.values[static_cast<size_t>((2 * c.c + 7) * c.h * c.w + 5 * c.w + 6)] =
      std::numeric_limits<float>::infinity();
  const Buffer<float> x = relaid(in.x, c.x(), in.b, true);
  Step step{conv2d_op.id(),
            &c.attr,
            {{DType::f32, x.shape}, {DType::f32, c.weight()}},
            {{DType::f32, blocked(c.y(), in.b)}}};
  const auto want = run_step<float>(step, {x.values.data(), in.w.values.data()})[0];
  if (cpu::direct_convolutions()) GTEST_SKIP() << "SUANLI_CONV=direct";
  step.constant = 2;
  const auto kernel = cpu_backend().prepare(step);
  ASSERT_EQ(kernel->packing.input, 1);
  alignas(64) static std::byte workspace[16 << 20];
  ASSERT_LE(kernel->workspace_bytes, static_cast<int64_t>(sizeof workspace));
  std::vector<float> packed(static_cast<size_t>(kernel->packing.bytes) / 4), y(want.size());
  kernel->pack(in.w.values.data(), packed.data());
  const void* inputs[] = {x.values.data(), packed.data()};
  void* outputs[] = {y.data()};
  kernel->run(inputs, outputs, workspace);
  EXPECT_EQ(std::memcmp(y.data(), want.data(), y.size() * sizeof(float)), 0);
  EXPECT_EQ(std::count_if(y.begin(), y.end(), [](float v) { return !std::isfinite(v); }), 9 * c.o);
}

}  // namespace
}  // namespace suanli::test
