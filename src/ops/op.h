// SPDX-License-Identifier: Apache-2.0
// OpDef: everything about an op in one place, and record(), through which every op call goes.
#pragma once
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text/text.h"
#include "runtime/step.h"
#include "suanli/ops.h"
#include "tensor/recorder.h"

namespace suanli {

struct OpDef;

/// Shape and dtype rule of one call: reads inputs and attributes, fills in results, throws where
/// they do not fit.
class Infer {
 public:
  Infer(const OpDef& def, Node* node, const Shape* wanted)
      : def_(def), node_(node), wanted_(wanted) {}
  /// The result's shape where the caller gives it (reshape, expand, full, random draws, …).
  const Shape& requested_shape() const { return *wanted_; }
  int inputs() const { return node_->n_in; }
  const Shape& shape(int i) const { return source(i).shape; }
  DType dtype(int i) const { return source(i).dtype; }
  /// A scalar slot that takes the dtype of the tensors it meets.
  bool weak(int i) const { return node_->in()[i].node->is(kWeak); }
  template <class T> const T& attr() const { return node_->attr.as<T>(); }
  template <class T> T& attr() { return const_cast<T&>(node_->attr.as<T>()); }
  void out(int i, const Shape& shape, DType dtype) {
    // Shapes of up to 4 sizes below 2048 are never too large: nearly all.
    uint64_t any = 0;
    for (int64_t size : shape) any |= static_cast<uint64_t>(size);
    if (shape.rank() > 4 || any >= 2048) require_size(shape, dtype);
    node_->out(i).shape = shape;
    node_->out(i).dtype = dtype;
  }
  /// The dtype of all inputs from `first` on together, as PyTorch's result_type(): tensors with
  /// axes decide, then 0-d ones, then weak scalars; a later kind counts only if it is of a higher
  /// category (bool, integer, float).
  DType common_dtype(int first = 0) const;
  void require_float(int i) const;
  /// Throws unless the first `count` inputs (-1: all) have one dtype.
  void require_same_dtype(int count = -1) const;
  /// `axes` names them: "[N, C, H, W]".
  void require_rank(int i, int rank, const char* axes) const;
  /// The name of input i, see OpDef::arguments.
  std::string argument(int i) const;
  /// The names of the first `count` inputs: "x, y".
  std::string arguments(int count) const;
  /// The shapes of the first `count` inputs: "[4, 3] and [4, 2]".
  std::string shapes(int count) const;
  // Errors of this call in the module that makes it. With an input's number, that input's shape or
  // dtype is what was given.
  [[noreturn]] void fail(int i, std::string expected) const;
  [[noreturn]] void fail(std::string argument, std::string given, std::string expected) const;
  [[noreturn]] void fail_dtype(int i, std::string expected, std::string remedy = {}) const;
  [[noreturn]] void fail_dtype(std::string argument, std::string given, std::string expected,
                               std::string remedy = {}) const;
  /// Throws ArgumentError: what was given is a number, not a tensor.
  [[noreturn]] void fail_argument(std::string argument, std::string given,
                                  std::string expected) const;

 private:
  void require_size(const Shape& shape, DType dtype) const;
  Fault fault(std::string argument, std::string given, std::string expected,
              std::string remedy = {}) const;
  const Result& source(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index);
  }
  const OpDef& def_;
  Node* node_;
  const Shape* wanted_;
};

/// One node of a backward walk. Everything recorded through it is part of the program.
class Vjp {
 public:
  Vjp(Node* node, Tensor* grads, Tensor* given, bool create_graph)
      : node_(node), grads_(grads), given_(given), create_graph_(create_graph) {}
  /// Forward values; only those that OpDef::saves names (anything else has no storage by then, and
  /// throws).
  Tensor in(int i) const;
  Tensor result(int i = 0) const;
  /// Gradient of result i; zeros if nothing reached it.
  const Tensor& grad(int i = 0);
  /// True if input i leads to a parameter; gradients of others need not be given.
  bool needs_grad(int i) const { return node_->in()[i].node->requires_grad(); }
  int inputs() const { return node_->n_in; }
  bool create_graph() const { return create_graph_; }
  const Shape& in_shape(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index).shape;
  }
  DType in_dtype(int i) const {
    const Edge& e = node_->in()[i];
    return e.node->out(e.index).dtype;
  }
  template <class T> const T& attr() const { return node_->attr.as<T>(); }
  /// Gradient of input i, in its shape; dtype is converted where a promotion took place.
  void set_grad(int i, Tensor gradient);

 private:
  Node* node_;
  Tensor* grads_;
  Tensor* given_;
  bool create_graph_;
};

/// The values that vjp reads, as bits: input i is 1 << i (up to 7), result i is 256 << i.
using Saves = uint16_t;
constexpr Saves saves_in(int i) { return static_cast<Saves>(1 << i); }
constexpr Saves saves_result(int i = 0) { return static_cast<Saves>(256 << i); }

struct Cost {
  int64_t flops = 0, bytes = 0;
};

/// From where test inputs of an op are drawn.
enum class Domain : uint8_t { real, positive, nonzero, unit, index, boolean, distinct };
struct Input {
  Shape shape;
  DType dtype = DType::f64;
  Domain domain = Domain::real;
  int64_t below = 0; /* index: 0 … below-1 */
};

/// The error of a call that must fail, for the generic tests: its kind, and its parts unless null.
struct Refusal {
  const char* argument = nullptr;
  const char* given = nullptr;
  const char* expected = nullptr;
  ErrorCode code = ErrorCode::shape;
};

