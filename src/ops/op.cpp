// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <memory>

namespace suanli {

namespace {
const OpRules kNoRules, kAliasRules{.vjp = [](Vjp& v) { v.set_grad(0, v.grad()); }};
}  // namespace

RegisterRules::RegisterRules(const OpRules& rules) : rules_(rules) { rules.op->set_rules(&rules_); }

const OpRules& rules_of(uint16_t op) {
  if (op == kOpAlias) return kAliasRules;
  const OpRules* rules = op_of(op).rules();
  return rules ? *rules : kNoRules;
}

int checked_axis(const char* op, const Tensor& x, int axis, const char* argument) {
  const Shape& shape = x.shape();
  try {
    return shape.axis(axis);
  } catch (const ShapeError& e) {
    Fault f = e.fault();
    f.op = op;
    f.argument = argument;
    f.expected += str(", as ", shape, " has");
    f.module = module_path();
    throw ShapeError(std::move(f));
  }
}

Tensor Vjp::in(int i) const {
  if (!(rules_of(node_->op).saves & saves_in(i)))
    throw InternalError({.op = op_of(node_->op).name(),
                         .argument = "vjp",
                         .given = str("input ", i),
                         .expected = "an input that `saves` names"});
  const Edge& e = node_->in()[i];
  return handle(e.node, e.index);
}
Tensor Vjp::result(int i) const {
  if (!(rules_of(node_->op).saves & saves_result(i)))
    throw InternalError({.op = op_of(node_->op).name(),
                         .argument = "vjp",
                         .given = str("result ", i),
                         .expected = "a result that `saves` names"});
  return handle(node_, i);
}
const Tensor& Vjp::grad(int i) {
  if (!grads_[i].defined()) grads_[i] = full(node_->out(i).shape, 0.0, node_->out(i).dtype);
  return grads_[i];
}
void Vjp::set_grad(int i, Tensor gradient) {
  if (gradient.shape() != in_shape(i))
    throw InternalError({.op = op_of(node_->op).name(),
                         .argument = "vjp",
                         .given = str("gradient ", gradient.shape(), " of input ", i),
                         .expected = str(in_shape(i), ", the shape of that input")});
  given_[i] = gradient.dtype() == in_dtype(i) ? std::move(gradient) : cast(gradient, in_dtype(i));
}

namespace {
/// A scalar where a kernel reads memory: a 0-d leaf, with one plain reference.
Node* scalar_in_memory(const Tensor& t) {
  Tensor leaf =
      tensor_from_bytes(detail::host_data(t, t.dtype()), itemsize(t.dtype()), Shape{}, t.dtype());
  retain_node(leaf.node());
  return leaf.node();
}

/// The inputs and results of a node as its shape rule takes them.
class Operands {
 public:
  explicit Operands(int inputs) {
    if (inputs <= kNear) return;
    far_ = std::make_unique<ShapeRef[]>(static_cast<size_t>(inputs));
    in_ = far_.get();
  }
  void set(int i, const Node& node, const Result& r) {
    in_[i] = {&r.shape, r.dtype, node.is(kWeak)};
  }
  Infer infer(const OpSchema& schema, Node* node, const Shape* wanted) {
    for (int i = 0; i < node->n_out; ++i) results_[i] = {&node->out(i).shape, &node->out(i).dtype};
    return Infer(schema, in_, node->n_in, results_, node->attr, wanted, module_path);
  }

