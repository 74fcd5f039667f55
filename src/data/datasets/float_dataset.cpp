// SPDX-License-Identifier: Apache-2.0
#include "data/datasets/float_dataset.h"

#include "base/text/text.h"
#include "data/datasets/image_dataset.h"

namespace suanli::data {

NumberSet::NumberSet(Info info, std::vector<float> inputs, std::vector<int32_t> labels,
                     std::vector<float> values)
    : info_(std::move(info)),
      inputs_(std::move(inputs)),
      labels_(std::move(labels)),
      values_(std::move(values)) {
  uint64_t hash = fingerprint(0, inputs_.data(), inputs_.size() * sizeof(float));
  hash = fingerprint(hash, labels_.data(), labels_.size() * sizeof(int32_t));
  info_.fingerprint = fingerprint(hash, values_.data(), values_.size() * sizeof(float));
}

int64_t NumberSet::bytes_held() const {
  return static_cast<int64_t>((inputs_.size() + values_.size()) * sizeof(float) +
                              labels_.size() * sizeof(int32_t));
}

void NumberSet::read(int64_t index, float* x, int64_t* y) const {
  if (labels_.empty())
    throw StateError({.op = "read",
                      .argument = info_.source,
                      .given = "targets that are numbers",
                      .expected = "classes",
                      .remedy = "Use read_value()."});
  copy_inputs(index, x);
  *y = labels_[static_cast<size_t>(index)];
}

void NumberSet::read_value(int64_t index, float* x, float* y) const {
  if (values_.empty()) return Dataset::read_value(index, x, y);
  copy_inputs(index, x);
  *y = values_[static_cast<size_t>(index)];
}

void NumberSet::copy_inputs(int64_t index, float* x) const {
  const int64_t width = info_.input_shape.numel();
  std::copy_n(inputs_.data() + index * width, width, x);
}

}  // namespace suanli::data
