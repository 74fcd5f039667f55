// SPDX-License-Identifier: Apache-2.0
// Executor: computes the programs that a recorder flushes. The plan room implements it.
#pragma once
#include <cstddef>
#include <memory>

namespace suanli {

struct Node;
class Recorder;

/// Belongs to one recorder, and so to one thread.
class Executor {
 public:
  virtual ~Executor() = default;
  Executor(const Executor&) = delete;

  /// Executes the first `count` pending nodes: afterward results with handles, values that
  /// retained graphs read and pending cell values have storage.
  virtual void execute(Recorder& recorder, size_t count) = 0;

  /// True if the results are provisional: no cell takes them over, and the executor keeps the
  /// nodes, so that everything can be rolled back.
  bool provisional() const { return provisional_; }
  /// Takes over the recorder's reference to an executed node. A provisional executor gets all.
  virtual void keep(Node* node);
  /// Throws unless the host may read result `index` of a node.
  virtual void require_readable(Node* /*node*/, int /*index*/) {}

 protected:
  explicit Executor(bool provisional) : provisional_(provisional) {}

 private:
  const bool provisional_;
};

/// Makes the executor of each recorder. The plan room names one before main().
using MakeExecutor = std::unique_ptr<Executor> (*)();
void install_executor(MakeExecutor make);

}  // namespace suanli
