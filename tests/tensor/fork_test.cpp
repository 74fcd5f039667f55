// SPDX-License-Identifier: Apache-2.0
// A child of fork() computes: whatever other threads did meanwhile, however often it is forked
// again.
#include <atomic>
#include <thread>

#include "base/threads/thread_pool.h"
#include "gtest/gtest.h"
#include "suanli/dataset.h"
#include "suanli/loader.h"
#include "support/child.h"
#include "support/tier.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// A product large enough for all threads, with the right sum.
bool computes() {
  const Tensor a = ones({256, 256});
  return sum(matmul(a, a)).item<double>() == 256.0 * 256 * 256;
}
Bits train() {
  return train_net(3, [](int, Net&, optim::Optimizer&) {});
}

TEST(Fork, TheChildComputesWithAnyNumberOfThreads) {
  for (int threads : {1, 2, 5}) {
    Threads of(threads);
    ASSERT_TRUE(computes());
    const Bits bits = train();
    EXPECT_EQ(in_child([&] {
                return computes() && Session::current().threads() == threads && train() == bits ? 0
                                                                                                : 1;
              }),
              0)
        << threads;
    EXPECT_TRUE(computes()) << "the parent goes on";
  }
}

TEST(Fork, ChildrenOfChildren) {
  Threads of(2);
  ASSERT_TRUE(computes());
  const auto deep = [](auto& self, int depth) -> int {
    if (!computes()) return 1;
    if (depth == 0) return 0;
    const int below = in_child([&] { return self(self, depth - 1); }, 20);
    return below == 0 && computes() ? 0 : 2;
  };
  EXPECT_EQ(in_child([&] { return deep(deep, 3); }, 60), 0);
}

TEST(Fork, WhatIsPendingIsComputedOnBothSides) {
  Parameter w(tensor_f32({3}, 1));
  const auto before = w.value().to_vector<float>();
  w.set(w + 1.0);
  Tensor pending = w * 2.0;
  const auto right = [&] {
    return pending.to_vector<float>()[1] == (before[1] + 1) * 2 &&
           w.value().to_vector<float>()[2] == before[2] + 1;
  };
  EXPECT_EQ(in_child([&] { return right() ? 0 : 1; }), 0);
  EXPECT_TRUE(right());
}

/// Threads that train, allocate, draw, plan, read shared parameters and change the number of
/// threads while `f` runs.
template <class F> void while_others_work(F&& f) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  Parameter shared(tensor_f32({64, 64}, 5));
  std::vector<std::thread> others;
  others.emplace_back([&] {
    while (!stop) wrong += !computes();
  });
  others.emplace_back([&] {
    while (!stop) train();
  });
  others.emplace_back([&] {
    for (int64_t n = 1; !stop; n = n % 200 + 1)
      wrong += sum(full({n, 3}, 2.0) + uniform(1, 1, {3})).item<double>() !=
               9.0 * static_cast<double>(n);
  });
  others.emplace_back([&] {
    while (!stop) {
      shared.set(shared.value() * 1.0);
      flush();
    }
  });
  others.emplace_back([&] {
    while (!stop) tensor_f32({300, 300}, 1);
  });
  others.emplace_back([&] {
    for (int n = 1; !stop; n = n % 3 + 1) {
      Session::current().set_threads(n);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  f(shared);
  stop = true;
  for (std::thread& t : others) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Fork, WhileOtherThreadsWork) {
  Threads of(2);
  const auto expected = tensor_f32({64, 64}, 5).to_vector<float>();
  while_others_work([&](const Parameter& shared) {
    for (int i = 0; i < 30; ++i) {
      const int code = in_child([&] {
        if (!computes()) return 1;
        if (shared.value().to_vector<float>() != expected) return 2;
        return train().empty() ? 3 : 0;
      });
      ASSERT_EQ(code, 0) << "fork " << i;
    }
  });
}

TEST(Fork, FromTwoThreadsAtOnce) {
  // The gate that one fork closes must not be opened by the end of the other.
  Threads of(2);
  const Bits bits = train();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, forks{0};
  std::thread trains([&] {
    while (!stop) wrong += train() != bits;
  });
  std::vector<std::thread> forking;
  for (int t = 0; t < 2; ++t)
    forking.emplace_back([&] {
      for (int i = 0; i < 20; ++i, ++forks)
        wrong += in_child([&] { return computes() ? 0 : 1; }) != 0;
    });
  for (std::thread& t : forking) t.join();
  stop = true;
  trains.join();
  EXPECT_EQ(forks, 40);
  EXPECT_EQ(wrong, 0);
}

TEST(Fork, EverySessionHasThreadsInTheChild) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer knows no threads of a child that reuse those of its parent";
#endif
  Session a, b;
  a.set_threads(3);
  b.set_threads(2);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread elsewhere([&] {
    const Session::Use use(b);
    while (!stop) wrong += !computes();
  });
  const auto everywhere = [&] {
    for (const Session& s : {a, b, Session()}) {
      const Session::Use use(s);
      if (!computes()) return false;
    }
    return true;
  };
  EXPECT_TRUE(everywhere());
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(in_child([&] {
                if (!everywhere()) return 1;
                a.set_threads(2);
                b.set_threads(3);
                if (!everywhere()) return 2;
                a = b = Session();  // both end
                return everywhere() ? 0 : 3;
              }),
              0);
  stop = true;
  elsewhere.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(everywhere());
}

TEST(Fork, FromAThreadThatIsNotTheFirst) {
  Threads of(2);
  ASSERT_TRUE(computes());
  int code = -1;
  std::thread([&] {
    Tensor mine = ones({4}) + 1.0;
    code = in_child([&] { return computes() && sum(mine).item() == 8 ? 0 : 1; });
  }).join();
  EXPECT_EQ(code, 0);
}

TEST(Fork, OutOfAParallelRegion) {
  Threads of(3);
  ASSERT_TRUE(computes());
  std::atomic<int> wrong{0};
  parallel_invoke(3, [&](int part) {
    if (part > 0) wrong += in_child([] { return computes() ? 0 : 1; }) != 0;
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Fork, ALoaderGoesOnInTheChild) {
  struct Numbers : data::Dataset {
    Numbers() {
      info_.input_shape = {4};
      info_.classes = 2;
    }
    int64_t size() const override { return 64; }
    void read(int64_t i, float* x, int64_t* label) const override {
      std::fill_n(x, 4, static_cast<float>(i));
      *label = i % 2;
    }
    const data::Info& info() const override { return info_; }
    data::Info info_;
  };
  for (int threads : {0, 1, 3}) {
    data::Loader loader(std::make_shared<Numbers>(),
                        {.batch_size = 4, .shuffle = false, .threads = threads});
    const auto sum_of_rest = [&] {
      double total = 0;
      for (data::Batch b; loader.next(b);) total += sum(b.x).item<double>();
      return total;
    };
    data::Batch first;
    loader.start(0);
    ASSERT_TRUE(loader.next(first));
    const double rest = 4.0 * (63 * 64 / 2 - (0 + 1 + 2 + 3));
    EXPECT_EQ(in_child([&] {
                if (sum_of_rest() != rest) return 1;
                loader.start(1);  // and another epoch
                return sum_of_rest() == 4.0 * (63 * 64 / 2) ? 0 : 2;
              }),
              0)
        << threads;
    EXPECT_EQ(in_child([&] {
                // destroyed unused: its threads are not waited for
                const data::Loader gone = std::move(loader);
                return 0;
              }),
              0)
        << threads;
    EXPECT_EQ(sum_of_rest(), rest) << threads;
  }
}

}  // namespace
}  // namespace suanli
