// SPDX-License-Identifier: Apache-2.0
// The checks of src/plan/build/invariants.h: they pass what the planner makes, and find what it
// must not make.
#include "plan/build/invariants.h"

#include "gtest/gtest.h"
#include "plan/build/assemble.h"
#include "plan/passes/schedule.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// The pending nodes, as a program. It holds on to the tape.
struct Pending {
  Pending() {
    const auto& pending = Recorder::current().pending();
    tape.build(pending, pending.size(), Recorder::current().touched());
    program.emplace(tape);
  }
  Tape tape;
  std::optional<Program> program;
};

struct Invariants : testing::Test {
  void SetUp() override { flush(); }
  void TearDown() override { flush(); }
};

/// The violation that `f` finds; empty if it finds none.
template <class F> std::string violation(F&& f) {
  try {
    f();
  } catch (const InternalError& e) { return e.given(); }
  return "";
}
#define EXPECT_FINDS(text, ...)                                            \
  EXPECT_NE(violation([&] { __VA_ARGS__; }).find(text), std::string::npos) \
      << violation([&] { __VA_ARGS__; })

FusedStep code_of(const Program& p, const Unit& unit) {
  std::vector<uint8_t> escapes;
  for (uint32_t i : unit) {
    bool read = p.is_output({Ref::record, 0, i});
    for (uint32_t j = 0; j < p.size(); ++j)
      for (const Ref& r : p.inputs(j))
        if (const Ref root = p.root(r);
            root.kind == Ref::record && root.index == i && !std::count(unit.begin(), unit.end(), j))
          read = true;
    escapes.push_back(read);
  }
  return fused_step(p, unit, escapes);
}

TEST_F(Invariants, UnitsComeInOrderAndHoldEveryRecordOnce) {
  const Tensor x = tensor_f32({4, 7}, 1), w = tensor_f32({7, 7}, 2);
  const Tensor y = tanh(matmul(exp(x), w)) + 1.0;  // exp, matmul, tanh, add
  const Pending pending;
  const Program& p = *pending.program;
  ASSERT_EQ(p.size(), 4u);
  EXPECT_EQ(violation([&] { check_units(p, {{0}, {1}, {2, 3}}); }), "");
  EXPECT_EQ(violation([&] { check_units(p, {{0}, {1, 2, 3}}); }), "");
  EXPECT_FINDS("not computed yet", check_units(p, {{1}, {0}, {2, 3}}));
  EXPECT_FINDS("not computed yet", check_units(p, {{0}, {1}, {3, 2}}));
  // out of the unit through the product, and back
  EXPECT_FINDS("not computed yet", check_units(p, {{0, 2, 3}, {1}}));
  EXPECT_FINDS("is in none", check_units(p, {{0}, {1}, {2}}));
  EXPECT_FINDS("in two units", check_units(p, {{0}, {1}, {2}, {2, 3}}));
}

TEST_F(Invariants, AnEpilogueRunsOverTheOpsResult) {
  const Tensor x = tensor_f32({1, 7}, 1), w = tensor_f32({7, 4}, 2), s = tensor_f32({}, 3);
  const Tensor c = s * 2.0, y = matmul(x, w), z = y * c;
  const Pending pending;
  const Program& p = *pending.program;
  ASSERT_EQ(p.size(), 3u);
  EXPECT_EQ(violation([&] { check_fused(p, {1, 2}, code_of(p, {1, 2})); }), "");
  // The coefficient is 0-d: computed in the epilogue of a [1, 4] product it would be a number per
  // row.
  EXPECT_FINDS("epilogue", check_fused(p, {0, 1, 2}, code_of(p, {0, 1, 2})));
  // Without its reader, the epilogue would run over [] alone.
  EXPECT_FINDS("the epilogue runs over", check_fused(p, {0, 1}, code_of(p, {0, 1})));
  FusedStep fused = code_of(p, {1, 2});
  fused.expr.own_result.shape = {1, 5};
  EXPECT_FINDS("the epilogue runs over", check_fused(p, {1, 2}, fused));
  fused = code_of(p, {1, 2});
  fused.expr.own_inputs = 1;
  EXPECT_FINDS("not 1", check_fused(p, {1, 2}, fused));
  fused = code_of(p, {1, 2});
  fused.op = -1;
  EXPECT_FINDS("without an op", check_fused(p, {1, 2}, fused));
}

