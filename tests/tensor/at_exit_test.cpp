// SPDX-License-Identifier: Apache-2.0
// Ops where a thread or the process ends: in handlers of atexit(), in destructors of static objects
// and of thread_locals.
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "support/child.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

bool trains() {
  Net net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  const float before = train_step(net, opt, batch(0)).item();
  for (int i = 0; i < 5; ++i) train_step(net, opt, batch(0));
  return std::isfinite(before) && std::isfinite(cross_entropy(net(batch(0).x), batch(0).y).item());
}
bool convolves() {
  Parameter w(ones({8, 4, 3, 3}));
  sum(conv2d(ones({2, 4, 8, 8}), w)).backward();
  return sum(w.grad()).item<double>() == 2.0 * 6 * 6 * 8 * 4 * 9;
}
/// A failed check ends the process at once with its own exit status.
void require(bool right) {
  if (!right) _exit(41);
}

/// Computes when it is destroyed.
struct AtDestruction {
  ~AtDestruction() {
    require(sum(held * 2.0).item<double>() == 12);
    require(trains() && convolves());
  }
  Tensor held = ones({6});
};

// Each runs by itself, in a process whose end is looked at.
TEST(AtExitCase, DISABLED_Handler) {
  static Net* net = new Net;
  optim::Adam opt(net->parameters(), {.lr = 0.01});
  for (int i = 0; i < 3; ++i) train_step(*net, opt, batch(i));
  std::atexit(
      [] { require(std::isfinite(sum((*net)(batch(0).x)).item()) && trains() && convolves()); });
}
TEST(AtExitCase, DISABLED_HandlerOfAProcessThatComputedNothingBefore) {
  std::atexit([] { require(trains() && convolves()); });
}
TEST(AtExitCase, DISABLED_StaticObject) {
  static AtDestruction object;
  require(trains());
}
/// Made before anything of the library is used.
struct GlobalAtDestruction {
  ~GlobalAtDestruction() {
    if (armed) require(convolves() && trains());
  }
  bool armed = false;
} global_object;
TEST(AtExitCase, DISABLED_GlobalObjectThatIsOlderThanAllOps) {
  require(convolves() && trains());
  global_object.armed = true;
}
TEST(AtExitCase, DISABLED_StaticHandlesOnly) {
  static Net net;
  static Parameter parameter(ones({3}));
  static Tensor pending, kept = tensor_f32({3}, 1) + 1.0;
  static optim::Adam opt(net.parameters());
  train_step(net, opt, batch(0));
  pending = parameter * 2.0;
  parameter.set(parameter + 1.0);
}
TEST(AtExitCase, DISABLED_PendingValuesThatNobodyReads) {
  static Tensor pending = ones({3}) * 2.0;
  std::atexit([] { require(pending.to_vector<float>()[2] == 2); });
}
TEST(AtExitCase, DISABLED_ErrorsAreExceptions) {
  std::atexit([] {
    try {
      zeros({2}) + zeros({3});
    } catch (const ShapeError& e) {
      require(e.op() == "add" && e.given() == "[2] and [3]");
      return;
    }
    require(false);
  });
}
TEST(AtExitCase, DISABLED_StaticSession) {
  struct InSession {
    InSession() { session.set_threads(3); }
    ~InSession() {
      require(Session::current() == session && session.threads() == 3);
      require(trains() && convolves());
      pending = ones({3}) * 2.0;
    }
    Tensor pending;
    Session session;
    Session::Use use{session};
  };
  static InSession object;
  require(trains() && convolves());
}
TEST(AtExitCase, DISABLED_ExitOnAnotherThread) {
  static AtDestruction object;
  std::atomic<bool> computing{false};
  std::thread([&] {
    while (!computing) std::this_thread::yield();
    std::atexit([] { require(trains()); });
    std::exit(0);
  }).detach();
  for (;;) {
    require(convolves() && trains());
    computing = true;
  }
}

TEST(AtExit, ComputesOrSaysWhyNot) {
  for (const char* name :
       {"Handler", "HandlerOfAProcessThatComputedNothingBefore", "StaticObject",
        "GlobalObjectThatIsOlderThanAllOps", "StaticHandlesOnly", "PendingValuesThatNobodyReads",
        "ErrorsAreExceptions", "StaticSession", "ExitOnAnotherThread"})
    for (int again = 0; again < 3; ++again)
      EXPECT_EQ(run_self(std::string("AtExitCase.DISABLED_") + name), 0) << name;
}

TEST(AtExit, ACaseThatDoesNotExistFails) {
  EXPECT_EQ(run_self("AtExitCase.DISABLED_Absent"), kNoSuchTest);
}

TEST(ThreadEnd, DestructorsOfThreadLocalsCompute) {
  // The object is older than all that the library keeps for the thread, so its destructor comes
  // last.
  static std::atomic<int> right;
  right = 0;
  struct Late {
    int used = 0;
    ~Late() {
      const Tensor x = ones({6}) * 2.0;
      right += sum(x).item<double>() == 12 && trains() && convolves();
    }
  };
  for (int i = 0; i < 4; ++i)
    std::thread([] {
      thread_local Late late;
      ++late.used;
      EXPECT_TRUE(trains());
    }).join();
  EXPECT_EQ(right, 4);
}

TEST(ThreadEnd, WhatADestructorRecordsIsComputedToo) {
  static Tensor left;
  struct Late {
    int used = 0;
    ~Late() { left = ones({3}) + 4.0; }
  };
  std::thread([] {
    thread_local Late late;
    ++late.used;
    flush();
  }).join();
  EXPECT_EQ(left.to_vector<float>(), std::vector<float>(3, 5.0f));
  left = {};
}

TEST(ThreadEnd, ThreadsThatEndGiveBackWhatTheyKept) {
  // Heaps of ended threads are taken over by new ones: many threads cost no more memory than one.
  auto one = [] { std::thread([] { EXPECT_TRUE(trains()); }).join(); };
  for (int i = 0; i < 3; ++i) one();
  const int64_t held = Session::current().memory_use().tensors;
  for (int i = 0; i < 20; ++i) one();
  EXPECT_EQ(Session::current().memory_use().tensors, held);
}

}  // namespace
}  // namespace suanli
