// SPDX-License-Identifier: Apache-2.0
// Const modules, and empty ones.
#include <map>

#include "gtest/gtest.h"
#include "nn/moody.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace suanli {
namespace {

using namespace suanli::test;

// ---- const modules ------------------------------------------------------------------------------

TEST(ConstModule, IsCountedSavedAndCalled) {
  TempFolder folder;
  Moody trained = moody();
  const Moody& net = trained;
  EXPECT_EQ(net.parameter_count(), 6 * 16 + 16 + 16 * 3 + 3 + 2 * 16);
  EXPECT_EQ(net.parameters().size(), 6u);
  EXPECT_EQ(net.named_parameters()[2].first, "norm.weight");
  NamedTensors state;
  for (auto& [name, p] : net.state_dict()) state.emplace_back(name, p.value());
  EXPECT_EQ(state.size(), 9u);
  save_safetensors(folder / "net.safetensors", state);

  manual_seed(22);
  Moody other;
  other.load_state_dict(load_safetensors(folder / "net.safetensors"));
  other.eval();
  const nn::AnyModule read = std::move(other);
  EXPECT_EQ(read.parameter_count(), net.parameter_count());
  const Tensor x = tensor_f32({4, 6}, 1);
  NoGrad off;
  EXPECT_EQ(read(x).to_vector<float>(), answer_in_eval_mode(x));
}

TEST(ConstModule, ItsFieldsAreVisited) {
  struct Counter : nn::ConstFieldVisitor {
    std::map<std::string, int> seen;
    void parameter(const std::string&, const Parameter&) override { ++seen["parameter"]; }
    void buffer(const std::string&, const Parameter&) override { ++seen["buffer"]; }
    void module(const std::string& name, const nn::Module& m) override {
      ++seen[name + " " + m.type_name()];
      m.fields(*this);
    }
  };
  const nn::Sequential net(nn::Linear(2, 3), nn::BatchNorm1d(3), nn::Sequential(nn::ReLU()));
  Counter counter;
  net.fields(counter);
  EXPECT_EQ(counter.seen, (std::map<std::string, int>{{"parameter", 4},
                                                      {"buffer", 3},
                                                      {"0 Linear", 1},
                                                      {"1 BatchNorm1d", 1},
                                                      {"2 Sequential", 1},
                                                      {"0 ReLU", 1}}));
  EXPECT_EQ(net[1].get().parameter_count(), 6);
}

TEST(ConstModule, ACallInTrainingModeMovesTheStatistics) {
  const nn::BatchNorm1d norm(2);
  norm(tensor(std::vector<float>{1, 2, 3, 6}, Shape{2, 2}));
  // means 2 and 4, with momentum 0.1
  const auto mean = norm.running_mean.value().to_vector<float>();
  EXPECT_FLOAT_EQ(mean[0], 0.2f);
  EXPECT_FLOAT_EQ(mean[1], 0.4f);
}

// ---- empty ones ---------------------------------------------------------------------------------

struct Around : nn::Module {
  nn::AnyModule inner;
  SUANLI_FIELDS(inner)
  Tensor forward(const Tensor& x) const { return inner(x); }
  const char* type_name() const override { return "Around"; }
};

TEST(EmptyModule, SaysSoWhenItIsUsed) {
  nn::AnyModule full = nn::ReLU(), none;
  EXPECT_TRUE(full);
  EXPECT_FALSE(none);
  Parts empty{.op = "AnyModule",
              .argument = "",
              .given = "empty (default-constructed or moved from)",
              .expected = "a module",
              .module = ""};
  expect_fault<StateError>([&] { none(zeros({1})); }, empty);
  expect_fault<StateError>([&] { none.get(); }, empty);
  empty.module = "Around";
  expect_fault<StateError>([&] { Around()(zeros({1})); }, empty);
  EXPECT_EQ(none.parameter_count(), 0);
  none = std::move(full);
  EXPECT_TRUE(none);
  EXPECT_FALSE(full);  // NOLINT(bugprone-use-after-move): it is empty then
  EXPECT_EQ(none(tensor(std::vector<float>{-1, 2}, Shape{2})).to_vector<float>(),
            (std::vector<float>{0, 2}));
  EXPECT_FAULT(StateError, nn::Sequential().add(nn::AnyModule()), .op = "Sequential.add",
               .argument = "module", .given = "an empty AnyModule", .expected = "a module");
}

}  // namespace
}  // namespace suanli
