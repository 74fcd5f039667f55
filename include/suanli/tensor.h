// SPDX-License-Identifier: Apache-2.0
// Tensor, Parameter and Generator: the handles that user code holds.
#pragma once
#include <atomic>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "suanli/runtime.h"

namespace suanli {

struct Node;     // src/tensor/node.h
struct Cell;     // src/tensor/cell.h
class Parameter;

namespace detail {
SUANLI_API void retain(Node* node, int index);
SUANLI_API void release(Node* node, int index);
SUANLI_API void retain(Cell* cell);
SUANLI_API void release(Cell* cell);
}  // namespace detail

/// A counted handle to one result of a recorded op. Copying copies the handle. The value behind it
/// never changes (`x += y` rebinds x). Nothing is computed until a value is read or the program
/// ends (see flush()).
///
/// A tensor with a pending value belongs to the thread that recorded it. Using it on another thread
/// throws StateError.
class SUANLI_API Tensor {
 public:
  Tensor() = default;
  /// A 0-d scalar slot. It takes the dtype of the tensor that it is combined with (alone: f32 or
  /// i64). A program with another number in its place is the same program.
  template <class S> requires(std::is_arithmetic_v<S> || detail::is_half<S>)
  Tensor(S value) {
    constexpr bool is_float = std::is_floating_point_v<S> || detail::is_half<S>;
    init_scalar(static_cast<double>(value), static_cast<int64_t>(value),
                is_float                  ? DType::f32
                : std::is_same_v<S, bool> ? DType::boolean
                                          : DType::i64,
                !std::is_same_v<S, bool>);
  }
  /// The parameter's current value, differentiable.
  Tensor(const Parameter& parameter);
  Tensor(const Tensor& o) : node_(o.node_), index_(o.index_) {
    if (node_) detail::retain(node_, index_);
  }
  Tensor(Tensor&& o) noexcept : node_(o.node_), index_(o.index_) { o.node_ = nullptr; }
  Tensor& operator=(const Tensor& o) {
    Tensor copy(o);
    swap(copy);
    return *this;
  }
  Tensor& operator=(Tensor&& o) noexcept {
    swap(o);
    return *this;
  }
  ~Tensor() {
    if (node_) detail::release(node_, index_);
  }
  void swap(Tensor& o) noexcept {
    std::swap(node_, o.node_);
    std::swap(index_, o.index_);
  }

  bool defined() const { return node_ != nullptr; }
  // a tensor is not a condition; read it with item<bool>()
  explicit operator bool() const = delete;

  const Shape& shape() const;
  int64_t size(int axis) const { return shape().at(axis); }
  int rank() const { return shape().rank(); }
  int64_t numel() const { return shape().numel(); }
  DType dtype() const;
  Device device() const;
  bool requires_grad() const;

  /// Adds d(this)/d(leaf) to the gradient of every leaf that this value depends on (parameters, and
  /// tensors after requires_grad_()), and consumes the graph. `this` must have one element. See
  /// autograd.h.
  void backward() const;
  /// The same value, detached from the graph.
  Tensor detach() const;
  /// Rebinds this handle to the same value as a leaf. backward() adds up its gradient in grad(),
  /// and grad(outputs, inputs) returns it. A leaf remains the same leaf. Float dtypes.
  Tensor& requires_grad_();
  /// The gradient that backward() stored in this leaf, or in the parameter that it reads. Undefined
  /// if no gradient reached it yet. Throws StateError for a tensor that is not a leaf: use
  /// grad(outputs, inputs) for gradients of computed values.
  Tensor grad() const;
  /// Drops the gradient of this leaf.
  void zero_grad();

  /// Reads the value: flushes this thread's pending work, and waits for this value only. item() and
  /// to_vector() convert to T, float to integer toward zero, as LibTorch does. They throw
  /// DTypeError if T cannot hold the number. data() needs the tensor's own dtype.
  template <class T> T item() const;  ///< One element.
  template <class T> std::vector<T> to_vector() const;  ///< All elements, row-major.
  /// A view of the bytes, valid while this handle exists. CPU only.
  template <class T> std::span<const T> data() const;
  float item() const { return item<float>(); }
  /// True if the value is in memory (a flush has computed it).
  bool materialized() const;

