// SPDX-License-Identifier: Apache-2.0
// A number that is not finite, or very large, meets the results of its receptive field and no
// others.
#include <limits>
#include <random>

#include "backends/conv/conv_run.h"
#include "backends/instruction_set.h"

namespace suanli::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInf = std::numeric_limits<float>::infinity();
constexpr float kHuge = 1e38f;

/// NaN, ±∞ or finite.
int class_of(double v) {
  if (std::isnan(v)) return 2;
  if (std::fabs(v) > std::numeric_limits<float>::max()) return v > 0 ? 1 : -1;
  return 0;
}

/// Results have the classes that the definition gives, and those that do not meet the outlier have
/// the values that they have without it. May be NaN, too: those of `padded`, where the outlier
/// meets padding.
template <class Padded>
void expect_classes(const std::vector<float>& got, const std::vector<double>& want,
                    const std::vector<double>& clean, double tolerance, const char* what,
                    Padded padded) {
  ASSERT_EQ(got.size(), want.size());
  int64_t wrong = 0, moved = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (class_of(got[i]) != class_of(want[i]))
      wrong += std::isnan(got[i]) && padded(static_cast<int64_t>(i)) ? 0 : 1;
    else if (class_of(want[i]) == 0 && want[i] == clean[i] &&
             std::fabs(got[i] - clean[i]) > tolerance)
      ++moved;
  }
  EXPECT_EQ(wrong, 0) << what << ": of another class, of " << got.size();
  EXPECT_EQ(moved, 0) << what << ": another value outside of the receptive field";
}

/// A convolution and what the definition gives for it, also with one element of an operand
/// replaced.
class Outliers {
 public:
  Outliers(const Case& c, bool in_blocks) : c_(c), in_(c) {
    if (!in_blocks) in_.x_in = in_.y_in = false;
    std::fill(in_.bias.values.begin(), in_.bias.values.end(), 0.0f);
  }

  /// Element `place` of an operand is to be replaced: 0: x, 1: w, 2: g.
  void choose(int operand, size_t place) { chosen_.push_back({operand, place, {}}); }

  void check() {
    SCOPED_TRACE(c_.what);
    std::vector<uint8_t> marked[3] = {std::vector<uint8_t>(in_.x.values.size()),
                                      std::vector<uint8_t>(in_.w.values.size()),
                                      std::vector<uint8_t>(in_.g.values.size())};
    for (const Chosen& chosen : chosen_) marked[chosen.operand][chosen.place] = 1;
    clean_ = definition(c_, in_.x, in_.w, in_.bias, in_.g);
    const uint8_t *const x = marked[0].data(), *const w = marked[1].data(),
                         *const g = marked[2].data();
    for_products(c_, [&](size_t i, size_t j, size_t k) {
      if ((x[i] | w[j] | g[k]) == 0) return;
      for (Chosen& chosen : chosen_)
        if (chosen.place == (chosen.operand == 0 ? i : chosen.operand == 1 ? j : k))
          chosen.products.push_back({i, j, k});
    });
    for (const Chosen& chosen : chosen_)
      for (float outlier : {kNan, -kInf, kHuge}) check(chosen, outlier);
  }

 private:
  struct Product {
    size_t x, w, g;
  };
  struct Chosen {
    int operand;
    size_t place;
    std::vector<Product> products;
  };

