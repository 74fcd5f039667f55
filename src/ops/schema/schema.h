// SPDX-License-Identifier: Apache-2.0
// OpSchema: the part of an op that is about shapes and dtypes, without tensors. Backends, the
// planner and tools need no more of an op. The file of its family also has its gradient and the
// function that records it (ops/op.h).
#pragma once
#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ops/schema/attributes.h"
#include "ops/schema/dtypes.h"
#include "runtime/attributes.h"
#include "runtime/step.h"

namespace suanli {

struct OpSchema;
struct OpRules;

/// Properties of ops that the planner and backends ask for, as bits.
enum class Trait : uint16_t {
  none = 0,
  pointwise = 1,  ///< A row of pointwise.def, or a row's gradient: has PointwiseAttr.
  reduction = 2,  ///< Combines elements along axes.
  contraction = 4,  ///< Sums products: matrix products, convolutions.
  move = 8,  ///< Copies elements without computing.
  view = 16,  ///< The result is the first input's bytes under another shape.
  random = 32,  ///< Draws; never merged with an equal record.
  composite = 64,  ///< Always recorded as its decomposition; has no kernel.
  host_sync = 128,  ///< The host reads a value before the result's shape is known.
  collective = 256,  ///< Talks to other processes.
  threads_change_bits = 512,  ///< Results depend on the number of compute threads.
  internal = 1024             ///< Recorded by other ops alone, which check its attributes.
};
SUANLI_API const char* name(Trait trait);  ///< The name of one trait: "pointwise".
constexpr Trait operator|(Trait a, Trait b) {
  return static_cast<Trait>(static_cast<uint16_t>(a) | static_cast<uint16_t>(b));
}

/// An input or a result of a call: where its shape and dtype are.
struct ShapeRef {
  const Shape* shape;
  DType dtype;
  bool weak;  // a scalar slot that takes the dtype of the tensors it meets
};
struct ResultRef {
  Shape* shape;
  DType* dtype;
};

/// Shape and dtype rule of one call: reads inputs and attributes, fills in results, throws where
/// they do not fit. `module` gives the path of the module that makes the call.
class Infer {
 public:
  Infer(const OpSchema& schema, const ShapeRef* inputs, int count, const ResultRef* results,
        Attr& attr, const Shape* wanted, const std::string& (*module)())
      : schema_(schema),
        in_(inputs),
        out_(results),
        attr_(attr),
        wanted_(wanted),
        module_(module),
        inputs_(count) {}
  /// The result's shape where the caller gives it (reshape, expand, full, random draws, …).
  const Shape& requested_shape() const { return *wanted_; }
  int inputs() const { return inputs_; }
  const Shape& shape(int i) const { return *in_[i].shape; }
  DType dtype(int i) const { return in_[i].dtype; }
  /// A scalar slot that takes the dtype of the tensors it meets.
  bool weak(int i) const { return in_[i].weak; }
  template <class T> const T& attr() const { return attr_.as<T>(); }
  /// To complete them. Interned ones are shared: none is changed in place.
  template <class T> requires Attr::kInline<T>
  T& attr() {
    return const_cast<T&>(attr_.as<T>());
  }
  void out(int i, const Shape& shape, DType dtype) {
    // Shapes of up to 4 sizes below 2048 are never too large: nearly all.
    uint64_t any = 0;
    for (int64_t size : shape) any |= static_cast<uint64_t>(size);
    if (shape.rank() > 4 || any >= 2048) require_size(shape, dtype);
    *out_[i].shape = shape;
    *out_[i].dtype = dtype;
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
  /// The name of input i.
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
  /// Throws for the first input whose dtype is none that it may have.
  void require_input_dtypes() const;
  /// Throws for the first result whose dtype is not in OpSchema::dtypes.
  void require_result_dtypes() const;

 private:
  void require_size(const Shape& shape, DType dtype) const;
  [[noreturn]] void refuse(std::string argument, DType dtype, DTypes expected) const;
  Fault fault(std::string argument, std::string given, std::string expected,
              std::string remedy = {}) const;
  const OpSchema& schema_;
  const ShapeRef* in_;
  const ResultRef* out_;
  Attr& attr_;
  const Shape* wanted_;
  const std::string& (*module_)();
  int inputs_;
};

struct Cost {
  int64_t flops = 0, bytes = 0;
};

/// An input of an op, as the public call names it.
struct InputSpec {
  enum Kind : uint8_t { required, optional, variadic, number };
  constexpr InputSpec() = default;
  constexpr InputSpec(const char* n, Kind k = required, DTypes d = 0)
      : name(n), kind(k), dtypes(d) {}
  constexpr InputSpec(const char* n, DTypes d) : name(n), dtypes(d) {}
  constexpr InputSpec(const char* n, double value) : name(n), kind(number), default_value(value) {}
  const char* name = nullptr;
  /// A variadic input is the last one; it stands for any number of tensors, at least one. A number
  /// is an attribute that is recorded as a scalar slot.
  Kind kind = required;
  DTypes dtypes = 0;  // a call with another dtype throws; 0: those of the op
  static constexpr double kNoDefault = std::numeric_limits<double>::quiet_NaN();
  double default_value = kNoDefault;  // of a number
  constexpr bool has_default() const { return default_value == default_value; }
};

/// The dtype of a result, as a rule.
struct DTypeRule {
  enum Kind : uint8_t {
    of_input,  ///< That of one input.
    promoted,  ///< That of several inputs together: see Infer::common_dtype().
    chosen,  ///< That of the attribute `dtype`.
    fixed
  };
  Kind kind = of_input;
  uint8_t input = 0;  // of of_input; of promoted, the first one that counts
  DType dtype{};  // of fixed
  DTypes replaced = 0;  // where the rule would give one of these, it gives `by`
  DType by{};

