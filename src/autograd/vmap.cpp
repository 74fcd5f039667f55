// SPDX-License-Identifier: Apache-2.0
// vmap() calls the function for one example of unknown values, and records for all examples what it
// recorded for one. Nothing that leaves the program depends on the records of the one, so they are
// never computed.
#include "suanli/vmap.h"

#include <map>

#include "autograd/batching.h"
#include "tensor/guards.h"

namespace suanli {

namespace {

/// Records for all examples, from the records of one.
class Batcher {
 public:
  explicit Batcher(int64_t size) : size_(size) {}

  void set(const Tensor& of_one, Tensor of_all) {
    known_[{of_one.node(), of_one.index()}] = std::move(of_all);
  }
  /// All examples of a result, [B, …].
  Tensor all(const Tensor& of_one) const {
    const auto it = known_.find({of_one.node(), of_one.index()});
    if (it != known_.end()) return it->second;
    return expand(of_one, with_first(size_, of_one.shape()));
  }

  void record(Node* node) {
    std::vector<Tensor> inputs;
    std::vector<uint8_t> batched;
    bool any = false, grads = false;
    for (int i = 0; i < node->n_in; ++i) {
      const Edge& e = node->in()[i];
      const auto it = known_.find({e.node, e.index});
      batched.push_back(it != known_.end());
      inputs.push_back(batched.back() ? it->second : handle(e.node, e.index));
      any |= batched.back() != 0;
      grads |= e.node->requires_grad();
    }
    if (!any) return;
    const ScopeOf scope(node->scope);
    const GradMode mode(Recorder::current().grad_enabled() && (node->requires_grad() || !grads));
    if (node->op == kOpAlias) {
      set(handle(node, 0), node->requires_grad() ? inputs[0] : inputs[0].detach());
      return;
    }
    std::vector<Tensor> results;
    const BatchedRecord record(node, size_, std::move(inputs), std::move(batched));
    if (const BatchingRule rule = batching_rule(record.op())) results = rule(record);
    if (results.empty()) results = one_by_one(record, node);
    for (int r = 0; r < node->n_out; ++r) {
      Tensor& y = results[static_cast<size_t>(r)];
      if (y.shape() != with_first(size_, node->out(r).shape) || y.dtype() != node->out(r).dtype)
        throw InternalError(
            {.op = record.op().name(),
             .argument = "vmap",
             .given = str(y.dtype(), y.shape()),
             .expected = str(node->out(r).dtype, with_first(size_, node->out(r).shape))});
      set(handle(node, r), std::move(y));
    }
  }

 private:
  std::vector<Tensor> one_by_one(const BatchedRecord& record, Node* node) const {
    std::vector<std::vector<Tensor>> parts(node->n_out);
    for (int64_t b = 0; b < size_; ++b) {
      std::vector<Tensor> inputs;
      for (int i = 0; i < record.inputs(); ++i)
        inputs.push_back(record.batched(i) ? reshape(narrow(record.in(i), 0, b, 1), record.shape(i))
                                           : record.in(i));
      const std::vector<Tensor> made =
          record_all(record.op(), inputs, node->attr, &node->out(0).shape);
      for (size_t r = 0; r < parts.size(); ++r)
        parts[r].push_back(reshape(made[r], with_first(1, made[r].shape())));
    }
    std::vector<Tensor> results;
    for (const auto& of_result : parts) results.push_back(cat(of_result, 0));
    return results;
  }

  int64_t size_;
  std::map<std::pair<const Node*, int>, Tensor> known_;
};

[[noreturn]] void fail(std::string argument, std::string given, std::string expected) {
  throw ShapeError({.op = "vmap",
                    .argument = std::move(argument),
                    .given = std::move(given),
                    .expected = std::move(expected),
                    .module = module_path()});
}

/// t with dimension `dim` in front.
Tensor moved_to_front(const Tensor& t, int dim) {
  Dims order{dim};
  for (int d = 0; d < t.rank(); ++d)
    if (d != dim) order.push_back(d);
  return dim == 0 ? t : permute(t, order);
}

/// An example without values: a pending record, so that records of it lead back here.
Tensor placeholder(const Tensor& all) {
  const Shape shape(all.shape().begin() + 1, all.rank() - 1);
  const DType first = contains(kComputedDTypes, all.dtype()) ? all.dtype() : DType::f32;
  Tensor one = cast(full(shape, 0.0, first), all.dtype());
  if (all.requires_grad()) one.requires_grad_();
  return one;
}

std::vector<Tensor> mapped(const TensorFunction& f, const std::vector<std::optional<int>>& in_dims,
                           const std::vector<Tensor>& inputs) {
  if (!in_dims.empty() && in_dims.size() != inputs.size())
    throw ArgumentError({.op = "vmap",
                         .argument = "in_dims",
                         .given = str(in_dims.size()),
                         .expected = str(inputs.size(), ", one for each input"),
                         .module = module_path()});
  std::vector<Tensor> fronts(inputs.size()), examples = inputs;
  int64_t size = -1;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::optional<int> dim = in_dims.empty() ? std::optional(0) : in_dims[i];
    if (!dim) continue;
    const int d = checked_axis("vmap", inputs[i], *dim, "in_dims");
    fronts[i] = moved_to_front(inputs[i], d);
    const int64_t its = inputs[i].shape()[d];
    if (size >= 0 && its != size)
      fail(str("input ", i), to_string(inputs[i].shape()), str(size, " along dimension ", d));
    size = its;
  }
  if (size < 1)
    fail("inputs", size < 0 ? "no input with a dimension" : "0 examples", "at least one example");

  const Recorder& recorder = Recorder::current();
  // It never ends: while it is open, no budget ends a program, and its records stay pending.
  const Calls::Open whole(kOpAlias, {}, {});
  const Tensor before = full({}, 0.0);
  Batcher batcher(size);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (fronts[i].defined()) batcher.set(examples[i] = placeholder(fronts[i]), fronts[i]);
  const std::vector<Tensor> results = f(examples);
  if (!before.node()->pending())
    throw StateError({.op = "vmap",
                      .argument = "f",
                      .given = "a function that reads a value",
                      .expected = "a function that only records",
                      .module = module_path()});
  // `position` counts from 1: these are the records behind it.
  const std::vector<Node*> records(
      recorder.pending().begin() + static_cast<ptrdiff_t>(before.node()->position),
      recorder.pending().end());
  for (Node* node : records) batcher.record(node);
  std::vector<Tensor> all;
  for (const Tensor& y : results) all.push_back(batcher.all(y));
  return all;
}

}  // namespace

TensorFunction vmap(TensorFunction f, std::vector<std::optional<int>> in_dims) {
  return [f = std::move(f), in_dims = std::move(in_dims)](const std::vector<Tensor>& inputs) {
    return mapped(f, in_dims, inputs);
  };
}

std::function<Tensor(const Tensor&)> vmap(std::function<Tensor(const Tensor&)> f, int in_dim) {
  return [f = std::move(f), in_dim](const Tensor& x) {
    return mapped([&](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in[0])}; },
                  {in_dim}, {x})[0];
  };
}

}  // namespace suanli
