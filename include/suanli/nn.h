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
  /// then nothing is changed.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);
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

/// y = x Wᵀ + b. x [.., in], weight [out, in], bias [out]. Initialized as in PyTorch: uniform in
/// ±1/√in.
class SUANLI_API Linear : public Module {
 public:
  struct Options {
    bool bias = true;
  };
  Linear(int64_t in, int64_t out, Options options);
  Linear(int64_t in, int64_t out) : Linear(in, out, Options{}) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Linear"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)
};

/// See conv2d(). weight [out, in/groups, kernel, kernel] is uniform in ±1/√(in/groups·kernel²).
class SUANLI_API Conv2d : public Module {
 public:
  struct Options {
    int stride = 1, padding = 0, dilation = 1, groups = 1;
    bool bias = true;
  };
  Conv2d(int64_t in, int64_t out, int kernel, Options options);
  Conv2d(int64_t in, int64_t out, int kernel) : Conv2d(in, out, kernel, Options{}) {}
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "Conv2d"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  ConvOptions conv_;
};

/// The base of BatchNorm1d and BatchNorm2d: batch_norm() over the channels, as in PyTorch. Training
/// mode uses the statistics of the batch and updates the running ones: running ← (1 − momentum) ·
/// running + momentum · batch. The variance is unbiased there, with n/(n−1). Eval mode uses the
/// running statistics.
class SUANLI_API BatchNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5, momentum = 0.1;
  };
  Tensor forward(const Tensor& x) const;
  Parameter weight, bias;
  Buffer running_mean, running_var, num_batches_tracked;
  SUANLI_FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)

 protected:
  /// Inputs have `least` to `most` axes.
  BatchNorm(const char* name, int64_t channels, Options options, int least, int most);

 private:
  Options options_;
  const char* name_;
  int least_, most_;
};
/// For x [N, C] or [N, C, L].
class SUANLI_API BatchNorm1d : public BatchNorm {
 public:
  BatchNorm1d(int64_t channels, Options options)
      : BatchNorm("BatchNorm1d", channels, options, 2, 3) {}
  explicit BatchNorm1d(int64_t channels) : BatchNorm1d(channels, Options{}) {}
  const char* type_name() const override { return "BatchNorm1d"; }
};
/// For x [N, C, H, W].
class SUANLI_API BatchNorm2d : public BatchNorm {
 public:
  BatchNorm2d(int64_t channels, Options options)
      : BatchNorm("BatchNorm2d", channels, options, 4, 4) {}
  explicit BatchNorm2d(int64_t channels) : BatchNorm2d(channels, Options{}) {}
  const char* type_name() const override { return "BatchNorm2d"; }
};

/// See embedding(). weight [num_embeddings, embedding_dim] is N(0, 1).
class SUANLI_API Embedding : public Module {
 public:
  Embedding(int64_t num_embeddings, int64_t embedding_dim);
  Tensor forward(const Tensor& index) const { return embedding(weight, index); }
  const char* type_name() const override { return "Embedding"; }
  Parameter weight;
  SUANLI_FIELDS(weight)
};

/// See layer_norm(). weight and bias have shape `normalized_shape`, the sizes of the last axes.
/// They begin as ones and zeros.
class SUANLI_API LayerNorm : public Module {
 public:
  struct Options {
    double eps = 1e-5;
    bool bias = true;
  };
  LayerNorm(const Shape& normalized_shape, Options options);
  explicit LayerNorm(const Shape& normalized_shape) : LayerNorm(normalized_shape, Options{}) {}
  explicit LayerNorm(int64_t size) : LayerNorm(Shape{size}) {}
  Tensor forward(const Tensor& x) const {
    return layer_norm(x, weight, bias.defined() ? Tensor(bias) : Tensor(), eps_);
  }
  const char* type_name() const override { return "LayerNorm"; }
  Parameter weight, bias;
  SUANLI_FIELDS(weight, bias)

 private:
  double eps_;
};

/// Self-attention with `num_heads` heads (Vaswani et al. 2017): x [B, T, embed_dim] → the same
/// shape. State names are those of PyTorch's nn.MultiheadAttention with batch_first: in_proj_weight
/// [3·embed_dim, embed_dim] (queries, keys, values in this order), in_proj_bias, out_proj.
class SUANLI_API MultiheadAttention : public Module {
 public:
  MultiheadAttention(int64_t embed_dim, int64_t num_heads);
  Tensor forward(const Tensor& x) const;
  const char* type_name() const override { return "MultiheadAttention"; }
  Parameter in_proj_weight, in_proj_bias;
  Linear out_proj;
  SUANLI_FIELDS(in_proj_weight, in_proj_bias, out_proj)

 private:
  int64_t heads_;
};

class SUANLI_API MaxPool2d : public Module {
 public:
  explicit MaxPool2d(int kernel, int stride = 0, int padding = 0)
      : options_{kernel, stride, padding} {}
  Tensor forward(const Tensor& x) const { return max_pool2d(x, options_); }
  const char* type_name() const override { return "MaxPool2d"; }
  SUANLI_CALL

