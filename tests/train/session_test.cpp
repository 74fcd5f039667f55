// SPDX-License-Identifier: Apache-2.0
// Several trainers and models at once, each in a session of its own.
#include "suanli/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/files/file.h"
#include "suanli/plan.h"
#include "suanli/train.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace test;

TrainConfig residual(const std::string& out) {
  TrainConfig c;
  c.data = "random:3x8x8?classes=4&samples=48";
  c.model = "resnet18";
  c.epochs = 2;
  c.batch_size = 8;
  c.lr = 0.01;
  c.out = out;
  return c;
}
TrainConfig dropout(const std::string& out) {
  TrainConfig c;
  c.data = "glyphs?train=320&test=64";
  c.model = "cnn_b";
  c.epochs = 2;
  c.batch_size = 32;
  c.out = out;
  return c;
}

struct Outcome {
  std::string weights;
  double train_loss, val_loss;
  int64_t arena;
  bool operator==(const Outcome&) const = default;
};
Outcome train(const TrainConfig& config) {
  std::filesystem::remove_all(config.out);
  Trainer trainer(config);
  const TrainResult r = trainer.run();
  return {read_file(config.out + "/model.safetensors"), r.train_loss, r.val_loss,
          plan_stats().last_arena_bytes};
}

TEST(TrainerSession, ItsSettingsAreItsOwn) {
  TempFolder folder;
  const Session here = Session::current();
  const int threads = here.threads();
  manual_seed(3);
  const auto drawn = rand({4}).to_vector<float>();
  manual_seed(3);
  flush();
  const MemoryUse before = here.memory_use();

  TrainConfig c = residual(folder / "own");
  c.threads = threads + 1;
  {
    Trainer own(c);
    EXPECT_NE(own.session(), here);
    EXPECT_EQ(own.session().threads(), threads + 1);
    EXPECT_EQ(own.config().threads, threads + 1);
    int64_t seen = 0;
    own.on_step = [&](const StepReport&) { seen += Session::current() == own.session(); };
    const TrainResult r = own.run();
    EXPECT_EQ(seen, r.steps);
    EXPECT_GT(own.session().memory_use().peak, 0);
  }
  EXPECT_EQ(Session::current(), here);
  EXPECT_EQ(here.threads(), threads);
  EXPECT_EQ(here.memory_use().tensors, before.tensors);
  EXPECT_EQ(here.memory_use().arena, before.arena) << "all of it was computed elsewhere";
  EXPECT_EQ(rand({4}).to_vector<float>(), drawn) << "the run draws from its own stream";

  Session given;
  c.out = folder / "given";
  c.threads = 0;
  given.set_threads(3);
  Trainer trainer(c, given);
  EXPECT_EQ(trainer.session(), given);
  EXPECT_EQ(trainer.config().threads, 3);
  trainer.take_steps(2);
  EXPECT_GT(given.memory_use().peak, 0);
  const Trainer resumed = Trainer::resume(folder / "own", ResumeOptions{.session = given});
  EXPECT_EQ(resumed.session(), given);
  EXPECT_EQ(given.threads(), threads + 1) << "as the run was configured";
}

TEST(TrainerSession, TheLimitOfTheCurrentSessionHoldsForARunOfItsOwn) {
  TempFolder folder;
  Session outer;
  outer.set_memory_limit(3 << 20);
  const Session::Use use(outer);
  const Fault fault = fault_of<OutOfMemory>([&] { Trainer(residual(folder / "run")); });
  EXPECT_EQ(fault.argument, "memory");
  EXPECT_TRUE(contains(fault.given, "the memory limit of the session leaves")) << fault.given;
}

struct Wide : nn::Module {
  nn::Linear fc{784, 4000}, out{4000, 10};
  SUANLI_FIELDS(fc, out)
  Tensor forward(const Tensor& x) const { return out(relu(fc(flatten(x, 1)))); }
};

// Weights that a module of the user holds already count once.
TEST(TrainerSession, WeightsOfAnotherSessionAreHeldAlready) {
  TempFolder folder;
  TrainConfig c = dropout(folder / "run");
  c.model = "own";
  c.optimizer = "sgd";
  c.momentum = 0;
  c.lr = 0.1;
  const RunForecast f = Trainer(Wide(), c).forecast();
  EXPECT_GT(f.weights, 12 << 20);
  Session enough, small;
  enough.set_memory_limit(f.peak() - f.weights + (1 << 20));
  Trainer trainer(Wide(), c, enough);
  trainer.autotune();
  trainer.take_steps(3);
  small.set_memory_limit(f.peak() - f.weights - (4 << 20));
  EXPECT_TRUE(contains(fault_of<OutOfMemory>([&] { Trainer(Wide(), c, small).autotune(); }).given,
                       "the memory limit of the session leaves"));
}

