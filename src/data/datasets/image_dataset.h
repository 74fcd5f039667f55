// SPDX-License-Identifier: Apache-2.0
// A data set of pictures that lie decoded in memory, one byte per value: what every source of small
// pictures becomes.
#pragma once
#include "suanli/dataset.h"

namespace suanli::data {

/// Data sets whose samples are pictures of bytes: read() is the whole view's, as fractions.
class PictureSet : public Dataset {
 public:
  void read(int64_t index, float* x, int64_t* y) const final;
};

class PixelSet final : public PictureSet {
 public:
  /// `pixels` [N, …info.input_shape] row-major; `labels` [N], each below info.classes. Sets
  /// info.fingerprint.
  PixelSet(Info info, std::vector<uint8_t> pixels, std::vector<int32_t> labels);
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override {
    return static_cast<int64_t>(pixels_.size() + labels_.size() * sizeof(int32_t));
  }
  int64_t label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const override;

 private:
  Info info_;
  std::vector<uint8_t> pixels_;
  std::vector<int32_t> labels_;
  size_t sample_ = 0;  // values per sample
};

/// The pictures of `all`, each of which is a sample of its own size, at another size; where that is
/// of another shape, their middle.
std::shared_ptr<const Dataset> at_size(std::shared_ptr<const Dataset> all, int64_t height,
                                       int64_t width);

/// Returns the number of means of a data set: one per channel of a picture, else one.
inline size_t channels_of(const Shape& sample) {
  return sample.rank() == 3 ? static_cast<size_t>(sample[0]) : 1;
}

/// Sums of bytes and of their squares by channel. Whole numbers: nothing depends on an order of
/// summation.
class ByteStatistics {
 public:
  explicit ByteStatistics(const Shape& sample)
      : values_(channels_of(sample)),
        plane_(sample.numel() / static_cast<int64_t>(values_.size())) {}
  /// `pixels`: one sample, planes of bytes.
  void add(const uint8_t* pixels);
  void add(const ByteStatistics& other);
  /// Mean and standard deviation as fractions of 255, into info.mean and info.stddev.
  void write_to(Info& info) const;

 private:
  struct Sums {
    int64_t values = 0, squares = 0;
  };
  std::vector<Sums> values_;
  int64_t plane_, samples_ = 0;
};

/// The statistics of `pixels` [N, …info.input_shape].
void set_statistics(Info& info, const std::vector<uint8_t>& pixels);

/// Hashes `bytes` on top of `hash`. Eight bytes per step: 47 MB take some 10 ms, so a fingerprint
/// can cover every value.
uint64_t fingerprint(uint64_t hash, const void* bytes, size_t count);

}  // namespace suanli::data