  Node* node() const { return node_; }
  int index() const { return index_; }
  /// Takes over one reference that the caller already counted (internal).
  static Tensor adopt(Node* node, int index) {
    Tensor t;
    t.node_ = node;
    t.index_ = index;
    return t;
  }

 private:
  void init_scalar(double real, int64_t integer, DType dtype, bool weak);
  Node* node_ = nullptr;
  int index_ = 0;
};

/// Copies host memory. Throws ShapeError if the counts differ.
template <class T> Tensor tensor(const std::vector<T>& values, const Shape& shape);
template <class T> Tensor tensor(std::initializer_list<T> values) {
  return tensor<T>(std::vector<T>(values), Shape{static_cast<int64_t>(values.size())});
}
/// Copies raw bytes in row-major order. nbytes must be shape.numel() * itemsize(dtype).
SUANLI_API Tensor tensor_from_bytes(const void* data, int64_t nbytes, const Shape& shape,
                                    DType dtype);
/// Uninitialized host memory that `fill(void*)` writes before the tensor is first used. It saves a
/// copy.
template <class F> Tensor tensor_filled_by(const Shape& shape, DType dtype, F&& fill);

namespace detail {
SUANLI_API Tensor allocate_host(const Shape& shape, DType dtype, void** data);
SUANLI_API const void* host_data(const Tensor& t, DType expected);

/// One number of a tensor of any dtype.
struct Number {
  bool is_float;
  double real;
  int64_t integer;
};
SUANLI_API Number number_at(const void* data, DType dtype, size_t i);
[[noreturn]] SUANLI_API void throw_not_held(const Number& n);

template <class T> constexpr bool holds(double v) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    const bool infinite = v - v != 0;  // or NaN
    return infinite ||
           (v >= static_cast<double>(Limits::lowest()) && v <= static_cast<double>(Limits::max()));
  } else {
    const double end = static_cast<double>(Limits::max() / 2 + 1) * 2;  // max() + 1, exactly
    return v < end && (v > -1 || (std::is_signed_v<T> && (v >= -end || v > -end - 1)));
  }
}
/// Negative numbers wrap in unsigned types, as in LibTorch.
template <class T> constexpr bool holds(int64_t v) {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T> || sizeof(T) >= 8) return true;
  else if constexpr (std::is_signed_v<T>) return v >= Limits::lowest() && v <= Limits::max();
  else return v <= static_cast<int64_t>(Limits::max()) && v >= -static_cast<int64_t>(Limits::max());
}
template <class T> T converted(const Number& n) {
  static_assert(std::is_arithmetic_v<T> || is_half<T>, "item<T>() and to_vector<T>() read numbers");
  if constexpr (is_half<T>) {
    return n.is_float ? T(n.real) : T(n.integer);
  } else if constexpr (std::is_same_v<T, bool>) {
    return n.is_float ? n.real != 0 : n.integer != 0;
  } else {
    if (!(n.is_float ? holds<T>(n.real) : holds<T>(n.integer))) throw_not_held(n);
    return n.is_float ? static_cast<T>(n.real) : static_cast<T>(n.integer);
  }
}
template <class T>
concept HasDType = requires { DTypeOf<T>::value; };
}  // namespace detail

template <class F> Tensor tensor_filled_by(const Shape& shape, DType dtype, F&& fill) {
  void* data = nullptr;
  Tensor t = detail::allocate_host(shape, dtype, &data);
  fill(data);
  return t;
}