TEST(TrainerSession, TwoAtOnceGiveTheBitsThatEachGivesAlone) {
  TempFolder folder;
  TrainConfig a = residual(folder / "a"), b = residual(folder / "b");
  a.epochs = b.epochs = 1;
  a.threads = 1;
  b.threads = 3;
  b.seed = 1;
  // Less than it would take: some values are computed again.
  const Outcome unlimited = train(b);
  TrainConfig unmade = b;
  unmade.out = folder / "none";
  const RunForecast f = Trainer(unmade).forecast();
  b.memory_limit = f.peak() - (f.activations + f.gradients + f.workspace) / 20;
  std::filesystem::remove_all(b.out);
  {
    Trainer limited(b);
    limited.autotune();
    ASSERT_FALSE(limited.data().notes.empty());
    EXPECT_EQ(limited.data().notes.back().find("memory limit "), 0u) << limited.data().notes.back();
    EXPECT_GT(limited.session().working_memory_limit(), 0);
  }
  const Outcome alone_a = train(a), alone_b = train(b);
  EXPECT_EQ(alone_b.weights == unlimited.weights, true);
  EXPECT_FALSE(alone_a.weights == alone_b.weights) << "another seed";
  const int threads = Session::default_session().threads();
  for (int round = 0; round < 2; ++round) {
    Outcome got_a, got_b;
    std::thread first([&] { got_a = train(a); });
    std::thread second([&] { got_b = train(b); });
    first.join();
    second.join();
    EXPECT_EQ(got_a == alone_a, true) << round;
    EXPECT_EQ(got_b == alone_b, true) << round;
  }
  EXPECT_EQ(Session::default_session().threads(), threads);
  EXPECT_EQ(Session::default_session().working_memory_limit(), 0);
}

// The draws of dropout go on where the checkpoint stands, whichever thread continues the run.
TEST(TrainerSession, ARunGoesOnOnAnotherThreadWithTheSameBits) {
  TempFolder folder;
  const Outcome alone = train(dropout(folder / "alone"));
  const TrainConfig c = dropout(folder / "parted");
  {
    Trainer trainer(c);
    int64_t steps = 0;
    trainer.on_step = [&](const StepReport&) { ++steps; };
    trainer.should_stop = [&] { return steps >= 3; };
    EXPECT_TRUE(trainer.run().stopped);
  }
  Trainer resumed = Trainer::resume(c.out);
  rand({1000});  // other draws of this thread do not count
  std::thread([&] { resumed.run(); }).join();
  EXPECT_EQ(read_file(c.out + "/model.safetensors") == alone.weights, true);
}

TEST(TrainerSession, FourThreadsAnswerFromOneModelWhileAnotherIsTrained) {
  TempFolder folder;
  const Outcome alone = train(dropout(folder / "trained"));
  train(residual(folder / "served"));
  TrainedModel served = load_run(folder / "served");
  served.model.eval();
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> expected;
  for (uint64_t i = 0; i < 4; ++i) {
    manual_seed(i);
    inputs.push_back(rand({4, 3, 8, 8}));
    flush();
    NoGrad off;
    expected.push_back(served.model(inputs.back()).to_vector<float>());
  }
  std::atomic<bool> trained{false};
  std::atomic<int> wrong{0}, answers{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Session session;
      session.set_threads(t % 2 + 1);
      const Session::Use use(session);
      NoGrad off;
      for (size_t i = 0; !trained || i < 8; ++i, ++answers)
        wrong += served.model(inputs[i % 4]).to_vector<float>() != expected[i % 4];
    });
  const Outcome beside = train(dropout(folder / "trained"));
  trained = true;
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(beside == alone, true);
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(answers, 32);
}

TEST(TrainerSession, AModelAnswersInItsSession) {
  TempFolder folder;
  train(dropout(folder / "run"));
  TrainedModel model = load_run(folder / "run");
  EXPECT_EQ(model.session, Session::current());
  const Tensor x = zeros({2, 1, 28, 28});
  const auto expected = model.predict(x).to_vector<float>();
  model.session = Session();
  const Tensor answer = model.predict(x);
  EXPECT_TRUE(answer.materialized());
  EXPECT_EQ(answer.to_vector<float>(), expected);
  EXPECT_GE(model.session.memory_use().tensors, 64);
  const data::Splits splits = data::open("glyphs?train=32&test=32", {.val_fraction = 0});
  Session other;
  const Evaluation here = evaluate(model.model, splits.test, {.session = model.session}),
                   there = evaluate(model.model, splits.test, {.session = other});
  EXPECT_EQ(here.loss, there.loss);
  EXPECT_GT(other.memory_use().peak, 0);
}

}  // namespace
}  // namespace suanli
