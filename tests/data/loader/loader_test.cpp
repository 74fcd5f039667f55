// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "data/files.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"

namespace suanli::data {
namespace {

using namespace suanli::test;

/// Sample i is (i, 2i, 3i) with label i. Counts its reads, can be slow, can throw.
class Numbers final : public Dataset {
 public:
  explicit Numbers(int64_t size, int64_t bad = -1, int microseconds = 0)
      : size_(size), bad_(bad), microseconds_(microseconds) {
    info_.kind = "numbers";
    info_.input_shape = Shape{3};
    info_.classes = static_cast<int>(size);
  }
  int64_t size() const override { return size_; }
  const Info& info() const override { return info_; }
  void read(int64_t index, float* x, int64_t* y) const override {
    ++reads;
    // uneven: later batches would overtake earlier ones if order were not kept
    if (microseconds_ > 0)
      std::this_thread::sleep_for(std::chrono::microseconds(microseconds_ * (index % 3)));
    if (index == bad_)
      throw IoError({.argument = "sample " + std::to_string(index),
                     .given = "damaged",
                     .remedy = "Remove it."});
    for (int k = 0; k < 3; ++k) x[k] = static_cast<float>(index * (k + 1));
    *y = index;
  }
  mutable std::atomic<int64_t> reads = 0;

