// SPDX-License-Identifier: Apache-2.0
// New values of cells written over the former ones, and everything that forbids it.
#include <atomic>
#include <numeric>
#include <thread>

#include "gtest/gtest.h"
#include "plan/planned.h"
#include "suanli/loader.h"
#include "support/errors.h"

namespace suanli {
namespace {

using namespace suanli::test;

int64_t overwritten_by(const std::function<void()>& f) {
  const int64_t before = plan_stats().overwritten;
  f();
  return plan_stats().overwritten - before;
}

struct Trained {
  Net net;
  optim::Adam opt{net.parameters(), {.lr = 0.01}};
  int i = 0;
  void step() {
    const Batch b = batch(i++);
    cross_entropy(net(b.x), b.y).backward();
    opt.step();
  }
};

TEST(Donation, AStepWritesParametersAndStateInPlace) {
  manual_seed(1);
  Trained t;
  t.step();  // makes the state
  const auto parameters = static_cast<int64_t>(t.net.parameters().size());
  EXPECT_EQ(overwritten_by([&] { t.step(); }), 3 * parameters);
  const int64_t before = Session::current().memory_use().tensors;
  for (int i = 0; i < 3; ++i) t.step();
  EXPECT_EQ(Session::current().memory_use().tensors, before);
}

TEST(Donation, AHeldValueStays) {
  manual_seed(1);
  Trained t;
  t.step();
  const Parameter p = t.net.parameters()[0];
  const Tensor before = p.value();
  const auto values = before.to_vector<float>();
  const auto parameters = static_cast<int64_t>(t.net.parameters().size());
  EXPECT_EQ(overwritten_by([&] { t.step(); }), 3 * parameters - 1);
  EXPECT_EQ(before.to_vector<float>(), values);
  EXPECT_NE(p.value().to_vector<float>(), values);
}

TEST(Donation, AViewOfTheFormerValueStays) {
  Parameter p(tensor_f32({4, 6}, 1));
  const auto values = p.value().to_vector<float>();
  const Tensor view = reshape(p.value().detach(), {24});
  p.set(p.value().detach() * 2.0);
  flush();
  EXPECT_EQ(view.to_vector<float>(), values);
}

TEST(Donation, AGraphThatIsKeptReadsTheFormerValue) {
  Parameter w(tensor_f32({3, 3}, 1));
  Tensor x = tensor_f32({2, 3}, 2);
  x.requires_grad_();
  const auto gradient = [&](bool write) {
    Tensor y = sum(matmul(x, w));
    if (write) {
      NoGrad off;
      w.set(w.value() * 3.0);
      flush();
    }
    return grad({y}, {x})[0].to_vector<float>();
  };
  const auto before = gradient(false);
  EXPECT_EQ(gradient(true), before);
}

TEST(Donation, ReadersOfTheFormerValueComeFirst) {
  // The product reads p in another order than element by element, and is recorded after the new
  // value.
  Parameter p(tensor_f32({8, 8}, 1));
  NoGrad off;
  const Tensor old = p.value() + 0.0;
  flush();
  const Tensor doubled = p.value() * 2.0, product = matmul(p.value(), p.value());
  p.set(doubled);
  flush();
  EXPECT_EQ(product.to_vector<float>(), matmul(old, old).to_vector<float>());
  EXPECT_EQ(p.value().to_vector<float>(), (old * 2.0).to_vector<float>());
}

TEST(Donation, SwappedParameters) {
  Parameter a(tensor_f32({5}, 1)), b(tensor_f32({5}, 2));
  const auto va = a.value().to_vector<float>(), vb = b.value().to_vector<float>();
  NoGrad off;
  const Tensor from_a = a.value() * 1.0, from_b = b.value() * 1.0;
  a.set(from_b);
  b.set(from_a);
  flush();
  EXPECT_EQ(a.value().to_vector<float>(), vb);
  EXPECT_EQ(b.value().to_vector<float>(), va);
}

TEST(Donation, APartIsWrittenWhereTheWholeLies) {
  Parameter p(tensor_f32({64, 3}, 1), false);
  auto expected = p.value().to_vector<float>();
  const Tensor part = tensor_f32({2, 3}, 2);
  const auto values = part.to_vector<float>();
  for (int64_t row : {5, 0, 62}) {
    std::copy(values.begin(), values.end(), expected.begin() + row * 3);
    Tensor read;
    EXPECT_EQ(overwritten_by([&] {
                p.set(slice_update(p, part, 0, row));
                read = sum(Tensor(p));  // sees what was written
                flush();
              }),
              1);
    EXPECT_EQ(p.value().to_vector<float>(), expected);
    EXPECT_NEAR(read.item(), std::accumulate(expected.begin(), expected.end(), 0.0), 1e-4);
  }
  EXPECT_EQ(overwritten_by([&] {
              p.set(scatter_add(p, 0, full({1, 3}, 7, i64), ones({1, 3})));
              flush();
            }),
            1);
  for (size_t i = 21; i < 24; ++i) expected[i] += 1;
  EXPECT_EQ(p.value().to_vector<float>(), expected);
}

TEST(Donation, APartOfAValueThatIsStillReadGoesElsewhere) {
  Parameter p(tensor_f32({8, 8}, 1), false);
  const auto values = p.value().to_vector<float>();
  const Tensor one = full({1, 8}, 1.0);
  auto expected = values;
  std::fill(expected.begin(), expected.begin() + 8, 1.0f);
  const Tensor held = p.value();
  EXPECT_EQ(overwritten_by([&] {
              p.set(slice_update(p, one, 0, 0));
              flush();
            }),
            0);
  EXPECT_EQ(held.to_vector<float>(), values);
  EXPECT_EQ(p.value().to_vector<float>(), expected);

  // Within a program: between `before` and its readers nothing is written over it.
  const Tensor before = held * 1.0, after = slice_update(before, one, 0, 0),
               square = matmul(before, before);
  EXPECT_EQ(after.to_vector<float>(), expected);
  EXPECT_EQ(square.to_vector<float>(), matmul(held, held).to_vector<float>());
  // The whole as a part of itself.
  const Tensor same = held * 2.0, itself = slice_update(same, same, 0, 0);
  EXPECT_EQ(itself.to_vector<float>(), (held * 2.0).to_vector<float>());
}

TEST(Donation, AFailureLosesWhatWasBeingOverwritten) {
  Parameter p(tensor_f32({4}, 1));
  NoGrad off;
  {
    const Tensor bad = gather(tensor_f32({3}, 2), 0, full({1}, 7, i64));
    p.set(p.value() * 2.0);
    EXPECT_THROW(flush(), Error);
  }
  EXPECT_FAULT(StateError, p.value().to_vector<float>(), .op = "Parameter", .argument = "value",
               .given = "lost when a program that was overwriting it failed",
               .remedy = "Set it anew, or load a checkpoint.");
  p.set(tensor_f32({4}, 3));
  EXPECT_EQ(p.value().to_vector<float>(), tensor_f32({4}, 3).to_vector<float>());
}

TEST(Donation, AnotherThreadSeesOneValueOrTheNext) {
  // Every committed value is constant over the whole parameter.
  Parameter p(zeros({1 << 16}));
  flush();
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0}, reads{0};
  std::thread reader([&] {
    while (!stop) {
      const auto v = [&] {
        NoGrad off;
        return p.value().to_vector<float>();
      }();
      for (float x : v) torn += x != v[0];
      ++reads;
    }
  });
  NoGrad off;
  int64_t in_place = 0;
  for (int i = 0; i < 300 || reads < 3; ++i)
    in_place += overwritten_by([&] {
      p.set(p.value() + 1.0);
      flush();
    });
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(in_place, 0);
}

}  // namespace
}  // namespace suanli
