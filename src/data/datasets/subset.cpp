// SPDX-License-Identifier: Apache-2.0
// Parts of data sets, and what a data set does by default.
#include <algorithm>
#include <cmath>

#include "base/core/philox.h"
#include "base/text/text.h"
#include "data/datasets/image_dataset.h"
#include "data/datasets/labels.h"
#include "data/datasets/stratified_split.h"
#include "data/image/resize.h"

namespace suanli::data {

Dataset::~Dataset() = default;

void Dataset::read_value(int64_t, float*, float*) const {
  throw StateError({.op = "read_value",
                    .argument = info().source,
                    .given = "targets that are classes",
                    .expected = "numbers",
                    .remedy = "Use read()."});
}

int64_t Dataset::label(int64_t index) const {
  std::vector<float> x(static_cast<size_t>(info().input_shape.numel()));
  int64_t y = 0;
  read(index, x.data(), &y);
  return y;
}

int64_t checked_label(const Info& info, int64_t index, int64_t label) {
  if (info.classes < 1)
    throw IoError({.argument = str(info.source, ": sample ", index),
                   .given = str("label ", label, " where Info::classes is ", info.classes),
                   .expected = "at least one class",
                   .remedy = "Set Info::classes."});
  if (label < 0 || label >= info.classes)
    throw IoError({.argument = str(info.source, ": sample ", index),
                   .given = str("label ", label),
                   .expected = str("a class from 0 to ", info.classes - 1)});
  return label;
}

void require_classes(const char* op, const Info& info) {
  if (info.task != Task::classification)
    throw ArgumentError({.op = op,
                         .argument = "dataset",
                         .given = str(info.source, ", whose targets are numbers"),
                         .expected = "targets that are classes"});
}

std::vector<int64_t> class_counts(const Dataset& dataset) {
  const Info& info = dataset.info();
  require_classes("class_counts", info);
  std::vector<int64_t> counts(static_cast<size_t>(std::max(0, info.classes)));
  for (int64_t i = 0; i < dataset.size(); ++i)
    ++counts[static_cast<size_t>(checked_label(info, i, dataset.label(i)))];
  return counts;
}

void Dataset::read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const {
  const Shape& s = info().input_shape;
  std::vector<float> sample(static_cast<size_t>(s.numel()));
  read(index, sample.data(), y);
  std::vector<uint8_t> bytes;
  // NaN is 0
  for (float v : sample)
    bytes.push_back(v >= 1 ? 255 : v > 0 ? static_cast<uint8_t>(v * 255.0f + 0.5f) : 0);
  resize_planes(bytes.data(), s, box, s[1], s[2], x);
}

Shape Dataset::picture_size(int64_t) const {
  const Shape& s = info().input_shape;
  if (s.rank() != 3)
    throw ShapeError({.op = "picture_size",
                      .argument = info().source,
                      .given = str("samples of shape ", s),
                      .expected = "pictures, [C, H, W]"});
  return {s[1], s[2]};
}

namespace {

class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> all, std::vector<int64_t> indices)
      : all_(std::move(all)), indices_(std::move(indices)), info_(all_->info()) {
    info_.fingerprint =
        fingerprint(info_.fingerprint, indices_.data(), indices_.size() * sizeof(int64_t));
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const Info& info() const override { return info_; }
  // all of it, however many samples are in the subset
  int64_t bytes_held() const override { return all_->bytes_held(); }
  void read(int64_t index, float* x, int64_t* y) const override {
    all_->read(indices_[static_cast<size_t>(index)], x, y);
  }
  void read_value(int64_t index, float* x, float* y) const override {
    all_->read_value(indices_[static_cast<size_t>(index)], x, y);
  }
  void read_view(int64_t index, const Box& box, uint8_t* x, int64_t* y) const override {
    all_->read_view(indices_[static_cast<size_t>(index)], box, x, y);
  }
  int64_t label(int64_t index) const override {
    return all_->label(indices_[static_cast<size_t>(index)]);
  }
  Shape picture_size(int64_t index) const override {
    return all_->picture_size(indices_[static_cast<size_t>(index)]);
  }

 private:
  std::shared_ptr<const Dataset> all_;
  std::vector<int64_t> indices_;
  Info info_;
};

}  // namespace

std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset,
                                      std::vector<int64_t> indices) {
  const int64_t size = dataset->size();
  for (int64_t i : indices)
    if (i < 0 || i >= size)
      throw ArgumentError({.op = "subset",
                           .argument = "indices",
                           .given = str(i),
                           .expected = str("at least 0, below ", size)});
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

std::pair<std::vector<int64_t>, std::vector<int64_t>> split_strata(
    const std::vector<int32_t>& strata, int64_t size, double fraction, uint64_t seed, Cut cut) {
  std::vector<std::vector<int64_t>> groups(1);
  for (int64_t i = 0; i < size; ++i) {
    const auto stratum =
        strata.empty() ? size_t{0} : static_cast<size_t>(strata[static_cast<size_t>(i)]);
    if (stratum >= groups.size()) groups.resize(stratum + 1);
    groups[stratum].push_back(i);
  }
  std::vector<int64_t> rest, share;
  PhiloxStream random(seed,
                      philox_stream(PhiloxDomain::validation_split, static_cast<uint64_t>(cut)));
  for (std::vector<int64_t>& group : groups) {
    const auto n = static_cast<int64_t>(group.size());
    const int64_t count =
        std::min(std::max<int64_t>(1, std::llround(fraction * static_cast<double>(n))), n - 1);
    for (int64_t i = 0; i < count; ++i)
      std::swap(group[static_cast<size_t>(i)],
                group[static_cast<size_t>(i) +
                      static_cast<size_t>(random.below(static_cast<uint64_t>(n - i)))]);
    const auto cut_at = group.begin() + std::max<int64_t>(0, count);
    share.insert(share.end(), group.begin(), cut_at);
    rest.insert(rest.end(), cut_at, group.end());
  }
  std::sort(rest.begin(), rest.end());
  std::sort(share.begin(), share.end());
  return {std::move(rest), std::move(share)};
}

}  // namespace suanli::data