 private:
  int64_t size_, bad_;
  int microseconds_;
  Info info_;
};

struct Seen {
  std::vector<std::vector<int64_t>> labels;
  std::vector<std::vector<float>> inputs;
  std::vector<int64_t> index;
  bool operator==(const Seen&) const = default;
};

Seen rest_of(Loader& loader) {
  Seen seen;
  for (Batch batch; loader.next(batch);) {
    seen.labels.push_back(batch.y.to_vector<int64_t>());
    seen.inputs.push_back(batch.x.to_vector<float>());
    seen.index.push_back(batch.index);
  }
  return seen;
}

TEST(EpochOrder, IsAPermutationAndAFunctionOfSeedAndEpoch) {
  for (int64_t n : {0, 1, 2, 1000}) {
    std::vector<int64_t> order = epoch_order(n, 3, 4);
    EXPECT_EQ(order, epoch_order(n, 3, 4));
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  }
  EXPECT_NE(epoch_order(1000, 3, 4), epoch_order(1000, 3, 5));
  EXPECT_NE(epoch_order(1000, 3, 4), epoch_order(1000, 4, 4));
}

TEST(EpochOrder, EveryOrderIsEquallyLikely) {
  std::vector<int> count(64);
  for (int64_t epoch = 0; epoch < 60'000; ++epoch) {
    const std::vector<int64_t> o = epoch_order(3, 9, epoch);
    ++count[static_cast<size_t>(o[0] * 16 + o[1] * 4 + o[2])];
  }
  int orders = 0;
  for (int c : count) {
    if (c == 0) continue;
    ++orders;
    EXPECT_NEAR(c, 10'000, 460);  // 5 standard deviations
  }
  EXPECT_EQ(orders, 6);
}

TEST(Loader, GivesEverySampleOnceInOrder) {
  Loader loader(std::make_shared<Numbers>(10), {.batch_size = 4});
  EXPECT_EQ(loader.batches(), 3);
  EXPECT_EQ(loader.epoch(), -1);
  const Seen seen = rest_of(loader);
  EXPECT_EQ(loader.epoch(), 0);
  EXPECT_EQ(seen.labels, (std::vector<std::vector<int64_t>>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}));
  EXPECT_EQ(seen.index, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(seen.inputs[2], (std::vector<float>{8, 16, 24, 9, 18, 27}));
  Batch batch;
  EXPECT_FALSE(loader.next(batch)) << "an epoch that ended stays ended";
  EXPECT_FALSE(batch.x.defined());
}

TEST(Loader, BatchesHaveTheDocumentedShapes) {
  Loader loader(open("glyphs?train=20&test=1", {.val_fraction = 0}).train, {.batch_size = 8});
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_EQ(batch.x.shape(), (Shape{8, 1, 28, 28}));
  EXPECT_EQ(batch.x.dtype(), DType::f32);
  EXPECT_EQ(batch.y.shape(), Shape{8});
  EXPECT_EQ(batch.y.dtype(), DType::i64);
  EXPECT_TRUE(batch.x.materialized());
}

TEST(Loader, LeavesOutTheLastBatchWhenAsked) {
  struct Case {
    int64_t size, batch;
    bool drop;
    int64_t batches;
  };
  for (const Case& c : {Case{10, 4, true, 2},
                        {10, 4, false, 3},
                        {8, 4, true, 2},
                        {8, 4, false, 2},
                        {3, 4, true, 0},
                        {3, 4, false, 1},
                        {0, 4, false, 0}}) {
    for (int threads : {0, 2}) {
      Loader loader(std::make_shared<Numbers>(c.size),
                    {.batch_size = c.batch, .threads = threads, .drop_last = c.drop});
      EXPECT_EQ(loader.batches(), c.batches);
      EXPECT_EQ(static_cast<int64_t>(rest_of(loader).index.size()), c.batches)
          << c.size << " " << c.drop;
    }
  }
}

TEST(Loader, ThreadsQueueAndTimingNeverShow) {
  Seen expected;
  for (int threads : {0, 1, 2, 4})
    for (int64_t queue : {1, 2, 7}) {
      Loader loader(
          std::make_shared<Numbers>(103, -1, threads > 1 ? 20 : 0),
          {.batch_size = 5, .shuffle = true, .seed = 11, .threads = threads, .queue = queue});
      Seen all;
      for (int64_t epoch : {0, 1, 7}) {
        loader.start(epoch);
        Seen seen = rest_of(loader);
        for (size_t b = 0; b < seen.labels.size(); ++b) {
          all.labels.push_back(seen.labels[b]);
          all.inputs.push_back(seen.inputs[b]);
        }
      }
      if (expected.labels.empty()) expected = all;
      EXPECT_TRUE(all == expected) << threads << " threads, queue " << queue;
    }
  const std::vector<int64_t> order = epoch_order(103, 11, 0);
  EXPECT_EQ(expected.labels[0], std::vector<int64_t>(order.begin(), order.begin() + 5));
}

TEST(Loader, ResumesExactly) {
  for (int threads : {0, 1, 3}) {
    const LoaderOptions options{.batch_size = 8, .shuffle = true, .seed = 2, .threads = threads};
    Loader whole(std::make_shared<Numbers>(100), options);
    whole.start(3);
    const Seen all = rest_of(whole);
    for (int64_t first = 0; first <= 13; ++first) {
      Loader resumed(std::make_shared<Numbers>(100), options);
      resumed.start(3, first);
      const Seen rest = rest_of(resumed);
      EXPECT_EQ(rest.labels,
                (std::vector<std::vector<int64_t>>{all.labels.begin() + first, all.labels.end()}));
      EXPECT_EQ(rest.index, (std::vector<int64_t>{all.index.begin() + first, all.index.end()}));
    }
  }
}

TEST(Loader, RangeForRunsOneEpochAndThenTheNext) {
  Loader loader(std::make_shared<Numbers>(10), {.batch_size = 4, .shuffle = true});
  auto epoch = [&] {
    std::vector<int64_t> labels;
    for (auto& [x, y] : loader) {
      EXPECT_EQ(x.size(0), y.size(0));
      for (int64_t label : y.data<int64_t>()) labels.push_back(label);
    }
    return labels;
  };
  EXPECT_EQ(epoch(), epoch_order(10, 0, 0));
  EXPECT_EQ(epoch(), epoch_order(10, 0, 1));
  for (auto [x, y] : loader) {  // copies work too; leaving early is allowed
    EXPECT_TRUE(x.defined() && y.defined());
    break;
  }
  EXPECT_EQ(loader.epoch(), 2);
  EXPECT_EQ(epoch(), epoch_order(10, 0, 3));
  loader.start(9, 1);
  const std::vector<int64_t> order = epoch_order(10, 0, 9);
  EXPECT_EQ(epoch(), std::vector<int64_t>(order.begin() + 4, order.end()));
  EXPECT_EQ(epoch(), epoch_order(10, 0, 10));
}

TEST(Loader, StartingAnewDropsWhatWasReadAhead) {
  Loader loader(std::make_shared<Numbers>(1000, -1, 10),
                {.batch_size = 7, .shuffle = true, .threads = 3, .queue = 5});
  Batch batch;
  for (int64_t epoch = 0; epoch < 60; ++epoch) {
    loader.start(epoch, epoch % 5);
    const std::vector<int64_t> order = epoch_order(1000, 0, epoch);
    for (int64_t b = epoch % 5; b < epoch % 5 + epoch % 3; ++b) {
      ASSERT_TRUE(loader.next(batch));
      EXPECT_EQ(batch.index, b);
      EXPECT_EQ(batch.y.to_vector<int64_t>(),
                std::vector<int64_t>(order.begin() + b * 7, order.begin() + (b + 1) * 7));
    }
  }
}

TEST(Loader, AHeldBatchNeverChanges) {
  Loader loader(std::make_shared<Numbers>(400), {.batch_size = 4, .threads = 2, .queue = 2});
  std::vector<Batch> held;
  for (Batch batch; loader.next(batch);) held.push_back(batch);
  ASSERT_EQ(held.size(), 100u);
  for (size_t b = 0; b < held.size(); ++b)
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(held[b].y.data<int64_t>()[i], static_cast<int64_t>(b * 4 + i));
}

TEST(Loader, ReadsAheadNoFurtherThanItsQueue) {
  auto numbers = std::make_shared<Numbers>(1000);
  Loader loader(numbers, {.batch_size = 10, .threads = 4, .queue = 3});
  Batch batch;
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(loader.next(batch));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_LE(numbers->reads, (i + 3) * 10);
  }
}

TEST(Loader, ThrowsWhatTheDataSetThrewWhenItsBatchIsDue) {
  for (int threads : {0, 1, 4}) {
    SCOPED_TRACE(threads);
    Loader loader(std::make_shared<Numbers>(40, 13), {.batch_size = 4, .threads = threads});
    Batch batch;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(loader.next(batch));
    for (int again = 0; again < 2; ++again)
      EXPECT_FAULT(IoError, loader.next(batch), .argument = "sample 13", .given = "damaged");
    loader.start(0, 4);  // past it
    ASSERT_TRUE(loader.next(batch));
    EXPECT_EQ(batch.index, 4);
    auto all = [&] {
      for (auto& [x, y] : loader) (void)x, (void)y;
    };
    EXPECT_FAULT(IoError, all(), .argument = "sample 13", .given = "damaged");
  }
}

TEST(Loader, MayBeDestroyedAtAnyTime) {
  for (int round = 0; round < 50; ++round) {
    Loader loader(std::make_shared<Numbers>(500, round % 5 == 0 ? 3 : -1, 5),
                  {.batch_size = 3, .threads = 1 + round % 4, .queue = 1 + round % 3});
    if (round % 7 == 0) continue;  // never started
    loader.start(0);
    Batch batch;
    for (int i = 0; i < round % 6; ++i) fault_if_any<IoError>([&] { loader.next(batch); });
    if (round % 2) {
      Loader moved(std::move(loader));
      fault_if_any<IoError>([&] { moved.next(batch); });
    }
  }
}

TEST(Loader, BatchesOutliveTheLoader) {
  Batch batch;
  {
    Loader loader(std::make_shared<Numbers>(10), {.batch_size = 5, .threads = 2});
    ASSERT_TRUE(loader.next(batch));
  }
  EXPECT_EQ(batch.y.to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

TEST(Loader, TellsHowLongItWaited) {
  Loader loader(std::make_shared<Numbers>(9, -1, 2000), {.batch_size = 3, .threads = 0});
  EXPECT_EQ(loader.wait_seconds(), 0);
  rest_of(loader);
  EXPECT_GE(loader.wait_seconds(), 0.018);  // the sum of the sleeps
}

TEST(Loader, RefusesOptionsThatCannotBe) {
  auto numbers = std::make_shared<Numbers>(10);
  struct Case {
    LoaderOptions options;
    const char *argument, *given, *expected;
  };
  const Case cases[] = {{{.batch_size = 0}, "batch_size", "0", "at least 1"},
                        {{.threads = -1}, "threads", "-1", "0 to 256"},
                        {{.threads = 1000}, "threads", "1000", "0 to 256"},
                        {{.queue = -1}, "queue", "-1", "0 to 4096"}};
  for (const Case& c : cases)
    EXPECT_FAULT(ArgumentError, Loader(numbers, c.options), .op = "Loader", .argument = c.argument,
                 .given = c.given, .expected = c.expected);
  EXPECT_FAULT(ArgumentError, Loader(nullptr), .op = "Loader", .argument = "dataset",
               .given = "null", .expected = "a data set");
  Loader loader(numbers, {.batch_size = 4});
  EXPECT_FAULT(ArgumentError, loader.start(-1, 0), .op = "Loader::start", .argument = "epoch",
               .given = "-1", .expected = "at least 0");
  for (int64_t batch : {-1, 4})
    EXPECT_FAULT(ArgumentError, loader.start(0, batch), .op = "Loader::start",
                 .argument = "first_batch", .given = std::to_string(batch),
                 .expected = "0 to 3, the batches of an epoch");
}

TEST(Loader, ALastBatchHoldsTheRest) {
  struct Case {
    int64_t samples, batch_size;
    bool drop_last;
    std::vector<int64_t> sizes;
  };
  const Case cases[] = {{9, 4, false, {4, 4, 1}},
                        {9, 4, true, {4, 4}},
                        {8, 4, false, {4, 4}},
                        {3, 1, false, {1, 1, 1}},
                        {3, 4, false, {3}}};
  for (const Case& c : cases)
    for (int threads : {0, 2}) {
      Loader loader(std::make_shared<Numbers>(c.samples), {.batch_size = c.batch_size,
                                                           .shuffle = true,
                                                           .threads = threads,
                                                           .drop_last = c.drop_last});
      EXPECT_EQ(loader.batches(), static_cast<int64_t>(c.sizes.size()));
      const Seen seen = rest_of(loader);
      std::vector<int64_t> sizes, labels;
      for (const auto& batch : seen.labels) {
        sizes.push_back(static_cast<int64_t>(batch.size()));

        labels.insert(labels.end(), batch.begin(), batch.end());
      }
      EXPECT_EQ(sizes, c.sizes) << c.samples << " in " << c.batch_size;
      std::vector<int64_t> expected = epoch_order(c.samples, 0, 0);
      expected.resize(labels.size());
      EXPECT_EQ(labels, expected);
      // A batch is the same from wherever one starts.
      loader.start(0, loader.batches() - 1);
      EXPECT_EQ(rest_of(loader).labels.back(), seen.labels.back());
    }
}

/// Pictures with the labels 0, 1, 2, but for sample 30.
class OwnLabels final : public Dataset {
 public:
  OwnLabels(int64_t odd, int classes) : odd_(odd) {
    info_.kind = info_.source = "own";
    info_.input_shape = Shape{1, 4, 4};
    info_.classes = classes;
  }
  int64_t size() const override { return 60; }
  const Info& info() const override { return info_; }
  void read(int64_t index, float* x, int64_t* y) const override {
    std::fill_n(x, 16, 0.5f);
    *y = index == 30 ? odd_ : index % 3;
  }

 private:
  int64_t odd_;
  Info info_;
};

TEST(Labels, AreCheckedWhereverTheyEnter) {
  struct Consumer {
    const char* what;
    std::function<void(std::shared_ptr<const Dataset>)> use;
  };
  auto load = [](LoaderOptions options) {
    return [options](std::shared_ptr<const Dataset> all) {
      Loader loader(std::move(all), options);
      for (auto& [x, y] : loader) y.numel();
    };
  };
  TemporaryFolder folder;
  const std::vector<Consumer> consumers = {
      {"loader", load({.batch_size = 16})},
      {"loader without threads", load({.batch_size = 16, .threads = 0})},
      {"mixup", load({.batch_size = 16, .augment = {.mixup = 0.2}})},
      {"cutmix", load({.batch_size = 16, .augment = {.cutmix = 1}})},
      {"flip", load({.batch_size = 16, .augment = {.flip = 0.5}})},
      {"balanced_sampler", [](std::shared_ptr<const Dataset> all) { balanced_sampler(*all); }},
      {"class_counts", [](std::shared_ptr<const Dataset> all) { class_counts(*all); }},
      {"a subset", [](std::shared_ptr<const Dataset> all) { class_counts(*subset(all, {3, 30})); }},
      {"pack",
       [&](std::shared_ptr<const Dataset> all) {
         pack(folder / "p", {.train = std::move(all), .val = {}, .test = {}, .notes = {}});
       }},
  };
  for (const Consumer& c : consumers) {
    for (int64_t odd : {int64_t{-1}, int64_t{3}, int64_t{1'000'000}, INT64_MIN, INT64_MAX}) {
      SCOPED_TRACE(c.what);
      auto call = [&] { c.use(std::make_shared<OwnLabels>(odd, 3)); };
      EXPECT_FAULT(IoError, call(), .op = "", .given = "label " + std::to_string(odd),
                   .expected = "a class from 0 to 2");
      EXPECT_TRUE(fault_of<IoError>(call).argument.starts_with("own: sample "));
    }
    EXPECT_NO_THROW(c.use(std::make_shared<OwnLabels>(2, 3))) << c.what;
  }
  for (const char* what : {"mixup", "cutmix", "balanced_sampler", "class_counts"}) {
    const auto c = std::find_if(consumers.begin(), consumers.end(),
                                [&](const Consumer& k) { return std::string(k.what) == what; });
    SCOPED_TRACE(what);
    auto call = [&] { c->use(std::make_shared<OwnLabels>(0, 0)); };
    EXPECT_FAULT(IoError, call(), .argument = "own: sample 0",
                 .given = "label 0 where Info::classes is 0", .expected = "at least one class",
                 .remedy = "Set Info::classes.");
  }
  EXPECT_EQ(class_counts(OwnLabels(2, 4)), (std::vector<int64_t>{19, 20, 21, 0}));
}

TEST(Labels, CountingReadsNoSamples) {
  class Counted final : public Dataset {
   public:
    Counted() {
      info_.input_shape = Shape{1, 4, 4};
      info_.classes = 2;
    }
    int64_t size() const override { return 10; }
    const Info& info() const override { return info_; }
    void read(int64_t, float*, int64_t*) const override { ADD_FAILURE() << "a sample was read"; }
    int64_t label(int64_t index) const override { return index % 2; }

   private:
    Info info_;
  };
  const Counted all;
  EXPECT_EQ(class_counts(all), (std::vector<int64_t>{5, 5}));
  EXPECT_EQ(balanced_sampler(all)->size(), 10);
  const Splits noise = open("random:1x4x4?classes=3&samples=200", {.val_fraction = 0});
  std::vector<float> x(16);
  for (int64_t i = 0, y = 0; i < 200; ++i) {
    noise.train->read(i, x.data(), &y);
    EXPECT_EQ(noise.train->label(i), y);
  }
}

}  // namespace
}  // namespace suanli::data
