// SPDX-License-Identifier: Apache-2.0
// The backward walk: nodes in falling order of recording, each through its op's vjp.
#include <algorithm>
#include <atomic>
#include <memory>

#include "base/threads/per_thread.h"
#include "ops/op.h"
#include "suanli/autograd.h"
#include "tensor/guards.h"

namespace suanli {

namespace {

struct Visit {
  Tensor hold;
  Tensor grads[kMaxResults];
};
struct CellGrad {
  Cell* cell;
  Tensor grad;
  uint32_t scope;  // whose op read it
};

/// Buffers of a walk, kept per thread: a backward at steady state allocates nothing.
struct Buffers {
  std::vector<Visit> visits;
  std::vector<std::pair<uint64_t, uint32_t>> heap;
  std::vector<CellGrad> cells;
};
std::vector<std::unique_ptr<Buffers>>& spare_buffers() {
  return PerThread<std::vector<std::unique_ptr<Buffers>>>::get();
}

/// Where a tensor after requires_grad_() keeps its gradient: made when the first one comes.
Cell* cell_of_leaf(Node* n) {
  Cell* made = Cell::make(n->out(0).shape, n->out(0).dtype, true);
  Cell* there = nullptr;
  if (std::atomic_ref(n->cell).compare_exchange_strong(there, made, std::memory_order_acq_rel))
    return made;
  detail::release(made);  // another thread was first
  return there;
}

class Walk {
 public:
  /// `into_leaves`: gradients are for the cells of all leaves, not for those that capture() names.
  Walk(const char* who, BackwardOptions options, bool into_leaves)
      : who_(who),
        keep_(options.retain_graph || options.create_graph),
        create_graph_(options.create_graph),
        into_leaves_(into_leaves) {
    auto& spare = spare_buffers();
    if (spare.empty()) {
      buffers_ = std::make_unique<Buffers>();
    } else {
      buffers_ = std::move(spare.back());
      spare.pop_back();
    }
  }
  ~Walk() {
    // an exception may leave unvisited ones
    for (auto& v : buffers_->visits) v.hold.node()->visit = 0;
    buffers_->visits.clear();
    buffers_->heap.clear();
    buffers_->cells.clear();
    spare_buffers().push_back(std::move(buffers_));
  }

  void start(const Tensor& output, const Tensor& seed) {
    require_usable(output, who_, "output");
    if (!output.requires_grad())
      throw StateError(
          {.op = who_,
           .argument = "output",
           .given = "no requires_grad",
           .expected = "a tensor to which a parameter or a requires_grad_() tensor leads",
           .module = module_path()});
    if (seed.defined() && seed.shape() != output.shape())
      throw ShapeError({.op = who_,
                        .argument = "seed",
                        .given = to_string(seed.shape()),
                        .expected = str(output.shape(), ", the shape of the output")});
    Node* n = output.node();
    reach(n, output.index(), seed.defined() ? seed : full(output.shape(), 1.0, output.dtype()));
  }

  /// Asks for the gradient that reaches `t` (for grad()).
  void capture(const Tensor& t) { wanted_.push_back({t.node(), t.index(), Tensor()}); }

  void run() {
    GradMode mode(create_graph_);
    floor_ = lowest_wanted_seq();
    auto& heap = buffers_->heap;
    while (!heap.empty()) {
      auto [seq, slot] = heap.front();
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      if (seq < floor_) break;
      step(slot);
    }
  }

  /// Gradients that reached parameters, in the order of their first arrival.
  std::vector<CellGrad>& cells() { return buffers_->cells; }
  std::vector<Tensor> captured() {
    std::vector<Tensor> out;
    for (auto& w : wanted_) out.push_back(std::move(w.grad));
    return out;
  }

 private:
  struct Wanted {
    Node* node;
    int index;
    Tensor grad;
  };

  static void accumulate(Tensor& into, Tensor g) {
    if (into.defined()) into = into + g;
    else into = std::move(g);
  }

  static bool is_parameter(Node* n) {
    const Cell* cell = cell_of(n);
    return cell && !cell->of_tensor;
  }
  uint64_t lowest_wanted_seq() const {
    if (wanted_.empty()) return 0;
    uint64_t lowest = ~uint64_t{0};
    // a parameter may have been read anywhere
    for (auto& w : wanted_) lowest = std::min(lowest, is_parameter(w.node) ? 0 : w.node->seq);
    return lowest;
  }

