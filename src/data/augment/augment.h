// SPDX-License-Identifier: Apache-2.0
// Training samples in other views. The work of each part on pixels is in geometry.h, color.h and
// auto_augment.h; what acts on whole batches in mixing.h.
#pragma once
#include "base/core/philox.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {

/// Draws for one sample or batch of one epoch: 2^20 epochs, 2^36 samples, 2^32 occurrences of 2^34
/// draws.
inline PhiloxStream epoch_draws(uint64_t seed, PhiloxDomain domain, int64_t epoch, int64_t number,
                                int64_t occurrence = 0) {
  return {
      seed,
      philox_stream(domain, (static_cast<uint64_t>(epoch) << 36) | static_cast<uint64_t>(number)),
      static_cast<uint64_t>(occurrence) << 32};
}

/// Makes the views of one data set's samples; keeps its memory from one to the next. One per
/// thread.
class ViewMaker {
 public:
  ViewMaker(const Dataset& dataset, const Augment& augment, uint64_t seed);
  /// Reads sample `index` as `augment` says, a function of (seed, epoch, index, occurrence) alone:
  /// planes of fractions to x, its label to *y. `occurrence` counts how often the epoch had the
  /// sample before.
  void read(int64_t index, int64_t epoch, int64_t occurrence, float* x, int64_t* y);

 private:
  void move(PhiloxStream& random);
  bool flipped(int64_t index, int64_t epoch, int64_t occurrence) const;
  void recolor(PhiloxStream& random);
  void cover(PhiloxStream& random);

  const Dataset& dataset_;
  const Augment& augment_;
  const Shape& shape_;
  uint64_t seed_;
  std::vector<uint8_t> fill_;  // what covers: the mean color, which is 0 once normalized
  std::vector<uint8_t> x_;
};

}  // namespace suanli::data
