// SPDX-License-Identifier: Apache-2.0
// Recorder: what is pending on this thread, and where a program may end.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/threads/per_thread.h"
#include "tensor/calls.h"
#include "tensor/cell.h"
#include "tensor/executor.h"
#include "tensor/node.h"

namespace suanli {

class Recorder {
 public:
  static Recorder& current();

  /// Appends a node whose edges and results are filled in; takes over the caller's reference. May
  /// flush (budget, SUANLI_EAGER=1), so the caller must hold a handle to every result it goes on
  /// using.
  void append(Node* node) {
    node->recorder = this;
    node->seq = ++seq_;
    node->scope = scope_;
    pending_.push_back(node);
    node->position = static_cast<uint32_t>(pending_.size());
  }
  /// To be called once the new node is held by a handle.
  void settle() {
    if (eager_ || pending_.size() >= node_budget_ || leaf_bytes_ >= byte_budget_) over_budget();
  }

  uint64_t next_seq() { return ++seq_; }
  /// True if new nodes lead to their inputs, so that a backward() can walk them.
  bool grad_enabled() const { return grad_enabled_; }
  /// True in an InferenceMode of this thread. Then grad_enabled() is false.
  bool inference() const { return inference_; }
  /// The module path of new nodes.
  uint32_t scope() const { return scope_; }

  /// Flushes everything, or the first `count` nodes. On failure drops the whole pending program and
  /// rethrows.
  void flush() { flush(pending_.size()); }
  void flush(size_t count);
  /// Drops everything pending, values of cells and draws included; `why` is what using a dropped
  /// value says.
  void drop(const std::string& why);

  /// True while results are provisional and cells take none over: see Executor.
  bool provisional() const { return executor_ && executor_->provisional(); }
  /// Throws unless the host may read result `index` of a node of this thread.
  void require_readable(Node* node, int index) const {
    if (executor_) executor_->require_readable(node, index);
  }

  // The outermost module calls and backward() are candidates for the end of a program (see
  // docs/rules.md, "Where a program ends").
  bool in_module() const { return module_depth_ > 0; }
  /// A module is called: nodes are recorded under its path. Returns the path of its caller. An
  /// outermost call may fail: cells are saved before they change.
  uint32_t enter_module(uint32_t scope);
  /// A module returns, or an exception leaves it. After an outermost call that failed, drops what
  /// it recorded and no flush computed, and gives cells back their former contents.
  void leave_module(uint32_t caller, bool failed);
  void backward_begins();
  void backward_ended() { backward_end_ = candidate_ = pending_.size(); }

  /// To be called before a cell gets a pending value, gradient or counter: they are committed or
  /// rolled back with the program.
  void touch(Cell* cell) {
    if (cell->writer.load(std::memory_order_relaxed) != this ||
        (module_depth_ > 0 && cell->saved_in != module_call_))
      touch_first(cell);
  }
  /// A backward() reached a parameter that neither a module's fields nor an optimizer names;
  /// `scope` read it.
  void note_unknown(Cell* cell, uint32_t scope);
  /// One line for each noted cell of this thread that still exists, is unknown and has a gradient.
  /// Forgets the notes.
  std::vector<std::string> take_unknown();
  /// Host tensors made since the last flush: what pending programs may pin.
  void count_leaf_bytes(int64_t bytes) { leaf_bytes_ += static_cast<size_t>(bytes); }

  /// A parameter got its first value in the pending program. It must not be lost with a later call
  /// that fails: the next outermost module call flushes first.
  void note_first_value() { first_values_pending_ = true; }

  const std::vector<Node*>& pending() const { return pending_; }
  /// The composites among them. A program ends within none because of a budget.
  const Calls& calls() const { return calls_; }
  Calls& calls() { return calls_; }
  const std::vector<Cell*>& touched() const { return touched_; }

  /// The session that this thread uses.
  Session::State& session() const { return *session_; }
  /// Uses another one from now on; flushes before. The one before.
  Session::State& use_session(Session::State& session);
  /// The generator of the session on this thread.
  Generator& generator() { return generator_ ? *generator_ : *(generator_ = &find_generator()); }

  ~Recorder();

