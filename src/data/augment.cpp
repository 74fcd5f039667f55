#include "data/augment.h"

#include <algorithm>
#include <cmath>

#include "base/did_you_mean.h"
#include "base/text.h"
#include "data/resize.h"

namespace suanli::data {

Augment augment_from_text(const std::string& text) {
  const std::vector<std::string> words = {"none", "flip", "crop", "resized_crop"};
  Augment out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (word == "flip") out.flip = true;
    else if (word == "crop") out.crop = true;
    else if (word == "resized_crop") out.resized_crop = true;
    else if (word != "none" || text != "none") {
      const std::string near = did_you_mean(word, words);
      throw UsageError(str("augment '", text, "': '", word, "' is not known.", near.empty() ? "" : str(" Did you mean '", near, "'?"),
                           " Give none, or some of flip, crop, resized_crop with commas between."));
    }
    at = end + 1;
  }
  if (out.crop && out.resized_crop)
    throw UsageError(str("augment '", text, "': crop and resized_crop both choose a part. Give one of them."));
  return out;
}

void mirror(const Shape& shape, float* x) {
  for (float *row = x, *end = x + shape.numel(); row != end; row += shape[2]) std::reverse(row, row + shape[2]);
}

void shift(const Shape& shape, int64_t down, int64_t right, float* x) {
  const int64_t height = shape[1], width = shape[2];
  std::vector<float> moved(static_cast<size_t>(height * width));
  const int64_t first = std::max<int64_t>(0, -right), last = std::min(width, width - right);  // columns that come from inside
  for (int64_t c = 0; c < shape[0]; ++c, x += height * width) {
    std::fill(moved.begin(), moved.end(), 0.0f);
    for (int64_t r = std::max<int64_t>(0, -down); r < std::min(height, height - down) && first < last; ++r)
      std::copy_n(x + (r + down) * width + first + right, last - first, moved.data() + r * width + first);
    std::copy(moved.begin(), moved.end(), x);
  }
}

Box random_box(const Shape& picture, double least_area, PhiloxStream& random) {
  const auto height = static_cast<double>(picture[0]), width = static_cast<double>(picture[1]);
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    const double area = height * width * random.between(least_area, 1);
    const double ratio = std::exp(random.between(std::log(3.0 / 4), std::log(4.0 / 3)));
    const double w = std::round(std::sqrt(area * ratio)), h = std::round(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto top = static_cast<double>(random.below(static_cast<uint64_t>(height - h) + 1));
    const auto left = static_cast<double>(random.below(static_cast<uint64_t>(width - w) + 1));
    return {top, left, h, w};
  }
  return centre_box(picture[0], picture[1], 1, 1);
}

void read_augmented(const Dataset& dataset, int64_t index, const Augment& augment, PhiloxStream random, float* x, int64_t* y) {
  const Shape& shape = dataset.info().input_shape;
  if (augment.resized_crop) {
    constexpr double kLeastArea = 0.35;  // of a few hundred photographs a smaller part often misses the thing itself
    dataset.read_box(index, random_box(dataset.picture_size(index), kLeastArea, random), x, y);
  } else {
    dataset.read(index, x, y);
  }
  if (augment.crop) {
    // As on CIFAR-10 (He et al. 2016, section 4.2): 4 of 32 pixels each way.
    const int64_t down = std::max<int64_t>(1, shape[1] / 8), right = std::max<int64_t>(1, shape[2] / 8);
    const auto vertical = static_cast<int64_t>(random.below(static_cast<uint64_t>(2 * down + 1))) - down;
    shift(shape, vertical, static_cast<int64_t>(random.below(static_cast<uint64_t>(2 * right + 1))) - right, x);
  }
  if (augment.flip && random.below(2) == 1) mirror(shape, x);
}

}  // namespace suanli::data
