// SPDX-License-Identifier: Apache-2.0
#include "plan/rehearsal.h"

#include <unordered_set>

#include "plan/build/listener.h"
#include "plan/execute.h"
#include "plan/explain/forecast.h"
#include "tensor/guards.h"

namespace suanli {

namespace {

constexpr const char* kWhyDropped = "it was only rehearsed";

/// Plans programs and forecasts their memory. Results get storages without bytes. All nodes are
/// kept, so that handles to them say at the end why they have no value.
class PlanOnlyExecutor final : public PlanExecutor {
 public:
  PlanOnlyExecutor() : PlanExecutor(true) {}
  ~PlanOnlyExecutor() override;

  void execute(Recorder& recorder, size_t count) override;
  void keep(Node* node) override { kept_.push_back(node); }
  void require_readable(Node* node, int index) override;

  std::vector<ProgramForecast> programs;
  Blocks most_results;  // of each size, at once

 private:
  void carry_out(Plan& plan, Tape& tape, const RunSettings&) override;
  void release_unreachable();

  std::vector<Node*> kept_;
  // Results of programs, with a reference to each. Only a new program adds to them, so those that
  // ended meanwhile are found and counted off before it.
  std::unordered_set<Storage*> results_;
  Blocks alive_;  // `results_` by their size
};

PlanOnlyExecutor::~PlanOnlyExecutor() {
  Dropped* why = new_dropped(kWhyDropped);
  for (Node* n : kept_) {
    fail_node(n, why);
    drop_edges(n);
    release_node(n);
  }
  release(why);
  for (Storage* s : results_) release(s);
}

void PlanOnlyExecutor::execute(Recorder& recorder, size_t count) {
  release_unreachable();
  PlanExecutor::execute(recorder, count);
}

/// Releases nodes that only the rehearsal holds, as a flush does at once otherwise, and then
/// results: both count as memory.
void PlanOnlyExecutor::release_unreachable() {
  for (size_t i = kept_.size(); i-- > 0;) {  // readers of a value come after it
    Node*& n = kept_[i];
    if (static_cast<uint32_t>(n->refs.load(std::memory_order_acquire)) != 1) continue;
    drop_edges(n);
    release_node(n);
    n = nullptr;
  }
  std::erase(kept_, nullptr);
  std::erase_if(results_, [&](Storage* s) {
    if (s->refs.load(std::memory_order_acquire) != 1) return false;
    --alive_[block_size(s->bytes)];
    release(s);
    return true;
  });
}

void PlanOnlyExecutor::require_readable(Node* node, int index) {
  const Result& r = node->out(index);
  const bool planned_only = r.storage && !r.storage->data && r.storage->bytes > 0;
  if (!node->pending() && !planned_only) return;
  throw RehearsalError({.op = "read",
                        .argument = "tensor",
                        .given = str("shape ", r.shape, ", read while the program is recorded"),
                        .expected = "a read after the program ran",
                        .module = scope_path(Recorder::current().scope())});
}

void PlanOnlyExecutor::carry_out(Plan& plan, Tape& tape, const RunSettings&) {
  std::vector<Storage*> outputs;
  std::vector<uint8_t> overwrites;
  for (size_t i = 0; i < plan.output_bytes.size(); ++i) {
    const int64_t update = plan.output_update[i], bytes = plan.output_bytes[i];
    bool overwrite = false;
    if (update >= 0) {
      const Leaf& former = tape.leaves[tape.updates[static_cast<size_t>(update)].leaf];
      overwrite = tape.claim(static_cast<size_t>(update), results_.contains(former.storage));
    }
    overwrites.push_back(overwrite);
    Storage* s = storage_without_bytes(bytes, plan.device);
    outputs.push_back(s);
    if (overwrite || bytes == 0) continue;
    retain(s);
    results_.insert(s);
    const int64_t size = block_size(bytes);
    int64_t& most = most_results[size];
    most = std::max(most, ++alive_[size]);
  }
  tape.release_cells();
  programs.push_back(forecast(plan, tape, overwrites));
  if (plan_listener) plan_listener->forecast(programs.back());
  attach_outputs(plan, tape, outputs);
  for (Storage* s : outputs) release(s);
}

}  // namespace

struct Rehearsal::State {
  PlanOnlyExecutor executor;
  ExecuteWith guard{executor, kWhyDropped};
};

Rehearsal::Rehearsal() {
  if (Recorder::current().provisional())
    throw InternalError(
        {.op = "Rehearsal", .given = "a second one on this thread", .expected = "one at a time"});
  state_ = std::make_unique<State>();
}
Rehearsal::~Rehearsal() = default;

const std::vector<ProgramForecast>& Rehearsal::programs() const {
  return state_->executor.programs;
}
const Blocks& Rehearsal::results() const { return state_->executor.most_results; }

Tensor Rehearsal::leaf(const Shape& shape, DType dtype) {
  Node* n = new_node(kOpLeaf, 0, 1);
  n->flags = kExecuted;
  n->out(0).shape = shape;
  n->out(0).dtype = dtype;
  n->out(0).storage = storage_without_bytes(shape.numel() * itemsize(dtype), Device{});
  Tensor t = handle(n, 0);
  state_->executor.keep(n);
  return t;
}

}  // namespace suanli
