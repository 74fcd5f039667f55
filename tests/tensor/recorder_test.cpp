// SPDX-License-Identifier: Apache-2.0
// Where programs end and what happens when one fails: nothing half-done stays behind, and no choice
// of flush points changes a bit.
#include "tensor/recorder.h"

#include <cmath>
#include <functional>
#include <stdexcept>
#include <thread>

#include "base/threads/slab.h"
#include "gtest/gtest.h"
#include "suanli/loader.h"
#include "support/errors.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

// Attributes are compared as bytes, so a struct with padding must not become one. (That every
// compiler can tell is what this checks.)
struct WithPadding {
  uint32_t number;
  bool flag;
};
struct WithPaddingBehindADouble {
  double number;
  int32_t other;
};
struct Whole {
  double number;
  int32_t other, another;
};
static_assert(!Padless<WithPadding> && !Padless<WithPaddingBehindADouble> && Padless<Whole> &&
              Padless<ScalarAttr>);

TEST(Budget, AnyNodeBudgetGivesTheSameBits) {
  const Bits whole = train_net(6);
  for (size_t budget : {1, 2, 3, 7, 20, 50, 100, 1000}) {
    NodeBudget small(budget);
    EXPECT_EQ(train_net(6), whole) << budget;
  }
}

TEST(Budget, EagerGivesTheSameBits) {
  const Bits whole = train_net(6);
  Eager eager;
  EXPECT_EQ(train_net(6), whole);
}

/// Convolution, pooling (two results), a gradient penalty (a graph of a graph), a graph kept for a
/// second loss, a handle that stays.
struct Pictures : nn::Module {
  nn::Conv2d conv{1, 4, 3, {.padding = 1}};
  nn::Linear fc{4 * 4 * 4, 3};
  SUANLI_FIELDS(conv, fc)
  Tensor forward(const Tensor& x) const { return fc(flatten(max_pool2d(tanh(conv(x))), 1)); }
};
Bits train_pictures() {
  manual_seed(12);
  Pictures net;
  optim::SGD opt(net.parameters(), {.lr = 0.05, .momentum = 0.9});
  Bits out(1);
  Tensor running = 0.0;
  for (int i = 0; i < 4; ++i) {
    Tensor x = tensor_f32({5, 1, 8, 8}, static_cast<uint64_t>(i)),
           y = tensor<int64_t>({0, 1, 2, 1, 0});
    x.requires_grad_();
    Tensor scores = net(x), loss = cross_entropy(scores, y);
    Tensor slope = grad({sum(scores)}, {x}, {}, {.create_graph = true})[0];
    Tensor penalty = mean(square(sqrt(sum(square(slope), {1, 2, 3}) + 1e-6) - 1.0));
    backward(loss, {}, {.retain_graph = true});
    (penalty * 0.1 + mean(square(scores)) * 0.01).backward();
    Tensor norm = optim::clip_grad_norm_(net.parameters(), 1.0);
    opt.step();
    running += loss + penalty;
    out[0].push_back(norm.item());
  }
  out[0].push_back(running.item());
  for (auto& v : values(net)) out.push_back(v);
  return out;
}

TEST(Budget, GraphsOfGraphsGiveTheSameBits) {
  const Bits whole = train_pictures();
  for (float v : whole[0]) EXPECT_TRUE(std::isfinite(v) && v > 0);
  for (size_t budget : {1, 2, 3, 5, 10, 40, 100}) {
    NodeBudget small(budget);
    EXPECT_EQ(train_pictures(), whole) << budget;
  }
  Eager eager;
  EXPECT_EQ(train_pictures(), whole);
}

TEST(Budget, EagerHasNothingPending) {
  Eager eager;
  Parameter w(tensor_f32({3}, 1));
  Tensor y = exp(w * 2.0);
  EXPECT_TRUE(y.materialized());
  EXPECT_TRUE(Recorder::current().pending().empty());
  sum(y).backward();
  EXPECT_TRUE(w.grad().materialized());
  w.set(w + 1.0);
  EXPECT_EQ(w.version(), 1u);
}

TEST(Budget, ALoopWithoutAnyFlushPointIsCut) {
  NodeBudget small(100);
  Tensor x = scalar(1);
  size_t most = 0;
  for (int i = 0; i < 1000; ++i) {
    x = x * 1.5 + 0.25;
    most = std::max(most, Recorder::current().pending().size());
  }
  EXPECT_LE(most, 101u);
  double r = 1;
  for (int i = 0; i < 1000; ++i) r = r * 1.5 + 0.25;
  EXPECT_NEAR(x.item<double>() / r, 1, 1e-12);
}

