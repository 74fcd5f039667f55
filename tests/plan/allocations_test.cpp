// SPDX-License-Identifier: Apache-2.0
// Heap allocations, counted by replacing operator new in this program: recording takes none per
// node.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "gtest/gtest.h"
#include "suanli/loader.h"
#include "support/op_harness.h"
#include "tensor/programs.h"

namespace {
thread_local int64_t allocations = 0;

void* counted(std::size_t bytes, std::size_t align = 0) {
  ++allocations;
  void* p = align ? std::aligned_alloc(align, (bytes + align - 1) / align * align)
                  : std::malloc(bytes ? bytes : 1);
  if (!p) throw std::bad_alloc();
  return p;
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void* operator new(std::size_t bytes, std::align_val_t align) {
  return counted(bytes, static_cast<std::size_t>(align));
}
void* operator new[](std::size_t bytes, std::align_val_t align) {
  return counted(bytes, static_cast<std::size_t>(align));
}
// std::stable_sort asks this one; it has to match the operators delete below.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes ? bytes : 1);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace suanli {
namespace {

using namespace suanli::test;

template <class F> int64_t allocations_of(F&& f) {
  const int64_t before = allocations;
  f();
  return allocations - before;
}

struct Chain {
  Parameter w{ones({4})};
  Tensor x = ones({4});
  /// n links of six kinds of nodes: a parameter read, pointwise with a tensor and with a scalar, a
  /// product, a reduction, a shape.
  Tensor forward(int links) {
    Tensor y = x;
    for (int i = 0; i < links; ++i) {
      y = tanh(y * w + 0.5);
      y = y - mean(y);
    }
    return sum(y);
  }
};

TEST(Allocations, RecordingTakesNonePerNode) {
  Chain chain;
  flush();
  int64_t forward[2], backward[2];
  // the first ones grow what is kept: slab, pending list, tape
  for (int round = 0; round < 3; ++round)
    for (int k = 0; k < 2; ++k) {
      const int links = k ? 200 : 100;
      Tensor loss;
      forward[k] = allocations_of([&] { loss = chain.forward(links); });
      const size_t nodes = Recorder::current().pending().size();
      backward[k] = allocations_of([&] { loss.backward(); });
      if (round == 2 && k)
        std::printf("%zu forward and %zu backward nodes\n", nodes,
                    Recorder::current().pending().size() - nodes);
      flush();
      chain.w.set_grad({});
    }
  std::printf("heap allocations: forward %ld and %ld, backward %ld and %ld (100 and 200 links)\n",
              long{forward[0]}, long{forward[1]}, long{backward[0]}, long{backward[1]});
  EXPECT_EQ(forward[1], forward[0]);
  EXPECT_LE(backward[1] - backward[0], 8) << "vectors of the walk may double";
}

TEST(Allocations, AStepTakesNoneForEachLayer) {
  auto step_of = [](int layers) {
    manual_seed(1);
    nn::Sequential net;
    for (int i = 0; i < layers; ++i) net.add(nn::Linear(6, 6)).add(nn::ReLU());
    optim::Adam opt(net.parameters(), {.lr = 0.01});
    const Batch b = batch(1);
    int64_t count[3] = {};
    for (int i = 0; i < 6; ++i) {
      Tensor loss;
      count[0] = allocations_of([&] { loss = cross_entropy(net(b.x), b.y); });
      count[1] = allocations_of([&] { loss.backward(); });
      count[2] = allocations_of([&] { opt.step(); });
    }
    std::printf("%d layers: forward %ld, backward %ld, step %ld heap allocations\n", layers,
                long{count[0]}, long{count[1]}, long{count[2]});
    return count[0] + count[1] + count[2];
  };
  const int64_t few = step_of(4), many = step_of(24);
  EXPECT_LE(many - few, 8) << "some vectors may double";
}

TEST(Allocations, RunningAPlanTakesNone) {
  // Without convolutions: oneDNN allocates in each (dnnl_primitive_execute copies its arguments).
  Parameter w(tensor_f32({64, 64}, 1));
  Tensor x = tensor_f32({64, 64}, 2);
  auto run = [&](int n) {
    Tensor y = x;
    for (int i = 0; i < n; ++i)
      y = softmax(transpose(y, 0, 1) * w + 0.1) - sum(y, {0}) * 0.01 + mean(y);
    return allocations_of([&] { flush(); });
  };
  NoGrad off;
  for (int n : {5, 50, 5, 50}) run(n);
  const int64_t five = run(5), fifty = run(50);
  std::printf("a flush of 5 links: %ld heap allocations, of 50: %ld\n", long{five}, long{fifty});
  EXPECT_EQ(five, fifty);
}

// Every op's kernel, by its samples. Convolutions are left out, as above.
TEST(Allocations, RunningAnyOpTakesNone) {
  const Threads one(1);  // other threads count their own
  NoGrad off;
  for (const Op* op : all_ops()) {
    if (std::string_view(op->name()).starts_with("conv")) continue;  // oneDNN allocates
    const auto samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      if (samples[i].throws) continue;
      const auto inputs = inputs_of(*op, samples[i], static_cast<int>(i));
      flush();
      int64_t count = 0;
      for (int round = 0; round < 3; ++round) {  // the first one plans
        const auto results = call(*op, samples[i], inputs);
        count = allocations_of([&] { flush(); });
      }
      EXPECT_EQ(count, 0) << op->name() << " sample " << i;
    }
  }
}

}  // namespace
}  // namespace suanli
