// SPDX-License-Identifier: Apache-2.0
// Tensor::grad(): what backward() leaves in tensors after requires_grad_().
#include <cmath>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

std::vector<double> read(const Tensor& t) { return t.to_vector<double>(); }

TEST(LeafGradients, BackwardLeavesThemAndAddsUp) {
  Tensor a = tensor<double>({1, 2, 3});
  EXPECT_EQ(&a.requires_grad_(), &a);
  EXPECT_FALSE(a.grad().defined());
  sum(a * a).backward();
  EXPECT_EQ(read(a.grad()), (std::vector<double>{2, 4, 6}));
  EXPECT_EQ(a.grad().dtype(), f64);
  EXPECT_FALSE(a.grad().requires_grad());
  sum(3 * a).backward();
  EXPECT_EQ(read(a.grad()), (std::vector<double>{5, 7, 9})) << "added up, as in PyTorch";
  a.zero_grad();
  EXPECT_FALSE(a.grad().defined());
  sum(a).backward();
  EXPECT_EQ(read(a.grad()), (std::vector<double>{1, 1, 1}));
}

TEST(LeafGradients, OfLeavesOfEveryKind) {
  // In memory, pending, a number, 0-d, used twice, of two outputs, beside a parameter.
  Tensor memory = tensor<double>({2}), pending = tensor<double>({1}) + 2.0, number = 4.0,
         point = sum(tensor<double>({5}));
  for (Tensor* t : {&memory, &pending, &number, &point}) t->requires_grad_();
  Parameter w(scalar(7));
  Tensor loss = sum(memory * pending * point * w + memory * memory) + number * number;
  loss.backward();
  EXPECT_EQ(read(memory.grad()), (std::vector<double>{3 * 5 * 7 + 2 * 2}));
  EXPECT_EQ(read(pending.grad()), (std::vector<double>{2 * 5 * 7}));
  EXPECT_EQ(point.grad().item<double>(), 2 * 3 * 7);
  EXPECT_EQ(number.grad().item<double>(), 8);
  EXPECT_EQ(w.grad().item<double>(), 2 * 3 * 5);
  EXPECT_EQ(Tensor(w).grad().item<double>(), 2 * 3 * 5)
      << "a handle to a parameter's value gives the parameter's gradient";
}

TEST(LeafGradients, HandlesShareThem) {
  Tensor a = tensor<double>({3});
  a.requires_grad_();
  Tensor same = a, detached = a.detach();
  sum(a * 2).backward();
  EXPECT_EQ(read(same.grad()), (std::vector<double>{2}));
  EXPECT_THROW(detached.grad(), StateError);
  const Node* node = a.node();
  a.requires_grad_();
  EXPECT_EQ(a.node(), node) << "a leaf stays the leaf that it is";
  EXPECT_EQ(read(a.grad()), (std::vector<double>{2}));
}

TEST(LeafGradients, WithoutOneItSaysWhy) {
  Tensor plain = tensor<double>({1}), a = tensor<double>({1});
  a.requires_grad_();
  Tensor computed = a * 2;
  EXPECT_FAULT(StateError, plain.grad(), .op = "grad", .argument = "tensor",
               .given = "no requires_grad", .expected = "a tensor that requires grad",
               .remedy = "Call requires_grad_() on it before it is used.");
  const Parts not_a_leaf{.op = "grad",
                         .argument = "tensor",
                         .given = "computed from others",
                         .expected = "a leaf, as only leaves keep a gradient",
                         .remedy = "Use grad({output}, {tensor}) before backward()."};
  expect_fault<StateError>([&] { computed.grad(); }, not_a_leaf);
  sum(computed).backward();
  flush();
  expect_fault<StateError>([&] { computed.grad(); }, not_a_leaf);
  EXPECT_FAULT(StateError, Tensor().grad(), .op = "grad", .argument = "tensor",
               .given = "undefined (default-constructed)");
}

TEST(LeafGradients, GradLeavesThemAlone) {
  Tensor a = tensor<double>({3});
  a.requires_grad_();
  EXPECT_EQ(read(grad({sum(a * a)}, {a})[0]), (std::vector<double>{6}));
  EXPECT_FALSE(a.grad().defined());
  sum(a * a * a).backward();
  EXPECT_EQ(read(a.grad()), (std::vector<double>{27}));
  EXPECT_EQ(read(grad({sum(a * a)}, {a})[0]), (std::vector<double>{6}))
      << "and it gives what it gave before";
  EXPECT_EQ(read(a.grad()), (std::vector<double>{27}));
}

TEST(LeafGradients, OfGradients) {
  Tensor a = tensor<double>({3});
  a.requires_grad_();
  backward(sum(a * a * a), {}, {.create_graph = true});
  Tensor first = a.grad();
  EXPECT_EQ(read(first), (std::vector<double>{27}));
  EXPECT_EQ(read(grad({sum(first)}, {a})[0]), (std::vector<double>{18}));
}

TEST(LeafGradients, ADroppedProgramGivesBackTheFormerOne) {
  Tensor a = tensor<double>({3});
  a.requires_grad_();
  sum(a * 2).backward();
  flush();
  sum(a * 5).backward();
  drop_pending();
  EXPECT_EQ(read(a.grad()), (std::vector<double>{2}));
}

TEST(LeafGradients, ALoopOfDescent) {
  // Gradient descent on x² from 4, as every tutorial has it: x ← 0.8 x.
  Tensor x = tensor<double>({4});
  for (int i = 0; i < 10; ++i) {
    x.requires_grad_();
    sum(x * x).backward();
    x = x.detach() - 0.1 * x.grad();
  }
  EXPECT_NEAR(read(x)[0], 4 * std::pow(0.8, 10), 1e-12);
}

TEST(LeafGradients, TheyTakeNoPartInPlansOfParameters) {
  // That a leaf has a gradient makes no other program of what reads it, and each step takes the
  // same allocations.
  Tensor a = tensor_f32({8, 8}, 1);
  a.requires_grad_();
  auto step = [&] {
    Tensor loss = sum(matmul(a, a));
    loss.backward();
    const float v = loss.item();
    a.zero_grad();
    return v;
  };
  step();
  const int64_t plans = plan_stats().plans;
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(plan_stats().plans, plans);
}

}  // namespace
}  // namespace suanli
