// SPDX-License-Identifier: Apache-2.0
// Parameters: the only mutable thing. Writes, reads, who sees what when.
#include <thread>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

TEST(Parameter, TheLastWriteCounts) {
  Parameter p(tensor_f64({2}, 1));
  const auto start = p.value().to_vector<double>();
  p.set(p + 1.0);
  p.set(p * 10.0);  // sees the pending value
  p.set(p - 3.0);
  flush();
  for (size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(p.value().to_vector<double>()[i], (start[i] + 1) * 10 - 3, 1e-13);
  EXPECT_EQ(p.version(), 1u) << "one program, one committed write";
  p.set(p + 1.0);
  // in memory: commits at once, the pending write before it is void
  p.set(tensor(std::vector<double>{5, 6}, {2}));
  flush();
  EXPECT_EQ(p.value().to_vector<double>(), (std::vector<double>{5, 6}));
  p.set(p + 1.0);
  p.set(p * 0.0);
  EXPECT_EQ(p.value().to_vector<double>(), (std::vector<double>{0, 0}));
}

TEST(Parameter, WritesMustFit) {
  Parameter p(tensor_f32({2, 3}, 1)), none;
  EXPECT_FAULT(ShapeError, p.set(zeros({3, 2})), .op = "Parameter.set", .argument = "value",
               .given = "[3, 2]", .expected = "[2, 3], the shape of the parameter");
  EXPECT_FAULT(DTypeError, p.set(zeros({2, 3}, f64)), .op = "Parameter.set", .argument = "value",
               .given = "f64", .expected = "f32, the dtype of the parameter");
  EXPECT_FAULT(ShapeError, p.set_grad(zeros({3})), .op = "Parameter.set_grad", .argument = "grad",
               .given = "[3]", .expected = "[2, 3], the shape of the parameter");
  const std::string undefined = "undefined (default-constructed)";
  EXPECT_FAULT(StateError, Tensor(none), .op = "Parameter", .argument = "parameter",
               .given = undefined);
  EXPECT_FAULT(StateError, none.shape(), .op = "Parameter", .argument = "parameter",
               .given = undefined);
  EXPECT_FAULT(StateError, p.set(Tensor()), .op = "Parameter.set", .argument = "value",
               .given = undefined);
  EXPECT_FAULT(StateError, Parameter{Tensor()}, .op = "Parameter", .argument = "initial",
               .given = undefined);
}

TEST(Parameter, OthersSeeAWriteOnlyAfterTheFlush) {
  Parameter p(tensor_f64({2}, 1));
  const auto before = p.value().to_vector<double>();
  p.set(p + 1.0);
  auto elsewhere = [&] {
    std::vector<double> seen;
    std::thread([&] { seen = (Tensor(p) * 1.0).to_vector<double>(); }).join();
    return seen;
  };
  EXPECT_EQ(elsewhere(), before);
  std::thread([&] {
    EXPECT_FAULT(StateError, p.set(Tensor(p) * 0.0), .op = "Parameter.set", .argument = "parameter",
                 .given = "a write pending on another thread",
                 .remedy = "Call flush() there first.");
  }).join();
  flush();
  EXPECT_EQ(elsewhere(), p.value().to_vector<double>());
  EXPECT_NEAR(elsewhere()[0], before[0] + 1, 1e-15);
  std::thread([&] { p.set(Tensor(p) * 0.0); }).join();  // thread exit flushes
  EXPECT_EQ(p.value().to_vector<double>(), (std::vector<double>{0, 0}));
}

TEST(Parameter, AFirstValueThatIsPendingElsewhereSaysSo) {
  Parameter p(tensor_f64({2}, 1) * 2.0);
  std::thread([&] {
    EXPECT_FAULT(StateError, Tensor(p), .op = "Parameter", .argument = "first value",
                 .given = "pending on another thread", .remedy = "Call flush() there first.");
  }).join();
}

TEST(Parameter, ACopyOfTheValueStaysWhatItWas) {
  Parameter w(tensor_f64({3}, 1)), average(tensor_f64({3}, 2), false);
  optim::SGD opt({w}, {.lr = 0.5});
  auto rw = numbers(3, 1), ra = numbers(3, 2);
  for (int i = 0; i < 20; ++i) {
    Tensor before = w;
    sum(w * w).backward();
    opt.step();
    // an exponential moving average: recorded now, run with the next step
    average.set(average * 0.9 + w.value().detach() * 0.1);
    EXPECT_EQ(before.to_vector<double>(), rw) << "the step wrote over a value that was still held";
    for (size_t k = 0; k < 3; ++k) {
      rw[k] = rw[k] - (2 * rw[k]) * 0.5 + 0;
      ra[k] = ra[k] * 0.9 + rw[k] * 0.1;
    }
    ASSERT_EQ(w.value().to_vector<double>(), rw);
    for (size_t k = 0; k < 3; ++k)
      ASSERT_NEAR(average.value().to_vector<double>()[k], ra[k], 1e-15);
    for (double& v : rw) v = 0.3 + v;  // somewhere else, or the rest is zeros
    w.set(tensor(rw, {3}));
  }
}

TEST(Parameter, HandlesShareThePlace) {
  Parameter a(scalar(1)), b = a;
  b.set(scalar(7));
  EXPECT_EQ(a.value().item<double>(), 7);
  (a * b).backward();
  EXPECT_EQ(a.grad().item<double>(), 14);
  EXPECT_EQ(b.grad().item<double>(), 14);
  EXPECT_EQ(a.cell(), b.cell());
}

TEST(Parameter, AFrozenOneGetsNoGradient) {
  Parameter a(scalar(3)), b(scalar(5));
  a.set_requires_grad(false);
  Tensor y = a * b;
  EXPECT_TRUE(y.requires_grad());
  y.backward();
  EXPECT_FALSE(a.grad().defined());
  EXPECT_EQ(b.grad().item<double>(), 3);
  b.set_requires_grad(false);
  EXPECT_FALSE((a * b).requires_grad());
  Parameter counts(tensor(std::vector<int64_t>{1, 2}, {2}));
  EXPECT_FALSE(counts.requires_grad()) << "integers have no gradient";
}

TEST(Parameter, GradientsReachAValueWrittenInTheSameProgram) {
  // w is rewritten, then used: the gradient is with respect to the new value.
  Parameter w(scalar(2));
  w.set(w.value().detach() * 5.0);
  (w * w).backward();
  EXPECT_EQ(w.grad().item<double>(), 20);
  EXPECT_EQ(w.value().item<double>(), 10);
}

TEST(Parameter, GradientsAddUp) {
  Parameter w(scalar(2));
  for (int i = 1; i <= 4; ++i) (w * static_cast<double>(i)).backward();
  EXPECT_EQ(w.grad().item<double>(), 1 + 2 + 3 + 4);
  w.set_grad({});
  EXPECT_FALSE(w.grad().defined());
}

// A cell marks a node of its own: the same expression on the caller's tensor keeps its program.
TEST(Parameter, LeavesTheCallersTensorAsItIs) {
  const Tensor w = rand({4, 4});
  flush();
  const uint8_t before = w.node()->flags;
  Parameter p(w);
  EXPECT_EQ(w.node()->flags, before);
  p.set(w);
  EXPECT_EQ(w.node()->flags, before);
  EXPECT_EQ(p.value().to_vector<float>(), w.to_vector<float>());
}

}  // namespace
}  // namespace suanli
