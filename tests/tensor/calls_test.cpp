// SPDX-License-Identifier: Apache-2.0
// Composites are noted beside the parts that they are recorded as, and no budget parts them.
#include "tensor/calls.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "ops/op.h"
#include "suanli/loader.h"
#include "support/op_harness.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

const std::vector<CompositeCall>& noted() { return Recorder::current().calls().noted(); }
size_t pending() { return Recorder::current().pending().size(); }
std::string name_of(const CompositeCall& c) { return op_of(c.op).name(); }
bool is(const Edge& e, const Tensor& t) { return e.node == t.node() && e.index == t.index(); }

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const CompositeCall& c : noted()) all.push_back(std::string(2 * c.depth, ' ') + name_of(c));
  return all;
}

TEST(Calls, EveryCompositeIsNotedOnce) {
  int composites = 0;
  for (const Op* op : all_ops()) {
    if (!op->has(Trait::composite)) continue;
    SCOPED_TRACE(op->name());
    ++composites;
    const std::vector<Sample> samples = samples_of(*op);
    for (size_t i = 0; i < samples.size(); ++i) {
      const Sample& s = samples[i];
      if (s.throws) continue;
      SCOPED_TRACE(i);
      flush();
      const std::vector<Tensor> inputs = inputs_of(*op, s, static_cast<int>(i));
      const size_t before = pending();
      const std::vector<Tensor> results = call(*op, s, inputs);
      ASSERT_FALSE(noted().empty());
      const CompositeCall& c = noted()[0];
      EXPECT_EQ(name_of(c), op->name());
      EXPECT_EQ(std::count_if(noted().begin(), noted().end(),
                              [](const CompositeCall& one) { return one.depth == 0; }),
                1);
      EXPECT_EQ(c.begin, before);
      EXPECT_EQ(c.end, pending());
      EXPECT_EQ(std::memcmp(c.attr.bytes, s.attr.bytes, sizeof(Attr)), 0);
      ASSERT_EQ(c.in().size(), inputs.size());
      for (size_t k = 0; k < inputs.size(); ++k)
        EXPECT_TRUE(is(c.in()[k], inputs[k])) << "input " << k;
      ASSERT_EQ(c.result().size(), results.size());
      for (size_t k = 0; k < results.size(); ++k) EXPECT_TRUE(is(c.result()[k], results[k]));
      for (const CompositeCall& inner : noted()) {
        EXPECT_GE(inner.begin, c.begin);
        EXPECT_LE(inner.end, c.end);
      }
    }
  }
  EXPECT_GE(composites, 10);
  flush();
  EXPECT_TRUE(noted().empty());
}

TEST(Calls, NestAsTheCallsDo) {
  const Tensor x = tensor_f32({4, 3}, 1), target = tensor_f32({4, 3}, 2);
  flush();
  const Tensor loss = cross_entropy(x, target, {.label_smoothing = 0.5});
  EXPECT_EQ(names(), (std::vector<std::string>{"cross_entropy", "  mean"}));
  EXPECT_EQ(noted()[0].attr.as<CrossEntropyAttr>().label_smoothing, 0.5);
  const Tensor other = mse_loss(x, x * 2.0);
  EXPECT_EQ(names(), (std::vector<std::string>{"cross_entropy", "  mean", "mse_loss", "  mean"}));
  EXPECT_EQ(noted()[2].begin, noted()[0].end + 1) << "the product lies between them";
  EXPECT_TRUE(is(noted()[2].in()[0], x));
  EXPECT_TRUE(is(noted()[2].result()[0], other));
  flush();
}

struct Normed : nn::Module {
  nn::BatchNorm2d norm{3};
  SUANLI_FIELDS(norm)
  Tensor forward(const Tensor& x) const { return relu(norm(x)); }
};

TEST(Calls, ModulesAreTheirPlace) {
  Normed net;
  net.train();
  const Tensor x = tensor_f32({2, 3, 4, 4}, 1);
  flush();
  Tensor y = net(x);
  ASSERT_EQ(names(), std::vector<std::string>{"batch_norm"});
  EXPECT_EQ(scope_path(noted()[0].scope), "norm");
  ASSERT_EQ(noted()[0].in().size(), 3u);
  EXPECT_TRUE(is(noted()[0].in()[0], x));
  flush();
  net.eval();
  y = net(x);
  EXPECT_EQ(names(), std::vector<std::string>{"batch_norm_inference"});
  EXPECT_EQ(noted()[0].in().size(), 5u);
  flush();
}