 private:
  friend class PerThread<Recorder>;
  // They change settings for a while: see tensor/guards.h.
  friend class ScopeOf;
  friend class GradMode;
  friend class NoGrad;
  friend class InferenceMode;
  friend class Eager;
  friend class NodeBudget;
  friend class ExecuteWith;

  Recorder();
  Executor& executor();
  void module_begins();
  void module_failed();
  void touch_first(Cell* cell);
  Generator& find_generator();
  void forget_saved() {
    for (const Saved& s : saved_) detail::release(s.cell);
    saved_.clear();
  }
  void fail_pending(size_t first, const std::string& why);
  void over_budget();
  /// The largest multiple of the period in which the tail of the pending sequence repeats; 0 if it
  /// does not.
  size_t end_of_last_repetition() const;
  void commit_cells();

  /// The contents of a cell when a module call began.
  struct Saved {
    Cell* cell;
    bool touched;
    Tensor pending, grad;
    uint64_t version;
    uint64_t grad_version;
    uint64_t host[2], host_pending[2];
    bool host_changed;
  };
  /// The generator that a session has on this thread.
  struct OfSession {
    uint64_t id;
    std::weak_ptr<Session::State> session;
    Generator generator;
  };
  std::vector<Node*> pending_;
  std::vector<Cell*> touched_;
  std::vector<Saved> saved_;
  uint64_t module_call_ = 0;  // the outermost module call, of all threads
  size_t module_begin_ = 0;  // how many nodes were pending when it began
  uint64_t seq_ = 0;
  size_t candidate_ = 0, backward_end_ = 0;
  size_t leaf_bytes_ = 0;
  bool first_values_pending_ = false;
  int module_depth_ = 0;
  bool flushing_ = false;

  uint32_t scope_ = 0;
  bool grad_enabled_ = true;
  bool inference_ = false;
  bool eager_;
  size_t node_budget_, byte_budget_;

  std::unique_ptr<Executor> own_executor_;  // made by the first flush
  Executor* executor_ = nullptr;  // flushes use it: the own one, or that of a guard
  Session::State* session_;
  std::vector<std::unique_ptr<OfSession>> generators_;  // references stay
  Generator* generator_ = nullptr;  // of session_; null: not asked for yet
  Calls calls_;
};

/// Number of nodes and edges' hash that identify a node within its program, ignoring addresses.
/// Used to find repetitions.
uint64_t node_fingerprint(Node* node, uint64_t first_seq);

// Module paths by number; 0 is "no module". Paths stay known for the life of the process, so their
// number is bounded: past it every new path gets the number kUnnamedScope, whose path is "…".
inline constexpr uint32_t kMaxScopes = 65536, kUnnamedScope = 1;
uint32_t scope_id(const std::string& path);
/// Takes no lock.
const std::string& scope_path(uint32_t id);
/// Path of the module whose forward() this thread records, for errors; "" outside of any.
inline const std::string& module_path() { return scope_path(Recorder::current().scope()); }
/// The scope of the nodes that optimizers and averages record: explanations and profiles count it
/// as the update.
uint32_t optimizer_scope();

/// Why a program was dropped: shared by its nodes.
struct Dropped;
/// Marks a node as dropped; using its results says why.
void fail_node(Node* n, Dropped* why);
Dropped* new_dropped(std::string why);  // with one reference
void release(Dropped* why);

/// True if backward() leaves a gradient at n: a parameter's value, or a tensor after
/// requires_grad_() (whose edges may be gone).
bool is_leaf(Node* n);

/// Throws unless the calling thread may use t in `op`: pending elsewhere, dropped. `argument` names
/// t in the error.
void require_usable(const Tensor& t, const char* op, const char* argument = "tensor");
/// Throws StateError for a default-constructed handle.
[[noreturn]] void throw_undefined(const char* op, const char* argument);
/// Throws StateError for what another thread has to flush first.
[[noreturn]] void throw_pending_elsewhere(const char* op, const char* argument, const char* what);
/// Throws StateError where a gradient is asked of a tensor that does not require one.
[[noreturn]] void throw_without_gradient(std::string argument);

}  // namespace suanli
