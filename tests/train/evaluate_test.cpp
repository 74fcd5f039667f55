// SPDX-License-Identifier: Apache-2.0
// Evaluating and predicting leave a model as it is, on one thread and on several.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "suanli/train.h"

namespace suanli {
namespace {

struct Fails : nn::Module {
  nn::Linear fc{784, 10};
  nn::Dropout drop{0.5};
  SUANLI_FIELDS(fc, drop)
  Tensor forward(const Tensor& x) const {
    calls->push_back(training() || drop.training());
    return fail ? throw ShapeError(Fault{.given = "no"}) : fc(drop(flatten(x, 1)));
  }
  bool fail = false;
  std::shared_ptr<std::vector<bool>> calls = std::make_shared<std::vector<bool>>();
};

/// The mode of each module, the ones above first.
std::vector<bool> modes_of(const nn::Module& model) {
  struct Collect : nn::ConstFieldVisitor {
    std::vector<bool> all;
    void parameter(const std::string&, const Parameter&) override {}
    void module(const std::string&, const nn::Module& m) override {
      all.push_back(m.training());
      m.fields(*this);
    }
  } visitor;
  visitor.module("", model.self());
  return visitor.all;
}

TEST(Modes, EvaluatingLeavesThemAloneAlsoWithAnException) {
  const data::Splits splits = data::open("glyphs?train=20&test=10", {.val_fraction = 0});
  for (bool fail : {false, true})
    for (bool outer : {false, true}) {
      Fails net;
      net.fail = fail;
      net.train(outer);
      net.drop.train(!outer);
      const auto calls = net.calls;
      TrainedModel trained;
      trained.input_shape = {1, 28, 28};
      trained.model = std::move(net);
      const std::vector<bool> before = modes_of(trained.model);
      EXPECT_EQ(before, (std::vector<bool>{outer, outer, !outer}));
      try {
        evaluate(trained.model, splits.train, {});
        EXPECT_FALSE(fail);
      } catch (const ShapeError&) { EXPECT_TRUE(fail); }
      EXPECT_EQ(modes_of(trained.model), before);
      try {
        trained.predict(zeros({1, 1, 28, 28}));
        EXPECT_FALSE(fail);
      } catch (const ShapeError&) { EXPECT_TRUE(fail); }
      EXPECT_EQ(modes_of(trained.model), before);
      EXPECT_EQ(*calls, (std::vector<bool>{false, false})) << "one call each, not in training mode";
    }
}

/// Its dropout and normalization answer differently in training mode.
struct Uneven : nn::Module {
  nn::Linear fc1{784, 16}, fc2{16, 10};
  nn::BatchNorm1d norm{16};
  nn::Dropout drop{0.5};
  SUANLI_FIELDS(fc1, norm, drop, fc2)
  Tensor forward(const Tensor& x) const { return fc2(drop(relu(norm(fc1(flatten(x, 1)))))); }
};

TEST(Modes, ThreadsPredictWithOneModelWhileAnotherOneTrains) {
  manual_seed(7);
  TrainedModel made;
  made.input_shape = {1, 28, 28};
  made.model = Uneven();
  constexpr int kThreads = 4;
  std::vector<Tensor> x;
  std::vector<std::vector<float>> expected;
  made.model.eval();
  for (int i = 0; i < kThreads; ++i) {
    x.push_back(rand({3 + i, 1, 28, 28}));
    NoGrad off;
    expected.push_back(softmax(made.model(x.back())).to_vector<float>());
  }
  made.model.train();
  const TrainedModel& trained = made;
  flush();
  const data::Splits splits = data::open("glyphs?train=20&test=10", {.val_fraction = 0});
  const double loss = evaluate(trained.model, splits.train, {}).loss;

  std::atomic<int> wrong{0}, asking{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round)
        for (size_t i = 0; i < x.size(); ++i)
          wrong += trained.predict(x[i]).to_vector<float>() != expected[i];
      wrong += evaluate(trained.model, splits.train, {}).loss != loss;
      --asking;
    });
  Uneven other;
  optim::SGD opt(other.parameters(), {.lr = 0.01});
  int steps = 0;
  for (; steps < 4 || asking > 0; ++steps) {
    other.eval();
    other.train();
    cross_entropy(other(x[0]), tensor<int64_t>(std::vector<int64_t>{1, 2, 3}, Shape{3})).backward();
    opt.step();
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(other.norm.num_batches_tracked.value().item<int64_t>(), steps);
}

}  // namespace
}  // namespace suanli
