// SPDX-License-Identifier: Apache-2.0
// backward() and grad(): what they give, what they keep, and what they refuse.
#include "suanli/autograd.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/text/text.h"
#include "suanli/ops.h"
#include "support/errors.h"
#include "support/op_harness.h"

namespace suanli::test {
namespace {

using F64s = std::vector<double>;

Tensor reals(const F64s& v) { return tensor(v, {static_cast<int64_t>(v.size())}); }
Tensor leaf(const F64s& v) {
  Tensor t = reals(v);
  t.requires_grad_();
  return t;
}
F64s read(const Tensor& t) { return cast(t, f64).to_vector<double>(); }
double one(const Tensor& t) { return cast(t, f64).item<double>(); }
/// The parts of the error of a walk that meets the consumed graph of an op.
Parts consumed(const char* walk, const char* op, const char* module = "") {
  return {.op = walk,
          .argument = str("graph of ", op),
          .given = "consumed by an earlier backward",
          .module = module,
          .remedy = "Use retain_graph, or detach() what is carried on."};
}

// ---- values -------------------------------------------------------------------------------------

TEST(Grad, HigherDerivativesOfSin) {
  const F64s at = {-1.2, 0.0, 0.7, 2.5};
  for (bool eager : {false, true}) {
    std::unique_ptr<Eager> flushing;
    if (eager) flushing = std::make_unique<Eager>();
    Tensor x = leaf(at), y = sum(sin(x));
    F64s (*expected[])(const F64s&) = {[](const F64s& v) {
                                         F64s r;
                                         for (double a : v) r.push_back(std::cos(a));
                                         return r;
                                       },
                                       [](const F64s& v) {
                                         F64s r;
                                         for (double a : v) r.push_back(-std::sin(a));
                                         return r;
                                       },
                                       [](const F64s& v) {
                                         F64s r;
                                         for (double a : v) r.push_back(-std::cos(a));
                                         return r;
                                       },
                                       [](const F64s& v) {
                                         F64s r;
                                         for (double a : v) r.push_back(std::sin(a));
                                         return r;
                                       }};
    for (auto* f : expected) {
      Tensor g = grad({y}, {x}, {}, {.create_graph = true})[0];
      const F64s got = read(g), want = f(at);
      for (size_t i = 0; i < at.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-14);
      y = sum(g);
    }
  }
}

TEST(Grad, MixedDerivatives) {  // f = x²y³: ∂²f/∂x∂y = 6xy²
  Tensor x = leaf({3}), y = leaf({2});
  Tensor gx = grad({sum(x * x * y * y * y)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(one(grad({sum(gx)}, {y})[0]), 72);
}

TEST(Grad, GradientPenaltyReachesTheParameters) {  // L = (dy/dx)², y = w x²: dL/dw = 8 w x²
  Parameter w(reals({1.5}));
  Tensor x = leaf({2});
  Tensor g = grad({sum(Tensor(w) * x * x)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_FALSE(w.grad().defined());
  sum(g * g).backward();
  EXPECT_EQ(one(w.grad()), 48);
}

TEST(Grad, EqualsBackward) {
  auto f = [](const Tensor& a, const Tensor& b) { return sum(tanh(matmul(a, b)) * sigmoid(b)); };
  const Tensor a0 = tensor<double>({0.1, 0.2, -0.3, 0.4}, {2, 2}),
               b0 = tensor<double>({0.5, -0.6, 0.7, 0.8}, {2, 2});
  Parameter a(a0), b(b0);
  f(a, b).backward();
  Tensor x = a0, y = b0;
  x.requires_grad_();
  y.requires_grad_();
  const auto g = grad({f(x, y)}, {x, y});
  EXPECT_EQ(read(a.grad()), read(g[0]));
  EXPECT_EQ(read(b.grad()), read(g[1]));
}

TEST(Grad, OfAParameterIsThatOfAllItsReadsAndLeavesItsGradientAlone) {
  Parameter w(reals({3}));
  Tensor a = w, b = w;
  EXPECT_EQ(one(grad({a * b}, {Tensor(w)})[0]), 6);
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, OfValuesInBetween) {
  Tensor x = leaf({2}), h = x * x, y = h * h * x;
  const auto g = grad({y}, {h, x, y});
  EXPECT_EQ(one(g[0]), 2 * 4 * 2);  // 2hx
  EXPECT_EQ(one(g[1]), 5 * 16);  // x⁵
  EXPECT_EQ(one(g[2]), 1);
}

TEST(Grad, NamesAnInputTwice) {
  Tensor x = leaf({2});
  const auto g = grad({x * x}, {x, x});
  EXPECT_EQ(one(g[0]), 4);
  EXPECT_EQ(one(g[1]), 4);
  EXPECT_EQ(one(grad({x}, {x})[0]), 1);
}

TEST(Grad, SeedsWeighTheOutputs) {
  Tensor x = leaf({1, 2, 3}), y = x * x, z = exp(x);
  const auto g = read(grad({y, z}, {x}, {reals({1, 10, 100}), reals({0, 0, 2})})[0]);
  EXPECT_EQ(g[0], 2);
  EXPECT_EQ(g[1], 40);
  EXPECT_NEAR(g[2], 600 + 2 * std::exp(3), 1e-12);
  Parameter w(reals({1, 2, 3}));
  backward(square(w), reals({1, 0, -1}));
  EXPECT_EQ(read(w.grad()), (F64s{2, 0, -6}));
}

TEST(Grad, OfBroadcastInputsAreSummedDown) {
  Tensor column = tensor<double>({1, 2, 3}, {3, 1}), row = tensor<double>({10, 20}, {1, 2}),
         number = tensor<double>({5}, {});
  column.requires_grad_();
  row.requires_grad_();
  number.requires_grad_();
  const auto g = grad({sum(column * row + number)}, {column, row, number});
  EXPECT_EQ(g[0].shape(), (Shape{3, 1}));
  EXPECT_EQ(read(g[0]), (F64s{30, 30, 30}));
  EXPECT_EQ(g[1].shape(), (Shape{1, 2}));
  EXPECT_EQ(read(g[1]), (F64s{6, 6}));
  EXPECT_EQ(g[2].shape(), Shape{});
  EXPECT_EQ(read(g[2]), F64s{6});
}

TEST(Grad, HasTheDtypeOfItsInput) {
  Tensor x = cast(reals({1, 2}), f32), y = reals({3, 4});
  x.requires_grad_();
  y.requires_grad_();
  const auto g = grad({sum(x * y)}, {x, y});
  EXPECT_EQ(g[0].dtype(), f32);
  EXPECT_EQ(g[1].dtype(), f64);
  EXPECT_EQ(read(g[0]), (F64s{3, 4}));
}

TEST(Grad, OfAnOpWithSeveralResults) {
  Parameter w(tensor<double>({1, 4, 3, 2}, {1, 1, 2, 2}));
  Tensor pooled = max_pool2d(square(w));
  EXPECT_EQ(one(pooled), 16);
  pooled.backward();
  EXPECT_EQ(read(w.grad()), (F64s{0, 8, 0, 0}));
  const Tensor x = tensor<double>({1, 4, 3, 2, 9, 7, 8, 6}, {2, 1, 2, 2});
  EXPECT_LE(gradcheck([](const auto& v) { return max_pool2d(sin(v[0])) * 3.0; }, {x}, true), 1e-6);
}

TEST(Grad, FlowsThroughAChainOfThousands) {
  Tensor x = leaf({1}), y = x;
  for (int i = 0; i < 30'000; ++i) y = y + x;
  EXPECT_EQ(one(grad({y}, {x})[0]), 30'001);
}

// ---- parameters ---------------------------------------------------------------------------------

TEST(Backward, AddsUp) {
  Parameter w(reals({3}));
  for (int i = 0; i < 3; ++i) sum(w.value() * w).backward();
  EXPECT_EQ(one(w.grad()), 18);
  w.set_grad({});
  sum(w.value() * 2.0).backward();
  EXPECT_EQ(one(w.grad()), 2);
}

TEST(Backward, OfAParameterItself) {
  Parameter w(reals({3}));
  w.value().backward();
  EXPECT_EQ(one(w.grad()), 1);
}

TEST(Backward, TiedParametersGetTheSum) {
  Parameter a(reals({2})), b = a;
  (Tensor(a) * Tensor(b) * 5.0).backward();
  EXPECT_EQ(one(a.grad()), 20);
  EXPECT_EQ(bits(a.grad()), bits(b.grad()));
}

TEST(Backward, FrozenParametersGetNone) {
  Parameter a(reals({2})), b(reals({3}));
  b.set_requires_grad(false);
  (Tensor(a) * b).backward();
  EXPECT_EQ(one(a.grad()), 3);
  EXPECT_FALSE(b.grad().defined());
  EXPECT_FALSE(Tensor(b).requires_grad());
  b.set_requires_grad(true);
  (Tensor(a) * b).backward();
  EXPECT_EQ(one(b.grad()), 2);
  Parameter counter(tensor<int64_t>({1}, {1}));
  EXPECT_FALSE(counter.requires_grad());
}

TEST(Backward, AParameterWrittenInTheProgramIsALeaf) {
  for (bool read_first : {false, true}) {
    Parameter w(reals({2}));
    w.set(w.value() * 10.0);
    if (read_first) { EXPECT_EQ(one(w), 20); }
    (Tensor(w) * w).backward();
    EXPECT_EQ(one(w.grad()), 40);
  }
}

TEST(Backward, DetachStopsIt) {
  Parameter w(reals({2}));
  Tensor y = w.value() * w;
  (y.detach() * w).backward();
  EXPECT_EQ(one(w.grad()), 4);
}

TEST(Backward, StopsAtIntegersAndMasks) {
  Parameter w(reals({2.7}));
  (cast(cast(w, i64), f64) * w).backward();
  EXPECT_EQ(one(w.grad()), 2);
  EXPECT_FALSE((Tensor(w) > 1.0).requires_grad());
  EXPECT_FALSE(argmax(w, -1).requires_grad());
}

// ---- recording off ------------------------------------------------------------------------------

TEST(NoGrad, RecordsNothing) {
  Parameter w(reals({2}));
  Tensor outside = w.value() * 3.0;
  {
    NoGrad off;
    EXPECT_FALSE((Tensor(w) * 2.0).requires_grad());
    EXPECT_FALSE((outside * 2.0).requires_grad());
    { NoGrad twice; }
    EXPECT_FALSE(Tensor(w).requires_grad());
  }
  try {
    NoGrad off;
    reshape(outside, {7});
  } catch (const ShapeError&) {}
  EXPECT_TRUE((Tensor(w) * 2.0).requires_grad());
}

TEST(NoGrad, GradientsAreNotDifferentiableUnlessAskedFor) {
  Tensor x = leaf({2});
  EXPECT_FALSE(grad({x * x}, {x})[0].requires_grad());
  EXPECT_TRUE(grad({x * x}, {x}, {}, {.create_graph = true})[0].requires_grad());
  Parameter w(reals({2}));
  backward(Tensor(w) * w, {}, {.create_graph = true});
  EXPECT_EQ(one(grad({w.grad()}, {Tensor(w)})[0]), 2);
}

// ---- leaves -------------------------------------------------------------------------------------

TEST(RequiresGrad, RebindsTheHandle) {
  Tensor x = reals({2}), before = x;
  x.requires_grad_();
  EXPECT_FALSE(before.requires_grad());
  EXPECT_EQ(one(grad({x * before}, {x})[0]), 2);
  Tensor number(3.0);
  number.requires_grad_();
  EXPECT_EQ(one(grad({number * number}, {number})[0]), 6);
  Tensor pending = reals({1}) + 1.0;
  pending.requires_grad_();
  EXPECT_EQ(one(grad({pending * pending}, {pending})[0]), 4);
}

TEST(RequiresGrad, MakesALeafWhetherTheValueIsPendingOrNot) {
  for (bool flushed : {false, true}) {
    Tensor x = leaf({2}), h = x * 3.0;
    if (flushed) flush();
    h.requires_grad_();
    Tensor y = h * h;
    const auto g = grad({y}, {h, x}, {}, {.retain_graph = true}, true);
    EXPECT_EQ(one(g[0]), 12) << flushed;
    EXPECT_FALSE(g[1].defined()) << (flushed ? "in memory" : "pending")
                                 << ": h is a new leaf, nothing leads on to x";
  }
}

TEST(RequiresGrad, OnlyOfFloats) {
  Tensor i = tensor<int64_t>({1}, {1});
  EXPECT_FAULT(DTypeError, i.requires_grad_(), .op = "requires_grad_", .argument = "tensor",
               .given = "i64", .expected = "a float dtype");
}

// ---- consumed graphs ----------------------------------------------------------------------------

TEST(Consumed, ASecondBackwardSaysSo) {
  for (bool flushed : {false, true}) {
    Parameter w(reals({2}));
    Tensor y = sum(Tensor(w) * w);
    if (flushed) flush();
    y.backward();
    if (flushed) flush();
    expect_fault<StateError>([&] { y.backward(); }, consumed("backward", "sum"));
    expect_fault<StateError>([&] { grad({y}, {Tensor(w)}); }, consumed("grad", "sum"));
    flush();
    EXPECT_EQ(one(w.grad()), 4) << "the failed walk added nothing";
  }
}

TEST(Consumed, TwoLossesOverOneTrunkNeedRetainGraph) {
  Parameter w(reals({2}));
  Tensor trunk = tanh(w), a = sum(trunk), b = sum(trunk * trunk);
  a.backward();
  // The first backward ended a program; in it b became consumed with all that it came from.
  expect_fault<StateError>([&] { b.backward(); }, consumed("backward", "sum"));
  w.set_grad({});
  trunk = tanh(w);
  a = sum(trunk);
  b = sum(trunk * trunk);
  backward(a, {}, {.retain_graph = true});
  b.backward();
  const double t = std::tanh(2.0);
  EXPECT_NEAR(one(w.grad()), (1 + 2 * t) * (1 - t * t), 1e-14);
}

TEST(Consumed, RetainedGraphsGiveTheSameAgain) {
  for (bool flushed : {false, true}) {
    Tensor x = leaf({0.5, 2}), y = sum(exp(x) * x);
    const Tensor first = grad({y}, {x}, {}, {.retain_graph = true})[0];
    if (flushed) flush();
    EXPECT_EQ(bits(grad({y}, {x})[0]), bits(first));
    expect_fault<StateError>([&] { grad({y}, {x}); }, consumed("grad", "sum"));
  }
}

TEST(Consumed, WhatIsCarriedOnMustBeDetached) {
  Parameter w(reals({0.5}));
  Tensor state = reals({1});
  state = state * w;
  sum(state).backward();
  flush();
  state = state * w;
  expect_fault<StateError>([&] { sum(state).backward(); }, consumed("backward", "mul"));
  flush();
  for (int step = 0; step < 2; ++step) {
    state = state.detach() * w;
    EXPECT_NO_THROW(sum(state).backward());
  }
}

TEST(Consumed, ARunningSumOfLossesGrowsNoChain) {
  Parameter w(reals({2}));
  Tensor running = reals({0});
  for (int step = 0; step < 5; ++step) {
    Tensor loss = Tensor(w) * w;
    loss.backward();
    running += loss;
    w.set(w.value().detach() * 1.0);
    flush();
  }
  EXPECT_EQ(one(running), 20);
  expect_fault<StateError>([&] { running.backward(); }, consumed("backward", "add"));
}

TEST(Consumed, NamesTheModuleOfTheNode) {
  Parameter w(reals({2}));
  Tensor h;
  {
    const ScopeOf module(scope_id("net.fc1"));
    h = exp(w);
  }
  h.backward();
  expect_fault<StateError>([&] { h.backward(); }, consumed("backward", "exp", "net.fc1"));
}

TEST(Consumed, AFailedWalkLeavesTheRestUsable) {
  Tensor x = leaf({2}), used = exp(x), fresh = sin(x), both = fresh * used;
  grad({used}, {x});
  expect_fault<StateError>([&] { grad({both}, {x}); }, consumed("grad", "exp"));
  Tensor again = leaf({1});
  EXPECT_EQ(one(grad({again * again}, {again})[0]), 2);
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(Refused, WithTheReason) {
  Tensor x = leaf({1, 2}), other = leaf({1}), plain = reals({1});
  EXPECT_FAULT(StateError, plain.backward(), .op = "backward", .argument = "output",
               .given = "no requires_grad",
               .expected = "a tensor to which a parameter or a requires_grad_() tensor leads");
  EXPECT_FAULT(ShapeError, x.backward(), .op = "backward", .argument = "output", .given = "[2]",
               .expected = "one element, or a seed of that shape");
  EXPECT_FAULT(ShapeError, backward(exp(x), reals({1})), .op = "backward", .argument = "seed",
               .given = "[1]", .expected = "[2], the shape of the output");
  EXPECT_FAULT(ArgumentError, grad({x, x}, {x}, {reals({1, 1})}), .op = "grad", .argument = "seeds",
               .given = "1", .expected = "one per output, 2");
  EXPECT_FAULT(StateError, grad({exp(x)}, {x, plain}), .op = "grad", .argument = "inputs[1]",
               .given = "no requires_grad", .expected = "a tensor that requires grad",
               .remedy = "Call requires_grad_() on it before it is used.");
  EXPECT_FAULT(StateError, grad({exp(x)}, {x, other}), .op = "grad", .argument = "inputs[1]",
               .given = "unused", .expected = "a tensor that leads to the outputs",
               .remedy = "Pass allow_unused if that is meant.");
  EXPECT_FAULT(StateError, grad({Tensor()}, {}), .op = "grad", .argument = "output",
               .given = "undefined (default-constructed)");
}

TEST(Refused, UnlessUnusedInputsAreAllowed) {
  Tensor x = leaf({1}), other = leaf({1});
  const auto g = grad({exp(x)}, {other, x}, {}, {}, true);
  EXPECT_FALSE(g[0].defined());
  EXPECT_TRUE(g[1].defined());
}

// ---- gradcheck ----------------------------------------------------------------------------------

TEST(Gradcheck, FindsAWrongGradient) {
  using V = const std::vector<Tensor>&;
  const Tensor x = reals({0.3, 1.1, -0.8});
  EXPECT_LE(gradcheck([](V v) { return v[0] * v[0]; }, {x}), 1e-9);
  EXPECT_GT(gradcheck([](V v) { return v[0] * v[0].detach(); }, {x}), 0.1);
  EXPECT_GT(gradcheck([](V v) { return v[0].detach() * v[0].detach(); }, {x}), 0.1)
      << "none at all";
  EXPECT_GT(gradcheck([](V v) { return v[0].detach() * 2.0 + v[0] * 1e-3; }, {x}), 0.1);
  EXPECT_GT(gradcheck([](V v) { return v[0] * 1.00001 - v[0].detach() * 0.00001; }, {x}), 5e-6)
      << "one part in 100,000";
}

TEST(Gradcheck, FindsAWrongSecondGradient) {
  // The value is sin x and its gradient cos x, but as a constant: only the second derivative is
  // wrong.
  auto f = [](const std::vector<Tensor>& v) {
    return sin(v[0].detach()) + cos(v[0].detach()) * (v[0] - v[0].detach());
  };
  const Tensor x = reals({0.3, 1.1, -0.8});
  EXPECT_LE(gradcheck(f, {x}), 1e-8);
  EXPECT_GT(gradcheck(f, {x}, true), 0.1);
}

TEST(Gradcheck, LooksAtEveryInput) {
  auto f = [](const std::vector<Tensor>& v) { return v[0] * v[1].detach(); };
  EXPECT_GT(gradcheck(f, {reals({1, 2}), reals({3, 4})}), 0.1);
  auto not_a_number = [](const std::vector<Tensor>& v) { return log(v[0]); };
  EXPECT_GT(gradcheck(not_a_number, {reals({-1})}), 1e9);
}

}  // namespace
}  // namespace suanli::test