  void reach(Node* n, int index, Tensor g) {
    Cell* cell = cell_of(n);
    if (!cell && into_leaves_ && is_leaf(n)) cell = cell_of_leaf(n);
    if (cell) {
      for (auto& w : wanted_)
        if (cell_of(w.node) == cell) accumulate(w.grad, g);
      for (auto& c : buffers_->cells)
        if (c.cell == cell) return accumulate(c.grad, g);
      buffers_->cells.push_back({cell, std::move(g), reader_scope_});
      return;
    }
    if (n->n_in == 0 || !leads_on(n)) {
      if (n->is(kConsumed)) consumed(n);
      for (auto& w : wanted_)
        if (w.node == n && w.index == index) accumulate(w.grad, g);
      return;
    }
    if (n->is(kConsumed)) consumed(n);
    if (n->visit == 0) {
      buffers_->visits.push_back({handle(n, 0), {}});
      n->visit = static_cast<uint32_t>(buffers_->visits.size());
      buffers_->heap.emplace_back(n->seq, n->visit - 1);
      std::push_heap(buffers_->heap.begin(), buffers_->heap.end());
    }
    accumulate(buffers_->visits[n->visit - 1].grads[index], std::move(g));
  }

  /// False for leaves of requires_grad_(): aliases of values that need no gradient, whose edges may
  /// be gone.
  static bool leads_on(Node* n) {
    for (int i = 0; i < n->n_in; ++i)
      if (n->in()[i].node && n->in()[i].node->requires_grad()) return true;
    return false;
  }

  [[noreturn]] void consumed(Node* n) {
    throw StateError({.op = who_,
                      .argument = str("graph of ", op_of(n->op).name()),
                      .given = "consumed by an earlier backward",
                      .module = scope_path(n->scope),
                      .remedy = "Use retain_graph, or detach() what is carried on."});
  }

  void step(uint32_t slot) {
    Node* n = buffers_->visits[slot].hold.node();
    // moved out: the vector grows while the vjp's gradients are handed on
    Tensor grads[kMaxResults];
    for (int r = 0; r < n->n_out; ++r) grads[r] = std::move(buffers_->visits[slot].grads[r]);
    bool asked = false;
    for (auto& w : wanted_)
      if (w.node == n) {
        w.grad = grads[w.index];
        asked = true;
      }
    // nothing wanted lies below: its own graph stays as it is
    if (asked && n->seq == floor_) return;
    Tensor few[8];
    std::vector<Tensor> many;
    Tensor* given = few;
    if (n->n_in > 8) {
      many.resize(n->n_in);
      given = many.data();
    }
    {
      ScopeOf scope(n->scope);  // gradients are recorded under their forward's module path
      Vjp vjp(n, grads, given, create_graph_);
      rules_of(n->op).vjp(vjp);
    }
    reader_scope_ = n->scope;
    for (int i = 0; i < n->n_in; ++i) {
      Node* in = n->in()[i].node;
      if (in && given[i].defined() && in->requires_grad())
        reach(in, n->in()[i].index, std::move(given[i]));
    }
    if (!keep_) {
      n->flags |= kConsumed;
      if (n->is(kExecuted)) drop_edges(n);
    }
  }

  uint64_t floor_ = 0;
  uint32_t reader_scope_ = 0;  // of the op whose gradients are handed on
  const char* who_;
  bool keep_, create_graph_, into_leaves_;
  std::unique_ptr<Buffers> buffers_;
  std::vector<Wanted> wanted_;
};

}  // namespace

void Tensor::backward() const { suanli::backward(*this); }

void backward(const Tensor& output, const Tensor& seed, BackwardOptions options) {
  if (!seed.defined() && output.numel() != 1)
    throw ShapeError({.op = "backward",
                      .argument = "output",
                      .given = to_string(output.shape()),
                      .expected = "one element, or a seed of that shape",
                      .module = module_path()});
  Recorder& rec = Recorder::current();
  rec.backward_begins();
  Walk walk("backward", options, true);
  walk.start(output, seed);
  walk.run();
  GradMode mode(options.create_graph);
  for (auto& [cell, g, read_in] : walk.cells()) {
    if (cell->known == Cell::unknown && !cell->of_tensor) rec.note_unknown(cell, read_in);
    rec.touch(cell);
    cell->grad = cell->grad.defined() ? cell->grad + g : g;
    cell->grad.node()->flags |= kGradient;
  }
  rec.backward_ended();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& seeds, BackwardOptions options,
                         bool allow_unused) {
  if (!seeds.empty() && seeds.size() != outputs.size())
    throw ArgumentError({.op = "grad",
                         .argument = "seeds",
                         .given = str(seeds.size()),
                         .expected = str("one per output, ", outputs.size())});
  const auto input = [](size_t i) { return str("inputs[", i, "]"); };
  Walk walk("grad", options, false);
  for (size_t i = 0; i < inputs.size(); ++i) {
    require_usable(inputs[i], "grad", input(i).c_str());
    if (!inputs[i].requires_grad()) throw_without_gradient(input(i));
    walk.capture(inputs[i]);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    walk.start(outputs[i], seeds.empty() ? Tensor() : seeds[i]);
  walk.run();
  auto result = walk.captured();
  for (size_t i = 0; i < result.size(); ++i)
    if (!result[i].defined() && !allow_unused)
      throw StateError({.op = "grad",
                        .argument = input(i),
                        .given = "unused",
                        .expected = "a tensor that leads to the outputs",
                        .module = module_path(),
                        .remedy = "Pass allow_unused if that is meant."});
  return result;
}

}  // namespace suanli
