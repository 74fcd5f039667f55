// SPDX-License-Identifier: Apache-2.0
#include "suanli/tensor.h"

#include <cstring>
#include <limits>

#include "base/text/text.h"
#include "base/threads/slab.h"
#include "runtime/backend.h"
#include "runtime/session.h"
#include "tensor/recorder.h"

namespace suanli {

static_assert(sizeof(Node) % alignof(Result) == 0 && sizeof(Edge) % alignof(Result) == 0);

struct Dropped {
  std::atomic<uint32_t> refs{1};
  const std::string why;
};
Dropped* new_dropped(std::string why) { return new Dropped{.why = std::move(why)}; }
void release(Dropped* d) {
  if (d->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete d;
}
static Dropped* reason_of(const Node* n) {
  return reinterpret_cast<Dropped*>(n->attr.as<uintptr_t>());
}
/// The reason takes the place of the attributes, which nobody reads any more.
void fail_node(Node* n, Dropped* why) {
  if (n->is(kFailed)) return;
  why->refs.fetch_add(1, std::memory_order_relaxed);
  n->attr = Attr(reinterpret_cast<uintptr_t>(why));
  n->flags |= kFailed;
}

bool is_leaf(Node* n) {
  if (!n->requires_grad() || n->is(kConsumed)) return false;
  for (int i = 0; i < n->n_in; ++i)
    if (n->in()[i].node && n->in()[i].node->requires_grad()) return false;
  return true;
}

namespace {
size_t node_bytes(int n_in, int n_out) {
  return sizeof(Node) + sizeof(Edge) * n_in + sizeof(Result) * n_out;
}

/// Nodes that await destruction on this thread, chained through `seq`: a chain of thousands (a loop
/// whose graph was kept) must not recurse once per node, and the end of a thread must find no
/// vector gone already.
thread_local Node* dying = nullptr;
thread_local bool destroying = false;

void destroy(Node* n) {
  n->seq = reinterpret_cast<uintptr_t>(std::exchange(dying, n));
  if (destroying) return;
  destroying = true;
  while (Node* m = dying) {
    dying = reinterpret_cast<Node*>(m->seq);
    for (int i = 0; i < m->n_in; ++i)
      if (m->in()[i].node) release_node(m->in()[i].node);
    for (int i = 0; i < m->n_out; ++i)
      if (m->out(i).storage) release(m->out(i).storage);
    if (m->cell) detail::release(m->cell);
    if (m->is(kFailed)) release(reason_of(m));
    slab_free(m, node_bytes(m->n_in, m->n_out));
  }
  destroying = false;
}
}  // namespace

Node* new_node(uint16_t op, int n_in, int n_out) {
  auto* n = static_cast<Node*>(slab_allocate(node_bytes(n_in, n_out)));
  new (n) Node{};
  n->refs.store(1, std::memory_order_relaxed);
  n->op = op;
  n->n_in = static_cast<uint16_t>(n_in);
  n->n_out = static_cast<uint8_t>(n_out);
  for (int i = 0; i < n_in; ++i) new (n->in() + i) Edge{nullptr, 0};
  for (int i = 0; i < n_out; ++i) new (n->out() + i) Result{};
  return n;
}

void retain_node(Node* n) { n->refs.fetch_add(1, std::memory_order_relaxed); }
void release_node(Node* n) {
  if (static_cast<uint32_t>(n->refs.fetch_sub(1, std::memory_order_acq_rel)) == 1) destroy(n);
}

void drop_edges(Node* n) {
  for (int i = 0; i < n->n_in; ++i)
    if (Node* input = std::exchange(n->in()[i].node, nullptr)) release_node(input);
}

void detail::retain(Node* n, int index) {
  n->refs.fetch_add(kHandle, std::memory_order_relaxed);
  if (n->n_out > 1) n->out(index).handles.fetch_add(1, std::memory_order_relaxed);
}
void detail::release(Node* n, int index) {
  if (n->n_out > 1) n->out(index).handles.fetch_sub(1, std::memory_order_acq_rel);
  if (static_cast<uint32_t>(n->refs.fetch_sub(kHandle, std::memory_order_acq_rel)) == 1) destroy(n);
}

const Shape& Tensor::shape() const {
  if (!node_) throw_undefined("shape", "tensor");
  return node_->out(index_).shape;
}
DType Tensor::dtype() const {
  if (!node_) throw_undefined("dtype", "tensor");
  return node_->out(index_).dtype;
}
Device Tensor::device() const { return node_ ? node_->device : Device{}; }
bool Tensor::requires_grad() const { return node_ && node_->requires_grad(); }
/// A scalar's storage appears when it is first read, on any thread.
static Storage* storage_of(Result& r) {
  return std::atomic_ref(r.storage).load(std::memory_order_acquire);
}
bool Tensor::materialized() const { return node_ && storage_of(node_->out(index_)) != nullptr; }

void Tensor::init_scalar(double real, int64_t integer, DType dtype, bool weak) {
  Node* n = new_node(kOpScalar, 0, 1);
  n->attr = Attr(ScalarAttr{real, integer, dtype});
  n->flags = static_cast<uint8_t>(kExecuted | (weak ? kWeak : 0));
  n->out(0).dtype = dtype;
  n->refs.store(kHandle, std::memory_order_relaxed);
  node_ = n;
  index_ = 0;
}

Tensor detail::allocate_host(const Shape& shape, DType dtype, void** data) {
  Recorder& rec = Recorder::current();
  Storage* s = allocate_storage(*rec.session().account, tensor_bytes("tensor", shape, dtype),
                                Device{}, "tensor");
  Node* n = new_node(kOpLeaf, 0, 1);
  n->flags = kExecuted;
  n->out(0).shape = shape;
  n->out(0).dtype = dtype;
  n->out(0).storage = s;
  n->refs.store(kHandle, std::memory_order_relaxed);
  *data = s->data;
  rec.count_leaf_bytes(s->bytes);
  return Tensor::adopt(n, 0);
}

Tensor tensor_from_bytes(const void* data, int64_t nbytes, const Shape& shape, DType dtype) {
  if (nbytes != tensor_bytes("tensor", shape, dtype))
    throw ShapeError({.op = "tensor",
                      .argument = "values",
                      .given = str(nbytes / itemsize(dtype), " of ", dtype),
                      .expected = str(shape.numel(), " for shape ", shape)});
  void* to = nullptr;
  Tensor t = detail::allocate_host(shape, dtype, &to);
  if (nbytes) std::memcpy(to, data, static_cast<size_t>(nbytes));
  return t;
}

void detail::throw_ragged(int64_t given, int64_t expected) {
  throw ShapeError({.op = "tensor",
                    .argument = "values",
                    .given = str("a list of ", given),
                    .expected = str(expected, ", as the lists beside it have")});
}

[[noreturn]] static void throw_without_value(const Cell* c) {
  if (c->writer) throw_pending_elsewhere("Parameter", "first value", "pending");
  throw StateError({.op = "Parameter",
                    .argument = "first value",
                    .given = "dropped with its program",
                    .remedy = "Make the parameter again."});
}

Tensor::Tensor(const Parameter& parameter) {
  Cell* c = parameter.cell();
  if (!c) throw_undefined("Parameter", "parameter");
  Recorder& rec = Recorder::current();
  Tensor value;
  bool mine = c->writer == &rec && c->pending.defined();
  if (mine) {
    value = c->pending;
  } else {
    std::unique_lock lock(c->mutex());
    while (c->overwritten.load(std::memory_order_acquire)) {
      lock.unlock();
      c->overwritten.wait(true, std::memory_order_acquire);
      lock.lock();
    }
    value = c->committed;
    if (!value.defined()) throw_without_value(c);
  }
  Node* v = value.node();
  if (v->is(kFailed))
    throw StateError({.op = "Parameter",
                      .argument = "value",
                      .given = "lost when a program that was overwriting it failed",
                      .remedy = "Set it anew, or load a checkpoint."});
  if (!c->requires_grad || !rec.grad_enabled()) {
    swap(value);
    return;
  }
  const bool pending = v->pending();  // written in this very program: an alias of the pending value
  Node* leaf = new_node(pending ? kOpAlias : kOpLeaf, pending ? 1 : 0, 1);
  if (pending) {
    leaf->in()[0] = {v, value.index()};
    retain_node(v);
  } else {
    leaf->out(0).storage = v->out(value.index()).storage;
    retain(leaf->out(0).storage);
    leaf->flags = kExecuted;
    leaf->seq = rec.next_seq();
  }
  leaf->out(0).shape = value.shape();
  leaf->out(0).dtype = value.dtype();
  leaf->device = value.device();
  leaf->flags |= kRequiresGrad;
  leaf->cell = c;
  detail::retain(c);
  *this = handle(leaf, 0);
  if (pending) {
    rec.append(leaf);
    rec.settle();
  } else {
    release_node(leaf);
  }
}

void throw_undefined(const char* op, const char* argument) {
  throw StateError({.op = op,
                    .argument = argument,
                    .given = "undefined (default-constructed)",
                    .expected = "one with a value"});
}

void throw_pending_elsewhere(const char* op, const char* argument, const char* what) {
  throw StateError({.op = op,
                    .argument = argument,
                    .given = str(what, " on another thread"),
                    .remedy = "Call flush() there first."});
}

void require_usable(const Tensor& t, const char* op, const char* argument) {
  Node* n = t.node();
  if (!n) throw_undefined(op, argument);
  if (n->is(kFailed))
    throw StateError({.op = op,
                      .argument = argument,
                      .given = str("dropped with its program: ", reason_of(n)->why)});
  if (n->recorder && n->recorder != &Recorder::current())
    throw_pending_elsewhere(op, argument, "pending");
}

namespace {
/// Bytes of a scalar slot for the host. Threads may read one at the same time: the first that is
/// done gives them to all.
Storage* scalar_bytes(Node* n) {
  const auto& s = n->attr.as<ScalarAttr>();
  Result& r = n->out(0);
  Storage* made =
      allocate_storage(*Recorder::current().session().account, itemsize(r.dtype), Device{}, "read");
  if (r.dtype == DType::f32) *static_cast<float*>(made->data) = static_cast<float>(s.real);
  else if (r.dtype == DType::f64) *static_cast<double*>(made->data) = s.real;
  else if (r.dtype == DType::boolean) *static_cast<uint8_t*>(made->data) = s.integer != 0;
  else
    std::memcpy(made->data, &s.integer,
                static_cast<size_t>(itemsize(r.dtype)));  // little-endian: the low bytes
  Storage* there = nullptr;
  if (std::atomic_ref(r.storage).compare_exchange_strong(there, made, std::memory_order_acq_rel))
    return made;
  release(made);
  return there;
}
}  // namespace

const void* detail::host_data(const Tensor& t, DType expected) {
  require_usable(t, "read");
  if (t.dtype() != expected)
    throw DTypeError({.op = "read",
                      .argument = "tensor",
                      .given = name(t.dtype()),
                      .expected = name(expected),
                      .remedy = str("Convert it with cast(t, ", expected, ").")});
  Node* n = t.node();
  if (n->op == kOpScalar) {
    const Storage* s = storage_of(n->out(0));
    return (s ? s : scalar_bytes(n))->data;
  }
  Result& r = n->out(t.index());
  Recorder& rec = Recorder::current();
  rec.require_readable(n, t.index());
  if (n->pending()) rec.flush();
  if (n->is(kFailed)) require_usable(t, "read");
  if (!r.storage)
    throw InternalError({.op = "read",
                         .argument = "tensor",
                         .given = "executed",
                         .expected = "storage of its value"});
  return r.storage->data;
}

Tensor alias(const Tensor& t, uint8_t flags) {
  Node* v = t.node();
  Recorder& rec = Recorder::current();
  const bool pending = v->pending();
  Node* n = new_node(pending ? kOpAlias : kOpLeaf, pending ? 1 : 0, 1);
  n->out(0).shape = t.shape();
  n->out(0).dtype = t.dtype();
  n->device = v->device;
  n->flags = flags;
  Tensor result = handle(n, 0);
  if (pending) {
    n->in()[0] = {v, t.index()};
    retain_node(v);
    rec.append(n);
    rec.settle();
  } else {
    n->out(0).storage = v->out(t.index()).storage;
    if (n->out(0).storage) retain(n->out(0).storage);
    n->flags |= kExecuted;
    n->seq = rec.next_seq();
    release_node(n);
  }
  return result;
}

Tensor Tensor::detach() const {
  require_usable(*this, "detach");
  return requires_grad() ? alias(*this, 0) : *this;
}

Tensor& Tensor::requires_grad_() {
  require_usable(*this, "requires_grad_");
  if (const Cell* c = cell_of(node_); is_leaf(node_) && (!c || c->of_tensor)) return *this;
  if (!is_float(dtype()))
    throw DTypeError({.op = "requires_grad_",
                      .argument = "tensor",
                      .given = name(dtype()),
                      .expected = "a float dtype"});
  if (node_->op == kOpScalar)
    *this =
        tensor_from_bytes(detail::host_data(*this, dtype()), itemsize(dtype()), Shape{}, dtype());
  return *this = alias(detach(), kRequiresGrad);
}

void throw_without_gradient(std::string argument) {
  throw StateError({.op = "grad",
                    .argument = std::move(argument),
                    .given = "no requires_grad",
                    .expected = "a tensor that requires grad",
                    .module = module_path(),
                    .remedy = "Call requires_grad_() on it before it is used."});
}

Tensor Tensor::grad() const {
  require_usable(*this, "grad");
  if (Cell* c = cell_of(node_)) return c->grad;
  if (!requires_grad()) throw_without_gradient("tensor");
  if (!is_leaf(node_))
    throw StateError({.op = "grad",
                      .argument = "tensor",
                      .given = "computed from others",
                      .expected = "a leaf, as only leaves keep a gradient",
                      .remedy = "Use grad({output}, {tensor}) before backward()."});
  return {};
}

void Tensor::zero_grad() {
  require_usable(*this, "zero_grad");
  if (Cell* c = cell_of(node_)) set_gradient(c, {});
}

detail::Number detail::number_at(const void* data, DType dtype, size_t i) {
  auto integer = [](int64_t v) { return Number{false, static_cast<double>(v), v}; };
  auto real = [](double v) { return Number{true, v, 0}; };
  switch (dtype) {
    case DType::f64: return real(static_cast<const double*>(data)[i]);
    case DType::f32: return real(static_cast<double>(static_cast<const float*>(data)[i]));
    case DType::f16:
      return real(static_cast<double>(static_cast<float>(static_cast<const float16*>(data)[i])));
    case DType::bf16:
      return real(static_cast<double>(static_cast<float>(static_cast<const bfloat16*>(data)[i])));
    case DType::i64: return integer(static_cast<const int64_t*>(data)[i]);
    case DType::i32: return integer(static_cast<const int32_t*>(data)[i]);
    case DType::i16: return integer(static_cast<const int16_t*>(data)[i]);
    case DType::i8: return integer(static_cast<const int8_t*>(data)[i]);
    case DType::u64: {
      const uint64_t v = static_cast<const uint64_t*>(data)[i];
      if (v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        throw DTypeError({.op = "read",
                          .argument = "tensor",
                          .given = str(v, " at position ", i),
                          .expected = str("at most ", std::numeric_limits<int64_t>::max(),
                                          ", the largest i64")});
      return integer(static_cast<int64_t>(v));
    }
    case DType::u32: return integer(static_cast<const uint32_t*>(data)[i]);
    case DType::u16: return integer(static_cast<const uint16_t*>(data)[i]);
    case DType::u8:
    case DType::boolean: return integer(static_cast<const uint8_t*>(data)[i]);
    default:
      throw DTypeError({.op = "read",
                        .argument = "tensor",
                        .given = name(dtype),
                        .expected = "a dtype of 8 bits or more whose numbers are real"});
  }
}

void detail::throw_not_held(const Number& n) {
  throw DTypeError({.op = "read",
                    .argument = "tensor",
                    .given = n.is_float ? str(n.real) : str(n.integer),
                    .expected = "a number that the C++ type holds",
                    .remedy = "Read a wider type."});
}

void require_one_element(const Tensor& t) {
  if (t.numel() != 1)
    throw ShapeError({.op = "item",
                      .argument = "tensor",
                      .given = to_string(t.shape()),
                      .expected = "one element",
                      .remedy = "Read all elements with to_vector()."});
}

void flush() { Recorder::current().flush(); }
void drop_pending() { Recorder::current().drop("drop_pending() was called"); }

}  // namespace suanli
