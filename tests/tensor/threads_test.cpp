// SPDX-License-Identifier: Apache-2.0
// Tensors, parameters and whole trainings on several threads.
#include <atomic>
#include <thread>

#include "base/threads/slab.h"
#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

template <class F> void on_threads(int n, F&& f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back([&f, i] { f(i); });
  for (auto& t : threads) t.join();
}

TEST(Threads, APendingTensorBelongsToItsThread) {
  Tensor t = tensor_f32({3}, 1) + 1.0;
  std::thread([&] {
    EXPECT_FAULT(StateError, t + 1.0, .op = "add", .argument = "x",
                 .given = "pending on another thread", .remedy = "Call flush() there first.");
    EXPECT_FAULT(StateError, t.to_vector<float>(), .op = "read", .argument = "tensor",
                 .given = "pending on another thread", .remedy = "Call flush() there first.");
  }).join();
  flush();
  std::vector<float> got;
  std::thread([&] { got = (t * 2.0).to_vector<float>(); }).join();
  for (size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(got[i], 2 * t.to_vector<float>()[i]);
}

TEST(Threads, AGradientPendingElsewhereSaysSo) {
  Parameter w(scalar(2));
  (w * w).backward();
  std::thread([&] {
    EXPECT_FAULT(StateError, (w * 3).backward(), .op = "Parameter", .argument = "parameter",
                 .given = "a write or gradient pending on another thread");
    drop_pending();
    EXPECT_FAULT(StateError, optim::SGD({w}, {.lr = 0.1}).step(), .op = "mul", .argument = "x",
                 .given = "pending on another thread");
    drop_pending();
  }).join();
  EXPECT_EQ(w.grad().item<double>(), 4) << "the failed attempts changed it";
  // in memory now: any thread may step
  std::thread([&] { optim::SGD({w}, {.lr = 0.25}).step(); }).join();
  EXPECT_EQ(w.value().item<double>(), 1);
}

TEST(Threads, ExitFlushes) {
  Tensor first, later;
  Parameter p(scalar(1));
  std::thread([&] {
    first = tensor_f32({3}, 1) + 1.0;
    p.set(p + 1.0);
  }).join();
  EXPECT_TRUE(first.materialized());
  EXPECT_EQ(p.value().item<double>(), 2);
  std::thread([&] {  // the same after the thread has run programs before
    Tensor a = exp(tensor_f32({3}, 2));
    EXPECT_EQ(a.to_vector<float>().size(), 3u);
    Tensor chain = a;
    for (int i = 0; i < 300; ++i) chain = chain * 0.5 + 1.0;
    later = chain;
    p.set(p + 1.0);
  })
      .join();
  ASSERT_TRUE(later.materialized());
  EXPECT_NEAR(later.to_vector<float>()[0], 2, 1e-6);
  EXPECT_EQ(p.value().item<double>(), 3);
}

TEST(Threads, ExitWithAFailingProgramSaysSoWhenUsed) {
  Tensor bad, good;
  Session::current().set_check_nan(true);
  std::thread([&] {
    good = tensor_f32({3}, 1) + 1.0;
    bad = log(zeros({3}) - 1.0);
  }).join();
  Session::current().set_check_nan(false);
  EXPECT_FAULT(StateError, bad.to_vector<float>(), .op = "read",
               .given =
                   "dropped with its program: its computation failed: [log] result: the "
                   "first NaN, in shape [3], sample 0");
}

TEST(Threads, AStaticTensorOutlivesEverything) {
  // Destroyed after main, when thread-local objects are gone.
  static Tensor* kept = nullptr;
  static struct Holder {
    Tensor t;
    Parameter p;
    Net net;
  } holder;
  holder.t = tensor_f32({3}, 1) * 2.0;
  holder.p = Parameter(holder.t);
  for (int i = 0; i < 100; ++i) holder.t = holder.t + holder.p;  // with a graph
  kept = &holder.t;
  EXPECT_EQ(kept->to_vector<float>().size(), 3u);
}

TEST(Threads, FourThreadsInferWithOneModel) {
  manual_seed(31);
  Net net;
  net.eval();
  flush();
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> expected;
  for (int i = 0; i < 8; ++i) inputs.push_back(tensor_f32({4, 6}, static_cast<uint64_t>(i)));
  for (auto& x : inputs) {
    NoGrad off;
    expected.push_back(net(x).to_vector<float>());
  }
  std::atomic<int> wrong{0};
  on_threads(4, [&](int) {
    NoGrad off;
    for (int round = 0; round < 25; ++round)
      for (size_t i = 0; i < inputs.size(); ++i)
        if (net(inputs[i]).to_vector<float>() != expected[i]) ++wrong;
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, TheFirstCallOfAModelMayComeFromSeveralThreads) {
  manual_seed(32);
  Net net;
  net.train(false);
  flush();
  Tensor x = tensor_f32({4, 6}, 1);
  std::vector<std::vector<float>> got(4);
  on_threads(4, [&](int i) {
    NoGrad off;
    got[static_cast<size_t>(i)] = net(x).to_vector<float>();
  });
  for (auto& g : got) EXPECT_EQ(g, got[0]);
}

TEST(Threads, FourTrainingsAtOnceGiveTheBitsOfOneAlone) {
  const Bits alone = train_net(8);
  std::vector<Bits> got(4);
  on_threads(4, [&](int i) { got[static_cast<size_t>(i)] = train_net(8); });
  for (auto& g : got) EXPECT_EQ(g, alone);
}

TEST(Threads, ReadersSeeWholeValuesWhileATrainingWrites) {
  // All elements are equal at any time and never fall; readers on other threads must see that.
  Parameter p(zeros({1000}));
  flush();
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      p.set(p + 1.0);
      flush();
    }
    done = true;
  });
  on_threads(2, [&](int) {
    float last = 0;
    while (!done) {
      if (p.shape() != Shape{1000}) ++wrong;
      NoGrad off;
      const auto v = (Tensor(p) * 1.0).to_vector<float>();
      for (float e : v)
        if (e != v[0]) ++wrong;
      if (v[0] < last) ++wrong;
      last = v[0];
    }
  });
  writer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(p.value().to_vector<float>()[7], 300);
}

