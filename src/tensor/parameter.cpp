// SPDX-License-Identifier: Apache-2.0
// Parameters and generators: handles to cells.
#include "base/text/text.h"
#include "base/threads/fork.h"
#include "base/threads/slab.h"
#include "runtime/session.h"
#include "tensor/recorder.h"

namespace suanli {

void detail::retain(Cell* c) { c->refs.fetch_add(1, std::memory_order_relaxed); }
void detail::release(Cell* c) {
  if (c->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (c->noted.load(std::memory_order_acquire)) forget_unknown(c);
  c->~Cell();
  slab_free(c, sizeof(Cell));
}
Cell* Cell::make(const Shape& shape, DType dtype, bool of_tensor) {
  return new (slab_allocate(sizeof(Cell))) Cell(shape, dtype, of_tensor);
}

namespace {
constexpr size_t kCellMutexes = 64;
constinit std::mutex cell_mutexes[kCellMutexes];
const bool held = [] {
  hold_across_fork(ForkOrder::cells, cell_mutexes, kCellMutexes);
  return true;
}();
}  // namespace
std::mutex& Cell::mutex() const {
  return cell_mutexes[reinterpret_cast<uintptr_t>(this) / 64 % kCellMutexes];
}

void set_gradient(Cell* c, const Tensor& grad) {
  Recorder& rec = Recorder::current();
  const bool at_once = (!grad.defined() || !grad.node()->pending()) && !rec.provisional();
  if (!at_once) rec.touch(c);
  c->grad = grad;
  // holds whatever becomes of the pending program
  if (at_once) {
    c->grad_committed = grad;
    ++c->grad_version;
  }
}

namespace {
/// The value for a cell. A scalar slot has no storage; a cell needs one. A value in memory gets a
/// node of the cell's own, which is marked as such: the caller's node stays what it is.
Tensor in_memory(const Tensor& t) {
  if (t.node()->op != kOpScalar) return t.node()->pending() ? t.detach() : alias(t, 0);
  return tensor_from_bytes(detail::host_data(t, t.dtype()), itemsize(t.dtype()), Shape{},
                           t.dtype());
}
[[noreturn]] void fail_shape(const char* op, const char* argument, const Tensor& given,
                             const Shape& expected) {
  throw ShapeError({.op = op,
                    .argument = argument,
                    .given = to_string(given.shape()),
                    .expected = str(expected, ", the shape of the parameter")});
}
}  // namespace

Parameter::Parameter(const Tensor& initial, bool requires_grad) {
  require_usable(initial, "Parameter", "initial");
  Tensor value = in_memory(initial);
  cell_ = Cell::make(value.shape(), value.dtype());
  cell_->requires_grad = requires_grad && is_float(value.dtype());
  if (value.node()->pending()) {
    Recorder::current().touch(cell_);
    cell_->pending = value;
    Recorder::current().note_first_value();
  } else {
    cell_->committed = value;
    value.node()->flags |= kOfCell;
  }
}

void Parameter::set(const Tensor& value) const {
  require_usable(value, "Parameter.set", "value");
  if (value.shape() != shape()) fail_shape("Parameter.set", "value", value, shape());
  if (value.dtype() != dtype())
    throw DTypeError({.op = "Parameter.set",
                      .argument = "value",
                      .given = name(value.dtype()),
                      .expected = str(dtype(), ", the dtype of the parameter")});
  Recorder& rec = Recorder::current();
  if (cell_->writer && cell_->writer != &rec)
    throw_pending_elsewhere("Parameter.set", "parameter", "a write pending");
  Tensor plain = in_memory(value);
  // a value that lies in memory commits at once
  if (!plain.node()->pending() && !rec.provisional()) {
    cell_->pending = Tensor();
    plain.node()->flags |= kOfCell;
    std::lock_guard lock(cell_->mutex());
    cell_->committed.swap(plain);
    ++cell_->version;
    return;
  }
  rec.touch(cell_);
  cell_->pending = plain;
}

namespace {
Cell& checked(Cell* c) {
  if (!c) throw_undefined("Parameter", "parameter");
  return *c;
}
}  // namespace

const Shape& Parameter::shape() const { return checked(cell_).shape; }
DType Parameter::dtype() const { return checked(cell_).dtype; }
bool Parameter::requires_grad() const { return cell_ && cell_->requires_grad; }
void Parameter::set_requires_grad(bool on) const {
  checked(cell_).requires_grad = on && is_float(dtype());
}
uint64_t Parameter::version() const { return checked(cell_).version; }
Tensor Parameter::grad() const { return checked(cell_).grad; }
void Parameter::set_grad(const Tensor& grad) const {
  checked(cell_);
  if (grad.defined() && grad.shape() != shape())
    fail_shape("Parameter.set_grad", "grad", grad, shape());
  cell_->known = Cell::listed;  // whoever sets gradients knows of it
  set_gradient(cell_, grad);
}

// ---- generators ---------------------------------------------------------------------------------

Generator::Generator(uint64_t seed) {
  uint8_t nothing = 0;
  cell_ = Parameter(tensor_from_bytes(&nothing, 1, Shape{1}, DType::u8), false);
  set_state(seed, 0);
}
uint64_t Generator::seed() const { return cell()->host_pending[0]; }
uint64_t Generator::counter() const { return cell()->host_pending[1]; }
void Generator::set_state(uint64_t seed, uint64_t counter) {
  Cell* c = cell();
  c->host[0] = c->host_pending[0] = seed;
  c->host[1] = c->host_pending[1] = counter;
}

namespace {
// splitmix64 finalizer: neighboring streams share no bits
uint64_t stream_seed(uint64_t seed, uint64_t stream) {
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (stream + 1) * (stream != 0);
  if (stream == 0) return seed;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}
}  // namespace

Generator& default_generator() { return Recorder::current().generator(); }
Generator& Recorder::find_generator() {
  std::erase_if(generators_, [](const auto& g) { return g->session.expired(); });
  for (const auto& g : generators_)
    if (g->id == session_->id) return g->generator;
  generators_.push_back(
      std::make_unique<OfSession>(session_->id, session_->weak_from_this(),
                                  Generator(stream_seed(0, session_->next_stream()))));
  return generators_.back()->generator;
}
void manual_seed(uint64_t seed, uint64_t stream) {
  default_generator().set_state(stream_seed(seed, stream), 0);
}

}  // namespace suanli
