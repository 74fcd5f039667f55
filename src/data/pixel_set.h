// A data set of pictures that lie decoded in memory, one byte per value: what every source of small pictures becomes.
#pragma once
#include "suanli/data.h"

namespace suanli::data {

class PixelSet final : public Dataset {
 public:
  /// `pixels` [N, …info.input_shape] row-major; `labels` [N], each below info.classes. Sets info.fingerprint.
  PixelSet(Info info, std::vector<uint8_t> pixels, std::vector<uint8_t> labels);
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override { return static_cast<int64_t>(pixels_.size() + labels_.size()); }
  void read(int64_t index, float* x, int64_t* y) const override;

 private:
  Info info_;
  std::vector<uint8_t> pixels_, labels_;
  size_t sample_ = 0;  // values per sample
};

/// Mean and standard deviation of the bytes, as fractions of 255, into info.mean and info.stddev.
void set_statistics(Info& info, const std::vector<uint8_t>& pixels);

/// Hashes `bytes` on top of `hash`. Eight bytes per step: 47 MB take some 10 ms, so a fingerprint can cover every value.
uint64_t fingerprint(uint64_t hash, const void* bytes, size_t count);

}  // namespace suanli::data
