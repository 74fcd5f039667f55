#include "data/pixel_set.h"

#include <array>
#include <cmath>
#include <cstring>

namespace suanli::data {

uint64_t fingerprint(uint64_t hash, const void* bytes, size_t count) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  // The finaliser of MurmurHash3 after each word: every input bit reaches every output bit.
  auto add = [&hash](uint64_t word) {
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
  };
  add(count);
  for (; count >= 8; at += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    add(word);
  }
  uint64_t rest = 0;
  for (size_t i = 0; i < count; ++i) rest |= uint64_t{at[i]} << (8 * i);
  if (count > 0) add(rest);
  hash *= 0xC4CEB9FE1A85EC53u;
  return hash ^ (hash >> 33);
}

void set_statistics(Info& info, const std::vector<uint8_t>& pixels) {
  std::array<int64_t, 256> count{};
  for (uint8_t p : pixels) ++count[p];
  // Whole numbers until the end: the result does not depend on an order of summation.
  int64_t sum = 0, squares = 0;
  for (int64_t v = 0; v < 256; ++v) sum += v * count[static_cast<size_t>(v)], squares += v * v * count[static_cast<size_t>(v)];
  if (pixels.empty()) return;
  const double n = static_cast<double>(pixels.size()), mean = static_cast<double>(sum) / n;
  const double variance = static_cast<double>(squares) / n - mean * mean;
  info.mean = mean / 255;
  info.stddev = variance > 0 ? std::sqrt(variance) / 255 : 1;  // pictures of one colour: nothing to divide by
}

PixelSet::PixelSet(Info info, std::vector<uint8_t> pixels, std::vector<uint8_t> labels)
    : info_(std::move(info)),
      pixels_(std::move(pixels)),
      labels_(std::move(labels)),
      sample_(static_cast<size_t>(info_.input_shape.numel())) {
  uint64_t hash = fingerprint(0, info_.input_shape.begin(), sizeof(int64_t) * static_cast<size_t>(info_.input_shape.rank()));
  hash = fingerprint(hash, pixels_.data(), pixels_.size());
  info_.fingerprint = fingerprint(hash, labels_.data(), labels_.size());
}

void PixelSet::read(int64_t index, float* x, int64_t* y) const {
  // v / 255, rounded once, as PyTorch's ToTensor gives it; v * (1 / 255) differs in the last bit.
  static const std::array<float, 256> fraction = [] {
    std::array<float, 256> table{};
    for (size_t v = 0; v < 256; ++v) table[v] = static_cast<float>(v) / 255.0f;
    return table;
  }();
  const uint8_t* from = pixels_.data() + static_cast<size_t>(index) * sample_;
  for (size_t i = 0; i < sample_; ++i) x[i] = fraction[from[i]];
  *y = labels_[static_cast<size_t>(index)];
}

}  // namespace suanli::data
