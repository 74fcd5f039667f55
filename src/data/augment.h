// Training samples in other views. What each part does to the pixels is in geometry.h, colour.h and policies.h; what acts on whole batches
// in mixing.h.
#pragma once
#include "base/philox.h"
#include "suanli/data.h"

namespace suanli::data {

/// Makes the views of one data set's samples; keeps its memory from one to the next. One per thread.
class ViewMaker {
 public:
  ViewMaker(const Dataset& dataset, const Augment& augment);
  /// Reads sample `index` as `augment` says, by draws from `random` alone: planes of fractions to x, its label to *y.
  void read(int64_t index, PhiloxStream random, float* x, int64_t* y);

 private:
  void move(PhiloxStream& random);
  void recolour(PhiloxStream& random);
  void cover(PhiloxStream& random);

  const Dataset& dataset_;
  const Augment& augment_;
  const Shape& shape_;
  std::vector<uint8_t> fill_;  // what covers: the mean colour, which is 0 once normalised
  std::vector<uint8_t> x_;
};

}  // namespace suanli::data
