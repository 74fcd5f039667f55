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

#include "suanli/pointwise_methods.h"
#include "suanli/runtime.h"

namespace suanli {

struct Node;     // src/tensor/node.h
struct Cell;     // src/tensor/cell.h
class Parameter;
class TensorIndex;  // suanli/indexing.h
class IndexedTensor;
struct Extremes;  // suanli/ops.h
struct Sorted;  // suanli/ops/index.h

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
///
/// Methods are the functions of the same names (suanli/ops.h), with this tensor as the first
/// argument. Methods that end in _ rebind this handle to the result, converted to the former dtype.
/// Other handles to the same value do not change.
class SUANLI_API Tensor : public PointwiseMethods {
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
  // A temporary is not assigned to: x.select(0, 1) = y would change nothing.
  Tensor& operator=(const Tensor& o) & {
    Tensor copy(o);
    swap(copy);
    return *this;
  }
  Tensor& operator=(Tensor&& o) & noexcept {
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
  const Shape& sizes() const { return shape(); }
  int rank() const { return shape().rank(); }
  int64_t dim() const { return rank(); }
  int64_t numel() const { return shape().numel(); }
  DType dtype() const;
  Device device() const;
  bool requires_grad() const;
  bool is_floating_point() const { return is_float(dtype()); }

  // ---- indexing -----------------------------------------------------------------------------
  /// x[i], x[i][j], x[Slice(1, 3)], x[mask], x[indices]: index({i}). The result can be read and
  /// assigned: `x[i] = v` and `x[i] += v` rebind x. Reading a mask waits for its value.
  IndexedTensor operator[](const TensorIndex& i) &;
  Tensor operator[](const TensorIndex& i) const&;
  /// x[i, j, …] as in PyTorch: integers, Slice, None, Ellipsis, bool masks, integer tensors.
  Tensor index(std::initializer_list<TensorIndex> indices) const;
  Tensor index(const std::vector<TensorIndex>& indices) const;
  /// x with values written at the indices; index_put_() rebinds. With `accumulate` they are added.
  Tensor index_put(const std::vector<TensorIndex>& indices, const Tensor& values,
                   bool accumulate = false) const;
  Tensor& index_put_(const std::vector<TensorIndex>& indices, const Tensor& values,
                     bool accumulate = false) &;

  // ---- shape --------------------------------------------------------------------------------
  Tensor view(const Shape& shape) const;
  Tensor view_as(const Tensor& other) const;
  Tensor reshape(const Shape& shape) const;
  Tensor reshape_as(const Tensor& other) const;
  Tensor flatten(int start_dim = 0, int end_dim = -1) const;
  Tensor unflatten(int dim, const Shape& sizes) const;
  Tensor ravel() const;
  Tensor permute(const Dims& dims) const;
  Tensor transpose(int dim0, int dim1) const;
  Tensor swapaxes(int dim0, int dim1) const;
  Tensor movedim(const Dims& source, const Dims& destination) const;
  Tensor t() const;
  Tensor T() const;  ///< All dimensions in the opposite order.
  Tensor mT() const;  ///< The last two dimensions swapped.
  Tensor squeeze() const;
  Tensor squeeze(const Dims& dim) const;
  Tensor unsqueeze(int dim) const;
  Tensor expand(const Shape& shape) const;
  Tensor expand_as(const Tensor& other) const;
  Tensor broadcast_to(const Shape& shape) const;
  Tensor repeat(const Shape& repeats) const;
  Tensor tile(const Shape& repeats) const;
  Tensor repeat_interleave(int64_t repeats) const;
  Tensor repeat_interleave(int64_t repeats, int dim) const;
  Tensor flip(const Dims& dims) const;
  Tensor roll(const Dims& shifts, const Dims& dims = {}) const;
  Tensor rot90(int k = 1, const Dims& dims = {0, 1}) const;
  Tensor tril(int64_t diagonal = 0) const;
  Tensor triu(int64_t diagonal = 0) const;
  Tensor diag(int64_t diagonal = 0) const;
  Tensor diagonal(int64_t offset = 0, int dim1 = 0, int dim2 = 1) const;
  Tensor trace() const;
  std::vector<Tensor> split(int64_t split_size, int dim = 0) const;
  std::vector<Tensor> split(const std::vector<int64_t>& sizes, int dim = 0) const;
  std::vector<Tensor> chunk(int64_t chunks, int dim = 0) const;
  std::vector<Tensor> unbind(int dim = 0) const;
  Tensor select(int dim, int64_t index) const;
  Tensor narrow(int dim, const Tensor& start, int64_t length) const;
  Tensor slice(int dim, int64_t start = 0, int64_t end = std::numeric_limits<int64_t>::max(),
               int64_t step = 1) const;
  Tensor contiguous() const { return *this; }  ///< Values always are.
  Tensor clone() const { return *this; }  ///< Values never change.

  // ---- dtype, and tensors like this one ------------------------------------------------------
  Tensor to(DType dtype) const;
  Tensor to(const Tensor& other) const;
  Tensor type_as(const Tensor& other) const;
  Tensor new_zeros(const Shape& shape) const;
  Tensor new_ones(const Shape& shape) const;
  Tensor new_empty(const Shape& shape) const;
  Tensor new_full(const Shape& shape, const Tensor& value) const;

  // ---- reductions ---------------------------------------------------------------------------
  Tensor sum(const Dims& dim = {}, bool keepdim = false) const;
  Tensor mean(const Dims& dim = {}, bool keepdim = false) const;
  Tensor amax(const Dims& dim = {}, bool keepdim = false) const;
  Tensor max() const;
  Tensor max(const Tensor& other) const;
  Extremes max(int dim, bool keepdim = false) const;
  Tensor min() const;
  Tensor min(const Tensor& other) const;
  Extremes min(int dim, bool keepdim = false) const;
  Tensor argmin() const;
  Tensor argmin(int dim, bool keepdim = false) const;
  Tensor logsumexp(const Dims& dim, bool keepdim = false) const;
  Tensor argmax() const;
  Tensor argmax(int dim, bool keepdim = false) const;
  Tensor var(const Dims& dim = {}, bool unbiased = true, bool keepdim = false) const;
  Tensor std(const Dims& dim = {}, bool unbiased = true, bool keepdim = false) const;
  template <class B> requires std::is_same_v<B, bool>
  Tensor var(B unbiased) const {
    return var(Dims(), unbiased);
  }
  template <class B> requires std::is_same_v<B, bool>
  Tensor std(B unbiased) const {
    return this->std(Dims(), unbiased);
  }
  Tensor norm(double p = 2, const Dims& dim = {}, bool keepdim = false) const;
  Tensor count_nonzero(const Dims& dim = {}) const;
  Tensor cumsum(int dim) const;
  Tensor cumprod(int dim) const;
  Tensor softmax(int dim) const;
  Tensor log_softmax(int dim) const;
  bool equal(const Tensor& other) const;
  bool allclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8,
                bool equal_nan = false) const;
  Tensor isclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8,
                 bool equal_nan = false) const;