  constexpr DTypeRule but(DTypes these, DType become) const {
    return {kind, input, dtype, these, become};
  }
};
constexpr DTypeRule dtype_of_input(uint8_t i) { return {DTypeRule::of_input, i}; }
constexpr DTypeRule promoted_dtype(uint8_t first = 0) { return {DTypeRule::promoted, first}; }
constexpr DTypeRule chosen_dtype() { return {DTypeRule::chosen}; }
constexpr DTypeRule always(DType d) { return {DTypeRule::fixed, 0, d}; }
/// "that of input", "promoted, but f32 for an integer or bool".
SUANLI_API std::string in_words(const DTypeRule& rule, const OpSchema& schema);

struct ResultSpec {
  const char* name = nullptr;
  DTypeRule dtype = {};
};

struct OpSchema {
  static constexpr int kMaxNamed = 8;
  const char* name;
  const char* doc;  // one line: formula, shapes, dtypes, source
  InputSpec inputs[kMaxNamed] = {};
  ResultSpec results[kMaxResults] = {{"output"}};
  const AttributeType* attributes = nullptr;  // null: none
  const char* required = "";  // attributes that a call must give: "dim, length"
  Attr defaults = {};  // of the others; all zero: those of the struct
  bool takes_shape = false;  // the caller chooses the result's shape
  Trait traits = Trait::none;
  DTypes dtypes = kComputedDTypes;  // of inputs and results; a call with another dtype throws
  void (*infer)(Infer&) = nullptr;
  // null: one FLOP per element, every byte once
  Cost (*cost)(const Step&) = nullptr;
  // inputs that kernels take as scalar slots, as bits; elsewhere a scalar becomes a tensor first
  uint8_t slots = 0;
  // results, as bits, that kernels leave out (out[k] is null) where nobody reads them
  uint8_t optional = 0;
  // this input's bytes may become the first result: kernels then find both at one address; -1: none
  int8_t in_place = -1;

  SUANLI_API int n_results() const;
  /// The dtypes that input i may have.
  SUANLI_API DTypes input_dtypes(int i) const;
  /// True if a call must give this attribute.
  SUANLI_API bool requires_attribute(std::string_view attribute) const;
  /// The attributes of a call that gives none. Those that it must give are arbitrary.
  SUANLI_API Attr default_attributes() const;
  /// The name of input i, or "input i".
  SUANLI_API std::string input(int i) const;
  /// Throws ArgumentError unless a call may have `count` inputs.
  SUANLI_API void require_inputs(int count) const;
  /// Throws ArgumentError for axes that an input of this rank lacks. Functions check them as they
  /// record a call; calls from tools have only this.
  SUANLI_API void require_attributes(const Attr& attr, int rank) const;
  bool has(Trait trait) const {
    return (static_cast<uint16_t>(traits) & static_cast<uint16_t>(trait)) != 0;
  }
};

/// An op: a schema with an id, for the life of the process. Ops are told apart by these objects, or
/// their ids; names are for people.
class Op {
 public:
  /// Takes the next id.
  explicit Op(const OpSchema& schema);
  /// A step that is built in: see the ids in runtime/step.h.
  Op(const OpSchema& schema, uint16_t id);
  Op(const Op&) = delete;
  uint16_t id() const { return id_; }
  const OpSchema& schema() const { return schema_; }
  const char* name() const { return schema_.name; }
  bool has(Trait trait) const { return schema_.has(trait); }
  int n_results() const { return n_results_; }
  /// OpSchema::input_dtypes(), found once.
  DTypes input_dtypes(int i) const { return input_dtypes_[std::min(i, OpSchema::kMaxNamed - 1)]; }
  /// The rules that the file of its family registers (ops/op.h), or null.
  const OpRules* rules() const { return rules_; }
  void set_rules(const OpRules* rules) const { rules_ = rules; }

 private:
  OpSchema schema_;
  DTypes input_dtypes_[OpSchema::kMaxNamed];
  int n_results_;
  mutable const OpRules* rules_ = nullptr;
  uint16_t id_;
};

/// The op of an id.
SUANLI_API const Op& op_of(uint16_t id);
/// The op that users know by this name, or null.
SUANLI_API const Op* find_op(std::string_view name);
/// The attribute struct of an op, as Step::attr points to it.
SUANLI_API const void* attributes_of(uint16_t op, const Attr& attr);
/// All ops that can be recorded, by id.
SUANLI_API const std::vector<const Op*>& all_ops();

inline Cost element_cost(const Step& s, int64_t flops_per_element) {
  Cost c;
  for (auto& v : s.in) c.bytes += v.shape.numel() * itemsize(v.dtype);
  for (auto& v : s.out) {
    c.bytes += v.shape.numel() * itemsize(v.dtype);
    c.flops += flops_per_element * v.shape.numel();
  }
  return c;
}

}  // namespace suanli
