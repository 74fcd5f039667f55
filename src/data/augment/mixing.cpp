// SPDX-License-Identifier: Apache-2.0
#include "data/augment/mixing.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace suanli::data {
namespace {

double random_normal(PhiloxStream& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.next_double()));
  return radius * std::cos(2 * std::numbers::pi * random.next_double());
}

/// Returns the logarithm of a draw from Gamma(alpha, 1). The method is that of Marsaglia & Tsang, A
/// simple method for generating gamma variables (2000); section 6 covers alpha < 1. With a small
/// alpha the draw itself would underflow.
double log_gamma_draw(double alpha, PhiloxStream& random) {
  if (alpha < 1) {
    const double boost = std::log(1 - random.next_double()) / alpha;
    return log_gamma_draw(alpha + 1, random) + boost;
  }
  const double d = alpha - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = random_normal(random), root = 1 + c * x, u = 1 - random.next_double();
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

/// Returns a rectangle with the fraction 1 − share of the picture's area. Its center is random, and
/// it is clipped to the picture (Yun et al., CutMix, 2019, section 3.1).
Area random_part(const Shape& shape, double share, PhiloxStream& random) {
  const double half = 0.5 * std::sqrt(1 - share);
  auto side = [&](int64_t size) {
    const auto middle = static_cast<int64_t>(random.below(static_cast<uint64_t>(size))),
               reach = static_cast<int64_t>(half * static_cast<double>(size));
    return std::pair{std::max<int64_t>(0, middle - reach), std::min(size, middle + reach)};
  };
  const auto [left, right] = side(shape[2]);
  const auto [top, bottom] = side(shape[1]);
  return {top, left, bottom, right};
}

/// Calls f(sample, previous sample) for all samples of x. f may change the sample; the previous
/// sample is always unchanged.
template <class F> void with_the_one_before(int64_t values, int64_t count, float* x, F&& f) {
  const std::vector<float> last(x + (count - 1) * values, x + count * values);
  for (int64_t i = count - 1; i >= 0; --i)
    f(x + i * values, i > 0 ? x + (i - 1) * values : last.data());
}

}  // namespace

double random_beta(double alpha, PhiloxStream& random) {
  const double a = log_gamma_draw(alpha, random), b = log_gamma_draw(alpha, random);
  return 1 / (1 + std::exp(b - a));
}

void mixup(const Shape& shape, int64_t count, double share, float* x) {
  const auto own = static_cast<float>(share), other = static_cast<float>(1 - share);
  const int64_t values = shape.numel();
  with_the_one_before(values, count, x, [&](float* sample, const float* before) {
    for (int64_t k = 0; k < values; ++k) sample[k] = own * sample[k] + other * before[k];
  });
}

void cutmix(const Shape& shape, int64_t count, const Area& area, float* x) {
  with_the_one_before(shape.numel(), count, x, [&](float* sample, const float* before) {
    for (int64_t c = 0; c < shape[0]; ++c)
      for (int64_t row = area.top; row < area.bottom; ++row) {
        const int64_t at = (c * shape[1] + row) * shape[2];
        std::copy(before + at + area.left, before + at + area.right, sample + at + area.left);
      }
  });
}

double mix_batch(const Augment& augment, const Shape& shape, int64_t count, PhiloxStream random,
                 float* x) {
  const bool both = augment.mixup > 0 && augment.cutmix > 0;
  const bool blend = both ? random.below(2) == 0 : augment.mixup > 0;
  const double share = random_beta(blend ? augment.mixup : augment.cutmix, random);
  if (blend) {
    mixup(shape, count, share, x);
    return share;
  }
  const Area area = random_part(shape, share, random);
  cutmix(shape, count, area, x);
  return 1 - static_cast<double>((area.bottom - area.top) * (area.right - area.left)) /
                 static_cast<double>(shape[1] * shape[2]);
}

void shares_of(const int64_t* labels, int64_t count, int64_t classes, double share, float* y) {
  std::fill_n(y, count * classes, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    y[i * classes + labels[i]] += static_cast<float>(share);
    y[i * classes + labels[i > 0 ? i - 1 : count - 1]] += static_cast<float>(1 - share);
  }
}

}  // namespace suanli::data
