// SPDX-License-Identifier: Apache-2.0
#include "data/datasets/image_dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/text/text.h"
#include "data/image/pixel_simd.h"
#include "data/image/resize.h"

namespace suanli::data {

uint64_t fingerprint(uint64_t hash, const void* bytes, size_t count) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  // The finalizer of MurmurHash3 after each word: every input bit reaches every output bit.
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

void ByteStatistics::add(const uint8_t* pixels) {
  for (Sums& s : values_) {
    // 32 bits hold the squares of 2^16 bytes
    for (int64_t left = plane_; left > 0;) {
      const int64_t piece = std::min<int64_t>(left, 1 << 16);
      uint32_t sum = 0, squares = 0;
      for (const uint8_t* end = pixels + piece; pixels != end; ++pixels) {
        sum += *pixels;
        squares += uint32_t{*pixels} * *pixels;
      }
      s.values += sum;
      s.squares += squares;
      left -= piece;
    }
  }
  ++samples_;
}

void ByteStatistics::add(const ByteStatistics& other) {
  for (size_t c = 0; c < values_.size(); ++c) {
    values_[c].values += other.values_[c].values;
    values_[c].squares += other.values_[c].squares;
  }
  samples_ += other.samples_;
}

void ByteStatistics::write_to(Info& info) const {
  info.mean.clear();
  info.stddev.clear();
  if (samples_ == 0) return;
  const double n = static_cast<double>(samples_ * plane_);
  for (const Sums& s : values_) {
    const double mean = static_cast<double>(s.values) / n,
                 variance = static_cast<double>(s.squares) / n - mean * mean;
    info.mean.push_back(mean / 255);
    // pictures of one color: nothing to divide by
    info.stddev.push_back(variance > 0 ? std::sqrt(variance) / 255 : 1);
  }
}

void set_statistics(Info& info, const std::vector<uint8_t>& pixels) {
  ByteStatistics statistics(info.input_shape);
  const auto sample = static_cast<size_t>(info.input_shape.numel());
  for (size_t at = 0; at < pixels.size(); at += sample) statistics.add(pixels.data() + at);
  statistics.write_to(info);
}

PixelSet::PixelSet(Info info, std::vector<uint8_t> pixels, std::vector<int32_t> labels)
    : info_(std::move(info)),
      pixels_(std::move(pixels)),
      labels_(std::move(labels)),
      sample_(static_cast<size_t>(info_.input_shape.numel())) {
  uint64_t hash = fingerprint(0, info_.input_shape.begin(),
                              sizeof(int64_t) * static_cast<size_t>(info_.input_shape.rank()));
  hash = fingerprint(hash, pixels_.data(), pixels_.size());
  info_.fingerprint = fingerprint(hash, labels_.data(), labels_.size() * sizeof(int32_t));
}

void PixelSet::read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const {
  const Shape& s = info_.input_shape;
  resize_planes(pixels_.data() + static_cast<size_t>(index) * sample_, s, box, s[1], s[2], x);
  *y = labels_[static_cast<size_t>(index)];
}

namespace {

class AtSize final : public PictureSet {
 public:
  AtSize(std::shared_ptr<const Dataset> all, int64_t height, int64_t width)
      : all_(std::move(all)), info_(all_->info()) {
    info_.input_shape = {info_.input_shape[0], height, width};
    info_.fingerprint =
        fingerprint(info_.fingerprint, info_.input_shape.begin(), 3 * sizeof(int64_t));
    info_.source += str("?size=", height, height == width ? "" : str("x", width));
  }
  int64_t size() const override { return all_->size(); }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override { return all_->bytes_held(); }
  int64_t label(int64_t index) const override { return all_->label(index); }
  Shape picture_size(int64_t index) const override { return all_->picture_size(index); }
  void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const override {
    const Shape& own = all_->info().input_shape;
    std::vector<uint8_t> sample(static_cast<size_t>(own.numel()));
    all_->read_view(index, whole_view(*all_, index), sample.data(), y);
    resize_planes(sample.data(), own, box, info_.input_shape[1], info_.input_shape[2], x);
  }

 private:
  std::shared_ptr<const Dataset> all_;
  Info info_;
};

}  // namespace

std::shared_ptr<const Dataset> at_size(std::shared_ptr<const Dataset> all, int64_t height,
                                       int64_t width) {
  return std::make_shared<AtSize>(std::move(all), height, width);
}

void PictureSet::read(int64_t index, float* x, int64_t* y) const {
  const Shape& s = info().input_shape;
  std::vector<uint8_t> bytes(static_cast<size_t>(s.numel()));
  read_view(index, whole_view(*this, index), bytes.data(), y);
  fractions(bytes.data(), s.numel(), x);
}

}  // namespace suanli::data
