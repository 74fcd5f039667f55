// SPDX-License-Identifier: Apache-2.0
#include "train/run/tta.h"

#include <gtest/gtest.h>

#include <cmath>

namespace suanli {
namespace {

constexpr int64_t kHeight = 5, kWidth = 4, kChannels = 2, kSamples = 3, kClasses = 4;

struct Net : nn::Module {
  nn::Linear fc{kChannels * kHeight * kWidth, kClasses};
  SUANLI_FIELDS(fc)
  Tensor forward(const Tensor& x) const { return fc(flatten(x, 1)); }
};

/// Where a pixel comes from, numpy's "reflect".
int64_t inside(int64_t at, int64_t size) {
  return at < 0 ? -at : at >= size ? 2 * size - 2 - at : at;
}

std::vector<float> view_of(const std::vector<float>& x, int64_t move, bool mirrored) {
  std::vector<float> out;
  for (int64_t plane = 0; plane < kSamples * kChannels; ++plane)
    for (int64_t r = 0; r < kHeight; ++r)
      for (int64_t c = 0; c < kWidth; ++c) {
        const int64_t column = mirrored ? kWidth - 1 - c : c;
        out.push_back(x[static_cast<size_t>((plane * kHeight + inside(r + move, kHeight)) * kWidth +
                                            inside(column + move, kWidth))]);
      }
  return out;
}

TEST(TestTimeAugmentation, IsTheWeightedMeanOfTheViews) {
  NoGrad no_grad;
  manual_seed(3);
  nn::AnyModule model = Net();
  const Shape shape{kSamples, kChannels, kHeight, kWidth};
  const std::vector<float> x = rand(shape).to_vector<float>();
  const std::vector<double> mean = {0.4, 0.5}, stddev = {0.2, 0.3};
  struct View {
    int64_t move;
    bool mirrored;
    double weight;
  };
  const std::pair<TestTimeAugmentation, std::vector<View>> rows[] = {
      {TestTimeAugmentation::mirror, {{0, false, 0.5}, {0, true, 0.5}}},
      {TestTimeAugmentation::translate,
       {{0, false, 0.25},
        {0, true, 0.25},
        {-1, false, 0.125},
        {-1, true, 0.125},
        {1, false, 0.125},
        {1, true, 0.125}}}};
  for (auto& [tta, views] : rows) {
    std::vector<double> logits(kSamples * kClasses);
    for (const View& v : views) {
      const Tensor picture = tensor<float>(view_of(x, v.move, v.mirrored), shape);
      const std::vector<float> out =
          answers(model, picture, mean, stddev, TestTimeAugmentation::none).to_vector<float>();
      for (size_t i = 0; i < out.size(); ++i) logits[i] += v.weight * static_cast<double>(out[i]);
    }
    const std::vector<float> got =
        answers(model, tensor<float>(x, shape), mean, stddev, tta).to_vector<float>();
    for (size_t n = 0; n < kSamples; ++n) {
      double sum = 0;
      for (size_t k = 0; k < kClasses; ++k) sum += std::exp(logits[n * kClasses + k]);
      for (size_t k = 0; k < kClasses; ++k)
        EXPECT_NEAR(static_cast<double>(got[n * kClasses + k]),
                    logits[n * kClasses + k] - std::log(sum), 1e-5)
            << to_string(tta);
    }
    EXPECT_EQ(view_count(tta), static_cast<int64_t>(views.size()));
  }
}

TEST(TestTimeAugmentation, NamesAreReadBack) {
  for (TestTimeAugmentation tta :
       {TestTimeAugmentation::none, TestTimeAugmentation::mirror, TestTimeAugmentation::translate})
    EXPECT_EQ(tta_from_text(to_string(tta)), tta);
  EXPECT_THROW(tta_from_text("flip"), ArgumentError);
  EXPECT_THROW(require_views(TestTimeAugmentation::mirror, data::Task::regression, {3, 8, 8}),
               ArgumentError);
  EXPECT_THROW(require_views(TestTimeAugmentation::mirror, data::Task::classification, {13}),
               ArgumentError);
  EXPECT_NO_THROW(require_views(TestTimeAugmentation::none, data::Task::regression, {13}));
}

}  // namespace
}  // namespace suanli
