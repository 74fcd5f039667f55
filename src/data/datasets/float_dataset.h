// SPDX-License-Identifier: Apache-2.0
// A data set whose samples lie in memory as numbers: what tables and arrays become.
#pragma once
#include <algorithm>

#include "suanli/dataset.h"

namespace suanli::data {

class NumberSet final : public Dataset {
 public:
  /// inputs [N, …info.input_shape]; one of labels and values is [N], the other empty. Sets
  /// info.fingerprint.
  NumberSet(Info info, std::vector<float> inputs, std::vector<int32_t> labels,
            std::vector<float> values);
  int64_t size() const override {
    return static_cast<int64_t>(std::max(labels_.size(), values_.size()));
  }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override;
  void read(int64_t index, float* x, int64_t* y) const override;
  int64_t label(int64_t index) const override {
    return labels_.empty() ? Dataset::label(index) : labels_[static_cast<size_t>(index)];
  }
  void read_value(int64_t index, float* x, float* y) const override;

 private:
  void copy_inputs(int64_t index, float* x) const;

  Info info_;
  std::vector<float> inputs_;
  std::vector<int32_t> labels_;
  std::vector<float> values_;
};

}  // namespace suanli::data
