// SPDX-License-Identifier: Apache-2.0
// Modules: plain structs with fields, a constructor, a forward() and one SUANLI_FIELDS line.
//
//   struct Net : nn::Module {
//     nn::Linear fc1{784, 128}, fc2{128, 10};
//     SUANLI_FIELDS(fc1, fc2)
//     Tensor forward(const Tensor& x) const { return fc2(relu(fc1(flatten(x, 1)))); }
//   };
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suanli/autograd.h"
#include "suanli/ops.h"

namespace suanli::nn {

class Module;

/// State that is saved and loaded with a module but not trained.
class Buffer : public Parameter {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor& initial) : Parameter(initial, false) {}
};

/// A visitor of a module's fields. Names are those of the fields, so state names follow PyTorch.
class SUANLI_API FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void parameter(const std::string& name, Parameter& p) = 0;
  /// State that is not trained (running statistics). The default treats it as a parameter.
  virtual void buffer(const std::string& name, Parameter& p) { parameter(name, p); }
  virtual void module(const std::string& name, Module& m) = 0;
};

/// A visitor of the fields of a const module. It may still set cells: constness is shallow.
class SUANLI_API ConstFieldVisitor {
 public:
  virtual ~ConstFieldVisitor() = default;
  virtual void parameter(const std::string& name, const Parameter& p) = 0;
  /// As in FieldVisitor.
  virtual void buffer(const std::string& name, const Parameter& p) { parameter(name, p); }
  virtual void module(const std::string& name, const Module& m) = 0;
};

namespace detail {
inline void visit_field(FieldVisitor& v, const std::string& name, Parameter& p) {
  if (p.defined()) v.parameter(name, p);
}
inline void visit_field(FieldVisitor& v, const std::string& name, Buffer& b) {
  if (b.defined()) v.buffer(name, b);
}
inline void visit_field(FieldVisitor& v, const std::string& name, Module& m) { v.module(name, m); }
template <class T> void visit_field(FieldVisitor& v, const std::string& name, std::optional<T>& f) {
  if (f) visit_field(v, name, *f);
}
template <class T> void visit_field(FieldVisitor& v, const std::string& name,
                                    std::unique_ptr<T>& f) {
  if (f) visit_field(v, name, *f);
}
template <class T> void visit_field(FieldVisitor& v, const std::string& name, std::vector<T>& f) {
  for (size_t i = 0; i < f.size(); ++i) visit_field(v, name + "." + std::to_string(i), f[i]);
}
consteval size_t count_names(std::string_view list) {
  size_t count = 1;
  for (char c : list) count += c == ',';
  return count;
}
/// The names in "weight, bias", split at compile time.
template <size_t N> consteval std::array<std::string_view, N> split_names(std::string_view list) {
  std::array<std::string_view, N> names;
  for (std::string_view& name : names) {
    const size_t end = std::min(list.find(','), list.size());
    name = list.substr(0, end);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}
template <class... F>
void visit_fields(FieldVisitor& v, const std::array<std::string_view, sizeof...(F)>& names,
                  F&... fields) {
  size_t i = 0;
  (visit_field(v, std::string(names[i++]), fields), ...);
}
/// False if only a non-const forward() takes the arguments.
template <class M, class... Args>
concept ForwardIsConst = requires(const M& m, Args&&... args) {
  m.forward(std::forward<Args>(args)...);
} || !requires(M& m, Args&&... args) { m.forward(std::forward<Args>(args)...); };
}  // namespace detail

struct LoadOptions {
  bool strict = true;
};
/// Names that a state lacks, and those that the module lacks.
struct LoadedState {
  std::vector<std::string> missing_keys, unexpected_keys;
};

using NamedParameters = std::vector<std::pair<std::string, Parameter>>;

/// The base of every module. Modules are move-only. To clone a module, construct another one and
/// call load_state_dict().
///
/// forward() is const, and constness is shallow: a const module may be called, counted and saved,
/// and a call in training mode sets cells (running statistics).
///
/// Threads:
/// - In an InferenceMode, any number of threads may call one module at once, also while another
/// thread trains it or calls train() or eval(). A call reads each parameter as a whole: the former
/// value or the new one.
/// - Without an InferenceMode, calls in eval mode may run at once while no thread calls train() or
/// eval().
/// - Calls in training mode may set cells, so one thread at a time makes them.
/// - While to(), tie() or a move changes a module, no other thread may use it.
/// - State of a forward() that is not in cells, such as a KvCache, is an argument, one per caller.
class SUANLI_API Module {
 public:
  Module() = default;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  /// Calls the visitor on each field. SUANLI_FIELDS defines this function.
  virtual void fields(FieldVisitor&) {}
  /// The same for a const module. The other overload only names fields, so threads may call both at
  /// once.
  void fields(ConstFieldVisitor& visitor) const;
  /// The call operator that SUANLI_FIELDS defines hides this one.
  template <class... Args> Tensor operator()(Args&&...) const {
    static_assert(sizeof...(Args) == static_cast<size_t>(-1),
                  "this module has no call operator: add SUANLI_FIELDS(its parameters and modules) "
                  "to it, or SUANLI_CALL if it has none");
    return {};
  }
  /// The name in errors and summaries, such as "Linear". The default is "Module".
  virtual const char* type_name() const { return "Module"; }
  /// This module, or for a holder the module that it holds.
  virtual const Module& self() const { return *this; }
  Module& self() { return const_cast<Module&>(std::as_const(*this).self()); }

