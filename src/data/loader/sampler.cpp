// SPDX-License-Identifier: Apache-2.0
// The samples of an epoch and their order.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/core/philox.h"
#include "base/text/text.h"
#include "data/datasets/labels.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {

Sampler::~Sampler() = default;

std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n < 0 ? 0 : n));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream random(seed, philox_stream(PhiloxDomain::epoch_order, static_cast<uint64_t>(epoch)));
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<size_t>(random.below(i))]);
  return order;
}

namespace {

class Sequential final : public Sampler {
 public:
  explicit Sequential(int64_t n) : n_(n) {}
  int64_t size() const override { return n_; }
  std::vector<int64_t> order(int64_t) const override {
    std::vector<int64_t> order(static_cast<size_t>(n_));
    std::iota(order.begin(), order.end(), int64_t{0});
    return order;
  }

 private:
  int64_t n_;
};

class Random final : public Sampler {
 public:
  Random(int64_t n, uint64_t seed) : n_(n), seed_(seed) {}
  int64_t size() const override { return n_; }
  std::vector<int64_t> order(int64_t epoch) const override { return epoch_order(n_, seed_, epoch); }

 private:
  int64_t n_;
  uint64_t seed_;
};

class Weighted final : public Sampler {
 public:
  Weighted(const std::vector<double>& weights, int64_t count, uint64_t seed)
      : count_(count), seed_(seed) {
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!(weights[i] >= 0) || std::isinf(weights[i]))
        throw ArgumentError({.op = "weighted_sampler",
                             .argument = str("weights[", i, "]"),
                             .given = str(weights[i]),
                             .expected = "a finite number, at least 0"});
      up_to_.push_back(sum += weights[i]);
    }
    if (!(sum > 0) || std::isinf(sum))
      throw ArgumentError({.op = "weighted_sampler",
                           .argument = "weights",
                           .given = str("a sum of ", sum),
                           .expected = "a finite one above 0"});
  }
  int64_t size() const override { return count_; }
  std::vector<int64_t> order(int64_t epoch) const override {
    PhiloxStream random(seed_,
                        philox_stream(PhiloxDomain::epoch_order, static_cast<uint64_t>(epoch)));
    std::vector<int64_t> order;
    for (int64_t i = 0; i < count_; ++i)
      order.push_back(
          std::upper_bound(up_to_.begin(), up_to_.end(), random.next_double() * up_to_.back()) -
          up_to_.begin());
    return order;
  }

 private:
  std::vector<double> up_to_;  // sums of the weights
  int64_t count_;
  uint64_t seed_;
};

class Sharded final : public Sampler {
 public:
  Sharded(std::shared_ptr<const Sampler> all, int64_t rank, int64_t ranks)
      : all_(std::move(all)), rank_(rank), ranks_(ranks) {}
  int64_t size() const override { return (all_->size() + ranks_ - 1) / ranks_; }
  std::vector<int64_t> order(int64_t epoch) const override {
    const std::vector<int64_t> all = all_->order(epoch);
    std::vector<int64_t> own;
    for (int64_t i = 0; i < size(); ++i)
      own.push_back(all[static_cast<size_t>(i * ranks_ + rank_) % all.size()]);
    return own;
  }

 private:
  std::shared_ptr<const Sampler> all_;
  int64_t rank_, ranks_;
};

}  // namespace

std::shared_ptr<const Sampler> sequential_sampler(int64_t n) {
  return std::make_shared<Sequential>(n);
}
std::shared_ptr<const Sampler> random_sampler(int64_t n, uint64_t seed) {
  return std::make_shared<Random>(n, seed);
}
std::shared_ptr<const Sampler> weighted_sampler(std::vector<double> weights, int64_t count,
                                                uint64_t seed) {
  return std::make_shared<Weighted>(weights, count, seed);
}

std::shared_ptr<const Sampler> balanced_sampler(const Dataset& dataset, uint64_t seed) {
  require_classes("balanced_sampler", dataset.info());
  const std::vector<int64_t> count = class_counts(dataset);
  std::vector<double> weights;
  for (int64_t i = 0; i < dataset.size(); ++i)
    weights.push_back(
        1 / static_cast<double>(
                count[static_cast<size_t>(checked_label(dataset.info(), i, dataset.label(i)))]));
  return weighted_sampler(std::move(weights), dataset.size(), seed);
}

std::shared_ptr<const Sampler> sharded_sampler(std::shared_ptr<const Sampler> all, int64_t rank,
                                               int64_t ranks) {
  if (ranks < 1)
    throw ArgumentError({.op = "sharded_sampler",
                         .argument = "ranks",
                         .given = str(ranks),
                         .expected = "at least 1"});
  if (rank < 0 || rank >= ranks)
    throw ArgumentError({.op = "sharded_sampler",
                         .argument = "rank",
                         .given = str(rank),
                         .expected = str("0 to ", ranks - 1, " of ", ranks, " ranks")});
  return std::make_shared<Sharded>(std::move(all), rank, ranks);
}

}  // namespace suanli::data