TEST(Threads, TensorsMadeHereDieThere) {
  // Blocks return to the thread that made them: passing batches on forever takes no new memory.
  size_t chunks = 0;
  int64_t bytes = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<Tensor> batches;
    for (int k = 0; k < 50; ++k) batches.push_back(tensor_f32({4}, static_cast<uint64_t>(k)) * 2.0);
    flush();
    std::thread([moved = std::move(batches)]() mutable {
      float total = 0;
      for (auto& t : moved) total += t.to_vector<float>()[0];
      EXPECT_NE(total, 0);
      moved.clear();
    }).join();
    if (i == 5) {
      chunks = slab_chunks();
      bytes = Session::current().memory_use().tensors;
    }
  }
  EXPECT_EQ(slab_chunks(), chunks);
  EXPECT_EQ(Session::current().memory_use().tensors, bytes);
}

TEST(Threads, OneScalarIsReadByMany) {
  for (int round = 0; round < 200; ++round) {
    const Tensor number = 2.5 + round, flag(round % 2 == 0), whole(int64_t{1} << 40);
    std::atomic<int> waiting{4}, right{0};
    const int64_t held = Session::current().memory_use().tensors;
    on_threads(4, [&](int) {
      --waiting;
      while (waiting > 0) {}
      right += number.item() == 2.5f + static_cast<float>(round) &&
               flag.item<bool>() == (round % 2 == 0) && whole.item<int64_t>() == int64_t{1} << 40 &&
               number.materialized();
    });
    ASSERT_EQ(right, 4);
    ASSERT_EQ(Session::current().memory_use().tensors - held, 3 * 64)
        << "one block for each, however many read first";
  }
}

}  // namespace
}  // namespace suanli