  // ---- products -----------------------------------------------------------------------------
  Tensor matmul(const Tensor& other) const;
  Tensor mm(const Tensor& other) const;
  Tensor bmm(const Tensor& other) const;
  Tensor mv(const Tensor& vector) const;
  Tensor dot(const Tensor& other) const;
  Tensor outer(const Tensor& other) const;
  Tensor addmm(const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1) const;

  // ---- selection ----------------------------------------------------------------------------
  Tensor where(const Tensor& condition, const Tensor& other) const;
  Tensor gather(int dim, const Tensor& index) const;
  Tensor index_select(int dim, const Tensor& index) const;
  Tensor take_along_dim(const Tensor& index, int dim) const;
  Tensor masked_select(const Tensor& mask) const;
  Tensor masked_fill(const Tensor& mask, const Tensor& value) const;
  Tensor scatter(int dim, const Tensor& index, const Tensor& src) const;
  Tensor scatter_add(int dim, const Tensor& index, const Tensor& src) const;
  Tensor index_add(int dim, const Tensor& index, const Tensor& source, double alpha = 1) const;
  Tensor index_copy(int dim, const Tensor& index, const Tensor& source) const;
  Tensor index_fill(int dim, const Tensor& index, const Tensor& value) const;
  Tensor nonzero() const;
  Sorted sort(int dim = -1, bool descending = false) const;
  Tensor argsort(int dim = -1, bool descending = false) const;
  Sorted topk(int64_t k, int dim = -1, bool largest = true) const;
  Tensor median() const;
  Sorted median(int dim, bool keepdim = false) const;

  // ---- rebinding (see above) ----------------------------------------------------------------
  Tensor& fill_(const Tensor& value) &;
  Tensor& zero_() &;
  Tensor& copy_(const Tensor& source) &;
  Tensor& masked_fill_(const Tensor& mask, const Tensor& value) &;
  Tensor& scatter_(int dim, const Tensor& index, const Tensor& src) &;
  Tensor& scatter_add_(int dim, const Tensor& index, const Tensor& src) &;
  Tensor& index_add_(int dim, const Tensor& index, const Tensor& source, double alpha = 1) &;
  Tensor& index_copy_(int dim, const Tensor& index, const Tensor& source) &;
  Tensor& index_fill_(int dim, const Tensor& index, const Tensor& value) &;
  Tensor& squeeze_() &;
  Tensor& unsqueeze_(int dim) &;

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
template <class T> Tensor tensor(const std::vector<T>& values) {
  return tensor<T>(values, Shape{static_cast<int64_t>(values.size())});
}
template <class T> Tensor tensor(std::initializer_list<T> values) {
  return tensor<T>(std::vector<T>(values));
}
template <class T, class D> requires std::is_same_v<D, DType>  // not {}, which is a Shape
Tensor tensor(std::initializer_list<T> values, D dtype) {
  return tensor<T>(std::vector<T>(values)).to(dtype);
}
/// [rows, columns]. Throws ShapeError if the rows have different lengths.
template <class T> Tensor tensor(std::initializer_list<std::initializer_list<T>> rows);
template <class T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> blocks);
/// A 0-d tensor of the dtype of T. A number given to an op is a scalar slot instead.
template <class S> requires std::is_arithmetic_v<S>
Tensor tensor(S value) {
  return tensor<S>(std::vector<S>{value}, Shape());
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
namespace detail {
[[noreturn]] SUANLI_API void throw_ragged(int64_t given, int64_t expected);
template <class T, class Lists>
void append(std::vector<T>& values, Shape& shape, const Lists& lists, int depth) {
  const auto n = static_cast<int64_t>(lists.size());
  if (shape.rank() == depth) shape.push_back(n);
  else if (shape[depth] != n) throw_ragged(n, shape[depth]);
  if constexpr (std::is_same_v<Lists, std::initializer_list<T>>)
    values.insert(values.end(), lists.begin(), lists.end());
  else
    for (const auto& list : lists) append(values, shape, list, depth + 1);
}
}  // namespace detail

template <class T> Tensor tensor(std::initializer_list<std::initializer_list<T>> rows) {
  std::vector<T> values;
  Shape shape;
  detail::append(values, shape, rows, 0);
  return tensor<T>(values, shape);
}
template <class T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> blocks) {
  std::vector<T> values;
  Shape shape;
  detail::append(values, shape, blocks, 0);
  return tensor<T>(values, shape);
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

#include "suanli/indexing.h"