TEST_F(Invariants, RecordsOfOneUnitShareItsSpace) {
  const Tensor a = exp(tensor_f32({4, 7}, 1)), b = exp(tensor_f32({3, 5}, 2)),
               c = exp(tensor_f32({4, 1}, 3)), d = exp(tensor_f32({}, 4));
  const Pending pending;
  const Program& p = *pending.program;
  EXPECT_EQ(violation([&] { check_fused(p, {0, 2}, code_of(p, {0, 2})); }), "")
      << "[4, 1] is per row of [4, 7]";
  EXPECT_NE(violation([&] { check_fused(p, {0, 1}, code_of(p, {0, 1})); }), "")
      << "neither an element nor a row of [4, 7]";
  EXPECT_NE(violation([&] { check_fused(p, {0, 2, 3}, code_of(p, {0, 2, 3})); }), "")
      << "rows of two lengths";
}

TEST_F(Invariants, OperandsShapesAndResultsOfCodeFit) {
  const Tensor x = tensor_f32({4, 7}, 1), v = tensor_f32({7}, 2);
  // max, add, sub, exp, sum, div
  const Tensor e = exp((x + v) - amax(x, {1}, true)), y = e / sum(e, {1}, true);
  const Pending pending;
  const Program& p = *pending.program;
  Unit all(p.size());
  for (uint32_t i = 0; i < p.size(); ++i) all[i] = i;
  std::erase_if(all, [&](uint32_t i) { return p.is_alias(i); });
  const FusedStep right = code_of(p, all);
  ASSERT_EQ(violation([&] { check_fused(p, all, right); }), "");
  ASSERT_EQ(right.expr.row_length, 7);
  ASSERT_EQ(right.in.size(), 2u);
  auto found = [&](auto&& change) {
    FusedStep fused = code_of(p, all);
    change(fused);
    return violation([&] { check_fused(p, all, fused); });
  };
  auto expect = [&](const char* text, auto&& change) {
    const std::string what = found(change);
    EXPECT_NE(what.find(text), std::string::npos) << "wanted: " << text << "; found: " << what;
  };
  size_t reduction = 0, element = 0;
  for (size_t k = 0; k < right.expr.code.size(); ++k)
    (right.expr.code[k].reduces() ? reduction : element) = k;
  expect("rows of 5", [](FusedStep& f) { f.expr.row_length = 5; });
  expect("do not divide", [](FusedStep& f) { f.expr.space = {4, 8}; });
  expect("runs over [4, 7], the unit over [8, 7]", [](FusedStep& f) { f.expr.space = {8, 7}; });
  expect("is seen as", [](FusedStep& f) { f.in_desc[1].shape = {5}; });
  expect("is seen as", [](FusedStep& f) { f.in_desc[1].shape = {4, 1}; });
  expect("not computed yet", [&](FusedStep& f) {
    f.expr.code[0].operand[0] = static_cast<uint8_t>(f.in.size() + f.expr.code.size() - 1);
  });
  expect("not computed yet",
         [&](FusedStep& f) { f.expr.code[2].operand[0] = static_cast<uint8_t>(f.in.size() + 2); });
  expect("not complete before the step ends", [&](FusedStep& f) {
    f.expr.axes = 1;
    f.expr.code[reduction].per = Expr::Per::kept;
  });
  expect("one value per element",
         [&](FusedStep& f) { f.expr.code[reduction].per = Expr::Per::element; });
  expect("per row from one value per element",
         [&](FusedStep& f) { f.expr.code[element].per = Expr::Per::row; });
  expect("the code makes",
         [&](FusedStep& f) { f.expr.results[0] = static_cast<uint8_t>(f.in.size() + reduction); });
  expect("which is not computed", [](FusedStep& f) { f.expr.results[0] = 0; });
  expect("results, code for", [](FusedStep& f) { f.expr.results.clear(); });
  expect("no code", [](FusedStep& f) { f.expr.code.clear(); });
  expect("inputs and", [&](FusedStep& f) {  // all different
    for (uint32_t k = 1; k < Expr::kMaxPointers; ++k) {
      f.in.push_back({Ref::record, 0, all[k % all.size()]});
      f.in_desc.push_back(f.in_desc[0]);
    }
  });
  expect("more than",
         [](FusedStep& f) { f.expr.code.resize(Expr::kMaxInstructions + 1, f.expr.code[0]); });
}

