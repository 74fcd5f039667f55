// Which samples, in which order: epochs, subsets.
#include <numeric>

#include "base/philox.h"
#include "base/text.h"
#include "data/pixel_set.h"

namespace suanli::data {

Dataset::~Dataset() = default;

Shape Dataset::picture_size(int64_t) const {
  const Shape& s = info().input_shape;
  if (s.rank() != 3) throw ShapeError(str("[picture_size] samples of shape ", s, " are no pictures"));
  return {s[1], s[2]};
}

namespace {

class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> all, std::vector<int64_t> indices)
      : all_(std::move(all)), indices_(std::move(indices)), info_(all_->info()) {
    info_.fingerprint = fingerprint(info_.fingerprint, indices_.data(), indices_.size() * sizeof(int64_t));
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const Info& info() const override { return info_; }
  int64_t bytes_held() const override { return all_->bytes_held(); }  // all of it, however many samples are in the subset
  void read(int64_t index, float* x, int64_t* y) const override { all_->read(indices_[static_cast<size_t>(index)], x, y); }
  Shape picture_size(int64_t index) const override { return all_->picture_size(indices_[static_cast<size_t>(index)]); }

 private:
  std::shared_ptr<const Dataset> all_;
  std::vector<int64_t> indices_;
  Info info_;
};

}  // namespace

std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> dataset, std::vector<int64_t> indices) {
  const int64_t size = dataset->size();
  for (int64_t i : indices)
    if (i < 0 || i >= size) throw ShapeError(str("[subset] index ", i, " is out of range for ", size, " samples"));
  return std::make_shared<Subset>(std::move(dataset), std::move(indices));
}

std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n < 0 ? 0 : n));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream random(seed, philox_stream(PhiloxDomain::epoch_order, static_cast<uint64_t>(epoch)));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<size_t>(random.below(i))]);
  return order;
}

}  // namespace suanli::data