/// One call for the generic tests: inputs, attributes, and the error if it must fail. A scalar slot
/// is given by `slots` (appended after the inputs).
struct Sample {
  std::vector<Input> inputs;
  Attr attr = {};
  std::vector<double> slots = {};
  Shape shape = {};  // Infer::requested_shape
  std::optional<Refusal> throws = {};
  // false where the point is not differentiable or the op is piecewise constant
  bool gradient = true;
};

struct OnnxOp {
  const char* name = nullptr;
  int opset = 0;
};

/// A set of dtypes, as bits.
using DTypes = uint32_t;
constexpr DTypes dtypes_of(std::initializer_list<DType> list) {
  DTypes set = 0;
  for (DType d : list) set |= 1u << static_cast<int>(d);
  return set;
}
constexpr bool contains(DTypes set, DType d) { return set >> static_cast<int>(d) & 1; }
/// Dtypes that kernels compute in memory.
inline constexpr DTypes kComputedDTypes =
    dtypes_of({DType::f64, DType::f32, DType::i64, DType::i32, DType::u8, DType::boolean});
/// Dtypes that pointwise kernels convert on loading and storing.
inline constexpr DTypes kPointwiseDTypes = kComputedDTypes | dtypes_of({DType::i16, DType::i8});
/// Dtypes that cast converts.
inline constexpr DTypes kConvertedDTypes = kPointwiseDTypes | dtypes_of({DType::f16, DType::bf16});
/// Enough for ops that move bytes.
inline constexpr DTypes kEveryDType = ~DTypes{0};
/// Strided copies move elements of at most 8 bytes.
inline constexpr DTypes kUpTo8Bytes = kEveryDType & ~dtypes_of({DType::c128});

struct OpDef {
  const char* name;
  const char* doc;  // one line: formula, shapes, dtypes, source
  // names of the inputs for errors, as in the public call; those without one are "input i"
  const char* arguments[6] = {};
  int n_results = 1;
  void (*infer)(Infer&);
  void (*vjp)(Vjp&) = nullptr;  // null: no input has a gradient
  Saves saves = 0;
  // null: one FLOP per element, every byte once
  Cost (*cost)(const Step&) = nullptr;
  // the same value by simpler ops
  Tensor (*decompose)(std::span<const Tensor> inputs, const Attr&) = nullptr;
  // always recorded as its decomposition: no kernel, gradients follow from it
  bool composite = false;
  OnnxOp onnx = {};
  // inputs that kernels take as scalar slots, as bits; elsewhere a scalar becomes a tensor first
  uint8_t slots = 0;
  bool random = false;  // never merged with an equal record
  // results, as bits, that kernels leave out (out[k] is null) where nobody reads them
  uint8_t optional = 0;
  bool alias = false;  // the result is the first input's bytes under another shape
  DTypes dtypes = kComputedDTypes;  // of inputs and results; a call with another dtype throws
  // this input's bytes may become the first result: kernels then find both at one address
  int8_t overwrites = -1;
  std::vector<Sample> (*samples)() = nullptr;  // an op without samples does not register
};

/// Registers a definition for the life of the process and gives it its id.
class Op {
 public:
  explicit Op(const OpDef& def);
  operator const OpDef&() const { return def_; }
  uint16_t id() const { return id_; }
  const OpDef& def() const { return def_; }

 private:
  OpDef def_;
  uint16_t id_;
};

/// Definitions by id; leaf, scalar, alias, fused and reorder are built in.
const OpDef& op_def(uint16_t id);
const OpDef* find_op(std::string_view name);
uint16_t op_id(std::string_view name);  // throws Error
std::vector<const Op*> all_ops();

/// Records a call: infers shapes (throws here), appends a node. Nothing runs.
/// `shape` is what Infer::requested_shape gives, for ops whose result's shape the caller chooses.
Node* record_node(const Op& op, const Tensor* const* inputs, int n, const Attr& attr,
                  const Shape* shape = nullptr);
Tensor record(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr = {},
              const Shape* shape = nullptr);
Tensor record(const Op& op, std::span<const Tensor> inputs, const Attr& attr = {},
              const Shape* shape = nullptr);
/// The shape rule alone: throws what record() would throw.
void check(const Op& op, std::initializer_list<const Tensor*> inputs, const Attr& attr = {},
           const Shape* shape = nullptr);
/// For ops with several results.
std::vector<Tensor> record_all(const Op& op, std::initializer_list<const Tensor*> inputs,
                               const Attr& attr = {});

/// "[0, 2]".
std::string axes_text(const Axes& axes);
/// The axis counted from the front; `argument` names it in the error where x has no such axis.
int checked_axis(const char* op, const Tensor& x, int axis, const char* argument = "axis");

inline Cost element_cost(const Step& s, int64_t flops_per_element) {
  Cost c;
  for (auto& v : s.in) c.bytes += v.shape.numel() * itemsize(v.dtype);
  for (auto& v : s.out) {
    c.bytes += v.shape.numel() * itemsize(v.dtype);
    c.flops += flops_per_element * v.shape.numel();
  }
  return c;
}

// Attributes, shared with the backends' kernels.
struct AxisAttr {
  int32_t axis;
};
struct DTypeAttr {
  DType dtype;
};
struct ReduceAttr {
  uint32_t axes;
  uint32_t keepdims;  // or 0
};  // reduced axes as bits, counted from the front
struct PermAttr {
  int8_t axes[Shape::kMaxRank];
};  // result axis i is input axis axes[i]
struct SliceAttr {
  int64_t length, step, axis;
};  // the start is a scalar input

}  // namespace suanli
