// SPDX-License-Identifier: Apache-2.0
// Modules: names, state, modes, paths, tying, freezing.
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string_view>
#include <thread>

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/programs.h"
#include "tensor/recorder.h"

namespace suanli {
namespace {

using namespace suanli::test;

struct Block : nn::Module {
  nn::Linear fc;
  std::optional<nn::Linear> shortcut;
  SUANLI_FIELDS(fc, shortcut)
  Block(int64_t in, int64_t out) : fc(in, out) {
    if (in != out) shortcut.emplace(in, out, nn::Linear::Options{.bias = false});
  }
  Tensor forward(const Tensor& x) const { return relu(fc(x)) + (shortcut ? (*shortcut)(x) : x); }
};

struct Deep : nn::Module {
  std::vector<Block> layers;
  std::unique_ptr<nn::Linear> head = std::make_unique<nn::Linear>(4, 2);
  nn::Sequential tail{nn::ReLU(), nn::Linear(2, 3)};
  Parameter scale{ones({3})}, mean{zeros({3}), false};
  SUANLI_FIELDS(layers, head, tail, scale, mean)
  Deep() {
    layers.emplace_back(3, 4);
    layers.emplace_back(4, 4);
  }
  Tensor forward(const Tensor& x) const {
    Tensor y = x;
    for (const Block& b : layers) y = b(y);
    return tail((*head)(y)) * scale + mean;
  }
};

struct Wrong : nn::Module {
  nn::Linear fc1{6, 4}, fc2{5, 3};
  SUANLI_FIELDS(fc1, fc2)
  Tensor forward(const Tensor& x) const { return fc2(fc1(x)); }
};

struct Noisy : nn::Module {
  nn::Dropout drop{0.5};
  nn::Sequential deep{nn::Dropout(0.5), nn::Sequential(nn::Dropout(0.5))};
  std::vector<nn::Dropout> more;
  SUANLI_FIELDS(drop, deep, more)
  Tensor forward(const Tensor& x) const { return more[0](deep(drop(dropout(x, 0.5, training())))); }
};

struct Holder : nn::Module {
  nn::AnyModule body;
  SUANLI_FIELDS(body)
  Tensor forward(const Tensor& x) const { return body(x); }
};

struct Tied : nn::Module {
  Parameter table{tensor_f64({5, 3}, 1)}, out{tensor_f64({5, 3}, 2)};
  SUANLI_FIELDS(table, out)
  Tensor forward(const Tensor& ids) const {
    return matmul(embedding(table, ids), out, {.transpose_b = true});
  }
};

std::vector<std::string> names(const nn::NamedParameters& all) {
  std::vector<std::string> out;
  for (auto& [name, p] : all) out.push_back(name);
  return out;
}

TEST(Module, FieldsGiveNames) {
  Deep m;
  const std::vector<std::string> expected = {"layers.0.fc.weight",
                                             "layers.0.fc.bias",
                                             "layers.0.shortcut.weight",
                                             "layers.1.fc.weight",
                                             "layers.1.fc.bias",
                                             "head.weight",
                                             "head.bias",
                                             "tail.1.weight",
                                             "tail.1.bias",
                                             "scale",
                                             "mean"};
  EXPECT_EQ(names(m.state_dict()), expected);
  EXPECT_EQ(m.parameter_count(), 12 + 4 + 12 + 16 + 4 + 8 + 2 + 6 + 3 + 3 + 3);
  EXPECT_EQ(m(zeros({5, 3})).shape(), (Shape{5, 3}));
}

TEST(Module, ErrorsNameTheModule) {
  Deep m;
  Wrong wrong;
  nn::Sequential s(nn::Linear(6, 4), nn::Sequential(nn::ReLU(), nn::Linear(5, 2)));
  nn::Conv2d conv(3, 4, 3);
  flush();
  EXPECT_FAULT(ShapeError, wrong(zeros({2, 6})), .op = "Linear", .argument = "input",
               .module = "fc2");
  EXPECT_FAULT(ShapeError, wrong(zeros({2, 7})), .op = "Linear", .argument = "input",
               .given = "[2, 7]", .expected = "[.., 6]", .module = "fc1");
  EXPECT_FAULT(ShapeError, m(zeros({2, 5})), .op = "Linear", .given = "[2, 5]",
               .module = "layers.0.shortcut");
  EXPECT_FAULT(ShapeError, s(zeros({2, 6})), .op = "Linear", .given = "[2, 4]",
               .expected = "[.., 5]", .module = "1.1");
  EXPECT_FAULT(ShapeError, s(zeros({2, 3, 4})), .op = "Linear", .given = "[2, 3, 4]",
               .remedy = "It may have to be flattened first.");
  EXPECT_FAULT(ShapeError, conv(zeros({1, 2, 8, 8})), .op = "conv2d", .argument = "input",
               .given = "2 channels", .expected = "3 channels, as weight [4, 3, 3, 3] has",
               .module = "Conv2d");
  EXPECT_FAULT(ShapeError, zeros({2}) + zeros({3}), .op = "add", .module = "");
}

TEST(Module, ConsumedGraphsNameTheModule) {
  Deep m;
  Tensor y = m(tensor_f32({2, 3}, 1)), loss = sum(y);
  loss.backward();
  Tensor again = sum(y * 2.0);
  EXPECT_FAULT(StateError, again.backward(), .op = "backward", .argument = "graph of add",
               .given = "consumed by an earlier backward");
}

TEST(Module, LoadStateDictCopies) {
  manual_seed(1);
  Deep a;
  manual_seed(2);
  Deep b;
  EXPECT_NE(values(a), values(b));
  std::vector<std::pair<std::string, Tensor>> state;
  for (auto& [name, p] : a.state_dict()) state.emplace_back(name, p.value());
  std::reverse(state.begin(), state.end());
  b.load_state_dict(state);
  EXPECT_EQ(values(a), values(b));
  Tensor x = tensor_f32({2, 3}, 1);
  EXPECT_EQ(a(x).to_vector<float>(), b(x).to_vector<float>());
  a.scale.set(a.scale * 2.0);
  EXPECT_NE(values(a), values(b)) << "the places are not shared";
}

TEST(Module, LoadStateDictSaysWhatIsWrongAndChangesNothing) {
  Deep m;
  const Bits before = values(m);
  std::vector<std::pair<std::string, Tensor>> state;
  for (auto& [name, p] : m.state_dict()) state.emplace_back(name, zeros(p.shape()));
  state.erase(state.begin() + 4);                 // layers.1.fc.bias
  state[0].second = zeros({3, 4});                // layers.0.fc.weight is [4, 3]
  state[4].second = zeros({2, 4}, i64);           // head.weight is f32
  state.emplace_back("head.gain", zeros({2}));
  EXPECT_FAULT(IoError, m.load_state_dict(state), .op = "load_state_dict", .argument = "state",
               .given =
                   "missing layers.1.fc.bias; unexpected head.gain; misshapen "
                   "layers.0.fc.weight is f32 [3, 4], not f32 [4, 3], "
                   "head.weight is i64 [2, 4], not f32 [2, 4]",
               .expected = "the names and shapes of this model");
  EXPECT_EQ(values(m), before);
}

TEST(Module, TrainAndEvalReachEveryModule) {
  Noisy m;
  m.more.emplace_back(0.5);
  Tensor x = ones({64});
  EXPECT_NE(m(x).to_vector<float>(), x.to_vector<float>());
  m.eval();
  EXPECT_EQ(m(x).to_vector<float>(), x.to_vector<float>());
  m.train();
  EXPECT_NE(m(x).to_vector<float>(), x.to_vector<float>());

  nn::AnyModule any = [] {
    Noisy inner;
    inner.more.emplace_back(0.5);
    return nn::AnyModule(std::move(inner));
  }();
  any.eval();
  EXPECT_EQ(any(x).to_vector<float>(), x.to_vector<float>())
      << "eval() of the holder does not reach what it holds";
  Holder holder;
  holder.body = nn::AnyModule(nn::Dropout(0.5));
  holder.eval();
  EXPECT_EQ(holder(x).to_vector<float>(), x.to_vector<float>());
}

TEST(Module, HeldModulesHavePaths) {
  Holder holder;
  holder.body = nn::AnyModule(nn::Sequential(nn::Linear(2, 3), nn::Linear(4, 5)));
  EXPECT_EQ(names(holder.state_dict()), (std::vector<std::string>{"body.0.weight", "body.0.bias",
                                                                  "body.1.weight", "body.1.bias"}));
  EXPECT_FAULT(ShapeError, holder(zeros({1, 2})), .op = "Linear", .module = "body.1");
}

TEST(Module, TyingSharesOnePlace) {
  // A language model's: the embedding and the output share their weight. Gradients of both uses add
  // up.
  Tied m;
  nn::tie(m.table, m.out);
  EXPECT_EQ(names(m.named_parameters()), (std::vector<std::string>{"table"}));
  EXPECT_EQ(m.parameters().size(), 1u);
  EXPECT_EQ(m.parameter_count(), 15);
  EXPECT_EQ(names(m.state_dict()), (std::vector<std::string>{"table", "out"}));
  // y = Σ_k (t[id] · t[k]): ∂y/∂t[k] = t[id], and Σ_k t[k] more for k = id.
  sum(m(tensor<int64_t>({2}))).backward();
  const auto t = m.table.value().to_vector<double>(), g = m.out.grad().to_vector<double>();
  for (size_t k = 0; k < 5; ++k)
    for (size_t i = 0; i < 3; ++i) {
      double expected = t[2 * 3 + i];
      if (k == 2)
        for (size_t r = 0; r < 5; ++r) expected += t[r * 3 + i];
      EXPECT_NEAR(g[k * 3 + i], expected, 1e-14);
    }
  optim::SGD opt(m.parameters(), {.lr = 0.1});
  opt.step();
  for (size_t i = 0; i < t.size(); ++i)
    EXPECT_NEAR(m.out.value().to_vector<double>()[i], t[i] - 0.1 * g[i], 1e-15);
  Parameter other(zeros({2}));
  EXPECT_THROW(nn::tie(m.table, other), ShapeError);
}

TEST(Module, FrozenPartsStay) {
  manual_seed(3);
  Net net;
  net.fc1.requires_grad_(false);
  optim::Adam opt(net.parameters(), {.lr = 0.01});
  const auto frozen = net.fc1.weight.value().to_vector<float>(),
             moving = net.fc2.weight.value().to_vector<float>();
  for (int i = 0; i < 3; ++i) train_step(net, opt, batch(i));
  EXPECT_FALSE(net.fc1.weight.grad().defined());
  EXPECT_EQ(net.fc1.weight.value().to_vector<float>(), frozen);
  EXPECT_NE(net.fc2.weight.value().to_vector<float>(), moving);
  // Adam's count of a thawed parameter starts at its own first step.
  auto steps_of = [&] {
    std::vector<std::pair<std::string, int64_t>> out;
    for (auto& [name, t] : opt.state_dict())
      if (name.ends_with(".step")) out.emplace_back(name, t.item<int64_t>());
    return out;
  };
  using Steps = std::vector<std::pair<std::string, int64_t>>;
  EXPECT_EQ(steps_of(), (Steps{{"2.step", 3}, {"3.step", 3}}));
  net.fc1.requires_grad_(true);
  train_step(net, opt, batch(3));
  EXPECT_EQ(steps_of(), (Steps{{"0.step", 1}, {"1.step", 1}, {"2.step", 4}, {"3.step", 4}}));
  EXPECT_NE(net.fc1.weight.value().to_vector<float>(), frozen);
}

TEST(Module, InitialValues) {
  manual_seed(4);
  nn::Linear fc(100, 50);
  nn::Conv2d conv(8, 16, 3, {.groups = 2});
  struct Case {
    Parameter p;
    double bound;
  };
  const Case cases[] = {{fc.weight, 1 / std::sqrt(100.0)},
                        {fc.bias, 1 / std::sqrt(100.0)},
                        {conv.weight, 1 / std::sqrt(36.0)},
                        {conv.bias, 1 / std::sqrt(36.0)}};
  for (const Case& c : cases) {
    const auto v = c.p.value().to_vector<float>();
    double lowest = 1, highest = -1, mean = 0, square = 0;
    for (float x : v) {
      lowest = std::min<double>(lowest, x);
      highest = std::max<double>(highest, x);
      mean += x;

      square += double{x} * x;
    }
    const auto n = static_cast<double>(v.size());
    EXPECT_GE(lowest, -c.bound);
    EXPECT_LE(highest, c.bound);
    EXPECT_GT(highest - lowest, 2 * c.bound * (1 - 8 / n)) << "the whole range is used";
    EXPECT_NEAR(mean / n, 0, 5 * c.bound / std::sqrt(3 * n));
    // variance of a uniform distribution
    EXPECT_NEAR(square / n / (c.bound * c.bound / 3), 1, 5 / std::sqrt(n));
  }
  EXPECT_EQ(conv.weight.shape(), (Shape{16, 4, 3, 3}));
  manual_seed(4);
  nn::Linear again(100, 50);
  EXPECT_EQ(again.weight.value().to_vector<float>(), fc.weight.value().to_vector<float>());
  nn::Linear next(100, 50);
  EXPECT_NE(next.weight.value().to_vector<float>(), fc.weight.value().to_vector<float>());
  EXPECT_FALSE(nn::Linear(2, 2, {.bias = false}).bias.defined());
  EXPECT_THROW(nn::Linear(0, 2), ArgumentError);
  EXPECT_THROW(nn::Conv2d(3, 4, 3, {.groups = 2}), ArgumentError);
}

TEST(Module, LinearIsAProductPlusABias) {
  manual_seed(5);
  nn::Linear fc(3, 2);
  const auto w = fc.weight.value().to_vector<float>(), b = fc.bias.value().to_vector<float>();
  for (const Shape& lead : {Shape{}, Shape{4}, Shape{2, 5}, Shape{0}}) {
    Shape shape = lead, out = lead;
    shape.push_back(3);
    out.push_back(2);
    Tensor x = tensor_f32(shape, 6), y = fc(x);
    ASSERT_EQ(y.shape(), out);
    const auto xv = x.to_vector<float>(), yv = y.to_vector<float>();
    for (size_t r = 0; r < yv.size() / 2; ++r)
      for (size_t o = 0; o < 2; ++o) {
        double expected = b[o];
        for (size_t i = 0; i < 3; ++i) expected += double{xv[r * 3 + i]} * double{w[o * 3 + i]};
        EXPECT_NEAR(yv[r * 2 + o], expected, 1e-6);
      }
  }
}

// ---- parameters that nobody updates -------------------------------------------------------------

struct Forgets : nn::Module {
  nn::Linear fc1{6, 4}, fc2{4, 3};
  Parameter scale{ones({3})};
  SUANLI_FIELDS(fc1)
  Tensor forward(const Tensor& x) const { return fc2(relu(fc1(x))) * scale; }
};
struct Whole : nn::Module {
  nn::Linear fc1{6, 4}, fc2{4, 3};
  SUANLI_FIELDS(fc1, fc2)
  Tensor forward(const Tensor& x) const { return fc2(relu(fc1(x))); }
};

/// The text that a step writes to stderr.
template <class F> std::string notes_of(F&& f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

TEST(Unlisted, ParametersAreNamedAtTheFirstStep) {
  Forgets net;
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  const std::string notes = notes_of([&] { train_step(net, opt, batch(0)); });
  const std::string end =
      " got a gradient, but no module's SUANLI_FIELDS names it and no optimizer updates it\n";
  EXPECT_NE(notes.find("suanli: [step] Module.Linear.weight [3, 4]" + end), std::string::npos)
      << notes;
  EXPECT_NE(notes.find("suanli: [step] Module.Linear.bias [3]" + end), std::string::npos) << notes;
  EXPECT_NE(notes.find("suanli: [step] a parameter read by Module [3]" + end), std::string::npos)
      << notes;
  EXPECT_EQ(std::count(notes.begin(), notes.end(), '\n'), 3) << notes;
  EXPECT_EQ(notes_of([&] { train_step(net, opt, batch(1)); }), "") << "once";
}

TEST(Unlisted, AModuleBesideIsNamed) {
  Whole net;
  nn::Linear head(3, 3);
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  const std::string notes = notes_of([&] {
    cross_entropy(head(net(batch(0).x)), batch(0).y).backward();
    opt.step();
  });
  EXPECT_NE(notes.find("suanli: [step] Linear.weight [3, 3] got a gradient"), std::string::npos)
      << notes;
}

TEST(Unlisted, WhatIsListedAndGoneLeavesNothingBehind) {
  // Noted by backward(), then listed, then destroyed: so many that stale notes would leave no room
  // for the last one.
  const auto come_and_go = [] {
    for (int i = 0; i < 3; ++i) {
      {
        Whole a;
        cross_entropy(a(batch(i).x), batch(i).y).backward();
        a.parameters();
      }
      flush();  // lets go of the cells
    }
  };
  Whole net;
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  come_and_go();
  EXPECT_EQ(notes_of([&] { train_step(net, opt, batch(0)); }), "");
  come_and_go();
  nn::Linear head(3, 3);
  const std::string notes = notes_of([&] {
    cross_entropy(head(net(batch(0).x)), batch(0).y).backward();
    opt.step();
  });
  EXPECT_EQ(std::count(notes.begin(), notes.end(), '\n'), 2) << notes;
}

TEST(Unlisted, NotesEndWithTheirThread) {
  // Eight parameters, as many as are noted at a time.
  Whole a, b;
  flush();
  std::thread([&] {
    cross_entropy(a(batch(0).x), batch(0).y).backward();
    cross_entropy(b(batch(0).x), batch(0).y).backward();
  }).join();
  Whole net;
  nn::Linear head(3, 3);
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  const std::string notes = notes_of([&] {
    cross_entropy(head(net(batch(0).x)), batch(0).y).backward();
    opt.step();
  });
  EXPECT_EQ(std::count(notes.begin(), notes.end(), '\n'), 2) << notes;
}

TEST(Unlisted, NothingIsSaidOfWhatIsMeant) {
  // All listed; two networks with an optimizer each; frozen ones; a parameter of an optimizer
  // alone; gradients set by hand; a read of the loss between backward() and step().
  const std::string notes = notes_of([] {
    Whole g, d, frozen;
    frozen.requires_grad_(false);
    Parameter alone(ones({3})), by_hand(ones({3}));
    by_hand.set_grad({});
    optim::SGD g_opt(g.parameters(), {.lr = 0.1}), d_opt(d.parameters(), {.lr = 0.1}),
        a_opt({alone}, {.lr = 0.1});
    for (int i = 0; i < 3; ++i) {
      Tensor loss = cross_entropy(
          d(cat({g(batch(i).x), g(batch(i).x)}, 1)) * alone * by_hand + frozen(batch(i).x),
          batch(i).y);
      loss.backward();
      loss.item();
      g_opt.step();
      d_opt.step();
      a_opt.step();
      by_hand.set_grad({});
    }
  });
  EXPECT_EQ(notes, "");
}

TEST(Unlisted, NoneIsKeptAlive) {
  nn::Linear first(2, 2);  // makes the thread's generator, which stays
  flush();
  const int64_t before = Session::current().memory_use().tensors;
  {
    nn::Linear unlisted(64, 64);
    sum(unlisted(ones({2, 64}))).backward();
    flush();
    EXPECT_GT(Session::current().memory_use().tensors, before);
  }
  EXPECT_EQ(Session::current().memory_use().tensors, before);
  Whole net;
  optim::SGD opt(net.parameters(), {.lr = 0.1});
  EXPECT_EQ(notes_of([&] { train_step(net, opt, batch(0)); }), "")
      << "and of what is gone nothing is said";
}

TEST(Unlisted, OneThatIsListedBeforeTheStepIsFine) {
  Whole net, other;
  const std::string notes = notes_of([&] {
    optim::SGD opt(net.parameters(), {.lr = 0.1});
    Tensor loss = cross_entropy(net(batch(0).x) + other(batch(0).x), batch(0).y);
    loss.backward();
    optim::SGD second(other.parameters(), {.lr = 0.1});
    opt.step();
    second.step();
  });
  EXPECT_EQ(notes, "");
}

TEST(Unlisted, ErrorsInAForgottenModuleNameItsPlace) {
  struct Local {
    static void call() {
      Forgets net;
      net.fc2(zeros({2, 5}));
    }
  };
  EXPECT_FAULT(ShapeError, Local::call(), .op = "Linear", .module = "Linear");
}

// The names are split when the program is compiled.
static_assert(nn::detail::count_names("weight, bias") == 2);
static_assert(nn::detail::split_names<2>("weight, bias") ==
              std::array<std::string_view, 2>{"weight", "bias"});
static_assert(nn::detail::split_names<3>("a ,b,  c")[2] == "c");

std::string path_in_error(nn::Linear& fc) {
  try {
    fc(ones({2, 9}));
  } catch (const ShapeError& e) { return e.fault().module; }
  return "no error";
}

TEST(Paths, FollowTheRootThatNamedThemLast) {
  Block block(3, 4);
  block.parameters();
  EXPECT_EQ(path_in_error(block.fc), "fc");
  block.fc.parameters();
  EXPECT_EQ(path_in_error(block.fc), "Linear");
  block.parameters();
  block.parameters();
  EXPECT_EQ(path_in_error(block.fc), "fc");
  block.shortcut.reset();
  block.shortcut.emplace(3, 4);
  block.parameters();
  EXPECT_EQ(path_in_error(*block.shortcut), "shortcut") << "a field that came later";
}

TEST(PathsDeathTest, TheirNumberIsBounded) {
  EXPECT_EXIT(
      {
        const uint32_t known = scope_id("known");
        for (uint32_t i = 0; i < kMaxScopes + 10; ++i) scope_id(std::to_string(i));
        Block block(3, 4);
        block.parameters();
        const bool bounded = scope_id("another") == kUnnamedScope &&
                             scope_path(kUnnamedScope) == "…" && scope_id("known") == known &&
                             scope_path(known) == "known" && path_in_error(block.fc) == "…";
        std::_Exit(bounded ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace suanli