  void check(const Chosen& chosen, float outlier) {
    SCOPED_TRACE(std::string(chosen.operand == 0   ? "x"
                             : chosen.operand == 1 ? "w"
                                                   : "g") +
                 " has " + std::to_string(outlier));
    Definition want = clean_;
    for (const Product& p : chosen.products) {
      const double x = in_.x.values[p.x], w = in_.w.values[p.w], g = in_.g.values[p.g], v = outlier;
      if (chosen.operand != 2) want.y[p.g] += chosen.operand == 0 ? (v - x) * w : (v - w) * x;
      if (chosen.operand != 0) want.dx[p.x] += chosen.operand == 1 ? (v - w) * g : (v - g) * w;
      if (chosen.operand != 1) want.dw[p.w] += chosen.operand == 0 ? (v - x) * g : (v - g) * x;
    }
    std::vector<float>& values = chosen.operand == 0   ? in_.x.values
                                 : chosen.operand == 1 ? in_.w.values
                                                       : in_.g.values;
    const float before = values[chosen.place];
    values[chosen.place] = outlier;
    const auto got = in_.results();
    values[chosen.place] = before;

    // The effect of a finite outlier on other results of its Winograd tile is bounded by another
    // test (winograd_test.cpp).
    const double loose = std::isfinite(outlier) ? kHuge * 1e-3 : 0,
                 pixels = static_cast<double>(c_.n * c_.p() * c_.q());
    // A weight that is not finite meets zeros where its tap falls into the padding, and a gradient
    // does in the sums of the taps that meet padding at its pixel.
    const auto at = static_cast<int64_t>(chosen.place);
    const bool weight = chosen.operand == 1, gradient = chosen.operand == 2;
    const int64_t channels = c_.c / c_.attr.groups, taps = c_.r * c_.s,
                  out = at / (channels * taps);
    const bool finite = std::isfinite(outlier);
    const int64_t row = at / c_.s % c_.r, column = at % c_.s;  // of the weight's tap
    // Where a tap of the kernel meets the picture, or the padding, for pixel (p, q) of the results.
    auto in_padding = [&](int64_t p, int64_t q, int64_t r, int64_t s) {
      const int64_t h = p * c_.attr.stride[0] + r * c_.attr.dilation[0] - c_.attr.padding[0];
      const int64_t w = q * c_.attr.stride[1] + s * c_.attr.dilation[1] - c_.attr.padding[1];
      return h < 0 || h >= c_.h || w < 0 || w >= c_.w;
    };
    const int64_t channel = out / (c_.o / c_.attr.groups) * channels + at / taps % channels;
    // Where the tap meets no result's gradient for pixel (h, w) of the picture: zeros stand there
    // for a kernel that transposes the convolution.
    auto beside_results = [&](int64_t h, int64_t w) {
      const int64_t p = h + c_.attr.padding[0] - row * c_.attr.dilation[0],
                    q = w + c_.attr.padding[1] - column * c_.attr.dilation[1];
      return p < 0 || p >= c_.p() * c_.attr.stride[0] || p % c_.attr.stride[0] != 0 || q < 0 ||
             q >= c_.q() * c_.attr.stride[1] || q % c_.attr.stride[1] != 0;
    };
    expect_classes(got[0], want.y, clean_.y, loose + 1e-5 * (c_.depth() + 10), "y", [&](int64_t i) {
      return weight && !finite && i / (c_.p() * c_.q()) % c_.o == out &&
             in_padding(i / c_.q() % c_.p(), i % c_.q(), row, column);
    });
    expect_classes(got[1], want.dx, clean_.dx,
                   loose + 1e-5 * static_cast<double>(c_.o * c_.r * c_.s + 10), "dx",
                   [&](int64_t i) {
                     return weight && !finite && i / (c_.h * c_.w) % c_.c == channel &&
                            beside_results(i / c_.w % c_.h, i % c_.w);
                   });
    expect_classes(got[2], want.dw, clean_.dw, loose + 1e-5 * (pixels + 10), "dw", [&](int64_t i) {
      return gradient && !finite && i / (channels * taps) == at / (c_.p() * c_.q()) % c_.o &&
             in_padding(at / c_.q() % c_.p(), at % c_.q(), i / c_.s % c_.r, i % c_.s);
    });
  }

  Case c_;
  InBlocks in_;
  Definition clean_;
  std::vector<Chosen> chosen_;
};

void check_anywhere(const Case& c, std::mt19937& random, bool in_blocks) {
  if (c.x().numel() == 0 || c.weight().numel() == 0 || c.y().numel() == 0) return;
  Outliers outliers(c, in_blocks);
  for (int operand = 0; operand < 3; ++operand) {
    const Shape shape = operand == 0 ? c.x() : operand == 1 ? c.weight() : c.y();
    outliers.choose(operand, random() % static_cast<size_t>(shape.numel()));
  }
  outliers.check();
}

TEST(ConvOutliers, StayInTheirReceptiveField) {
  std::mt19937 random(11);
  PoolThreads two(2);
  for (const Case& c : cases) check_anywhere(c, random, false);
  for (const Case& c : blocked_cases) check_anywhere(c, random, true);
}

TEST(ConvOutliers, StayInTheirReceptiveFieldWithAvx2) {
  if ((hwy::SupportedTargets() & HWY_AVX2) == 0) GTEST_SKIP() << "needs AVX2";
  const InstructionSet avx2(HWY_AVX2);
  std::mt19937 random(12);
  for (const Case& c : cases) check_anywhere(c, random, false);
}

// The receptive fields of the first and the last pixels are cut by the picture's borders.
TEST(ConvOutliers, AtTheBorders) {
  const Case c{"border", 4, 32, 13, 14, 48, 3, 3, {1, 1, 1, 1}};
  Outliers outliers(c, true);
  for (int64_t pixel :
       {int64_t{0}, c.w - 1, c.w * (c.h - 1), c.w * c.h - 1, c.w * 4 + 4, c.w * 3 + 5})
    for (int operand : {0, 2}) outliers.choose(operand, static_cast<size_t>(5 * c.h * c.w + pixel));
  outliers.check();
}

}  // namespace
}  // namespace suanli::test
