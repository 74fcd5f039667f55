// SPDX-License-Identifier: Apache-2.0
#include "train/settings/sample_notes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/text/text.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace test;

/// A table with a target of such words, so many rows of each.
std::string table(const std::vector<std::pair<std::string, int>>& words) {
  std::string out = "a,b,y\n";
  int i = 0;
  for (auto& [word, rows] : words)
    for (int r = 0; r < rows; ++r, ++i) out += str(i * 0.5, ",", i * i % 13, ",", word, "\n");
  return out;
}

std::string notes_of(const std::string& spec, double val = 0.1) {
  const data::Splits splits = data::open(spec, {.val_fraction = val});
  std::vector<std::string> notes;
  note_samples(splits, notes);
  std::string out;
  for (const std::string& note : notes) out += note + "\n";
  return out;
}

TEST(SampleNotes, NameTheClassesAndCountTheSamples) {
  TempFolder folder;
  const std::string notes =
      notes_of("csv:" + folder.file("t.csv", table({{"cat", 30}, {"dog", 30}, {"fox", 30}})) +
               "?target=y&test=0");
  EXPECT_TRUE(contains(notes, "3 classes: cat, dog, fox (81 train, 9 val)\n")) << notes;
  EXPECT_TRUE(
      contains(notes, "9 validation samples: an accuracy on them is known to ±27 points only"))
      << notes;
  EXPECT_FALSE(contains(notes, "uneven")) << notes;
  EXPECT_EQ(notes_of("glyphs?train=1000&test=300"),
            "10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 (900 train, 100 val, 300 test)\n");
}

TEST(SampleNotes, SayHowUnevenClassesAre) {
  TempFolder folder;
  const std::string spec =
      "csv:" + folder.file("t.csv", table({{"rare", 3}, {"common", 1997}})) + "?target=y&test=0";
  const std::string notes = notes_of(spec, 0);
  EXPECT_TRUE(contains(notes, "'common' has 1997 of 2000 training samples, 'rare' 3")) << notes;
  EXPECT_TRUE(contains(notes, "always answers 'common' is right for 99.9%")) << notes;
  const Baseline baseline = baseline_of(*data::open(spec, {.val_fraction = 0}).train);
  EXPECT_EQ(baseline.share, 1997.0 / 2000);
  const std::string single = notes_of(
      "csv:" + folder.file("s.csv", table({{"x", 1}, {"y", 20}, {"z", 20}})) + "?target=y&test=0");
  EXPECT_TRUE(contains(single, "classes with a single training sample: x\n")) << single;
  EXPECT_TRUE(contains(single, "classes without a validation sample: x\n")) << single;
}

TEST(SampleNotes, ClassesWithASampleEachAreTheCauseAndAreNamed) {
  TempFolder folder;
  folder.file("t.csv", table({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}));
  const std::string spec = "csv:" + (folder / "t.csv") + "?target=y&test=0";
  const Fault fault = fault_of<IoError>([&] { data::open(spec, {}); });
  EXPECT_TRUE(contains(fault.given, "one training sample")) << fault.given;
  EXPECT_TRUE(contains(fault.given, "4 classes")) << fault.given;
  EXPECT_TRUE(names_setting(fault, "val"));
  EXPECT_EQ(data::open(spec, {.val_fraction = 0}).train->size(), 4);
}

/// Wilson's interval against published values (Brown, Cai & DasGupta 2001: n = 10, x = 0 gives [0,
/// 0.278]).
TEST(SampleNotes, UncertaintyIsWilsons) {
  EXPECT_NEAR(uncertainty_of(0, 10), 0.2775 / 2, 5e-4);
  EXPECT_NEAR(uncertainty_of(0.5, 100), 0.0962, 1e-4);
  EXPECT_NEAR(uncertainty_of(0.5, 1'000'000), 1.96 * 0.5 / 1000, 1e-6);
}

/// A target far from 0 has the errors that its standardized answers have, in training and
/// afterward.
TEST(NumberErrors, OfTargetsFarFromZeroAgree) {
  TempFolder folder;
  std::string rows = "a,b,y\n";
  for (int i = 0; i < 400; ++i)
    rows += str(i % 20, ",", i * 7 % 11, ",", 1'234'567'890'123 + 3 * i, "\n");
  TrainConfig c;
  c.data = "csv:" + folder.file("t.csv", rows) + "?target=y";
  c.epochs = 3;
  c.out = folder / "run";
  Trainer trainer(c);
  const TrainResult r = trainer.run();
  TrainedModel trained = load_run(folder / "run");
  const auto& test = trainer.data().test;
  const Evaluation e = evaluate(trained.model, test,
                                {.batch_size = 7,
                                 .mean = trained.config.mean,
                                 .stddev = trained.config.stddev,
                                 .loss = trained.loss});
  EXPECT_NEAR(e.rmse, r.test_rmse, 1e-6 * r.test_rmse);
  // Against the answers themselves, which are f64 in the target's own unit.
  double squares = 0, absolute = 0, mean = 0, variance = 0;
  const int64_t n = test->size(), width = test->info().input_shape.numel();
  std::vector<double> errors, targets;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> x(static_cast<size_t>(width));
    float y = 0;
    test->read_value(i, x.data(), &y);
    const Tensor answer = trained.predict(tensor<float>(x, Shape{1, width}));
    EXPECT_EQ(answer.dtype(), f64);
    targets.push_back(static_cast<double>(y) * trained.target_stddev + trained.target_mean);
    errors.push_back(answer.to_vector<double>()[0] - targets.back());
    squares += errors.back() * errors.back();
    absolute += std::abs(errors.back());

    mean += targets.back();
  }
  mean /= static_cast<double>(n);
  for (double t : targets) variance += (t - mean) * (t - mean);
  EXPECT_NEAR(e.rmse, std::sqrt(squares / static_cast<double>(n)), 1e-4 * e.rmse);
  EXPECT_NEAR(e.mean_absolute_error, absolute / static_cast<double>(n), 1e-4 * e.rmse);
  EXPECT_NEAR(e.r2, 1 - squares / variance, 1e-4);
  EXPECT_TRUE(std::isnan(e.balanced_accuracy));
}

/// Class 0 with certainty.
struct AlwaysZero : nn::Module {
  Tensor forward(const Tensor& x) const {
    std::vector<float> row(10);
    row[0] = 1;
    return expand(tensor(row, Shape{1, 10}), {x.size(0), 10});
  }
  SUANLI_CALL
};

TEST(BalancedAccuracy, IsTheMeanOverTheClasses) {
  const data::Splits splits = data::open("glyphs?train=100&test=10", {.val_fraction = 0});
  nn::AnyModule model = AlwaysZero();
  const Evaluation e = evaluate(model, splits.train, {.classes = 10});
  EXPECT_DOUBLE_EQ(e.balanced_accuracy, 0.1);
  EXPECT_TRUE(std::isnan(evaluate(model, splits.train, {}).balanced_accuracy)) << "nobody asked";
}

}  // namespace
}  // namespace suanli
