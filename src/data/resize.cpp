#include "data/resize.h"

#include <algorithm>
#include <cmath>

namespace suanli::data {
namespace {

/// What one new sample is made of: weights for old samples first, first + 1, …
struct Taps {
  int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps(int64_t from, int64_t to) {
  std::vector<Taps> all(static_cast<size_t>(to));
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  for (int64_t i = 0; i < to; ++i) {
    Taps& t = all[static_cast<size_t>(i)];
    if (to < from) {
      const double begin = static_cast<double>(i) * scale, end = begin + scale;
      t.first = static_cast<int64_t>(begin);
      const int64_t last = std::min(from, static_cast<int64_t>(std::ceil(end - 1e-9)));
      for (int64_t k = t.first; k < last; ++k) {
        const double covered = std::min(end, static_cast<double>(k + 1)) - std::max(begin, static_cast<double>(k));
        t.weights.push_back(static_cast<float>(covered / scale));
      }
    } else {
      const double centre = std::clamp((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0, static_cast<double>(from - 1));
      t.first = std::min(static_cast<int64_t>(centre), std::max<int64_t>(0, from - 2));
      const auto second = static_cast<float>(centre - static_cast<double>(t.first));
      t.weights.push_back(1 - second);
      if (from > 1) t.weights.push_back(second);
    }
  }
  return all;
}

}  // namespace

std::vector<float> resize(const float* plane, int64_t from_h, int64_t from_w, int64_t to_h, int64_t to_w) {
  const std::vector<Taps> down = taps(from_h, to_h), across = taps(from_w, to_w);
  std::vector<float> narrow(static_cast<size_t>(from_h * to_w));
  for (int64_t y = 0; y < from_h; ++y)
    for (int64_t x = 0; x < to_w; ++x) {
      const Taps& t = across[static_cast<size_t>(x)];
      float sum = 0;
      for (size_t k = 0; k < t.weights.size(); ++k) sum += t.weights[k] * plane[y * from_w + t.first + static_cast<int64_t>(k)];
      narrow[static_cast<size_t>(y * to_w + x)] = sum;
    }
  std::vector<float> out(static_cast<size_t>(to_h * to_w), 0.0f);
  for (int64_t y = 0; y < to_h; ++y) {
    const Taps& t = down[static_cast<size_t>(y)];
    for (size_t k = 0; k < t.weights.size(); ++k) {
      const float* row = narrow.data() + (t.first + static_cast<int64_t>(k)) * to_w;
      for (int64_t x = 0; x < to_w; ++x) out[static_cast<size_t>(y * to_w + x)] += t.weights[k] * row[x];
    }
  }
  return out;
}

}  // namespace suanli::data