 private:
  static constexpr int kNear = 8;
  ShapeRef near_[kNear];
  ResultRef results_[kMaxResults];
  std::unique_ptr<ShapeRef[]> far_;
  ShapeRef* in_ = near_;
};
}  // namespace

Node* record_node(const Op& op, const Tensor* const* inputs, int n, const Attr& attr,
                  const Shape* shape) {
  const OpSchema& schema = op.schema();
  if (n > UINT16_MAX) schema.require_inputs(n);
  Recorder& rec = Recorder::current();
  Node* node = new_node(op.id(), n, op.n_results());
  node->attr = attr;
  bool grad = false;
  DTypes refused = 0;
  Operands operands(n);
  try {
    for (int i = 0; i < n; ++i) {
      Node* in = inputs[i]->node();
      if (!in || in->is(kFailed) || (in->recorder && in->recorder != &rec))
        require_usable(*inputs[i], schema.name, schema.input(i).c_str());
      if (in->op == kOpScalar && !(i < 8 && schema.slots >> i & 1)) {
        in = scalar_in_memory(*inputs[i]);
      } else {
        retain_node(in);
      }
      node->in()[i] = {in, inputs[i]->index()};
      grad |= in->requires_grad();
      const Result& r = in->out(node->in()[i].index);
      operands.set(i, *in, r);
      refused |= (1u << static_cast<int>(r.dtype)) & ~op.input_dtypes(i);
      if (!in->is(kWeak)) node->device = in->device;
    }
    Infer infer = operands.infer(schema, node, shape);
    if (refused) infer.require_input_dtypes();
    schema.infer(infer);
    DTypes made = 0;
    for (int i = 0; i < node->n_out; ++i) made |= 1u << static_cast<int>(node->out(i).dtype);
    if (made & ~schema.dtypes) infer.require_result_dtypes();
  } catch (...) {
    release_node(node);
    throw;
  }
  if (grad && rec.grad_enabled() && op.rules() && op.rules()->vjp) {
    bool any = false;
    for (int i = 0; i < node->n_out; ++i) any |= is_float(node->out(i).dtype);
    if (any) node->flags |= kRequiresGrad;
  }
  node->refs.fetch_add(kHandle, std::memory_order_relaxed);
  if (node->n_out > 1) node->out(0).handles.store(1, std::memory_order_relaxed);
  rec.append(node);
  return node;
}

namespace {
/// Runs the shape rule of a call that is not recorded under its own name. Returns the attributes as
/// the rule completed them, and the dtype of the first result.
Attr checked(const OpSchema& schema, std::span<const Tensor* const> inputs, const Attr& attr,
             const Shape* shape, DType* dtype = nullptr) {
  const int n = static_cast<int>(inputs.size());
  Node* probe = new_node(kOpLeaf, n, schema.n_results());
  probe->attr = attr;
  Operands operands(n);
  try {
    for (int i = 0; i < n; ++i) {
      const Tensor& t = *inputs[static_cast<size_t>(i)];
      require_usable(t, schema.name, schema.input(i).c_str());
      probe->in()[i] = {t.node(), t.index()};
      retain_node(t.node());
      operands.set(i, *t.node(), t.node()->out(t.index()));
    }
    Infer infer = operands.infer(schema, probe, shape);
    infer.require_input_dtypes();
    schema.infer(infer);
    infer.require_result_dtypes();
  } catch (...) {
    release_node(probe);
    throw;
  }
  const Attr completed = probe->attr;
  if (dtype) *dtype = probe->out(0).dtype;
  release_node(probe);
  return completed;
}

/// A composite that computes with 16-bit floats does so in f32: its result alone is rounded.
Tensor compose(const Op& op, std::span<const Tensor* const> inputs, const Attr& attr,
               const Shape* shape) {
  Composite call(op, inputs, attr, shape);
  constexpr size_t kNear =
      CompositeCall::kNear;  // a composite has few inputs: none is copied to the heap
  Tensor near[kNear];
  std::vector<Tensor> far(inputs.size() > kNear ? inputs.size() : 0);
  Tensor* const given = far.empty() ? near : far.data();
  bool widened = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const DType in = inputs[i]->dtype();
    const bool widens = contains(kHalfDTypes, in) && !op.has(Trait::move);
    given[i] = widens ? cast(*inputs[i], wide_dtype(in)) : *inputs[i];
    widened |= widens;
  }
  const Tensor result =
      rules_of(op.id()).decompose(std::span<const Tensor>(given, inputs.size()), call.attr());
  return call.end(widened ? cast(result, call.dtype()) : result);
}
}  // namespace

Composite::Composite(const Op& op, std::span<const Tensor* const> inputs, const Attr& attr,
                     const Shape* shape)
    : attr_(checked(op.schema(), inputs, attr, shape, &dtype_)), note_(op.id(), attr_, inputs) {}

Tensor Composite::end(Tensor result) {
  note_.end({&result, 1});
  return result;
}

void check(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr,
           const Shape* shape) {
  (void)checked(op.schema(), inputs, attr, shape);
}

Tensor record(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr,
              const Shape* shape) {
  if (op.has(Trait::composite)) return compose(op, inputs, attr, shape);
  Tensor t = Tensor::adopt(
      record_node(op, inputs.begin(), static_cast<int>(inputs.size()), attr, shape), 0);
  Recorder::current().settle();
  return t;
}

Tensor record(const Op& op, std::span<const Tensor> inputs, const Attr& attr, const Shape* shape) {
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(&t);
  if (op.has(Trait::composite)) return compose(op, pointers, attr, shape);
  Tensor t = Tensor::adopt(
      record_node(op, pointers.data(), static_cast<int>(pointers.size()), attr, shape), 0);
  Recorder::current().settle();
  return t;
}

namespace {
std::vector<Tensor> results_of(Node* node) {
  std::vector<Tensor> results{Tensor::adopt(node, 0)};
  for (int i = 1; i < node->n_out; ++i) results.push_back(handle(node, i));
  Recorder::current().settle();
  return results;
}
}  // namespace

std::vector<Tensor> record_all(const Op& op, std::initializer_list<const Tensor*> inputs,
                               const Attr& attr) {
  return results_of(record_node(op, inputs.begin(), static_cast<int>(inputs.size()), attr));
}

std::vector<Tensor> record_all(const Op& op, std::span<const Tensor> inputs, const Attr& attr,
                               const Shape* shape) {
  op.schema().require_inputs(static_cast<int>(inputs.size()));
  op.schema().require_attributes(attr, inputs.empty() ? 0 : inputs[0].rank());
  if (op.has(Trait::composite)) return {record(op, inputs, attr, shape)};
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(&t);
  return results_of(
      record_node(op, pointers.data(), static_cast<int>(pointers.size()), attr, shape));
}

}  // namespace suanli
