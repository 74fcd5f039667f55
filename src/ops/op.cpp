// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

#include <deque>

namespace suanli {

namespace {

struct Registry {
  std::deque<const Op*> ops;  // ops[i] has id kFirstRegisteredOp + i
};
Registry& registry() {
  static auto* r = new Registry;
  return *r;
}

const OpDef kBuiltIn[] = {
    {.name = "leaf", .doc = "a value given from outside", .infer = nullptr},
    {.name = "scalar", .doc = "a scalar slot", .infer = nullptr},
    {.name = "alias",
     .doc = "another name for a value",
     .infer = nullptr,
     .vjp = [](Vjp& v) { v.set_grad(0, v.grad()); },
     .alias = true},
    {.name = "fused",
     .doc = "several pointwise ops as one step of a plan; never recorded",
     .infer = nullptr},
    {.name = "reorder",
     .doc = "a value between [N, C, H, W] and blocks of channels [N, C/b, H, W, b]; never recorded",
     .infer = nullptr,
     .cost = [](const Step& s) { return element_cost(s, 0); }}};

}  // namespace

Op::Op(const OpDef& def)
    : def_(def), id_(static_cast<uint16_t>(kFirstRegisteredOp + registry().ops.size())) {
  if (!def.samples || !def.infer || !def.doc || def.n_results > kMaxResults)
    std::abort();  // a mistake in this library's own tables, found at the first start
  registry().ops.push_back(this);
}

const OpDef& op_def(uint16_t id) {
  return id < kFirstRegisteredOp ? kBuiltIn[id] : registry().ops[id - kFirstRegisteredOp]->def();
}

const OpDef* find_op(std::string_view name) {
  for (const Op* op : registry().ops)
    if (name == op->def().name) return &op->def();
  return nullptr;
}
uint16_t op_id(std::string_view name) {
  for (const Op* op : registry().ops)
    if (name == op->def().name) return op->id();
  throw Error(str("internal: no op is called '", name, "'"));
}
std::vector<const Op*> all_ops() { return {registry().ops.begin(), registry().ops.end()}; }

std::string in_scope(uint32_t scope) {
  return scope ? str(" (in ", scope_path(scope), ")") : std::string();
}
std::string where_am_i() { return in_scope(Recorder::current().scope()); }

DType Infer::common_dtype(int first) const {
  struct Kind {
    bool any = false;
    DType dtype{};
    void join(DType d) {
      dtype = any ? promote(dtype, d) : d;
      any = true;
    }
    static int category(DType d) { return d == DType::boolean ? 0 : is_float(d) ? 2 : 1; }
    void join_lower(const Kind& lower) {
      if (lower.any && (!any || category(lower.dtype) > category(dtype))) join(lower.dtype);
    }
  } with_axes, scalar, number;
  for (int i = first; i < inputs(); ++i)
    (weak(i) ? number : shape(i).rank() == 0 ? scalar : with_axes).join(dtype(i));
  scalar.join_lower(number);
  with_axes.join_lower(scalar);
  return with_axes.dtype;
}
void Infer::require_size(const Shape& shape, DType dtype) const {
  try {
    tensor_bytes(def_.name, shape, dtype);
  } catch (const ShapeError& e) { throw ShapeError(e.what() + where_am_i()); }
}
void Infer::require_float(int i) const {
  if (!is_float(dtype(i)))
    fail_dtype(str("input ", i, " is ", dtype(i),
                   "; a float dtype is expected, convert it with cast(x, f32)"));
}
void Infer::require_same_dtype(int count) const {
  for (int i = 1; i < (count < 0 ? inputs() : count); ++i)
    if (dtype(i) != dtype(0))
      fail_dtype(
          str("input ", i, " is ", dtype(i), ", input 0 is ", dtype(0), "; one dtype is expected"));
}
void Infer::require_rank(int i, int rank) const {
  if (shape(i).rank() != rank)
    fail(str("input ", i, " has shape ", shape(i), "; rank ", rank, " is expected"));
}
void Infer::fail(const std::string& what) const {
  throw ShapeError(str("[", def_.name, "] ", what, where_am_i()));
}
void Infer::fail_dtype(const std::string& what) const {
  throw DTypeError(str("[", def_.name, "] ", what, where_am_i()));
}

Tensor Vjp::in(int i) const {
  if (!(op_def(node_->op).saves & saves_in(i)))
    throw Error(str("internal: vjp of ", op_def(node_->op).name, " reads input ", i,
                    ", which `saves` does not name"));
  const Edge& e = node_->in()[i];
  return handle(e.node, e.index);
}
Tensor Vjp::result(int i) const {
  if (!(op_def(node_->op).saves & saves_result(i)))
    throw Error(str("internal: vjp of ", op_def(node_->op).name, " reads result ", i,
                    ", which `saves` does not name"));
  return handle(node_, i);
}
const Tensor& Vjp::grad(int i) {
  if (!grads_[i].defined()) grads_[i] = full(node_->out(i).shape, 0.0, node_->out(i).dtype);
  return grads_[i];
}
void Vjp::set_grad(int i, Tensor gradient) {
  if (gradient.shape() != in_shape(i))
    throw Error(str("internal: vjp of ", op_def(node_->op).name, " gives shape ", gradient.shape(),
                    " for input ", i, " of shape ", in_shape(i)));
  given_[i] = gradient.dtype() == in_dtype(i) ? std::move(gradient) : cast(gradient, in_dtype(i));
}

namespace {
/// Throws for the first input or result of a call whose dtype the op has no kernel for, if there is
/// one.
void check_dtypes(const OpDef& def, Node* node) {
  const auto refuse = [&](const std::string& what, DType d) {
    std::string hint = contains(kConvertedDTypes, d)
                           ? str("; convert it with cast(x, ", is_float(d) ? "f32" : "i64", ")")
                           : str("; no op computes ", d, " yet");
    throw DTypeError(
        str("[", def.name, "] ", what, " ", d, ", which is not computed here", hint, where_am_i()));
  };
  for (int i = 0; i < node->n_in; ++i) {
    const Edge& e = node->in()[i];
    if (const DType d = e.node->out(e.index).dtype; !contains(def.dtypes, d))
      refuse(str("input ", i, " is"), d);
  }
  for (int i = 0; i < node->n_out; ++i)
    if (const DType d = node->out(i).dtype; !contains(def.dtypes, d))
      refuse("the result would be", d);
}

/// A scalar where a kernel reads memory: a 0-d leaf, with one plain reference.
Node* scalar_in_memory(const Tensor& t) {
  Tensor leaf =
      tensor_from_bytes(detail::host_data(t, t.dtype()), itemsize(t.dtype()), Shape{}, t.dtype());
  retain_node(leaf.node());
  return leaf.node();
}
}  // namespace

Node* record_node(const Op& op, const Tensor* const* inputs, int n, const Attr& attr,
                  const Shape* shape) {
  const OpDef& def = op.def();
  Recorder& rec = Recorder::current();
  Node* node = new_node(op.id(), n, def.n_results);
  node->attr = attr;
  bool grad = false;
  DTypes seen = 0;
  try {
    for (int i = 0; i < n; ++i) {
      Node* in = inputs[i]->node();
      if (!in || in->is(kFailed) || (in->recorder && in->recorder != &rec))
        require_usable(*inputs[i], def.name);
      if (in->op == kOpScalar && !(def.slots >> i & 1)) {
        in = scalar_in_memory(*inputs[i]);
      } else {
        retain_node(in);
      }
      node->in()[i] = {in, inputs[i]->index()};
      grad |= in->requires_grad();
      seen |= 1u << static_cast<int>(in->out(node->in()[i].index).dtype);
      if (!in->is(kWeak)) node->device = in->device;
    }
    Infer infer(def, node, shape);
    def.infer(infer);
    for (int i = 0; i < def.n_results; ++i) seen |= 1u << static_cast<int>(node->out(i).dtype);
    if (seen & ~def.dtypes) check_dtypes(def, node);
  } catch (...) {
    release_node(node);
    throw;
  }
  if (grad && rec.grad_enabled() && def.vjp) {
    bool any = false;
    for (int i = 0; i < def.n_results; ++i) any |= is_float(node->out(i).dtype);
    if (any) node->flags |= kRequiresGrad;
  }
  node->refs.fetch_add(kHandle, std::memory_order_relaxed);
  if (def.n_results > 1) node->out(0).handles.store(1, std::memory_order_relaxed);
  rec.append(node);
  return node;
}

namespace {
/// Runs the shape rule of a call that is not recorded under its own name.
void check_call(const OpDef& def, const Tensor* const* inputs, size_t n, const Attr& attr,
                const Shape* shape) {
  Node* probe = new_node(kOpLeaf, static_cast<int>(n), def.n_results);
  probe->attr = attr;
  try {
    for (size_t i = 0; i < n; ++i) {
      require_usable(*inputs[i], def.name);
      probe->in()[i] = {inputs[i]->node(), inputs[i]->index()};
      retain_node(inputs[i]->node());
    }
    Infer infer(def, probe, shape);
    def.infer(infer);
    check_dtypes(def, probe);
  } catch (...) {
    release_node(probe);
    throw;
  }
  release_node(probe);
}

/// A composite: its own shape rule is checked (so that errors name it), then its decomposition is
/// recorded.
Tensor compose(const OpDef& def, const Tensor* const* inputs, size_t n, const Attr& attr,
               const Shape* shape) {
  constexpr size_t kMax = 6;  // a composite has few inputs; none is copied to the heap
  if (n > kMax)
    throw Error(str("internal: composite ", def.name, " has more than ", kMax, " inputs"));
  check_call(def, inputs, n, attr, shape);
  Tensor given[kMax];
  for (size_t i = 0; i < n; ++i) given[i] = *inputs[i];
  return def.decompose(std::span<const Tensor>(given, n), attr);
}
}  // namespace

void check(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr,
           const Shape* shape) {
  check_call(op.def(), inputs.begin(), inputs.size(), attr, shape);
}

Tensor record(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr,
              const Shape* shape) {
  if (op.def().composite) return compose(op, inputs.begin(), inputs.size(), attr, shape);
  Tensor t = Tensor::adopt(
      record_node(op, inputs.begin(), static_cast<int>(inputs.size()), attr, shape), 0);
  Recorder::current().settle();
  return t;
}

Tensor record(const Op& op, std::span<const Tensor> inputs, const Attr& attr, const Shape* shape) {
  std::vector<const Tensor*> pointers;
  for (const Tensor& t : inputs) pointers.push_back(&t);
  if (op.def().composite) return compose(op, pointers.data(), pointers.size(), attr, shape);
  Tensor t = Tensor::adopt(
      record_node(op, pointers.data(), static_cast<int>(pointers.size()), attr, shape), 0);
  Recorder::current().settle();
  return t;
}

std::vector<Tensor> record_all(const Op& op, std::initializer_list<const Tensor*> inputs,
                               const Attr& attr) {
  Node* node = record_node(op, inputs.begin(), static_cast<int>(inputs.size()), attr);
  std::vector<Tensor> results{Tensor::adopt(node, 0)};
  for (int i = 1; i < node->n_out; ++i) results.push_back(handle(node, i));
  Recorder::current().settle();
  return results;
}

}  // namespace suanli
