// SPDX-License-Identifier: Apache-2.0
// InferenceMode on one and on several threads.
#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

#include "gtest/gtest.h"
#include "nn/moody.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(InferenceMode, AnswersAsInEvalModeWhateverTrainSaid) {
  const Tensor x = tensor_f32({4, 6}, 1);
  const std::vector<float> expected = answer_in_eval_mode(x);
  Moody net = moody();
  const Bits before = values(net);
  for (bool training : {true, false}) {
    net.train(training);
    const uint64_t draws = default_generator().counter();
    {
      InferenceMode inference;
      EXPECT_FALSE(net.training());
      EXPECT_FALSE(net.drop.training());
      EXPECT_EQ(net(x).to_vector<float>(), expected);
    }
    EXPECT_EQ(net.training(), training);
    EXPECT_EQ(net.drop.training(), training);
    EXPECT_EQ(default_generator().counter(), draws);
  }
  EXPECT_EQ(values(net), before) << "running statistics moved";
  EXPECT_EQ(net.norm.num_batches_tracked.value().item<int64_t>(), 0);

  net.train();
  EXPECT_NE(net(x).to_vector<float>(), expected);
  EXPECT_EQ(net.norm.num_batches_tracked.value().item<int64_t>(), 1);
}

TEST(InferenceMode, EachLayerObeys) {
  const Tensor x = tensor_f32({8, 4}, 2);
  const nn::Dropout drop(0.5);
  const nn::StochasticDepth depth(0.5);
  const nn::BatchNorm1d norm(4, {.eps = 0});  // mean 0, variance 1: the input itself
  for (const auto& layer : {std::function<Tensor()>([&] { return drop(x); }),
                            std::function<Tensor()>([&] { return depth(x); }),
                            std::function<Tensor()>([&] { return norm(x); })}) {
    EXPECT_NE(layer().to_vector<float>(), x.to_vector<float>());
    norm.running_mean.set(zeros({4}));
    norm.running_var.set(ones({4}));
    InferenceMode inference;
    EXPECT_EQ(layer().to_vector<float>(), x.to_vector<float>());
  }
}

TEST(InferenceMode, TrainAndEvalCountAfterIt) {
  Moody net = moody();
  {
    InferenceMode inference;
    net.eval();
    EXPECT_FALSE(net.training());
    net.train();
    EXPECT_FALSE(net.training());
  }
  EXPECT_TRUE(net.training());
  {
    InferenceMode inference;
    net.eval();
  }
  EXPECT_FALSE(net.training());
}

TEST(InferenceMode, RecordsNoGradient) {
  Moody net = moody();
  const Tensor x = tensor_f32({4, 6}, 1);
  Tensor y;
  {
    InferenceMode inference;
    y = net(x);
    EXPECT_FALSE(y.requires_grad());
    const GradMode on(true);
    EXPECT_FALSE(net(x).requires_grad()) << "nothing inside turns gradients on again";
  }
  EXPECT_THROW(sum(y).backward(), StateError);
  EXPECT_TRUE(net(x).requires_grad());
  NoGrad off;
  { InferenceMode inference; }
  EXPECT_FALSE(net(x).requires_grad()) << "what was off before stays off";
}

TEST(InferenceMode, NestsAndEndsWithAnException) {
  const nn::Dropout drop(0.5);
  EXPECT_TRUE(drop.training());
  {
    InferenceMode outer;
    { InferenceMode inner; }
    EXPECT_FALSE(drop.training()) << "the inner one ended the outer one";
    EXPECT_THROW(
        {
          InferenceMode inner;
          throw std::runtime_error("no");
        },
        std::runtime_error);
    EXPECT_FALSE(drop.training());
  }
  EXPECT_TRUE(drop.training());
  EXPECT_THROW(
      {
        InferenceMode inference;
        throw std::runtime_error("no");
      },
      std::runtime_error);
  EXPECT_TRUE(drop.training());
  EXPECT_TRUE((Parameter(ones({1})) * 2.0).requires_grad());
}

// ---- InferenceMode and threads ------------------------------------------------------------------

TEST(InferenceMode, BelongsToItsThread) {
  const nn::Dropout drop(0.5);
  InferenceMode inference;
  bool training = false, inside = true, gradients = false;
  std::thread([&] {
    training = drop.training();
    gradients = (Parameter(ones({1})) * 2.0).requires_grad();
    InferenceMode own;
    inside = drop.training();
  }).join();
  EXPECT_TRUE(training);
  EXPECT_TRUE(gradients);
  EXPECT_FALSE(inside);
  EXPECT_FALSE(drop.training());
}

TEST(InferenceMode, ThreadsAskOneModelWhileAnotherTrains) {
  constexpr int kThreads = 4, kRounds = 40;
  Moody shared = moody();  // in training mode
  const Bits before = values(shared);
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < 4; ++i) {
    inputs.push_back(tensor_f32({4 + i, 6}, static_cast<uint64_t>(i)));
    expected.push_back(answer_in_eval_mode(inputs.back()));
  }
  const auto train = [](auto&& each) {
    Moody net = moody();
    optim::Adam opt(net.parameters(), {.lr = 0.01});
    for (int i = 0; i < 8; ++i) {
      each(net);
      net.eval();
      {
        InferenceMode inference;
        net(batch(i).x).to_vector<float>();
      }
      net.train();
      train_step(net, opt, batch(i));
    }
    return values(net);
  };
  const Bits alone = train([](Moody&) {});

  std::atomic<int> wrong{0}, asking{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        InferenceMode inference;
        for (size_t i = 0; i < inputs.size(); ++i)
          wrong += shared(inputs[i]).to_vector<float>() != expected[i];
      }
      --asking;
    });
  // This thread trains a model of its own, and changes the mode of the shared one meanwhile.
  int trainings = 0, different = 0;
  do {
    different += train([&](Moody&) {
                   shared.eval();
                   shared.train();
                 }) != alone;
    ++trainings;
  } while (asking > 0);
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(different, 0) << "of " << trainings << " trainings";
  EXPECT_EQ(values(shared), before);
  EXPECT_TRUE(shared.training());
}

}  // namespace
}  // namespace suanli