 private:
  MaxPoolOptions options_;
};

/// See adaptive_avg_pool2d().
class SUANLI_API AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(int height, int width) : height_(height), width_(width) {}
  Tensor forward(const Tensor& x) const { return adaptive_avg_pool2d(x, {height_, width_}); }
  const char* type_name() const override { return "AdaptiveAvgPool2d"; }
  SUANLI_CALL

 private:
  int height_, width_;
};

// Activations: a pointwise op as a module, under PyTorch's name.
#define SUANLI_ACTIVATION(Name, function)                         \
  class SUANLI_API Name : public Module {                         \
   public:                                                        \
    Tensor forward(const Tensor& x) const { return function(x); } \
    const char* type_name() const override { return #Name; }      \
    SUANLI_CALL                                                   \
  };
SUANLI_ACTIVATION(ReLU, relu)
SUANLI_ACTIVATION(ReLU6, relu6)
SUANLI_ACTIVATION(GELU, gelu)
SUANLI_ACTIVATION(SiLU, silu)
SUANLI_ACTIVATION(Hardsigmoid, hardsigmoid)
SUANLI_ACTIVATION(Hardswish, hardswish)
#undef SUANLI_ACTIVATION

/// stochastic_depth() in training mode, the input itself in eval mode.
class SUANLI_API StochasticDepth : public Module {
 public:
  explicit StochasticDepth(double p) : p_(p) {}
  Tensor forward(const Tensor& x) const { return stochastic_depth(x, p_, training()); }
  const char* type_name() const override { return "StochasticDepth"; }
  SUANLI_CALL

 private:
  double p_;
};

/// dropout() in training mode, the input itself in eval mode.
class SUANLI_API Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5) : p_(p) {}
  Tensor forward(const Tensor& x) const { return dropout(x, p_, training()); }
  const char* type_name() const override { return "Dropout"; }
  SUANLI_CALL

 private:
  double p_;
};

/// Merges all axes from `first` on into one. By default the batch axis remains.
class SUANLI_API Flatten : public Module {
 public:
  explicit Flatten(int first = 1) : first_(first) {}
  Tensor forward(const Tensor& x) const { return flatten(x, first_); }
  const char* type_name() const override { return "Flatten"; }
  SUANLI_CALL

 private:
  int first_;
};

/// Holds any module that maps one tensor to one tensor, behind one interface. Sequential, the model
/// zoo and Trainer use it. A default-constructed or moved-from one is empty.
class SUANLI_API AnyModule : public Module {
 public:
  AnyModule() = default;
  template <class M> requires(std::is_base_of_v<Module, std::decay_t<M>> &&
                              !std::is_same_v<std::decay_t<M>, AnyModule>)
  AnyModule(M&& module) : held_(std::make_unique<Held<std::decay_t<M>>>(std::forward<M>(module))) {}
  explicit operator bool() const { return held_ != nullptr; }  ///< False if it is empty.
  /// Throws StateError if it is empty, as get() does.
  Tensor operator()(const Tensor& x) const { return held().call(x); }
  Module& get() { return held().module(); }
  const Module& get() const { return held().module(); }
  using Module::self;
  const Module& self() const override {
    if (held_) return held_->module();
    return *this;
  }
  using Module::fields;
  void fields(FieldVisitor& v) override {
    if (held_) held_->module().fields(v);
  }
  const char* type_name() const override { return held_ ? held_->type_name() : "AnyModule"; }

 private:
  struct Holder {
    virtual ~Holder() = default;
    virtual Tensor call(const Tensor& x) const = 0;
    virtual Module& module() = 0;
    virtual const char* type_name() const = 0;
  };
  template <class M> struct Held : Holder {
    explicit Held(M&& m) : m(std::move(m)) {}
    Tensor call(const Tensor& x) const override { return m(x); }
    Module& module() override { return m; }
    const char* type_name() const override { return m.type_name(); }
    M m;
  };
  Holder& held() const;
  std::unique_ptr<Holder> held_;
};

/// Calls modules in sequence. Fields are named 0, 1, 2, ….
class SUANLI_API Sequential : public Module {
 public:
  Sequential() = default;
  template <class... M>
  requires(sizeof...(M) > 0 && (std::is_base_of_v<Module, std::decay_t<M>> && ...))
  explicit Sequential(M&&... modules) {
    (add(std::forward<M>(modules)), ...);
  }
  Sequential& add(AnyModule module);  ///< Throws StateError if it is empty.
  size_t size() const { return modules_.size(); }
  AnyModule& operator[](size_t i) { return modules_[i]; }
  const AnyModule& operator[](size_t i) const { return modules_[i]; }
  Tensor forward(const Tensor& x) const;
  using Module::fields;
  void fields(FieldVisitor& v) override;
  const char* type_name() const override { return "Sequential"; }
  SUANLI_CALL

 private:
  std::vector<AnyModule> modules_;
};

/// Ties b to the cell of a (weight tying). Call it before the optimizer is built. Shapes must
/// agree.
SUANLI_API void tie(const Parameter& a, Parameter& b);

}  // namespace suanli::nn
