// SPDX-License-Identifier: Apache-2.0
// A recorder flushes to the executor that a guard puts in, and to its own one afterward.
#include "tensor/executor.h"

#include "gtest/gtest.h"
#include "support/errors.h"
#include "tensor/guards.h"
#include "tensor/programs.h"

namespace suanli {
namespace {

using namespace suanli::test;

/// Counts the nodes that it gets, and computes nothing.
struct Counting : Executor {
  explicit Counting(bool provisional) : Executor(provisional) {}
  ~Counting() override {
    for (Node* n : kept) release_node(n);
  }
  void execute(Recorder&, size_t count) override {
    if (fails) throw StateError(Fault{.given = "refused"});
    nodes += count;
  }
  void keep(Node* node) override { kept.push_back(node); }
  void require_readable(Node*, int) override {
    if (provisional()) throw StateError(Fault{.given = "not readable"});
  }
  size_t nodes = 0;
  bool fails = false;
  std::vector<Node*> kept;
};

TEST(Executor, GetsWhatIsRecordedWhileItsGuardLives) {
  const Tensor x = tensor<float>({1, 2}, {2});
  const Tensor before = x + 1.0;
  Counting counting(false);
  Tensor dropped;
  {
    const ExecuteWith guard(counting, "the guard ended");
    EXPECT_EQ(before.to_vector<float>(), (std::vector<float>{2, 3})) << "computed before";
    const Tensor y = exp(x * 2.0);
    flush();
    EXPECT_EQ(counting.nodes, 2u);
    dropped = y + 1.0;
  }
  EXPECT_TRUE(counting.kept.empty()) << "its results are final, so the recorder releases the nodes";
  EXPECT_FAULT(StateError, dropped.to_vector<float>(), .op = "read",
               .given = "dropped with its program: the guard ended");
  EXPECT_EQ((x * 2.0).to_vector<float>(), (std::vector<float>{2, 4}));
  EXPECT_EQ(counting.nodes, 2u) << "the recorder's own executor computes again";
}

TEST(Executor, ProvisionalResultsReachNoCell) {
  Parameter p(tensor<float>({1, 2}, {2}), false);
  flush();
  const uint64_t version = p.version();
  {
    Counting counting(true);
    const ExecuteWith guard(counting, "the guard ended");
    p.set(p.value() + 1.0);
    flush();
    EXPECT_EQ(counting.nodes, 1u);
    EXPECT_EQ(counting.kept.size(), 1u) << "a provisional executor keeps every node";
    p.set(tensor<float>({5, 6}, {2}));
    EXPECT_EQ(p.version(), version) << "not even a value in memory commits";
    EXPECT_FAULT(StateError, p.value().to_vector<float>(), .given = "not readable");
  }
  EXPECT_EQ(p.version(), version);
  EXPECT_EQ(p.value().to_vector<float>(), (std::vector<float>{1, 2}));
}

TEST(Executor, FailureDropsTheProgram) {
  const Tensor x = tensor<float>({1, 2}, {2});
  Counting counting(false);
  counting.fails = true;
  const ExecuteWith guard(counting, "the guard ended");
  const Tensor y = x + 1.0;
  EXPECT_FAULT(StateError, flush(), .given = "refused");
  EXPECT_TRUE(Recorder::current().pending().empty());
  EXPECT_FAULT(StateError, y.to_vector<float>(), .op = "read",
               .given = "dropped with its program: its computation failed: refused");
}

}  // namespace
}  // namespace suanli