TEST(Calls, GoWithACallThatFails) {
  const Tensor x = tensor_f32({2, 3}, 1);
  flush();
  const Tensor kept = mean(x);
  EXPECT_THROW((void)mean(tensor<int64_t>({1, 2})), DTypeError);
  EXPECT_EQ(names(), std::vector<std::string>{"mean"}) << "the shape rule refused the second";
  {
    const Tensor* const inputs[] = {&x};
    const auto fails = [&] {
      Composite call(mean_op, inputs, ReduceAttr{});
      (void)mse_loss(x, x);
      throw std::runtime_error("midway");
    };
    EXPECT_THROW(fails(), std::runtime_error);
  }
  EXPECT_EQ(names(), std::vector<std::string>{"mean"}) << "its parts are not noted either";
  EXPECT_FALSE(Recorder::current().calls().any_open());

  struct Fails : nn::Module {
    void run(const Tensor& in) {
      nn::Scope scope(*this);
      (void)mean(in);
      throw std::runtime_error("midway");
    }
  } fails;
  EXPECT_THROW(fails.run(x), std::runtime_error);
  EXPECT_EQ(names(), std::vector<std::string>{"mean"}) << "those of a dropped module call go too";
  drop_pending();
  EXPECT_TRUE(noted().empty());
}

TEST(Calls, NoBudgetCutsOne) {
  const Tensor x = tensor_f32({2, 3, 4, 4}, 1), weight = tensor_f32({3}, 2),
               bias = tensor_f32({3}, 3);
  flush();
  const auto loop = [&](size_t& cuts) {
    Tensor y = x;
    for (int i = 0; i < 40; ++i) {
      y = batch_norm(y, weight, bias);
      // A part of a call that a cut left behind would be pending without a note.
      size_t parts = 0;
      for (const CompositeCall& c : noted()) parts += c.end - c.begin;
      EXPECT_EQ(parts, pending());
      cuts += pending() == 0;
    }
    return y.to_vector<float>();
  };
  size_t uncut = 0;
  const std::vector<float> whole = loop(uncut);
  EXPECT_EQ(uncut, 0u);
  for (size_t budget : {1, 2, 3, 5, 7, 11, 16, 30, 100}) {
    SCOPED_TRACE(budget);
    NodeBudget small(budget);
    size_t cuts = 0;
    EXPECT_EQ(loop(cuts), whole);
    EXPECT_GT(cuts, 0u);
  }
  Eager eager;
  size_t cuts = 0;
  EXPECT_EQ(loop(cuts), whole);
  EXPECT_EQ(cuts, 40u) << "every call by itself";
}

TEST(Calls, AReadWithinACallEndsItsNote) {
  const Tensor x = tensor_f32({2, 3}, 1);
  flush();
  {
    const Tensor* const inputs[] = {&x};
    Composite call(mean_op, inputs, ReduceAttr{});
    const Tensor half = x * 0.5;
    EXPECT_EQ(half.to_vector<float>().size(), 6u);
    (void)call.end(half + 1.0);
  }
  EXPECT_TRUE(noted().empty()) << "a part of it is computed already";
  EXPECT_FALSE(Recorder::current().calls().any_open());
  flush();
}

TEST(Calls, AFlushOfAPartKeepsTheOthers) {
  const Tensor x = tensor_f32({2, 3}, 1);
  flush();
  const Tensor first = mean(x);
  const size_t between = pending();
  const Tensor second = mean(x * 2.0);
  ASSERT_EQ(names().size(), 2u);
  Recorder::current().flush(between);
  ASSERT_EQ(names().size(), 1u);
  EXPECT_EQ(noted()[0].begin, 1u);
  EXPECT_EQ(noted()[0].end, pending());
  EXPECT_TRUE(is(noted()[0].result()[0], second));
  flush();
}

TEST(Calls, TheBudgetCutsBetweenThem) {
  const Calls none;
  EXPECT_EQ(none.boundary(5), 5u);
  const Tensor x = tensor_f32({2, 3}, 1);
  flush();
  const Tensor product = x * 2.0, one = mse_loss(product, x), two = mse_loss(one * x, x);
  const auto& all = Recorder::current().calls();
  const CompositeCall& first = noted()[0];
  EXPECT_EQ(first.begin, 1u);
  EXPECT_EQ(all.boundary(1), 1u);
  EXPECT_EQ(all.boundary(first.begin + 1), first.begin);
  EXPECT_EQ(all.boundary(first.end), first.end);
  flush();
  const Tensor again = mse_loss(x, x);
  EXPECT_EQ(all.boundary(1), noted()[0].end) << "an empty program would not end";
  flush();
}

}  // namespace
}  // namespace suanli
