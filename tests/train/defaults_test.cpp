// SPDX-License-Identifier: Apache-2.0
// Defaults of a run: decided by what the data show, however they are
// stored.
#include <gtest/gtest.h>

#include "train/settings/config.h"

namespace suanli {
namespace {

/// Only says what it is.
class Described final : public data::Dataset {
 public:
  Described(std::string kind, Shape input_shape, int64_t size) : size_(size) {
    info_.kind = std::move(kind);
    info_.source = "described";
    info_.input_shape = input_shape;

    info_.classes = 2;
  }
  int64_t size() const override { return size_; }
  const data::Info& info() const override { return info_; }
  void read(int64_t, float*, int64_t*) const override {
    FAIL() << "defaults are decided without reading";
  }

  data::Info info_;

 private:
  int64_t size_;
};

TrainConfig fitted(const Described& data) {
  TrainConfig c;
  std::vector<std::string> notes;
  apply_data_defaults(c, false, false, data, notes);
  return c;
}

TEST(Defaults, TheModelFollowsTheData) {
  auto model = [](const char* kind, Shape shape, int64_t size = 1000) {
    return fitted(Described(kind, shape, size)).model;
  };
  EXPECT_EQ(model("glyphs", {1, 28, 28}), "cnn_b");
  EXPECT_EQ(model("fashion-mnist", {1, 28, 28}), "cnn_bn");
  EXPECT_EQ(model("cifar10", {3, 32, 32}, 50'000), "airbench");
  EXPECT_EQ(model("cifar10", {3, 64, 64}, 50'000), "cnn_b");  // scaled: four times the work
  EXPECT_EQ(model("folder", {3, 96, 96}, 300), "airbench");
  EXPECT_EQ(model("folder", {1, 96, 96}, 300), "cnn_b");  // no photographs
  EXPECT_EQ(model("folder", {3, 8, 96}, 300), "mlp");
  EXPECT_EQ(model("csv", {7}), "tabular");
  EXPECT_EQ(model("npz", {5, 7}), "mlp");
}

TEST(Defaults, MorePhotographsThanAnEpochShouldHaveGetTheQuickModel) {
  EXPECT_EQ(fitted(Described("folder", {3, 32, 32}, 50'000)).model, "airbench");
  EXPECT_EQ(fitted(Described("folder", {3, 32, 32}, 50'001)).model, "cnn_b");
  EXPECT_EQ(fitted(Described("folder", {3, 96, 96}, 5'555)).model, "airbench");
  EXPECT_EQ(fitted(Described("folder", {3, 96, 96}, 5'556)).model, "cnn_b");
}

TEST(Defaults, FewSamplesAreSeenMoreOften) {
  auto epochs = [](const char* kind, Shape shape, int64_t size) {
    return fitted(Described(kind, shape, size)).epochs;
  };
  EXPECT_EQ(epochs("folder", {3, 96, 96}, 300), 30);  // airbench, whose learning rate falls
  EXPECT_EQ(epochs("folder", {3, 96, 96}, 2'500), 16);  // 40,000 views
  EXPECT_EQ(epochs("folder", {3, 96, 96}, 5'000), 10);
  EXPECT_EQ(epochs("folder", {3, 96, 96}, 20'000), 10);  // cnn_b
  EXPECT_EQ(epochs("folder", {1, 96, 96}, 300), 60);
  EXPECT_EQ(epochs("folder", {1, 96, 96}, 2'000), 20);
  EXPECT_EQ(epochs("folder", {1, 96, 96}, 20'000), 3);  // the recipe's
  EXPECT_EQ(epochs("glyphs", {1, 28, 28}, 300), 0);  // left to the recipe
}

TEST(Defaults, PackedPhotographsAreTreatedAsPhotographs) {
  Described packed("packed", {3, 96, 96}, 300);
  EXPECT_EQ(fitted(packed).augment, "none");
  packed.info_.packed_kind = "folder";
  const TrainConfig as_folder = fitted(Described("folder", {3, 96, 96}, 300)),
                    as_packed = fitted(packed);
  EXPECT_EQ(as_packed.model, as_folder.model);
  EXPECT_EQ(as_packed.augment, "resized_crop,flip");
  EXPECT_EQ(as_packed.tta, as_folder.tta);
  EXPECT_EQ(as_packed.epochs, as_folder.epochs);
  EXPECT_EQ(as_packed.batch_size, as_folder.batch_size);
  EXPECT_EQ(normalizes(packed.info_, &models::entry("cnn_b").recipe), true);
}

}  // namespace
}  // namespace suanli