TEST(Budget, ReadingEndsTheProgram) {
  Tensor a = tensor_f32({4}, 1) * 2.0, b = a + 1.0;
  EXPECT_FALSE(a.materialized());
  EXPECT_EQ(b.to_vector<float>().size(), 4u);
  EXPECT_TRUE(a.materialized()) << "everything that this thread has pending goes";
  EXPECT_TRUE(Recorder::current().pending().empty());
}

TEST(Budget, DeadValuesAreNotComputed) {
  flush();
  const int64_t before = plan_stats().kernels;
  Tensor x = tensor_f32({4}, 1);
  { Tensor dead = exp(x) + 1.0; }
  flush();
  EXPECT_EQ(plan_stats().kernels, before);
}

TEST(Budget, ValuesAreImmutable) {
  Tensor x = tensor_f32({3}, 1), same = x;
  const auto before = x.to_vector<float>();
  x += 1.0;
  x *= 2.0;
  EXPECT_EQ(same.to_vector<float>(), before);
  for (size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(x.to_vector<float>()[i], (before[i] + 1) * 2);
  Parameter p(x);
  p.set(p * 0.0);
  flush();
  EXPECT_FLOAT_EQ(x.to_vector<float>()[0], (before[0] + 1) * 2)
      << "a parameter made of x does not share its fate";
}

// ---- failures -----------------------------------------------------------------------------------

/// Dropout, statistics of the batch, and (when told) an exception after both.
struct Fragile : nn::Module {
  nn::Linear fc1{6, 16}, fc2{16, 3};
  nn::Dropout drop{0.25};
  Parameter seen{zeros({6}), false};
  SUANLI_FIELDS(fc1, drop, fc2, seen)
  std::function<void(const Tensor&)> midway;
  Tensor forward(const Tensor& x) const {
    seen.set(seen + sum(x, {0}));
    Tensor h = drop(relu(fc1(x)));
    if (midway) midway(h);
    return fc2(h);
  }
};

/// `steps` steps; before step `at` the same step is tried and fails by `fail`, which gets the step
/// to try.
using Attempt = std::function<void()>;
Bits fragile_run(int steps, int at, const std::function<void(Fragile&, const Attempt&)>& fail) {
  manual_seed(21);
  Fragile net;
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  flush();
  std::vector<float> losses;
  for (int i = 0; i < steps; ++i) {
    const Batch b = batch(i, 64);
    if (i == at) {
      const Bits before = values(net);
      const uint64_t counter = default_generator().counter();
      fail(net, [&] { train_step(net, opt, b); });
      EXPECT_EQ(default_generator().counter(), counter) << "the draws were not taken back";
      EXPECT_EQ(values(net), before);
      for (auto& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
      EXPECT_TRUE(Recorder::current().pending().empty());
    }
    losses.push_back(train_step(net, opt, b).item());
  }
  Bits out = values(net);
  out.push_back(losses);
  return out;
}
void no_failure(Fragile&, const Attempt&) {}

TEST(Failure, AnExceptionMidwayThroughForwardLeavesNothing) {
  const Bits undisturbed = fragile_run(4, -1, no_failure);
  for (int at : {0, 2}) {
    Tensor escaped;
    const Bits disturbed = fragile_run(4, at, [&](Fragile& net, const Attempt& step) {
      net.midway = [&](const Tensor& h) {
        escaped = h;
        throw std::runtime_error("the disk is full");
      };
      EXPECT_THROW(step(), std::runtime_error);
      net.midway = nullptr;
    });
    EXPECT_EQ(disturbed, undisturbed) << at;
    const std::string why =
        "dropped with its program: an exception left the module that was computing it";
    EXPECT_FAULT(StateError, escaped.to_vector<float>(), .op = "read", .argument = "tensor",
                 .given = why);
    EXPECT_FAULT(StateError, escaped + 1.0, .op = "add", .argument = "x", .given = why);
  }
}

TEST(Failure, AFreshModelSurvivesAWrongFirstCall) {
  // Its weights are still pending when the call fails: they must not go with it.
  manual_seed(22);
  Net net;
  EXPECT_THROW(net(zeros({2, 7})), ShapeError);
  manual_seed(22);
  Net same;
  EXPECT_NO_THROW(net(zeros({2, 6})).to_vector<float>());
  EXPECT_NO_THROW(EXPECT_EQ(values(net), values(same)));
}

TEST(Failure, AFirstValueThatCannotBeComputedSaysSo) {
  Parameter p(tensor_f64({2}, 1) * 2.0), q;
  Session::current().set_check_nan(true);
  q = Parameter(log(zeros({2}) - 1.0));
  EXPECT_THROW(flush(), NumericError);
  Session::current().set_check_nan(false);
  for (const Parameter& lost : {p, q})
    EXPECT_FAULT(StateError, Tensor(lost), .op = "Parameter", .argument = "first value",
                 .given = "dropped with its program", .remedy = "Make the parameter again.");
}

TEST(Failure, OutOfMemoryLeavesNothing) {
  const Bits undisturbed = fragile_run(4, -1, no_failure);
  for (int at : {0, 1, 3}) {
    const Bits disturbed = fragile_run(4, at, [&](Fragile&, const Attempt& step) {
      // no room for the arena, whatever size an earlier test left it
      Session::current().set_memory_limit(Session::current().memory_use().tensors);
      EXPECT_THROW(step(), OutOfMemory);
      Session::current().set_memory_limit(0);
    });
    EXPECT_EQ(disturbed, undisturbed) << at;
  }
}

TEST(Failure, AStepThatRunsOutOfMemoryKeepsItsGradients) {
  // The gradients were there before (the loss was read after backward()): the step alone can be
  // repeated.
  auto run = [](bool fail) {
    manual_seed(23);
    Net net;
    optim::Adam opt(net.parameters(), {.lr = 0.01});
    for (int i = 0; i < 3; ++i) {
      const Batch b = batch(i);
      Tensor loss = cross_entropy(net(b.x), b.y);
      loss.backward();
      EXPECT_GT(loss.item(), 0);
      if (fail && i == 1) {
        std::vector<Tensor> held;  // so that the new values cannot lie where these do
        for (const Parameter& p : net.parameters()) held.push_back(p.value());
        // Idle working memory does not count: it makes room.
        Session::current().set_memory_limit(Session::current().memory_use().tensors + 100);
        EXPECT_THROW(opt.step(), OutOfMemory);
        Session::current().set_memory_limit(0);
      }
      opt.step();
    }
    return values(net);
  };
  const Bits undisturbed = run(false);
  Bits disturbed;
  EXPECT_NO_THROW(disturbed = run(true));
  EXPECT_EQ(disturbed, undisturbed);
}

TEST(Failure, AStepIsAllOrNothingWhateverTheBudget) {
  // Even where its updates are cut into several programs: parameters are set when all of them are
  // recorded.
  int cut = 0;
  auto run = [&](int64_t blocks) {
    std::vector<Parameter> ps;
    for (uint64_t i = 0; i < 6; ++i) ps.emplace_back(tensor_f64({1000}, i));
    optim::SGD opt(ps, {.lr = 0.1, .momentum = 0.9});
    auto gradients = [&] {
      for (auto& p : ps) sum(p * p * p).backward();
      flush();
    };
    gradients();
    opt.step();
    gradients();
    if (blocks > 0) {
      std::vector<std::vector<double>> before, after;
      std::vector<Tensor> held;  // so that every update needs memory
      for (auto& p : ps) {
        held.push_back(p.value());
        held.push_back(p.grad());

        before.push_back(p.value().to_vector<double>());
      }
      const int64_t programs = plan_stats().programs;
      NodeBudget small(8);
      Session::current().set_memory_limit(Session::current().memory_use().tensors + blocks * 8192);
      EXPECT_THROW(opt.step(), OutOfMemory) << blocks;
      Session::current().set_memory_limit(0);
      cut += plan_stats().programs > programs;
      for (auto& p : ps) after.push_back(p.value().to_vector<double>());
      EXPECT_EQ(after, before) << "half of a step was committed";
    }
    opt.step();
    std::vector<std::vector<double>> out;
    for (auto& p : ps) out.push_back(p.value().to_vector<double>());
    return out;
  };
  const auto undisturbed = run(0);
  for (int64_t blocks : {1, 3, 5, 6}) EXPECT_EQ(run(blocks), undisturbed) << blocks;
  EXPECT_GT(cut, 0) << "no step was cut in two";
}

TEST(Failure, GradientsAlreadyComputedOutliveALaterFailure) {
  Parameter w(scalar(2));
  (w * 3).backward();
  flush();
  (w * w).backward();  // pending: 3 + 4
  drop_pending();
  ASSERT_TRUE(w.grad().defined());
  EXPECT_EQ(w.grad().item<double>(), 3);
}

TEST(Failure, DropPendingTakesBackWritesAndDraws) {
  manual_seed(24);
  Parameter p(tensor_f32({3}, 1));
  const auto before = p.value().to_vector<float>();
  const uint64_t counter = default_generator().counter();
  p.set(p + rand({3}));
  Tensor lost = p.value() * 2.0;
  EXPECT_NE(default_generator().counter(), counter);
  drop_pending();
  EXPECT_EQ(default_generator().counter(), counter);
  EXPECT_EQ(p.value().to_vector<float>(), before);
  EXPECT_EQ(p.version(), 0u);
  EXPECT_FAULT(StateError, lost.to_vector<float>(), .op = "read",
               .given =
                   "dropped with its program: drop_pending() was called (1 new value of "
                   "parameters went with it)");
}

TEST(Failure, AFailedFlushKeepsWhatWasThereBefore) {
  Session::current().set_check_nan(true);
  Parameter p(tensor_f32({2}, 1));
  const auto before = p.value().to_vector<float>();
  Tensor good = tensor_f32({2}, 2) + 1.0;
  p.set(p + 1.0);
  Tensor bad = log(zeros({2}) - 1.0);
  EXPECT_THROW(flush(), NumericError);
  Session::current().set_check_nan(false);
  EXPECT_EQ(p.value().to_vector<float>(), before);
  EXPECT_THROW(good.to_vector<float>(), Error);
  p.set(p + 1.0);
  EXPECT_FLOAT_EQ(p.value().to_vector<float>()[1], before[1] + 1);
}

TEST(Failure, ACallThatFailsDropsOnlyItself) {
  // A loss, a gradient, a write and draws that are pending when a module's call fails are still
  // there, and its own are taken back.
  auto run = [](bool fail) {
    manual_seed(31);
    Net net;
    optim::SGD opt(net.parameters(), {.lr = 0.1});
    Parameter counter(scalar(1)), buffer(scalar(5));
    flush();
    Tensor drawn = rand({3});
    Tensor loss = cross_entropy(net(batch(0).x), batch(0).y);
    loss.backward();
    counter.set(counter + 1.0);
    struct Breaks : nn::Module {
      Parameter &counter, &buffer;
      Breaks(Parameter& c, Parameter& b) : counter(c), buffer(b) {}
      Tensor run(const Tensor& x) {
        nn::Scope scope(*this);
        counter.set(counter + 10.0);  // pending before, and written again
        buffer.set(buffer * 3.0);  // not pending before
        Tensor y = x + rand({3});
        escaped = y;
        return reshape(y, {2});  // throws
      }
      Tensor escaped;
    } breaks(counter, buffer);
    if (fail) {
      EXPECT_THROW(breaks.run(drawn), ShapeError);
      EXPECT_FAULT(StateError, breaks.escaped.to_vector<float>(), .op = "read",
                   .given =
                       "dropped with its program: an exception left the module that was "
                       "computing it");
    }
    const double value = loss.item<double>();
    opt.step();
    Bits out = values(net);
    out.push_back(drawn.to_vector<float>());
    out.push_back(rand({3}).to_vector<float>());
    out.push_back({static_cast<float>(value), counter.value().item(), buffer.value().item()});
    return out;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(Failure, AFlushWithinACallStays) {
  // Nodes before the failure cannot be taken back; nodes after it are.
  struct Reads : nn::Module {
    Parameter p{scalar(1)};
    Generator draws{7};
    uint64_t committed = 0;
    void run() {
      nn::Scope scope(*this);
      p.set(p + 1.0);
      Tensor once = dropout(ones({8}), 0.5, true, &draws);
      (p * 1.0).item<double>();
      committed = draws.counter();
      Tensor twice = dropout(ones({8}), 0.5, true, &draws);
      p.set(p + 10.0);
      throw std::runtime_error("midway");
    }
  } reads;
  flush();
  Tensor before = ones({2}) + 1.0;
  EXPECT_THROW(reads.run(), std::runtime_error);
  EXPECT_EQ(reads.p.value().item<double>(), 2);
  EXPECT_EQ(before.to_vector<float>()[0], 2);
  Generator once(7);
  dropout(ones({8}), 0.5, true, &once).to_vector<float>();
  EXPECT_GT(reads.committed, 0u);
  EXPECT_EQ(reads.draws.counter(), reads.committed) << "no number is drawn twice";
  EXPECT_EQ(reads.draws.counter(), once.counter());
}

/// A call that does something and fails.
template <class F> struct Does : nn::Module {
  explicit Does(F f) : f(std::move(f)) {}
  F f;
  void run() {
    nn::Scope scope(*this);
    f();
    throw std::runtime_error("midway");
  }
};

TEST(Failure, ACallTakesBackWhatItSetToAnEarlierValue) {
  // The value was recorded before the call and is not lost with it; that a cell got it is.
  Parameter p(scalar(1)), q(scalar(2));
  flush();
  q.set(q + 1.0);
  Tensor early = p * 5.0;
  Does call([&] {
    p.set(early);
    q.set(early);
    p.set_grad(early);
  });
  EXPECT_THROW(call.run(), std::runtime_error);
  EXPECT_FALSE(p.grad().defined());
  EXPECT_EQ(p.value().item<double>(), 1);
  EXPECT_EQ(q.value().item<double>(), 3);
  EXPECT_EQ(early.item<double>(), 5);
}

TEST(Failure, AGradientThatACallConsumedStaysConsumed) {
  // The step within the call was committed, although no gradient was in memory before it or after.
  Parameter p(scalar(1));
  optim::SGD opt({p}, {.lr = 0.5});
  (p * 3.0).backward();
  Does call([&] { opt.step(); });
  EXPECT_THROW(call.run(), std::runtime_error);
  EXPECT_FALSE(p.grad().defined());
  EXPECT_EQ(p.value().item<double>(), -0.5);
}

TEST(Failure, AFlushOfAPartWithinACallKeepsEarlierValues) {
  // A budget cuts the program within the call that fails: what the cells held when it began is
  // there again, computed or not.
  for (size_t budget : {3, 4, 5, 6, 8, 100}) {
    Parameter p(scalar(1)), q(scalar(1));
    flush();
    NodeBudget small(budget);
    p.set(p + 1.0);
    Tensor kept = p * 3.0;
    struct Fails : nn::Module {
      void run(Parameter& p, Parameter& q) {
        nn::Scope scope(*this);
        p.set(p + 10.0);
        q.set(q + 10.0);
        Tensor x = ones({2});
        for (int i = 0; i < 5; ++i) x = x + 1.0;
        throw std::runtime_error("midway");
      }
    } fails;
    EXPECT_THROW(fails.run(p, q), std::runtime_error);
    EXPECT_EQ(kept.item<double>(), 6) << budget;
    const double now = p.value().item<double>(), other = q.value().item<double>();
    EXPECT_TRUE(now == 2 || (now == 12 && budget < 100))
        << budget << " " << now << ": the call's own value only if a flush committed it";
    EXPECT_TRUE(other == 1 || (other == 11 && budget < 100)) << budget << " " << other;
    p.set(p + 1.0);
    EXPECT_EQ(p.value().item<double>(), now + 1) << budget;
  }
}

TEST(Failure, EachValueSaysItsOwnReason) {
  Tensor by_hand = ones({2}) + 1.0;
  drop_pending();
  Session::current().set_check_nan(true);
  Parameter p(scalar(1));
  p.set(p + 1.0);
  Tensor other = ones({2}) + 2.0, computed = log(zeros({2}) - 1.0);
  EXPECT_THROW(flush(), NumericError);
  Session::current().set_check_nan(false);
  Tensor later = ones({2}) + 3.0;
  drop_pending();
  const Parts dropped{.op = "read",
                      .argument = "tensor",
                      .given = "dropped with its program: drop_pending() was called"};
  for (const Tensor& t : {by_hand, later})
    expect_fault<StateError>([&] { t.to_vector<float>(); }, dropped);
  for (const Tensor& t : {other, computed})
    EXPECT_FAULT(StateError, t.to_vector<float>(), .op = "read",
                 .given =
                     "dropped with its program: its computation failed: [log] result: the "
                     "first NaN, in shape [2], sample 0 (1 new value of parameters went "
                     "with it)");
  std::thread([&] {
    SCOPED_TRACE("on any thread");
    expect_fault<StateError>([&] { by_hand.to_vector<float>(); }, dropped);
  }).join();
}

}  // namespace
}  // namespace suanli
