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
  throw InternalError({.op = "op_id",
                       .argument = "name",
                       .given = str("'", name, "'"),
                       .expected = "the name of a registered op"});
}
std::vector<const Op*> all_ops() { return {registry().ops.begin(), registry().ops.end()}; }

namespace {
std::string argument_name(const OpDef& def, int i) {
  const bool named = i < static_cast<int>(std::size(def.arguments)) && def.arguments[i];
  return named ? def.arguments[i] : str("input ", i);
}
/// "a", "a and b", "a, b and c", …
template <class Name> std::string listed(int count, const char* last, Name&& name) {
  std::string out;
  for (int i = 0; i < count; ++i) out += str(i == 0 ? "" : i + 1 == count ? last : ", ", name(i));
  return out;
}
}  // namespace

std::string axes_text(const Axes& axes) {
  const auto axis = [&](int i) { return str(axes[static_cast<size_t>(i)]); };
  return str("[", listed(static_cast<int>(axes.size()), ", ", axis), "]");
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
  } catch (const ShapeError& e) {
    Fault f = e.fault();
    if (!wanted_ || shape != *wanted_) f.argument = "result";
    f.module = module_path();
    throw ShapeError(std::move(f));
  }
}
void Infer::require_float(int i) const {
  if (!is_float(dtype(i))) fail_dtype(i, "a float dtype", "Convert it with cast(x, f32).");
}
void Infer::require_same_dtype(int count) const {
  for (int i = 1; i < (count < 0 ? inputs() : count); ++i)
    if (dtype(i) != dtype(0)) fail_dtype(i, str(dtype(0), ", the dtype of ", argument(0)));
}
void Infer::require_rank(int i, int rank, const char* axes) const {
  if (shape(i).rank() != rank) fail(i, str("rank ", rank, ", ", axes));
}
std::string Infer::argument(int i) const { return argument_name(def_, i); }
std::string Infer::arguments(int count) const {
  return listed(count, ", ", [&](int i) { return argument(i); });
}
std::string Infer::shapes(int count) const {
  return listed(count, " and ", [&](int i) { return to_string(shape(i)); });
}
Fault Infer::fault(std::string argument, std::string given, std::string expected,
                   std::string remedy) const {
  return {.op = def_.name,
          .argument = std::move(argument),
          .given = std::move(given),
          .expected = std::move(expected),
          .module = module_path(),
          .remedy = std::move(remedy)};
}
void Infer::fail(int i, std::string expected) const {
  fail(argument(i), to_string(shape(i)), std::move(expected));
}
void Infer::fail(std::string argument, std::string given, std::string expected) const {
  throw ShapeError(fault(std::move(argument), std::move(given), std::move(expected)));
}
void Infer::fail_dtype(int i, std::string expected, std::string remedy) const {
  fail_dtype(argument(i), suanli::name(dtype(i)), std::move(expected), std::move(remedy));
}
void Infer::fail_dtype(std::string argument, std::string given, std::string expected,
                       std::string remedy) const {
  throw DTypeError(
      fault(std::move(argument), std::move(given), std::move(expected), std::move(remedy)));
}
void Infer::fail_argument(std::string argument, std::string given, std::string expected) const {
  throw ArgumentError(fault(std::move(argument), std::move(given), std::move(expected)));
}

Tensor Vjp::in(int i) const {
  if (!(op_def(node_->op).saves & saves_in(i)))
    throw InternalError({.op = op_def(node_->op).name,
                         .argument = "vjp",
                         .given = str("input ", i),
                         .expected = "an input that `saves` names"});
  const Edge& e = node_->in()[i];
  return handle(e.node, e.index);
}
Tensor Vjp::result(int i) const {
  if (!(op_def(node_->op).saves & saves_result(i)))
    throw InternalError({.op = op_def(node_->op).name,
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
    throw InternalError({.op = op_def(node_->op).name,
                         .argument = "vjp",
                         .given = str("gradient ", gradient.shape(), " of input ", i),
                         .expected = str(in_shape(i), ", the shape of that input")});
  given_[i] = gradient.dtype() == in_dtype(i) ? std::move(gradient) : cast(gradient, in_dtype(i));
}

namespace {
/// Throws for the first input or result of a call whose dtype the op has no kernel for, if there is
/// one.
void check_dtypes(const OpDef& def, Node* node) {
  const auto refuse = [&](std::string argument, DType d) {
    std::string computed;
    for (int k = 0; k <= static_cast<int>(DType::i4); ++k)
      if (const DType other = static_cast<DType>(k); contains(def.dtypes, other))
        computed += str(computed.empty() ? "one of " : ", ", other);
    throw DTypeError(
        {.op = def.name,
         .argument = std::move(argument),
         .given = name(d),
         .expected = std::move(computed),
         .module = module_path(),
         .remedy = contains(kConvertedDTypes, d)
                       ? str("Convert it with cast(x, ", is_float(d) ? "f32" : "i64", ").")
                       : str("No op computes ", d, " yet.")});
  };
  for (int i = 0; i < node->n_in; ++i) {
    const Edge& e = node->in()[i];
    if (const DType d = e.node->out(e.index).dtype; !contains(def.dtypes, d))
      refuse(argument_name(def, i), d);
  }
  for (int i = 0; i < node->n_out; ++i)
    if (const DType d = node->out(i).dtype; !contains(def.dtypes, d)) refuse("result", d);
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
        require_usable(*inputs[i], def.name, argument_name(def, i).c_str());
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
      require_usable(*inputs[i], def.name, argument_name(def, static_cast<int>(i)).c_str());
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
    throw InternalError({.op = def.name,
                         .argument = "inputs",
                         .given = str(n),
                         .expected = str("at most ", kMax, " inputs of a composite")});
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