/// A cell whose value changes: weights, optimizer state, running statistics. Copying the handle
/// shares the cell. It is the only mutable thing in a program, and the only holder of a gradient.
/// Every write rebinds; the last one counts. A write becomes visible to other threads and to
/// checkpoints when the flush that computes it succeeds. If the flush fails, it never does.
class SUANLI_API Parameter {
 public:
  Parameter() = default;
  explicit Parameter(const Tensor& initial, bool requires_grad = true);
  Parameter(const Parameter& o) : cell_(o.cell_) {
    if (cell_) detail::retain(cell_);
  }
  Parameter(Parameter&& o) noexcept : cell_(o.cell_) { o.cell_ = nullptr; }
  Parameter& operator=(Parameter o) noexcept {
    std::swap(cell_, o.cell_);
    return *this;
  }
  ~Parameter() {
    if (cell_) detail::release(cell_);
  }

  bool defined() const { return cell_ != nullptr; }
  Tensor value() const { return Tensor(*this); }
  /// The value must have the same shape and dtype as before; otherwise throws ShapeError or
  /// DTypeError.
  void set(const Tensor& value) const;
  /// Undefined if no backward() reached it since the last step.
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;  ///< An undefined tensor drops the gradient.
  bool requires_grad() const;
  /// false freezes the parameter: no gradient is computed for it, and optimizers skip it.
  void set_requires_grad(bool on) const;
  const Shape& shape() const;
  DType dtype() const;
  int64_t numel() const { return shape().numel(); }
  /// The number of committed writes.
  uint64_t version() const;
  Cell* cell() const { return cell_; }

 private:
  Cell* cell_ = nullptr;
};

/// A stream of Philox-4x32-10 random bits: (seed, counter). A draw advances the counter by a
/// function of its shape when it is recorded, even if its result is never used. If a program is
/// dropped (exception, out of memory), its draws are taken back.
class SUANLI_API Generator {
 public:
  explicit Generator(uint64_t seed);
  uint64_t seed() const;
  uint64_t counter() const;  ///< The value that the recording thread sees.
  void set_state(uint64_t seed, uint64_t counter);
  Cell* cell() const { return cell_.cell(); }

 private:
  Parameter cell_;
};
/// This thread's default generator. manual_seed() seeds it. Threads other than the first derive
/// theirs from (seed, stream).
SUANLI_API Generator& default_generator();
SUANLI_API void manual_seed(uint64_t seed, uint64_t stream = 0);

/// Computes all pending work of this thread. Ordinary programs need not call it: reading a value,
/// an optimizer step and a data loader's next() call it.
SUANLI_API void flush();
/// Drops all pending work of this thread, including pending parameter values. Handles into it throw
/// when they are used.
SUANLI_API void drop_pending();

/// Prints like NumPy: shape, dtype and the (abbreviated) elements. Reads the value.
SUANLI_API std::string to_string(const Tensor& t);
SUANLI_API std::ostream& operator<<(std::ostream& out, const Tensor& t);

template <class T> Tensor tensor(const std::vector<T>& values, const Shape& shape) {
  if constexpr (std::is_same_v<T, bool>) {
    std::vector<uint8_t> bytes(values.begin(), values.end());
    return tensor_from_bytes(bytes.data(), static_cast<int64_t>(bytes.size()), shape,
                             DType::boolean);
  } else {
    return tensor_from_bytes(values.data(), static_cast<int64_t>(values.size() * sizeof(T)), shape,
                             dtype_of<T>);
  }
}
template <class T> std::span<const T> Tensor::data() const {
  return {static_cast<const T*>(detail::host_data(*this, dtype_of<T>)),
          static_cast<size_t>(numel())};
}
template <class T> std::vector<T> Tensor::to_vector() const {
  if constexpr (detail::HasDType<T>) {
    if (dtype() == dtype_of<T>) {
      auto view = data<T>();
      return std::vector<T>(view.begin(), view.end());
    }
  }
  const void* from = detail::host_data(*this, dtype());
  std::vector<T> out(static_cast<size_t>(numel()));
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = detail::converted<T>(detail::number_at(from, dtype(), i));
  return out;
}
SUANLI_API void require_one_element(const Tensor& t);
template <class T> T Tensor::item() const {
  require_one_element(*this);
  return detail::converted<T>(detail::number_at(detail::host_data(*this, dtype()), dtype(), 0));
}

}  // namespace suanli