  /// All trained parameters in the order of the fields. Tied parameters occur once, under their
  /// first name.
  std::vector<Parameter> parameters() const;
  NamedParameters named_parameters() const;
  /// All parameters and buffers under their full names. Tied ones occur under each of their names.
  NamedParameters state_dict() const;
  /// Copies values into the module. Throws IoError with missing, unexpected and misshapen names;
  /// then nothing is changed. Without `strict`, missing and unexpected names are returned instead;
  /// misshapen ones still throw.
  LoadedState load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state,
                              const LoadOptions& options = {});
  int64_t parameter_count() const;

  void train(bool on = true);  ///< Sets training mode for this module and all below it.
  void eval() { train(false); }
  /// The mode that train() or eval() set. In an InferenceMode of this thread it is false.
  bool training() const;
  /// Freezes (false) or unfreezes (true) every parameter in this module and below.
  void requires_grad_(bool on);
  /// Converts every float parameter and buffer to another float dtype. Tied ones stay tied. Call it
  /// before you make an optimizer or an average of them: those hold the former cells, and throw
  /// when they are used.
  void to(DType dtype);

 private:
  friend class Scope;
  friend struct PathLearner;
  bool training_ = true;
  mutable uint32_t scope_ = 0;  // interned full path; learned when the root is first visited
};

/// Exists while a module's forward() runs. It gives errors and profiles their path, and marks the
/// ends of modules for the recorder.
class SUANLI_API Scope {
 public:
  explicit Scope(const Module& module);
  ~Scope();
  Scope(const Scope&) = delete;

 private:
  uint32_t outer_;
  int exceptions_;
};

/// Defines a module's call operator and the names of its fields: parameters, modules, and
/// optionals, vectors and unique_ptrs of them. The operator is a template, which C++ forbids in
/// structs declared inside a function. So declare modules outside functions.
#define SUANLI_FIELDS(...)                                                                  \
  void fields(::suanli::nn::FieldVisitor& visitor) override {                               \
    static constexpr auto suanli_field_names =                                              \
        ::suanli::nn::detail::split_names<::suanli::nn::detail::count_names(#__VA_ARGS__)>( \
            #__VA_ARGS__);                                                                  \
    ::suanli::nn::detail::visit_fields(visitor, suanli_field_names, __VA_ARGS__);           \
  }                                                                                         \
  using ::suanli::nn::Module::fields;                                                       \
  SUANLI_CALL
/// Defines only the call operator, for modules without fields.
#define SUANLI_CALL                                                                          \
  template <class... Args> auto operator()(Args&&... args) const {                           \
    static_assert(                                                                           \
        ::suanli::nn::detail::ForwardIsConst<std::remove_cvref_t<decltype(*this)>, Args...>, \
        "forward must be const, as in: Tensor forward(const Tensor& x) const");              \
    ::suanli::nn::Scope scope(*this);                                                        \
    return this->forward(std::forward<Args>(args)...);                                       \
  }

/// Ties b to the cell of a (weight tying). Call it before the optimizer is built. Shapes must
/// agree.
SUANLI_API void tie(const Parameter& a, Parameter& b);

}  // namespace suanli::nn