/// The cold plan of what is pending, and what its steps read and write.
struct ColdPlan {
  explicit ColdPlan(const Program& p) : kernels(backend(p.device())) {
    const std::vector<Unit> units = one_by_one(p);
    plan = assemble(p, units, Tier::cold, kernels);
    for (const Unit& u : units) {
      StepValues v;
      for (const Ref& r : p.inputs(u[0])) v.in.push_back(p.root(r));
      for (uint8_t k = 0; k < p.record(u[0]).out.size(); ++k)
        v.out.push_back({Ref::record, k, u[0]});
      values.push_back(v);
    }
  }
  KernelTable kernels;
  std::unique_ptr<Plan> plan;
  std::vector<StepValues> values;
};

TEST_F(Invariants, NobodyWritesOverWhatIsStillRead) {
  const Tensor x = tensor_f32({8, 16}, 1);
  const Tensor a = exp(x), b = sum(a, {1}, true), c = a * b, d = c + a;
  const std::vector<Tensor> held{d};
  const_cast<Tensor&>(a) = {};
  const_cast<Tensor&>(b) = {};
  const_cast<Tensor&>(c) = {};
  const Pending pending;
  const Program& p = *pending.program;
  ASSERT_EQ(p.size(), 4u);
  auto found = [&](auto&& change) {
    ColdPlan cold(p);
    change(*cold.plan);
    return violation([&] { check_memory(p, *cold.plan, cold.values); });
  };
  auto expect = [&](const char* text, auto&& change) {
    const std::string what = found(change);
    EXPECT_NE(what.find(text), std::string::npos) << "wanted: " << text << "; found: " << what;
  };
  EXPECT_EQ(found([](Plan&) {}), "");
  const ColdPlan right(p);
  for (size_t u : {size_t{0}, size_t{1}, size_t{2}})
    ASSERT_EQ(right.plan->steps[u].out[0].kind, Place::arena) << u;
  const int64_t at_a = right.plan->steps[0].out[0].at;
  // b over a part of a
  expect("overlaps an input", [&](Plan& q) { q.steps[1].out[0].at = at_a; });
  // c over a, which d reads
  expect("is not what its producer wrote", [&](Plan& q) { q.steps[2].out[0].at = at_a; });
  // reads another value
  expect("is not what its producer wrote", [&](Plan& q) { q.steps[3].in[0] = q.steps[3].in[1]; });
  expect("leaves the arena", [&](Plan& q) { q.steps[0].out[0].at = q.arena_bytes; });
  expect("leaves the arena", [&](Plan& q) { q.steps[0].out[0].at += 4; });
  expect("has no place", [&](Plan& q) { q.steps[3].in[0].kind = Place::none; });
  expect("has no place of its own", [&](Plan& q) { q.steps[3].out[0].kind = Place::leaf; });
  expect("is never written", [&](Plan& q) {
    q.output_bytes.push_back(4);
    q.output_update.push_back(-1);
  });
  expect("for the second time",
         [&](Plan& q) { q.steps[2].out[0] = q.steps[3].in[0] = q.steps[3].out[0]; });
}

TEST_F(Invariants, AnUpdateWritesOverNoLeafThatIsReadLater) {
  Parameter w(tensor_f32({8}, 1));
  const Tensor next = Tensor(w) * 0.5, late = exp(Tensor(w));
  w.set(next);
  const_cast<Tensor&>(next) = {};
  const Pending pending;
  const Program& p = *pending.program;
  ASSERT_EQ(p.tape().updates.size(), 1u);
  ColdPlan cold(p);
  EXPECT_EQ(violation([&] { check_memory(p, *cold.plan, cold.values); }), "");
  ASSERT_EQ(cold.plan->steps[0].out[0].kind, Place::output);
  // the second step reads w
  cold.plan->output_update[static_cast<size_t>(cold.plan->steps[0].out[0].at)] = 0;
  EXPECT_FINDS("writes over leaf", check_memory(p, *cold.plan, cold.values));
}

// Builds for tests have the checks on: a violation is thrown where the plan is made.
TEST_F(Invariants, AreCheckedInThisBuild) {
  const Tensor y = exp(tensor_f32({4, 7}, 1)) + 1.0;
  const Pending pending;
  KernelTable kernels(backend({}));
  EXPECT_FINDS("not computed yet", assemble(*pending.program, {{1}, {0}}, Tier::cold, kernels));
}

}  // namespace
}  // namespace suanli
